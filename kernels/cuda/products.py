"""Products over terms on CUDA.

A product is made of 64 x 64 tiles of stations, 4 x 4 of them per thread, from chunks of terms in shared memory; one
polarisation per block of threads. Tiles below the diagonal, or in which no baseline is kept, end at once. Sums are
held in the phasors' precision over 32 terms and in float64 beyond, as on the CPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

Array = Any

_TILE, _SIDE, _CELLS = 64, 16, 4
_CHUNK, _CHUNKS_PER_SUM = 16, 2


def unpolarised(phasors: Array, intensity: Array, baseline_index: Array, out: Array) -> None:
    """Visibilities of an unpolarised sky: XX = YY = sum_t I K_p conj(K_q), XY = YX = 0.

    Parameters
    ----------
    phasors
        (2, term, station) float32 or float64.
    intensity
        (term,) same dtype, Jy, times the weight of the term; may be negative.
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY; added to.
    """
    _unpolarised[_grid(phasors, 1), (_SIDE, _SIDE)]((phasors, intensity), baseline_index, out)


def common(phasors: Array, coherency: Array, baseline_index: Array, out: Array) -> None:
    """Visibilities where all stations share one response.

    Parameters
    ----------
    phasors
        (2, term, station) float32 or float64.
    coherency
        (term, 4) same dtype, Jy: J B J^H as (XX, YY, Re XY, Im XY), times the weight of the term; YX = conj(XY).
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY; added to.
    """
    _common[_grid(phasors, 4), (_SIDE, _SIDE)]((phasors, coherency), baseline_index, out)


def per_kind(
    phasors: Array, jones: Array, kind: Array, source: Array, coherency: Array, baseline_index: Array, out: Array
) -> None:
    """Visibilities V_pq = sum_t K_p conj(K_q) J_p C_t J_q^H of stations of several kinds, one response per kind.

    Parameters
    ----------
    phasors
        (2, term, station) float32 or float64.
    jones
        (kind, source, 2, 2) complex of the same precision.
    kind
        (station,) int32: row of ``jones``; 0, 1, 2 ... where all stations differ.
    source
        (term,) int32: column of ``jones``.
    coherency
        (term, 4) float of the same precision, Jy: (XX, YY, Re XY, Im XY) of the sky, times the weight of the term.
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY; added to.
    """
    factors = (phasors, jones, kind, source, coherency)
    _per_kind[_grid(phasors, 4), (_SIDE, _SIDE)](factors, baseline_index, out)


def _grid(phasors: Array, n_pols: int) -> tuple[int, int, int]:
    """Blocks of threads for all tiles and polarisations."""
    n_tiles = -(-phasors.shape[2] // _TILE)
    return n_tiles, n_tiles, n_pols


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
def kind_left(factors: Any, term: int, p: int, pol: int) -> Any:
    """K_p (J_p C_s)[i, k] for term 2 t + k and polarisation 2 i + j."""
    phasors, jones, kind, source, coherency = factors
    t, k, i = term // 2, term % 2, pol // 2
    a, b = coherency[t, 2], coherency[t, 3]
    jx, jy = jones[kind[p], source[t], i, 0], jones[kind[p], source[t], i, 1]
    if k == 0:
        re = jx.real * coherency[t, 0] + jy.real * a + jy.imag * b
        im = jx.imag * coherency[t, 0] + jy.imag * a - jy.real * b
    else:
        re = jy.real * coherency[t, 1] + jx.real * a - jx.imag * b
        im = jy.imag * coherency[t, 1] + jx.imag * a + jx.real * b
    phase_re, phase_im = phasors[0, t, p], phasors[1, t, p]
    return phase_re * re - phase_im * im, phase_re * im + phase_im * re


@cuda.jit(device=True)
def kind_right(factors: Any, term: int, q: int, pol: int) -> Any:
    """K_q J_q[j, k] for term 2 t + k and polarisation 2 i + j."""
    phasors, jones, kind, source = factors[0], factors[1], factors[2], factors[3]
    t = term // 2
    response = jones[kind[q], source[t], pol % 2, term % 2]
    re, im = phasors[0, t, q], phasors[1, t, q]
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


def _product_kernel(left_value: Any, right_value: Any, n_inner: int, is_unpolarised: bool) -> Any:
    """Make the kernel of one kind of product, with ``n_inner`` products per term.

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
        n_stations, n_terms = baseline_index.shape[0], factors[0].shape[1] * n_inner
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
                    total = complex(totals[0, i, j], totals[1, i, j])
                    out[row, pol] += total
                    if is_unpolarised:
                        out[row, 3] += total

    return cuda.jit(product)


_unpolarised = _product_kernel(_unpolarised_left, _common_right, 1, True)
_common = _product_kernel(_common_left, _common_right, 1, False)
_per_kind = _product_kernel(kind_left, kind_right, 2, False)
