"""Kernels for CUDA: arrays live on the device, kernels are launched on the default stream and not waited for.

Each public function computes what its namesake in `reference` does. Importing this module needs no driver.

A product is made of 64 x 64 tiles of stations, 4 x 4 of them per thread, from chunks of terms in shared memory; one
polarisation per block of threads. Tiles below the diagonal, or in which no baseline is kept, end at once. Sums are
held in the phasors' precision over 32 terms and in float64 beyond, as on the CPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from kernels import bodies

Array = Any  # device array; a NumPy array would be copied to and fro at every call

_TILE, _SIDE, _CELLS, _THREADS = 64, 16, 4, 256
_CHUNK, _CHUNKS_PER_SUM = 16, 2

_turns_of_path = cuda.jit(bodies.turns_of_path, device=True)
_nearest_quarter = cuda.jit(bodies.nearest_quarter, device=True)
_rounded_once = cuda.jit(bodies.rounded_once, device=True)


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
    n_phasors = out.shape[1] * out.shape[2]
    if n_phasors:
        kernel[_blocks(n_phasors), _THREADS](station_uvw, lmn, frequency_hz / bodies.SPEED_OF_LIGHT_M_S, out)


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
    _unpolarised[_grid(phasors, 1), (_SIDE, _SIDE)]((phasors, intensity), baseline_index, out)


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
    _common[_grid(phasors, 4), (_SIDE, _SIDE)]((phasors, coherency), baseline_index, out)


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
    _per_station[_grid(phasors, 4), (_SIDE, _SIDE)]((phasors, jones, coherency), baseline_index, out)


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
    _accumulate[_blocks(4 * weights.shape[0]), _THREADS](visibilities, weights, sums, sum_weights)


def _blocks(n_items: int) -> int:
    """Blocks of threads for one item per thread; beyond 2^20 blocks, threads take several."""
    return min(-(-n_items // _THREADS), 1 << 20)


def _grid(phasors: Array, n_pols: int) -> tuple[int, int, int]:
    """Blocks of threads for all tiles and polarisations."""
    n_tiles = -(-phasors.shape[2] // _TILE)
    return n_tiles, n_tiles, n_pols


def _phasors_kernel(cos_sin: Any, real: type) -> Any:
    """Make the kernel of phasors from the trigonometry of one precision."""

    def kernel(station_uvw: Array, lmn: Array, turns_per_m: float, out: Array) -> None:
        n_stations = station_uvw.shape[0]
        for k in range(cuda.grid(1), lmn.shape[0] * n_stations, cuda.gridsize(1)):
            s, p = k // n_stations, k % n_stations
            u, v, w = station_uvw[p, 0], station_uvw[p, 1], station_uvw[p, 2]
            turns = _turns_of_path(u, v, w, lmn[s, 0], lmn[s, 1], lmn[s, 2], turns_per_m)
            quarter = _nearest_quarter(turns)
            out[0, s, p], out[1, s, p] = cos_sin(real(turns - 0.25 * quarter), real(quarter))

    return cuda.jit(kernel)


_phasors_single = _phasors_kernel(cuda.jit(bodies.cos_sin_single, device=True), np.float32)
_phasors_double = _phasors_kernel(cuda.jit(bodies.cos_sin_double, device=True), np.float64)


@cuda.jit
def _accumulate(visibilities: Array, weights: Array, sums: Array, sum_weights: Array) -> None:
    for k in range(cuda.grid(1), 4 * weights.shape[0], cuda.gridsize(1)):
        b, pol = k // 4, k % 4
        total, value = sums[b, pol], visibilities[b, pol]
        re = _rounded_once(total.real, weights[b], value.real)
        im = _rounded_once(total.imag, weights[b], value.imag)
        sums[b, pol] = complex(re, im)
        if pol == 0:
            sum_weights[b] += weights[b]


@cuda.jit(device=True)
def _unpolarised_left(factors: Any, term: int, p: int, pol: int) -> Any:
    phasors, intensity = factors
    return intensity[term] * phasors[0, term, p], intensity[term] * phasors[1, term, p]


@cuda.jit(device=True)
def _common_left(factors: Any, term: int, p: int, pol: int) -> Any:
    phasors, coherency = factors
    re, im = phasors[0, term, p], phasors[1, term, p]
    if pol == 0 or pol == 3:
        weight = coherency[term, pol // 3]
        return weight * re, weight * im
    a, b = coherency[term, 2], coherency[term, 3]
    if pol == 2:
        b = -b
    return a * re - b * im, a * im + b * re


@cuda.jit(device=True)
def _common_right(factors: Any, term: int, q: int, pol: int) -> Any:
    return factors[0][0, term, q], factors[0][1, term, q]


@cuda.jit(device=True)
def _station_left(factors: Any, term: int, p: int, pol: int) -> Any:
    """K_p (J_p C_s)[i, k] for term 2 s + k and polarisation 2 i + j."""
    phasors, jones, coherency = factors
    s, k, i = term // 2, term % 2, pol // 2
    a, b = coherency[s, 2], coherency[s, 3]
    jx, jy = jones[p, s, i, 0], jones[p, s, i, 1]
    if k == 0:
        re = jx.real * coherency[s, 0] + jy.real * a + jy.imag * b
        im = jx.imag * coherency[s, 0] + jy.imag * a - jy.real * b
    else:
        re = jy.real * coherency[s, 1] + jx.real * a - jx.imag * b
        im = jy.imag * coherency[s, 1] + jx.imag * a + jx.real * b
    phase_re, phase_im = phasors[0, s, p], phasors[1, s, p]
    return phase_re * re - phase_im * im, phase_re * im + phase_im * re


@cuda.jit(device=True)
def _station_right(factors: Any, term: int, q: int, pol: int) -> Any:
    """K_q J_q[j, k] for term 2 s + k and polarisation 2 i + j."""
    phasors, jones = factors[0], factors[1]
    s = term // 2
    response = jones[q, s, pol % 2, term % 2]
    re, im = phasors[0, s, q], phasors[1, s, q]
    return re * response.real - im * response.imag, re * response.imag + im * response.real


@cuda.jit(device=True)
def _holds_baseline(baseline_index: Array, p0: int, q0: int) -> int:
    n_stations = baseline_index.shape[0]
    for i in range(_CELLS):
        for j in range(_CELLS):
            p, q = p0 + _SIDE * i, q0 + _SIDE * j
            if p < n_stations and q < n_stations and baseline_index[p, q] >= 0:
                return 1
    return 0


@cuda.jit(device=True)
def _add_chunk(left: Array, right: Array, n_terms: int, sums: Array) -> None:
    """Add the products of a chunk to the 4 x 4 cells of this thread."""
    ty, tx = cuda.threadIdx.y, cuda.threadIdx.x
    for t in range(n_terms):
        for i in range(_CELLS):
            a, b = left[0, t, ty + _SIDE * i], left[1, t, ty + _SIDE * i]
            for j in range(_CELLS):
                c, d = right[0, t, tx + _SIDE * j], right[1, t, tx + _SIDE * j]
                sums[0, i, j] += a * c
                sums[0, i, j] += b * d
                sums[1, i, j] += b * c
                sums[1, i, j] -= a * d


@cuda.jit(device=True)
def _clear(values: Array) -> None:
    for part in range(2):
        for i in range(_CELLS):
            for j in range(_CELLS):
                values[part, i, j] = 0


@cuda.jit(device=True)
def _move_sums(sums: Array, totals: Array) -> None:
    for part in range(2):
        for i in range(_CELLS):
            for j in range(_CELLS):
                totals[part, i, j] += sums[part, i, j]
    _clear(sums)


def _product_kernel(left_value: Any, right_value: Any, terms_per_source: int, is_unpolarised: bool) -> Any:
    """Make the kernel of one kind of product.

    The two device functions (factors, term, station, pol) give real and imaginary part of what is multiplied;
    for an unpolarised sky one sum fills all four polarisations.
    """

    def product(factors: Any, baseline_index: Array, out: Array) -> None:
        left = cuda.shared.array((2, _CHUNK, _TILE), factors[0].dtype)
        right = cuda.shared.array((2, _CHUNK, _TILE), factors[0].dtype)
        sums = cuda.local.array((2, _CELLS, _CELLS), factors[0].dtype)
        totals = cuda.local.array((2, _CELLS, _CELLS), np.float64)
        ty, tx, pol = cuda.threadIdx.y, cuda.threadIdx.x, cuda.blockIdx.z
        p0, q0 = cuda.blockIdx.y * _TILE, cuda.blockIdx.x * _TILE
        n_stations, n_terms = baseline_index.shape[0], factors[0].shape[1] * terms_per_source
        if q0 < p0 or not cuda.syncthreads_or(_holds_baseline(baseline_index, p0 + ty, q0 + tx)):
            return
        _clear(sums)
        _clear(totals)
        for t0 in range(0, n_terms, _CHUNK):
            for i in range(_CELLS):
                column, term = tx + _SIDE * i, min(t0 + ty, n_terms - 1)
                p, q = min(p0 + column, n_stations - 1), min(q0 + column, n_stations - 1)
                left[0, ty, column], left[1, ty, column] = left_value(factors, term, p, pol)
                right[0, ty, column], right[1, ty, column] = right_value(factors, term, q, pol)
            cuda.syncthreads()
            _add_chunk(left, right, min(_CHUNK, n_terms - t0), sums)
            if (t0 // _CHUNK + 1) % _CHUNKS_PER_SUM == 0 or t0 + _CHUNK >= n_terms:
                _move_sums(sums, totals)
            cuda.syncthreads()
        for i in range(_CELLS):
            for j in range(_CELLS):
                p, q = p0 + ty + _SIDE * i, q0 + tx + _SIDE * j
                if p < n_stations and q < n_stations and baseline_index[p, q] >= 0:
                    row = baseline_index[p, q]
                    out[row, pol] = complex(totals[0, i, j], totals[1, i, j])
                    if is_unpolarised:
                        out[row, 1] = out[row, 2] = 0
                        out[row, 3] = out[row, 0]

    return cuda.jit(product)


_unpolarised = _product_kernel(_unpolarised_left, _common_right, 1, True)
_common = _product_kernel(_common_left, _common_right, 1, False)
_per_station = _product_kernel(_station_left, _station_right, 2, False)
