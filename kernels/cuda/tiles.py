"""Tiles of 64 x 64 stations: which one a block of threads has, whether it is needed, and where its sums go."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

Array = Any

TILE, SIDE, CELLS = 64, 16, 4
"""Stations of a tile; threads along its side in the plain product; cells of such a thread along each side."""


def grid(baseline_index: Array, n_pols: int, out: Array) -> tuple[int, int]:
    """Blocks of threads: the tiles on and above the diagonal; dumps times polarisations."""
    n_tiles = -(-baseline_index.shape[0] // TILE)
    return n_tiles * (n_tiles + 1) // 2, out.shape[0] * n_pols


def flat(arrays: Any) -> Any:
    """Return arrays with one axis each.

    Raises
    ------
    ValueError
        If one has more elements than indices of 32 bits can tell apart.
    """
    for array in arrays:
        if array.size >= 1 << 32:
            raise ValueError(f"an array of {array.size} numbers is too large for a product; sum fewer terms at once")
    return tuple(array.reshape(array.size) for array in arrays)


@cuda.jit(device=True)
def of_dump(dump: int, n_planes: int, n_terms: int, n_stations: int) -> Any:
    """Return where a dump's (plane, term, station) begin, what lies between two planes, and its first term."""
    size = n_terms * n_stations
    return np.uint32(dump * n_planes * size), np.uint32(size), dump * n_terms


@cuda.jit(device=True)
def corner(block: int, n_stations: int) -> Any:
    """Return the first stations p and q of the tile of a block of threads."""
    rest, row, n_tiles = block, 0, (n_stations + TILE - 1) // TILE
    while rest >= n_tiles - row:
        rest -= n_tiles - row
        row += 1
    return TILE * row, TILE * (row + rest)


@cuda.jit(device=True)
def holds_baseline(baseline_index: Array, corner: Any, thread: int, n_threads: int) -> int:
    """Whether the threads' cells, shared out one by one, hold a baseline that is kept; asked by every thread."""
    n_stations = baseline_index.shape[0]
    for cell in range(thread, TILE * TILE, n_threads):
        p, q = corner[0] + cell // TILE, corner[1] + cell % TILE
        if p < n_stations and q < n_stations and baseline_index[p, q] >= 0:
            return 1
    return 0


@cuda.jit(device=True)
def add_to_baseline(value: complex, baseline_index: Array, p: int, q: int, pol: int, n_pols: int, out: Array) -> None:
    """Add a sum to its baseline, if that is kept; one sum fills XX and YY of an unpolarised sky."""
    n_stations = baseline_index.shape[0]
    if p < n_stations and q < n_stations:
        row = baseline_index[p, q]
        if row >= 0:
            out[row, pol] += value
            if n_pols == 1:
                out[row, 3] += value
