"""Products over terms on CUDA, on the tensor cores; compute capability 8.0 or more, float32 phasors.

Every operand, scaled by a power of two, is the sum of two half-precision numbers, which hold 22 bits of it; of the four
products of their parts the three that count are summed. A warp has 32 x 32 of a tile's 64 x 64 stations. Within a
chunk of 16 inner terms the tensor cores add in float32, small products first, since they cut off instead of rounding
[Fasi, Higham, Mikaitis & Pranesh 2021, PeerJ Computer Science 7, e330]; chunks are added with Kahan's compensation.
docs/gpu.md derives the error.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda

from kernels.cuda import operands, tiles
from kernels.cuda.launch import THREADS, blocks
from kernels.cuda.tiles import TILE
from kernels.cuda.vector import from_halves, halves, load4, store4, warp_product

Array = Any

_CHUNK, _WARP, _WARPS, _QUADRANT = 16, 32, 4, 32
_SUMS = 2 * _QUADRANT * _QUADRANT // _WARP
# A fragment: what a warp holds of 16 stations and 16 inner terms, four registers a thread. In shared memory: 2 sides, 4
# groups of 16 stations, 4 parts (real and imaginary, high and low bits).
_FRAGMENT, _PARTS = 4 * _WARP, 4
_GROUP = _PARTS * _FRAGMENT
_SIDE = TILE // 16 * _GROUP
SHARED_BYTES = 2 * _SIDE * 4
_WORD, _MINUS = np.dtype(np.uint32), np.uint32(0x80008000)
_NOTHING = np.float32(0)

_OPERAND_EXPONENT = 12
"""Operands are scaled below 2^12: phasors may be 15 times as large as one before half precision overflows."""


def unpolarised(phasors: Array, intensity: Array, baseline_index: Array, out: Array) -> None:
    """Visibilities of an unpolarised sky; see `products.unpolarised`. Phasors are below 15."""
    largest = _largest_of(intensity)
    _launch(_unpolarised, (phasors, intensity), largest, phasors.shape[2], 1, baseline_index, out)


def common(phasors: Array, coherency: Array, baseline_index: Array, out: Array) -> None:
    """Visibilities where all stations share one response; see `products.common`. Phasors are below 7."""
    largest = _largest_of(coherency)
    _launch(_common, (phasors, coherency), largest, phasors.shape[2], 4, baseline_index, out)


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
    """Visibilities of stations of several kinds; see `products.per_kind`."""
    factors = (phasors, jones, kind, source, coherency)
    for packed, some in operands.pack_in_slabs(factors, out, space):
        _launch(_per_kind, (packed,), _largest_of(packed, 2), packed.shape[4], 4, baseline_index, some)


def _largest_of(values: Array, n_sides: int = 1) -> Array:
    """Return the largest absolute values of both sides of every dump, (dump, 2) float32 on the device.

    Parameters
    ----------
    values
        (dump, side, …) float32, or (dump, …): the right side then has 1.
    n_sides
        How many sides there are.
    """
    n_dumps = values.shape[0]
    largest = cuda.device_array((n_dumps, 2), np.float32)
    _begin_largest[blocks(n_dumps), THREADS](n_sides, largest)
    if values.size:
        per_side = values.size // (n_dumps * n_sides)
        grid = blocks(per_side), n_dumps * n_sides
        _find_largest[grid, THREADS](values.reshape(n_dumps * n_sides, per_side), n_sides, largest)
    return largest


@cuda.jit
def _begin_largest(n_sides: int, largest: Array) -> None:
    dump = cuda.grid(1)
    if dump < largest.shape[0]:
        largest[dump, 0], largest[dump, 1] = 0, 2 - n_sides


@cuda.jit
def _find_largest(values: Array, n_sides: int, largest: Array) -> None:
    mine, row = _NOTHING, cuda.blockIdx.y
    dump, side = row // n_sides, row % n_sides
    for place in range(cuda.grid(1), values.shape[1], cuda.gridsize(1)):
        mine = max(mine, abs(values[row, place]))
    if mine > largest[dump, side]:
        cuda.atomic.max(largest, (dump, side), mine)


def _launch(
    kernel: Any, factors: Any, largest: Array, n_terms: int, n_pols: int, baseline_index: Array, out: Array
) -> None:
    """Launch a product of ``n_terms`` inner terms of every dump."""
    if n_terms:
        launched = kernel[tiles.grid(baseline_index, n_pols, out), _WARP * _WARPS, 0, SHARED_BYTES]
        launched(tiles.flat(factors), largest, n_terms, baseline_index, out)


@cuda.jit(device=True)
def _exponent(largest: float) -> int:
    """Return the power of two that scales values, the largest of which is given, below 2^12."""
    return min(_OPERAND_EXPONENT - math.frexp(largest)[1], 100)


@cuda.jit(device=True)
def _store_split(values: Array, shared: Array, place: int) -> None:
    """Store four pairs as high and low parts: a thread's share of two fragments."""
    high_0, high_1 = halves(values[0], values[1]), halves(values[2], values[3])
    high_2, high_3 = halves(values[4], values[5]), halves(values[6], values[7])
    store4(shared, place, (high_0, high_1, high_2, high_3))
    a, b = from_halves(high_0)
    c, d = from_halves(high_1)
    e, f = from_halves(high_2)
    g, h = from_halves(high_3)
    low_0, low_1 = halves(values[0] - a, values[1] - b), halves(values[2] - c, values[3] - d)
    low_2, low_3 = halves(values[4] - e, values[5] - f), halves(values[6] - g, values[7] - h)
    store4(shared, place + _FRAGMENT, (low_0, low_1, low_2, low_3))


def _fill_kernel(value: Any) -> Any:
    """Make the device function that puts a chunk of one side's operands into shared memory, as fragments.

    Thread ``4 g + j`` of warp ``b`` has stations ``16 b + g`` and 8 more, and terms ``2 j``, ``2 j + 1`` and 8 more:
    the fragments of both operands are then alike (see `simulated.warp_product`).
    """

    def fill(
        factors: Any, of_dump: Any, t0: int, n_left: int, station: int, last: int, pol: int, scale: float, shared: Array
    ) -> None:
        re, im = cuda.local.array(8, np.float32), cuda.local.array(8, np.float32)
        thread, (begin, size, first) = cuda.threadIdx.x, of_dump
        station += 16 * (thread // _WARP) + thread % _WARP // 4
        for k in range(8):  # pairs: (station, terms), (station + 8, terms), (station, terms + 8), (station + 8, ...)
            t, p = 2 * (thread % 4) + k % 2 + 8 * (k // 4), min(station + 8 * (k // 2 % 2), last)
            term = t0 + min(t, n_left - 1)
            x, y = value(factors, np.uint32(begin + term * (last + 1) + p), size, first + term, pol)
            re[k], im[k] = scale * x, scale * y
            if t >= n_left:  # a chunk is always whole: what is beyond the last term adds nothing
                re[k] = im[k] = 0
        place = thread // _WARP * _GROUP + thread % _WARP * 4
        _store_split(re, shared, place)
        _store_split(im, shared, place + 2 * _FRAGMENT)

    return cuda.jit(fill, device=True)


@cuda.jit(device=True)
def _add_chunk_sum(part: Any, more: Any, sums: Array, lost: Array, first: int) -> None:
    """Add a chunk's two sums to four totals, and keep what rounding loses."""
    for k in range(4):
        value = (part[k] + more[k]) - lost[first + k]
        total = sums[first + k] + value
        lost[first + k] = (total - sums[first + k]) - value
        sums[first + k] = total


@cuda.jit(device=True)
def _multiply_half(left: Any, right: Any, n: int, sums: Array, lost: Array, first: int) -> None:
    """Add left times the conjugate of half of right, 16 x 8 stations; small products first, large ones apart."""
    re, re_low, im, im_low = left
    zero = (_NOTHING, _NOTHING, _NOTHING, _NOTHING)
    c0, c1, d0, d1 = right[0][n], right[0][n + 2], right[2][n], right[2][n + 2]
    c0_low, c1_low, d0_low, d1_low = right[1][n], right[1][n + 2], right[3][n], right[3][n + 2]
    minus_d0, minus_d1 = np.uint32(d0 ^ _MINUS), np.uint32(d1 ^ _MINUS)
    real = warp_product(re_low, c0, c1, zero)
    imag = warp_product(im_low, c0, c1, zero)
    real = warp_product(im_low, d0, d1, real)
    imag = warp_product(re_low, minus_d0, minus_d1, imag)
    real = warp_product(re, c0_low, c1_low, real)
    imag = warp_product(im, c0_low, c1_low, imag)
    real = warp_product(im, d0_low, d1_low, real)
    imag = warp_product(re, np.uint32(d0_low ^ _MINUS), np.uint32(d1_low ^ _MINUS), imag)
    real = warp_product(re, c0, c1, real)
    imag = warp_product(im, c0, c1, imag)
    _add_chunk_sum(real, warp_product(im, d0, d1, zero), sums, lost, first)
    _add_chunk_sum(imag, warp_product(re, minus_d0, minus_d1, zero), sums, lost, first + 4)


@cuda.jit(device=True)
def _load_group(shared: Array, place: int) -> Any:
    """Return a thread's share of 16 stations: real, low bits of real, imaginary, low bits of it."""
    high, low = load4(shared, place), load4(shared, place + _FRAGMENT)
    return high, low, load4(shared, place + 2 * _FRAGMENT), load4(shared, place + 3 * _FRAGMENT)


@cuda.jit(device=True)
def _multiply(shared: Array, row: int, column: int, sums: Array, lost: Array) -> None:
    """Add the products of a chunk to the 32 x 32 stations of this warp, written out as NVVM unrolls no such loop."""
    lane = cuda.threadIdx.x % _WARP * 4
    upper = _load_group(shared, 2 * row * _GROUP + lane)
    lower = _load_group(shared, (2 * row + 1) * _GROUP + lane)
    right = _load_group(shared, _SIDE + 2 * column * _GROUP + lane)
    _multiply_half(upper, right, 0, sums, lost, 0)
    _multiply_half(lower, right, 0, sums, lost, 32)
    _multiply_half(upper, right, 1, sums, lost, 8)
    _multiply_half(lower, right, 1, sums, lost, 40)
    right = _load_group(shared, _SIDE + (2 * column + 1) * _GROUP + lane)
    _multiply_half(upper, right, 0, sums, lost, 16)
    _multiply_half(lower, right, 0, sums, lost, 48)
    _multiply_half(upper, right, 1, sums, lost, 24)
    _multiply_half(lower, right, 1, sums, lost, 56)


@cuda.jit(device=True)
def _add_to_baselines(
    sums: Array, lost: Array, unscale: float, index: Array, p1: int, q1: int, pol: int, n_pols: int, out: Array
) -> None:
    """Add what a thread has of 32 x 32 stations to their baselines."""
    lane = cuda.threadIdx.x % _WARP
    for half in range(4):
        for group in range(2):
            for k in range(4):
                place = 32 * group + 8 * half + k
                re = unscale * (float(sums[place]) - float(lost[place]))
                im = unscale * (float(sums[place + 4]) - float(lost[place + 4]))
                p, q = p1 + 16 * group + lane // 4 + 8 * (k // 2), q1 + 8 * half + 2 * (lane % 4) + k % 2
                tiles.add_to_baseline(complex(re, im), index, p, q, pol, n_pols, out)


def _product_kernel(left_value: Any, right_value: Any, n_planes: int, n_pols: int) -> Any:
    """Make the kernel of one kind of product; an unpolarised sky needs one polarisation."""
    fill_left, fill_right = _fill_kernel(left_value), _fill_kernel(right_value)

    def product(factors: Any, largest: Array, n_terms: int, baseline_index: Array, out: Array) -> None:
        shared = cuda.shared.array(0, _WORD)  # as large as launched with; it begins at a multiple of 16 bytes
        sums, lost = cuda.local.array(_SUMS, np.float32), cuda.local.array(_SUMS, np.float32)
        thread, n_stations = cuda.threadIdx.x, baseline_index.shape[0]
        row, column = thread // _WARP // 2, thread // _WARP % 2
        pol, dump = cuda.blockIdx.y % n_pols, cuda.blockIdx.y // n_pols
        corner, of_dump = tiles.corner(cuda.blockIdx.x, n_stations), tiles.of_dump(dump, n_planes, n_terms, n_stations)
        if not cuda.syncthreads_or(tiles.holds_baseline(baseline_index, corner, thread, _WARP * _WARPS)):
            return
        for k in range(_SUMS):
            sums[k] = lost[k] = 0
        p1, q1 = corner[0] + _QUADRANT * row, corner[1] + _QUADRANT * column
        is_needed = p1 <= q1 and q1 < n_stations  # the same for all threads of a warp
        left_exponent, right_exponent = _exponent(largest[dump, 0]), _exponent(largest[dump, 1])
        left_scale = np.float32(math.ldexp(1.0, left_exponent))
        right_scale = np.float32(math.ldexp(1.0, right_exponent))
        for t0 in range(np.int32(0), np.int32(n_terms), np.int32(_CHUNK)):
            n_left = n_terms - t0
            fill_left(factors, of_dump, t0, n_left, corner[0], n_stations - 1, pol, left_scale, shared)
            fill_right(factors, of_dump, t0, n_left, corner[1], n_stations - 1, pol, right_scale, shared[_SIDE:])
            cuda.syncthreads()
            if is_needed:
                _multiply(shared, row, column, sums, lost)
            cuda.syncthreads()
        if is_needed:
            unscale = math.ldexp(1.0, -left_exponent - right_exponent)
            _add_to_baselines(sums, lost, unscale, baseline_index, p1, q1, pol, n_pols, out[dump])

    return cuda.jit(product)


_unpolarised = _product_kernel(operands.unpolarised_left, operands.common_right, 2, 1)
_common = _product_kernel(operands.common_left, operands.common_right, 2, 4)
_per_kind = _product_kernel(operands.packed_left, operands.packed_right, operands.N_PLANES, 4)
