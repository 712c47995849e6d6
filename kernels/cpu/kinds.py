"""The product where each of a few kinds has many stations: half the work of one response per station.

Stations are seated kind by kind. A tile then lies between two kinds, and its terms share one complex coherency
J_a C J_b^H: four complex products for a baseline and term instead of eight.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from kernels.cpu.packing import Responses
from kernels.cpu.tiles import BLOCK, OPTIONS, PANEL, add_block, rows_per_tile, share_tiles, total_of, wanted_parts
from kernels.cpu.vector import TILE_BYTES, TILE_ROWS
from kernels.cpu.vectorpack import turn_rows

Array = NDArray[Any]


@njit(**OPTIONS)
def _seats_of(order: Array, baseline_index: Array) -> Array:
    """Row of ``out`` for seats x <= y, whichever of their stations comes first; -1 where not kept."""
    index = np.full(baseline_index.shape, -1, baseline_index.dtype)
    for x in range(order.size):
        for y in range(x, order.size):
            index[x, y] = baseline_index[min(order[x], order[y]), max(order[x], order[y])]
    return index


@njit(**OPTIONS)
def _groups_of(kinds: Array, size: int) -> Array:
    """Share seats among groups of one kind, (group, 2): first seat and the one after the last, at most ``size``."""
    groups = np.empty((kinds.size, 2), np.int64)
    n_groups = start = 0
    for x in range(1, kinds.size + 1):
        if x == kinds.size or kinds[x] != kinds[start] or x - start == size:
            groups[n_groups, 0], groups[n_groups, 1] = start, x
            n_groups, start = n_groups + 1, x
    return groups[:n_groups]


@njit(parallel=True, **OPTIONS)
def _count_kept(index: Array, rows: Array, columns: Array) -> Array:
    """Kept baselines (row group, column group)."""
    counts = np.zeros((len(rows), len(columns)), np.int64)
    for i in prange(len(rows)):
        for j in range(len(columns)):
            kept = 0
            for x in range(rows[i, 0], rows[i, 1]):
                for y in range(max(x, columns[j, 0]), columns[j, 1]):
                    kept += index[x, y] >= 0
            counts[i, j] = kept
    return counts


@njit(**OPTIONS)
def _coherencies_between(
    responses: Responses, coherency: Array, kinds: tuple[int, int], t0: int, t1: int, between: Array
) -> None:
    """Write J_a C_t J_b^H of terms t0 <= t < t1: XX, XY, YX, YY."""
    jones, _, source = responses
    a, b = kinds
    for t in range(t0, t1):
        s, xx, yy = source[t], coherency[t, 0], coherency[t, 1]
        xy, yx = complex(coherency[t, 2], coherency[t, 3]), complex(coherency[t, 2], -coherency[t, 3])
        for i in range(2):
            x = jones[a, s, i, 0] * xx + jones[a, s, i, 1] * yx
            y = jones[a, s, i, 0] * xy + jones[a, s, i, 1] * yy
            for j in range(2):
                between[t - t0, 2 * i + j] = x * jones[b, s, j, 0].conjugate() + y * jones[b, s, j, 1].conjugate()


@njit(**OPTIONS)
def _pack_stations(phasors: Array, t0: int, n_terms: int, stations: Array, width: int, panel: Array) -> None:
    """Pack K of stations as a panel of register tiles of ``width`` stations."""
    for t in range(n_terms):
        re, im = phasors[0, t0 + t], phasors[1, t0 + t]
        for x in range(stations.size):
            at = (x // width * BLOCK + t) * 2 * width + x % width
            panel[at], panel[at + width] = re[stations[x]], im[stations[x]]


@njit(**OPTIONS)
def _weigh_rows(panel: Array, between: Array, n_terms: int, n_stations: int, left: Array) -> None:
    """Multiply a left panel by the coherency of every polarisation."""
    flat, per_pol = left.reshape(-1), left.shape[1]
    for i in range((n_stations + TILE_ROWS - 1) // TILE_ROWS):
        for t in range(n_terms):
            at = (i * BLOCK + t) * 2 * TILE_ROWS
            for pol in range(4):
                turn_rows(panel, at, between[t, pol].real, between[t, pol].imag, flat, pol * per_pol + at)


@njit(**OPTIONS)
def _scatter(totals: Array, order: Array, index: Array, x: tuple[int, int], y: tuple[int, int], out: Array) -> None:
    """Add the totals of seats x and y to the rows of ``out``: V_pq where p < q, else V_qp = V_pq^H."""
    n_columns = totals.shape[3] // (2 * TILE_ROWS)
    for i in range(x[0], x[1]):
        for j in range(max(i, y[0]), y[1]):
            row = index[i, j]
            if row < 0:
                continue
            for pol in range(4):
                value = total_of(totals[pol], n_columns, i - x[0], j - y[0])
                if order[i] <= order[j]:
                    out[row, pol] += value
                else:
                    out[row, pol % 2 * 2 + pol // 2] += value.conjugate()


@njit(parallel=True, **OPTIONS)
def kind_products(
    phasors: Array, responses: Responses, coherency: Array, baseline_index: Array, n_threads: int, out: Array
) -> None:
    """Products of `per_kind`, kind by kind."""
    n_total, n_station, (jones, kind, source) = phasors.shape[2], phasors.shape[3], responses
    order = np.argsort(kind, kind="mergesort")
    index, kinds = _seats_of(order, baseline_index), kind[order]
    n_rows, n_columns = rows_per_tile(n_station, n_threads), TILE_BYTES // phasors.itemsize
    rows, columns = _groups_of(kinds, n_rows), _groups_of(kinds, PANEL)
    tiles, first = share_tiles(_count_kept(index, rows, columns), n_threads)
    for thread in prange(n_threads):
        left = np.zeros((4, n_rows * BLOCK * 2), phasors.dtype)
        panel, right = np.zeros(n_rows * BLOCK * 2, phasors.dtype), np.zeros(PANEL * BLOCK * 2, phasors.dtype)
        sums = np.empty(2 * TILE_ROWS * n_columns, phasors.dtype)
        wanted = np.empty((n_rows // TILE_ROWS, PANEL // n_columns), np.bool_)
        totals = np.empty((4, wanted.shape[0], wanted.shape[1], sums.size), np.float64)
        between = np.empty((BLOCK, 4), jones.dtype)
        for tile in range(first[thread], first[thread + 1]):
            x0, x1 = rows[tiles[tile, 0]]
            y0, y1 = columns[tiles[tile, 1]]
            wanted_parts(index, x0, x1, y0, y1, (TILE_ROWS, n_columns), wanted)
            for dump in range(phasors.shape[0]):
                totals[...] = 0.0
                waves, of_dump = phasors[dump], (jones[dump], kind, source)
                for t0 in range(0, n_total, BLOCK):
                    n_terms = min(BLOCK, n_total - t0)
                    _coherencies_between(of_dump, coherency[dump], (kinds[x0], kinds[y0]), t0, t0 + n_terms, between)
                    _pack_stations(waves, t0, n_terms, order[x0:x1], TILE_ROWS, panel)
                    _weigh_rows(panel, between, n_terms, x1 - x0, left)
                    _pack_stations(waves, t0, n_terms, order[y0:y1], n_columns, right)
                    for pol in range(4):
                        add_block(left[pol], right, n_terms, wanted, sums, totals[pol])
                _scatter(totals, order, index, (x0, x1), (y0, y1), out[dump])
