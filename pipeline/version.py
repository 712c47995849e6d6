"""Which software this is."""

from __future__ import annotations

from importlib import metadata


def software() -> str:
    """Return the name and version of this software, as datasets and images carry it."""
    return f"dawnstream {metadata.version('dawnstream')}"
