"""The memory of this machine."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import PlanError


def available_bytes() -> int:
    """Return what Linux thinks can be had without swapping: free memory and what caches give back.

    Raises
    ------
    PlanError
        If Linux does not say.
    """
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise PlanError("/proc/meminfo has no line MemAvailable; Dawnstream needs Linux 3.14 or newer")
