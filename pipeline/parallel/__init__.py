"""Where it runs: communicators, the ordered exchange, devices."""
