"""Commands: each parses what is its own, calls and prints; `pipeline.cli` puts them together."""
