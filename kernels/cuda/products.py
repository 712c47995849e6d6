"""Products over terms on CUDA, on the ordinary cores.

A product is made of tiles of 64 x 64 stations, 4 x 4 of them per thread, from chunks of 16 inner terms in shared
memory; one dump and polarisation per block of threads. Only tiles on and above the diagonal are begun, and those in
which no baseline is kept end at once. In float32 sums run over 32 inner terms, and the sums are added with Kahan's
compensation [Kahan 1965, Comm. ACM 8, 40], whose error does not grow with their number.

Several dumps are summed at once, so that few stations fill a GPU; how many is nothing that a sum depends on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from kernels.cuda import operands, tiles
from kernels.cuda.tiles import CELLS, SIDE, TILE
from kernels.cuda.vector import load4

Array = Any

_CHUNK, _CHUNKS_PER_SUM = 16, 2
_SUMS = 2 * CELLS * CELLS
_PART = _CHUNK * TILE
_RIGHT = 2 * _PART
_THREADS = SIDE * SIDE
_LOST = 2 * _RIGHT
SHARED = {True: _LOST + _SUMS * _THREADS, False: _LOST}


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
    _launch(_unpolarised, (phasors, intensity), phasors.shape[2], 1, baseline_index, out)


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
    _launch(_common, (phasors, coherency), phasors.shape[2], 4, baseline_index, out)


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
        (any,) same precision: where responses are packed, as large as `operands.space` says; None: it is allocated.
    """
    factors = (phasors, jones, kind, source, coherency)
    for packed, some in operands.pack_in_slabs(factors, out, space):
        _launch(_per_kind, (packed,), packed.shape[4], 4, baseline_index, some)


def _launch(kernel: Any, factors: Any, n_terms: int, n_pols: int, baseline_index: Array, out: Array) -> None:
    """Launch a product of ``n_terms`` inner terms of every dump."""
    if not n_terms:
        return
    is_single, grid = factors[0].dtype == np.float32, tiles.grid(baseline_index, n_pols, out)
    launched = kernel[is_single][grid, (SIDE, SIDE), 0, SHARED[is_single] * factors[0].dtype.itemsize]
    launched(tiles.flat(factors), n_terms, baseline_index, out)


@cuda.jit(device=True)
def _add_term(shared: Array, row: int, column: int, sums: Array) -> None:
    """Add the products of one inner term to the 4 x 4 cells of this thread."""
    a, b = load4(shared, row), load4(shared, _PART + row)
    c, d = load4(shared, _RIGHT + column), load4(shared, _RIGHT + _PART + column)
    for i in range(CELLS):
        for j in range(CELLS):
            k = 8 * i + 2 * j
            sums[k] = cuda.fma(b[i], d[j], cuda.fma(a[i], c[j], sums[k]))
            # Said so, as NVVM does not fuse a product that is taken away.
            sums[k + 1] = cuda.fma(-a[i], d[j], cuda.fma(b[i], c[j], sums[k + 1]))


@cuda.jit(device=True)
def _add_chunk(shared: Array, sums: Array) -> None:
    """Add the products of a chunk to the 4 x 4 cells of this thread, unrolled by four, as NVVM does not."""
    row, column = CELLS * cuda.threadIdx.y, CELLS * cuda.threadIdx.x
    for t in range(0, _PART, 4 * TILE):
        _add_term(shared, t + row, t + column, sums)
        _add_term(shared, t + TILE + row, t + TILE + column, sums)
        _add_term(shared, t + 2 * TILE + row, t + 2 * TILE + column, sums)
        _add_term(shared, t + 3 * TILE + row, t + 3 * TILE + column, sums)


@cuda.jit(device=True)
def _move_single(sums: Array, totals: Array, shared: Array, thread: int) -> None:
    """Add the sums to the totals, keep what rounding loses in shared memory, and clear the sums."""
    for k in range(_SUMS):
        place = np.uint32(_LOST + _THREADS * k + thread)
        value = sums[k] - shared[place]
        total = totals[k] + value
        shared[place] = (total - totals[k]) - value
        totals[k] = total
        sums[k] = 0


@cuda.jit(device=True)
def _begin_single(shared: Array, thread: int) -> None:
    """Set what rounding lost to nothing."""
    for k in range(_SUMS):
        shared[np.uint32(_LOST + _THREADS * k + thread)] = 0


@cuda.jit(device=True)
def _whole_single(sums: Array, totals: Array, k: int, shared: Array, thread: int) -> float:
    """Return a total with what rounding lost."""
    return float(totals[k]) - float(shared[np.uint32(_LOST + _THREADS * k + thread)])


@cuda.jit(device=True)
def _begin_double(shared: Array, thread: int) -> None:
    """Do nothing: float64 needs no totals."""


@cuda.jit(device=True)
def _move_double(sums: Array, totals: Array, shared: Array, thread: int) -> None:
    """Do nothing: sums run through."""


@cuda.jit(device=True)
def _whole_double(sums: Array, totals: Array, k: int, shared: Array, thread: int) -> Any:
    """Return a sum."""
    return sums[k]


def _fill_kernel(left_value: Any, right_value: Any, real: type) -> Any:
    """Make the device function that puts a chunk of one dump's operands into shared memory."""

    def fill(factors: Any, of_dump: Any, t0: int, n_left: int, corner: Any, last: int, pol: int, shared: Array) -> None:
        ty, tx = cuda.threadIdx.y, cuda.threadIdx.x
        begin, size, first = of_dump
        t = t0 + min(ty, n_left - 1)
        for i in range(CELLS):
            place = np.uint32(TILE * ty + tx + SIDE * i)
            p, q = min(corner[0] + tx + SIDE * i, last), min(corner[1] + tx + SIDE * i, last)
            re, im = left_value(factors, np.uint32(begin + t * (last + 1) + p), size, first + t, pol)
            if ty >= n_left:  # a chunk is always whole: what is beyond the last term adds nothing
                re, im = real(0), real(0)
            shared[place], shared[np.uint32(_PART + place)] = re, im
            re, im = right_value(factors, np.uint32(begin + t * (last + 1) + q), size, first + t, pol)
            shared[np.uint32(_RIGHT + place)], shared[np.uint32(_RIGHT + _PART + place)] = re, im

    return cuda.jit(fill, device=True)


def _product_kernel(left_value: Any, right_value: Any, n_planes: int, n_pols: int, real: type) -> Any:
    """Make the kernel of one kind of product; an unpolarised sky needs one polarisation."""
    fill = _fill_kernel(left_value, right_value, real)
    begin, move, whole = _begin_single, _move_single, _whole_single
    if real is np.float64:
        begin, move, whole = _begin_double, _move_double, _whole_double

    def product(factors: Any, n_terms: int, baseline_index: Array, out: Array) -> None:
        shared = cuda.shared.array(
            0, factors[0].dtype
        )  # as large as launched with; it begins at a multiple of 16 bytes
        sums, totals = cuda.local.array(_SUMS, real), cuda.local.array(_SUMS, real)
        ty, tx = cuda.threadIdx.y, cuda.threadIdx.x
        thread = SIDE * ty + tx
        pol, dump, n_stations = cuda.blockIdx.y % n_pols, cuda.blockIdx.y // n_pols, baseline_index.shape[0]
        corner, of_dump = tiles.corner(cuda.blockIdx.x, n_stations), tiles.of_dump(dump, n_planes, n_terms, n_stations)
        if not cuda.syncthreads_or(tiles.holds_baseline(baseline_index, corner, thread, _THREADS)):
            return
        for k in range(_SUMS):
            sums[k] = totals[k] = 0
        begin(shared, thread)
        for t0 in range(0, n_terms, _CHUNK):
            fill(factors, of_dump, t0, n_terms - t0, corner, n_stations - 1, pol, shared)
            cuda.syncthreads()
            _add_chunk(shared, sums)
            if (t0 // _CHUNK + 1) % _CHUNKS_PER_SUM == 0 or t0 + _CHUNK >= n_terms:
                move(sums, totals, shared, thread)
            cuda.syncthreads()
        for i in range(CELLS):
            for j in range(CELLS):
                k = 8 * i + 2 * j
                re, im = whole(sums, totals, k, shared, thread), whole(sums, totals, k + 1, shared, thread)
                p, q = corner[0] + CELLS * ty + i, corner[1] + CELLS * tx + j
                tiles.add_to_baseline(complex(re, im), baseline_index, p, q, pol, n_pols, out[dump])

    return cuda.jit(product)


def _both(left_value: Any, right_value: Any, n_planes: int, n_pols: int) -> dict[bool, Any]:
    """Make the kernels of float32 (True) and of float64 (False)."""
    return {real is np.float32: _product_kernel(left_value, right_value, n_planes, n_pols, real) for real in _REALS}


_REALS = (np.float32, np.float64)
_unpolarised = _both(operands.unpolarised_left, operands.common_right, 2, 1)
_common = _both(operands.common_left, operands.common_right, 2, 4)
_per_kind = _both(operands.packed_left, operands.packed_right, operands.N_PLANES, 4)
