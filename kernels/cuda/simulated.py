"""Plain-Python stand-ins of `vector`, for Numba's simulator, where every CUDA thread is a Python thread."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

Array = Any
Four = tuple[Any, Any, Any, Any]

_WARP = 32


class _Warp:
    """What the threads of one warp show each other: two turns, so that one barrier a product is enough."""

    def __init__(self) -> None:
        self.shown: list[list[Any]] = [[None] * _WARP, [None] * _WARP]
        self.barrier = threading.Barrier(_WARP, timeout=60)


class _Warps(threading.local):
    """The warp of a thread, and how many products it has taken part in."""

    turn = 0


_warps: dict[tuple[int, ...], _Warp] = {}
_warps_lock = threading.Lock()
_own = _Warps()


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
    rank, warp = _warp_of_thread()
    shown = warp.shown[_own.turn % 2]
    _own.turn += 1
    shown[rank] = (*a, b0, b1)
    warp.barrier.wait()
    group, j = rank // 4, rank % 4
    sums = []
    for k in range(4):
        row, column = group + 8 * (k // 2), 2 * j + k % 2
        left = [from_halves(shown[4 * group + i][(row // 8) + 2 * half]) for half in range(2) for i in range(4)]
        right = [from_halves(shown[4 * column + i][4 + half]) for half in range(2) for i in range(4)]
        sums.append(
            np.float32(np.float64(c[k]) + np.dot(np.ravel(left).astype(np.float64), np.ravel(right).astype(np.float64)))
        )
    return tuple(sums)  # type: ignore[return-value]


def _warp_of_thread() -> tuple[int, _Warp]:
    """Return the rank of this thread in its warp, and the warp."""
    here: Any = threading.current_thread()  # the simulator's, which knows its place
    rank = here.threadIdx.x
    key = (here.blockIdx.x, here.blockIdx.y, here.blockIdx.z, rank // _WARP)
    with _warps_lock:
        warp = _warps.setdefault(key, _Warp())
    return rank % _WARP, warp
