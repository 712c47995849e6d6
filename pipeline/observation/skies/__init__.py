"""What the sky is made of: entries that each bring directions and flux densities."""
