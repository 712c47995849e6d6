"""Products over terms on the CPU, made of tiles of stations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange
from numpy.typing import NDArray

from kernels.cpu.kinds import kind_products
from kernels.cpu.packing import (
    Responses,
    mix,
    pack_columns,
    pack_jones_columns,
    pack_jones_rows,
    pack_rows,
    scatter_matrix,
    scatter_scalar,
)
from kernels.cpu.tiles import BLOCK, OPTIONS, PANEL, add_block, find_tiles, rows_per_tile, share_tiles, wanted_parts
from kernels.cpu.vector import TILE_BYTES, TILE_ROWS
from kernels.cpu.vectorpack import MIXING

Array = NDArray[Any]

# As many stations make a kind worth its own tiles, measured.
_STATIONS_PER_KIND = 32


def unpolarised(phasors: Array, intensity: Array, baseline_index: Array, out: Array) -> None:
    """Visibilities of an unpolarised sky: XX = YY = sum_t I K_p conj(K_q), XY = YX = 0.

    Parameters
    ----------
    phasors
        (dump, 2, term, station) float32 or float64.
    intensity
        (dump, term) same dtype, Jy, times the weight of the term; may be negative.
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (dump, baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY; added to.
    """
    _scalar_products(phasors, intensity[..., np.newaxis], baseline_index, get_num_threads(), out)


def common(phasors: Array, coherency: Array, baseline_index: Array, out: Array) -> None:
    """Visibilities where all stations share one response.

    Parameters
    ----------
    phasors
        (dump, 2, term, station) float32 or float64.
    coherency
        (dump, term, 4) same dtype, Jy: J B J^H as (XX, YY, Re XY, Im XY), times the weight of the term; YX = conj(XY).
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (dump, baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY; added to.
    """
    _scalar_products(phasors, coherency, baseline_index, get_num_threads(), out)


def per_kind(
    phasors: Array,
    jones: Array,
    kind: Array,
    source: Array,
    coherency: Array,
    baseline_index: Array,
    out: Array,
    space: Array | None = None,
) -> None:
    """Visibilities V_pq = sum_t K_p conj(K_q) J_p C_t J_q^H of stations of several kinds, one response per kind.

    Parameters
    ----------
    phasors
        (dump, 2, term, station) float32 or float64.
    jones
        (dump, kind, source, 2, 2) complex of the same precision.
    kind
        (station,) int32: row of ``jones``; 0, 1, 2 ... where all stations differ.
    source
        (term,) int32: column of ``jones``.
    coherency
        (dump, term, 4) float of the same precision, Jy: (XX, YY, Re XY, Im XY) of the sky, times the term's weight.
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (dump, baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY; added to.
    space
        Not used: what packs on a GPU.
    """
    are_few = jones.shape[1] * _STATIONS_PER_KIND <= kind.size
    if are_few:
        kind_products(phasors, (jones, kind, source), coherency, baseline_index, get_num_threads(), out)
        return
    pairs = jones.view(phasors.dtype)
    _matrix_products(phasors, (pairs, kind, source), coherency, baseline_index, get_num_threads(), out)


@njit(parallel=True, **OPTIONS)
def _scalar_products(phasors: Array, coefficients: Array, baseline_index: Array, n_threads: int, out: Array) -> None:
    """Products with one real coefficient (unpolarised) or four (common) per term."""
    n_total, n_station, n_sets = phasors.shape[2], phasors.shape[3], coefficients.shape[2]
    n_rows, n_columns = rows_per_tile(n_station, n_threads), TILE_BYTES // phasors.itemsize
    tiles, first = share_tiles(find_tiles(baseline_index, n_rows, PANEL), n_threads)
    for thread in prange(n_threads):
        left = np.zeros((n_sets, n_rows * BLOCK * 2), phasors.dtype)
        right = np.zeros(PANEL * BLOCK * 2, phasors.dtype)
        sums = np.empty(2 * TILE_ROWS * n_columns, phasors.dtype)
        wanted = np.empty((n_rows // TILE_ROWS, PANEL // n_columns), np.bool_)
        totals = np.empty((n_sets, wanted.shape[0], wanted.shape[1], sums.size), np.float64)
        for tile in range(first[thread], first[thread + 1]):
            p0, q0 = tiles[tile, 0] * n_rows, tiles[tile, 1] * PANEL
            p1, q1 = min(p0 + n_rows, n_station), min(q0 + PANEL, n_station)
            wanted_parts(baseline_index, p0, p1, q0, q1, (TILE_ROWS, n_columns), wanted)
            for dump in range(phasors.shape[0]):
                totals[...] = 0.0
                for t0 in range(0, n_total, BLOCK):
                    n_terms = min(BLOCK, n_total - t0)
                    pack_rows(phasors[dump], coefficients[dump], t0, n_terms, p0, p1, left)
                    pack_columns(phasors[dump], t0, n_terms, q0, q1, right)
                    for c in range(n_sets):
                        add_block(left[c], right, n_terms, wanted, sums, totals[c])
                scatter_scalar(totals, wanted, baseline_index, p0, p1, q0, q1, out[dump])


@njit(parallel=True, **OPTIONS)
def _matrix_products(
    phasors: Array, responses: Responses, coherency: Array, baseline_index: Array, n_threads: int, out: Array
) -> None:
    """Products with a Jones matrix per kind of station and source: two rows, columns and terms for one."""
    n_total, n_station, (jones, kind, source) = phasors.shape[2], phasors.shape[3], responses
    n_columns = TILE_BYTES // phasors.itemsize
    n_rows, n_across = rows_per_tile(n_station, n_threads), PANEL
    tiles, first = share_tiles(find_tiles(baseline_index, n_rows, n_across), n_threads)
    for thread in prange(n_threads):
        left = np.zeros(2 * n_rows * BLOCK * 2, phasors.dtype)
        right = np.zeros(2 * n_across * BLOCK * 2, phasors.dtype)
        mixing = np.empty(BLOCK // 2 * MIXING, phasors.dtype)
        sums = np.empty(2 * TILE_ROWS * n_columns, phasors.dtype)
        wanted = np.empty((2 * n_rows // TILE_ROWS, 2 * n_across // n_columns), np.bool_)
        totals = np.empty((wanted.shape[0], wanted.shape[1], sums.size), np.float64)
        for tile in range(first[thread], first[thread + 1]):
            p0, q0 = tiles[tile, 0] * n_rows, tiles[tile, 1] * n_across
            p1, q1 = min(p0 + n_rows, n_station), min(q0 + n_across, n_station)
            wanted_parts(baseline_index, p0, p1, q0, q1, (TILE_ROWS // 2, n_columns // 2), wanted)
            for dump in range(phasors.shape[0]):
                totals[...] = 0.0
                waves, of_dump = phasors[dump], (jones[dump], kind, source)
                for t0 in range(0, n_total, BLOCK // 2):
                    t1 = min(t0 + BLOCK // 2, n_total)
                    mix(coherency[dump], t0, t1, mixing)
                    pack_jones_rows(waves, of_dump, mixing, t0, t1, p0, p1, left)
                    pack_jones_columns(waves, of_dump, t0, t1, q0, q1, right)
                    add_block(left, right, 2 * (t1 - t0), wanted, sums, totals)
                scatter_matrix(totals, baseline_index, p0, p1, q0, q1, out[dump])
