"""What is observed: telescope, sky and geometry."""
