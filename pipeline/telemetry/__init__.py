"""What a person sees of a run: progress, timing, the closing report."""
