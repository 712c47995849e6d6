"""What stations answer with: their responses to directions on the sky."""
