"""Plain-Python stand-ins of `vector`, for Numba's simulator, where every CUDA thread is a Python thread."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

Array = Any
Four = tuple[Any, Any, Any, Any]

_WARP = 32


def load4(array: Array, index: int) -> Four:
    """Return array[index : index + 4]."""
    assert index % 4 == 0
    return tuple(array[index + k] for k in range(4))


def store4(array: Array, index: int, values: Four) -> None:
    """Set array[index : index + 4]."""
    assert index % 4 == 0
    for k in range(4):
        array[index + k] = values[k]


def halves(low: Any, high: Any) -> Any:
    """Round two float32 to half precision and put them into one uint32."""
    return np.array([low, high], np.float32).astype(np.float16).view(np.uint32)[0]


def from_halves(pair: Any) -> tuple[Any, Any]:
    """Return the two half-precision numbers of a uint32 as float32."""
    low, high = np.array([pair], np.uint32).view(np.float16).astype(np.float32)
    return low, high


def warp_product(a: Four, b0: Any, b1: Any, c: Four) -> Four:
    """Multiply 16 x 16 by 16 x 8 half-precision numbers and add, all threads of a warp together.

    Parameters
    ----------
    a
        Of thread ``4 g + j``, pairs of columns of A: (row g, columns 2 j and 2 j + 1), (row g + 8, the same), (row
        g, columns 2 j + 8 and 2 j + 9), (row g + 8, the same).
    b0, b1
        Pairs of rows of B: (rows 2 j and 2 j + 1, column g), (rows 2 j + 8 and 2 j + 9, column g).
    c
        Of the sum: (row g, columns 2 j and 2 j + 1), (row g + 8, the same).

    Returns
    -------
    tuple of four float32
        Like ``c``. [NVIDIA, PTX ISA, "Matrix fragments for mma.m16n8k16 with floating point type"]
    """
    here: Any = threading.current_thread()  # the simulator's, which knows its place
    warp = _warp_of(here)
    rank = here.threadIdx.x % _WARP
    warp.shown[rank] = (*a, b0, b1)
    product = warp.multiply()
    group, j = rank // 4, rank % 4
    rows_and_columns = ((group + 8 * (k // 2), 2 * j + k % 2) for k in range(4))
    sums = [np.float32(np.float64(c[k]) + product[place]) for k, place in enumerate(rows_and_columns)]
    return sums[0], sums[1], sums[2], sums[3]


class _Warp:
    """What the threads of one warp show each other, and what the last to come makes of it."""

    def __init__(self) -> None:
        self.shown: Array = np.zeros((_WARP, 6), np.uint32)
        self._product: Array = np.zeros((16, 8))
        self._barrier = threading.Barrier(_WARP, self._multiply, timeout=60)

    def multiply(self) -> Array:
        """Wait for all threads of the warp; return A B, (16, 8) float64."""
        self._barrier.wait()
        return self._product

    def _multiply(self) -> None:
        pairs = self.shown.view(np.float16).reshape(8, 4, 6, 2).astype(np.float64)  # g, j, register, one of a pair
        upper, lower, upper_more, lower_more, right, right_more = pairs.transpose(2, 0, 1, 3).reshape(6, 8, 8)
        left = np.block([[upper, upper_more], [lower, lower_more]])
        self._product = left @ np.block([right, right_more]).T


_warps: dict[tuple[int, ...], _Warp] = {}
_warps_lock = threading.Lock()


def _warp_of(thread: Any) -> _Warp:
    """Return the warp of a simulated thread."""
    block = thread.blockIdx
    with _warps_lock:
        return _warps.setdefault((block.x, block.y, block.z, thread.threadIdx.x // _WARP), _Warp())
