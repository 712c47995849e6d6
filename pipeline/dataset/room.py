"""Arrays for blocks, used again once nobody holds them any more."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from pipeline.dataset.schema import Array

_KEPT = 3
"""Arrays kept of each kind: a reader's user holds one block while the next is read."""

_OURS = 3
"""References to an array that is only kept: the list's, the loop's, and that of the question itself."""


class Room:
    """Gives arrays, and gives them again once every reference to them, and to any part of them, is gone.

    Fresh memory is slow: the system must find and clear it page by page, which takes longer than to read the bytes
    from its cache. Memory that is used again costs nothing.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[tuple[int, ...], str], list[Array]] = {}

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return an array of this shape and dtype; what is in it is undefined."""
        kept = self._kept.setdefault((shape, np.dtype(dtype).str), [])
        for array in kept:
            # A view holds a reference to the array it is of.
            if sys.getrefcount(array) == _OURS:
                return array
        fresh: Array = np.empty(shape, dtype)
        if len(kept) < _KEPT:
            kept.append(fresh)
        return fresh
