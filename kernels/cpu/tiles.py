"""The Hermitian product over sources, tile by tile, for the CPU: sharing of work, and sums in three stages.

Sums run over a chunk of terms in registers, over a block in the phasors' precision, and over blocks in
float64. Terms are always added in this order, so results depend neither on threads nor on tile shapes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from kernels.cpu.vector import TILE_BYTES, TILE_ROWS, add_tile_product

Array = NDArray[Any]

PANEL = 128
"""Columns of a macro tile, and the rows it has at most: narrower ones pack more, which shows where few of a tile's
baselines are kept."""

BLOCK = 128
"""Terms whose sum is held in the phasors' precision."""

# 32 equal terms (a source at the phase centre, an autocorrelation) lose at most 6e-7 of their sum in float32.
_CHUNK = 32

OPTIONS = {"cache": True, "nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}


@njit(**OPTIONS)
def rows_per_tile(n_station: int, n_threads: int) -> int:
    """Rows of a macro tile: many, as all pack the columns anew, but enough tiles that threads share them evenly."""
    rows = n_station * n_station // (4 * PANEL * n_threads) // TILE_ROWS * TILE_ROWS
    return min(PANEL, max(2 * TILE_ROWS, rows))


@njit(parallel=True, **OPTIONS)
def find_tiles(baseline_index: Array, n_rows: int, n_columns: int) -> Array:
    """Count the kept baselines of every macro tile.

    Parameters
    ----------
    baseline_index
        (station, station) int32.
    n_rows, n_columns
        Stations of a macro tile.

    Returns
    -------
    Array
        (tile row, tile column) int64.
    """
    n_station = baseline_index.shape[0]
    n_across = (n_station + n_columns - 1) // n_columns
    counts = np.zeros(((n_station + n_rows - 1) // n_rows, n_across), np.int64)
    for i in prange(counts.shape[0]):
        for p in range(i * n_rows, min((i + 1) * n_rows, n_station)):
            for j in range(p // n_columns, n_across):
                kept = 0
                for q in range(j * n_columns, min((j + 1) * n_columns, n_station)):
                    kept += baseline_index[p, q] >= 0
                counts[i, j] += kept
    return counts


@njit(**OPTIONS)
def share_tiles(counts: Array, n_threads: int) -> tuple[Array, Array]:
    """Share the macro tiles that hold baselines among threads: the largest first, each to the least loaded.

    Parameters
    ----------
    counts
        (tile row, tile column) int64: kept baselines.
    n_threads
        Number of threads.

    Returns
    -------
    tiles
        (tile, 2) int64: tile row and column, those of one thread in a run.
    first
        (thread + 1,) int64: where the run of each thread begins.
    """
    flat = counts.ravel()
    order = np.argsort(-flat, kind="mergesort")[: np.count_nonzero(flat)]
    load = np.zeros(n_threads, np.int64)
    owner = np.empty(order.size, np.int64)
    for k in range(order.size):
        owner[k] = np.argmin(load)
        load[owner[k]] += flat[order[k]] + PANEL  # a nearly empty tile still has its panels to pack
    tiles = np.empty((order.size, 2), np.int64)
    first = np.zeros(n_threads + 1, np.int64)
    n_placed = 0
    for thread in range(n_threads):
        for k in range(order.size):
            if owner[k] == thread:
                tiles[n_placed, 0], tiles[n_placed, 1] = divmod(order[k], counts.shape[1])
                n_placed += 1
        first[thread + 1] = n_placed
    return tiles, first


@njit(**OPTIONS)
def wanted_parts(
    baseline_index: Array, p0: int, p1: int, q0: int, q1: int, step: tuple[int, int], wanted: Array
) -> None:
    """Mark the register tiles of a macro tile in which a baseline is kept.

    Parameters
    ----------
    baseline_index
        (station, station) int32.
    p0, p1, q0, q1
        Stations of the macro tile: p0 <= p < p1, q0 <= q < q1.
    step
        Stations a register tile has down and across.
    wanted
        (row, column) bool, overwritten.
    """
    for i in range(wanted.shape[0]):
        for j in range(wanted.shape[1]):
            first_p, first_q, kept = p0 + i * step[0], q0 + j * step[1], 0
            for p in range(first_p, min(first_p + step[0], p1)):
                for q in range(max(p, first_q), min(first_q + step[1], q1)):
                    kept += baseline_index[p, q] >= 0
            wanted[i, j] = kept > 0


@njit(**OPTIONS)
def add_block(left: Array, right: Array, n_terms: int, wanted: Array, sums: Array, totals: Array) -> None:
    """Add the product of two packed panels to float64 totals.

    Parameters
    ----------
    left
        Flat: (register row, BLOCK, re and im, TILE_ROWS).
    right
        Flat, same dtype: (register column, BLOCK, re and im, column).
    n_terms
        Terms in use, at most BLOCK.
    wanted
        (register row, register column) bool: the rest is left out.
    sums
        Flat scratch of one register tile, same dtype.
    totals
        (register row, register column, values of a register tile) float64.
    """
    n_columns = TILE_BYTES // right.itemsize
    for j in range(wanted.shape[1]):
        for i in range(wanted.shape[0]):
            if not wanted[i, j]:
                continue
            sums[:] = 0.0
            for t in range(0, n_terms, _CHUNK):
                left_at = (i * BLOCK + t) * 2 * TILE_ROWS
                right_at = (j * BLOCK + t) * 2 * n_columns
                add_tile_product(left, left_at, right, right_at, min(_CHUNK, n_terms - t), sums)
            for k in range(sums.size):
                totals[i, j, k] += sums[k]


@njit(**OPTIONS)
def total_of(totals: Array, n_columns: int, row: int, column: int) -> complex:
    """Complex total of one row and column of a macro tile, from the layout of `add_block`."""
    part = totals[row // TILE_ROWS, column // n_columns]
    at = 2 * (row % TILE_ROWS) * n_columns + column % n_columns
    return complex(part[at], part[at + n_columns])
