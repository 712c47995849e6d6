"""Datasets into the files that other software reads: Measurement Sets and UVH5."""
