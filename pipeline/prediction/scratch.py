"""Memory of a device that is used again and again."""

from __future__ import annotations

import math
from typing import Any

from pipeline.parallel.host_device import Device

#: Shapes whose arrays are kept: making one anew takes longer than finding it.
_KEPT = 1024


class Scratch:
    """Memory for one array at a time, of any shape: it grows, as allocating for every batch would take too long.

    Parameters
    ----------
    device
        Where it is.
    dtype
        What it holds.
    size
        Numbers that it holds at first.
    """

    def __init__(self, device: Device, dtype: Any, size: int = 0) -> None:
        self._device, self._dtype = device, dtype
        self._memory = device.empty((size,), dtype)
        self._views: dict[tuple[int, ...], Any] = {}

    def shaped(self, *shape: int) -> Any:
        """Return an array of a shape, which is not filled; what was there before is gone."""
        if shape not in self._views:
            size = math.prod(shape)
            if self._memory.size < size:
                self._memory, self._views = self._device.empty((size,), self._dtype), {}
            if len(self._views) >= _KEPT:
                self._views.clear()
            self._views[shape] = self._memory[:size].reshape(shape)
        return self._views[shape]
