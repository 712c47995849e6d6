"""Kernels for the CPU: Numba on all threads, results the same to the bit for any number of them.

Each public function computes what its namesake in `reference` does, and allocates only scratch.
Numba's threading layer may allow calls from one Python thread at a time only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange
from numpy.typing import NDArray

from kernels import bodies
from kernels.cpu.packing import (
    pack_columns,
    pack_jones_columns,
    pack_jones_rows,
    pack_rows,
    scatter_matrix,
    scatter_scalar,
)
from kernels.cpu.tiles import BLOCK, OPTIONS, PANEL, add_block, find_tiles, share_tiles, wanted_parts
from kernels.cpu.vector import TILE_BYTES, TILE_ROWS

Array = NDArray[Any]

# Compiled into their callers, which are cached.
_turns_of_path = njit(bodies.turns_of_path, fastmath={"contract"})
_nearest_quarter = njit(bodies.nearest_quarter)
_cos_sin_single = njit(bodies.cos_sin_single, fastmath={"contract"})
_cos_sin_double = njit(bodies.cos_sin_double, fastmath={"contract"})
_rounded_once = njit(bodies.rounded_once)


def phasors(station_uvw: Array, lmn: Array, frequency_hz: float, out: Array) -> None:
    """Phasors K = exp(+2 pi i nu/c (u l + v m + w (n-1))).

    Parameters
    ----------
    station_uvw
        (station, 3) float64, m.
    lmn
        (source, 3) float64: l, m, n - 1.
    frequency_hz
        Frequency, Hz.
    out
        (2, source, station) float32 or float64: real and imaginary parts. Phases are float64 either way.
    """
    kernel = _phasors_single if out.dtype == np.float32 else _phasors_double
    kernel(np.ascontiguousarray(station_uvw.T), lmn, frequency_hz / bodies.SPEED_OF_LIGHT_M_S, out)


def unpolarised(phasors: Array, intensity: Array, baseline_index: Array, out: Array) -> None:
    """Visibilities of an unpolarised sky: XX = YY = sum_s I K_p conj(K_q), XY = YX = 0.

    Parameters
    ----------
    phasors
        (2, source, station) float32 or float64.
    intensity
        (source,) same dtype, Jy; may be negative.
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY.
    """
    _scalar_products(phasors, intensity.reshape(-1, 1), baseline_index, get_num_threads(), out)


def common(phasors: Array, coherency: Array, baseline_index: Array, out: Array) -> None:
    """Visibilities where all stations share one response.

    Parameters
    ----------
    phasors
        (2, source, station) float32 or float64.
    coherency
        (source, 4) same dtype, Jy: J B J^H as (XX, YY, Re XY, Im XY); YX = conj(XY).
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY.
    """
    _scalar_products(phasors, coherency, baseline_index, get_num_threads(), out)


def per_station(phasors: Array, jones: Array, coherency: Array, baseline_index: Array, out: Array) -> None:
    """Visibilities V_pq = sum_s K_p conj(K_q) J_p C_s J_q^H of stations that differ.

    Parameters
    ----------
    phasors
        (2, source, station) float32 or float64.
    jones
        (station, source, 2, 2) complex of the same precision.
    coherency
        (source, 4) float of the same precision, Jy: (XX, YY, Re XY, Im XY) of the sky.
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY.
    """
    _matrix_products(phasors, jones, coherency, baseline_index, get_num_threads(), out)


def accumulate(visibilities: Array, weights: Array, sums: Array, sum_weights: Array) -> None:
    """Add weighted visibilities to a running average: sums += weights * visibilities, rounded once.

    Parameters
    ----------
    visibilities
        (baseline, 4) complex64 or complex128, Jy.
    weights
        (baseline,) float32.
    sums
        (baseline, 4) complex64, changed in place.
    sum_weights
        (baseline,) float32, changed in place.
    """
    _accumulate(visibilities, weights, sums, sum_weights)


@njit(parallel=True, **OPTIONS)
def _phasors_single(uvw_station: Array, lmn: Array, turns_per_m: float, out: Array) -> None:
    """Phasors in float32 from (3, station) positions."""
    u, v, w = uvw_station[0], uvw_station[1], uvw_station[2]
    for s in prange(lmn.shape[0]):
        ell, m, n1 = lmn[s, 0], lmn[s, 1], lmn[s, 2]
        re, im = out[0, s], out[1, s]
        for p in range(u.size):
            turns = _turns_of_path(u[p], v[p], w[p], ell, m, n1, turns_per_m)
            quarter = _nearest_quarter(turns)
            re[p], im[p] = _cos_sin_single(np.float32(turns - 0.25 * quarter), np.float32(quarter))


@njit(parallel=True, **OPTIONS)
def _phasors_double(uvw_station: Array, lmn: Array, turns_per_m: float, out: Array) -> None:
    """Phasors in float64 from (3, station) positions."""
    u, v, w = uvw_station[0], uvw_station[1], uvw_station[2]
    for s in prange(lmn.shape[0]):
        ell, m, n1 = lmn[s, 0], lmn[s, 1], lmn[s, 2]
        re, im = out[0, s], out[1, s]
        for p in range(u.size):
            turns = _turns_of_path(u[p], v[p], w[p], ell, m, n1, turns_per_m)
            quarter = _nearest_quarter(turns)
            re[p], im[p] = _cos_sin_double(turns - 0.25 * quarter, quarter)


@njit(**OPTIONS)
def _rows_per_tile(n_station: int) -> int:
    """Rows of a macro tile: fewer where there would be too few tiles to share among threads."""
    return min(PANEL, max(16, n_station // 8 // TILE_ROWS * TILE_ROWS))


@njit(parallel=True, **OPTIONS)
def _scalar_products(phasors: Array, coefficients: Array, baseline_index: Array, n_threads: int, out: Array) -> None:
    """Products with one real coefficient (unpolarised) or four (common) per source."""
    n_sources, n_station, n_sets = phasors.shape[1], phasors.shape[2], coefficients.shape[1]
    n_rows, n_columns = _rows_per_tile(n_station), TILE_BYTES // phasors.itemsize
    tiles, first = share_tiles(find_tiles(baseline_index, n_rows, PANEL), n_threads)
    for thread in prange(n_threads):
        left = np.zeros((n_sets, n_rows * BLOCK * 2), phasors.dtype)
        right = np.zeros(PANEL * BLOCK * 2, phasors.dtype)
        sums = np.empty(2 * TILE_ROWS * n_columns, phasors.dtype)
        wanted = np.empty((n_rows // TILE_ROWS, PANEL // n_columns), np.bool_)
        totals = np.empty((n_sets, wanted.shape[0], wanted.shape[1], sums.size), np.float64)
        for t in range(first[thread], first[thread + 1]):
            p0, q0 = tiles[t, 0] * n_rows, tiles[t, 1] * PANEL
            p1, q1 = min(p0 + n_rows, n_station), min(q0 + PANEL, n_station)
            wanted_parts(baseline_index, p0, p1, q0, q1, (TILE_ROWS, n_columns), wanted)
            totals[...] = 0.0
            for s0 in range(0, n_sources, BLOCK):
                n_terms = min(BLOCK, n_sources - s0)
                pack_rows(phasors, coefficients, s0, n_terms, p0, p1, left)
                pack_columns(phasors, s0, n_terms, q0, q1, right)
                for c in range(n_sets):
                    add_block(left[c], right, n_terms, wanted, sums, totals[c])
            scatter_scalar(totals, baseline_index, p0, p1, q0, q1, out)


@njit(parallel=True, **OPTIONS)
def _matrix_products(
    phasors: Array, jones: Array, coherency: Array, baseline_index: Array, n_threads: int, out: Array
) -> None:
    """Products with a Jones matrix per station and source: two rows, columns and terms for one."""
    n_sources, n_station = phasors.shape[1], phasors.shape[2]
    n_columns = TILE_BYTES // phasors.itemsize
    n_rows, n_across = _rows_per_tile(n_station) // 2, PANEL // 2
    tiles, first = share_tiles(find_tiles(baseline_index, n_rows, n_across), n_threads)
    for thread in prange(n_threads):
        left = np.zeros(2 * n_rows * BLOCK * 2, phasors.dtype)
        right = np.zeros(PANEL * BLOCK * 2, phasors.dtype)
        sums = np.empty(2 * TILE_ROWS * n_columns, phasors.dtype)
        wanted = np.empty((2 * n_rows // TILE_ROWS, PANEL // n_columns), np.bool_)
        totals = np.empty((wanted.shape[0], wanted.shape[1], sums.size), np.float64)
        for t in range(first[thread], first[thread + 1]):
            p0, q0 = tiles[t, 0] * n_rows, tiles[t, 1] * n_across
            p1, q1 = min(p0 + n_rows, n_station), min(q0 + n_across, n_station)
            wanted_parts(baseline_index, p0, p1, q0, q1, (TILE_ROWS // 2, n_columns // 2), wanted)
            totals[...] = 0.0
            for s0 in range(0, n_sources, BLOCK // 2):
                s1 = min(s0 + BLOCK // 2, n_sources)
                pack_jones_rows(phasors, jones, coherency, s0, s1, p0, p1, left)
                pack_jones_columns(phasors, jones, s0, s1, q0, q1, right)
                add_block(left, right, 2 * (s1 - s0), wanted, sums, totals)
            scatter_matrix(totals, baseline_index, p0, p1, q0, q1, out)


@njit(parallel=True, **OPTIONS)
def _accumulate(visibilities: Array, weights: Array, sums: Array, sum_weights: Array) -> None:
    """Weighted sum in float64, rounded to the float32 of ``sums``."""
    for b in prange(weights.size):
        for pol in range(4):
            total, value = sums[b, pol], visibilities[b, pol]
            re = _rounded_once(total.real, weights[b], value.real)
            im = _rounded_once(total.imag, weights[b], value.imag)
            sums[b, pol] = complex(re, im)
        sum_weights[b] += weights[b]
