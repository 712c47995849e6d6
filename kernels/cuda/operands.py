"""What the products multiply: the two factors of a visibility, each of one station and one term.

A visibility is a sum over inner terms of left times the conjugate of right. Device functions give real and imaginary
part of one of them. Those of the products are given flat arrays: ``place`` is that of a dump's inner term and station
in the first plane, as uint32, and ``size`` what lies between planes, since indices of 64 bits cost two instructions
each; ``term`` counts the terms of all dumps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import cuda

from kernels.cuda.launch import THREADS, blocks

Array = Any

SLAB_BYTES, SLAB_TERMS = 1_000_000_000, 2048
"""Most of what `pack_in_slabs` holds where that is more than one dump; terms of a slab: enough that adding it to the
visibilities costs little. They are as many whatever the dumps, as sums of slabs are rounded."""

N_PLANES = 8
"""Of `pack_in_slabs`: left or right, first or second index, real or imaginary part."""


def space(n_dumps: int, n_terms: int, n_stations: int, itemsize: int) -> int:
    """Return how many numbers `pack_in_slabs` holds for so many dumps and terms at most."""
    one = 2 * N_PLANES * min(n_terms, SLAB_TERMS) * n_stations
    return min(n_dumps, max(1, SLAB_BYTES // max(1, one * itemsize))) * one


def pack_in_slabs(factors: Any, out: Array, memory: Array | None) -> Iterator[tuple[Array, Array]]:
    """Multiply responses into phasors, some terms of some dumps at a time.

    A tile would otherwise gather the same responses again for every tile beside it: see docs/gpu.md.

    Parameters
    ----------
    factors
        phasors, jones, kind, source, coherency, as in `products.per_kind`.
    out
        (dump, baseline, 4): the visibilities.
    memory
        As large as `space` says at least; None: it is allocated.

    Yields
    ------
    packed
        (dump, 2, 2, 2, inner term, station) float32 or float64, on the device: left K_p (J_p C)[i, k] and right
        K_q J_q[j, k]; i or j; real and imaginary parts; 2 t + k. Overwritten by the next.
    some
        The visibilities of these dumps.
    """
    phasors = factors[0]
    n_dumps, _, n_terms, n_stations = phasors.shape
    if not n_terms:
        return
    if memory is None:
        memory = cuda.device_array(space(n_dumps, n_terms, n_stations, phasors.dtype.itemsize), phasors.dtype)
    slab, packed = min(n_terms, SLAB_TERMS), memory
    at_once = min(n_dumps, memory.size // (2 * N_PLANES * slab * n_stations))
    for dump in range(0, n_dumps, at_once):
        n_some = min(at_once, n_dumps - dump)
        some = out if n_some == n_dumps else out[dump : dump + n_some]
        for first in range(0, n_terms, slab):
            shape = (n_some, 2, 2, 2, 2 * min(slab, n_terms - first), n_stations)
            if packed.shape != shape:
                packed = memory[: math.prod(shape)].reshape(shape)
            _pack[blocks(packed.size // (2 * N_PLANES)), THREADS](factors, dump, first, packed)
            yield packed, some


@cuda.jit(device=True)
def unpolarised_left(factors: Any, place: int, size: int, term: int, pol: int) -> Any:
    """I K_p."""
    phasors, intensity = factors
    return intensity[term] * phasors[place], intensity[term] * phasors[np.uint32(size + place)]


@cuda.jit(device=True)
def common_left(factors: Any, place: int, size: int, term: int, pol: int) -> Any:
    """C[i, j] K_p for polarisation 2 i + j."""
    phasors, coherency = factors
    re, im = phasors[place], phasors[np.uint32(size + place)]
    if pol == 0 or pol == 3:
        weight = coherency[np.uint32(4 * term + pol // 3)]
        return weight * re, weight * im
    a, b = coherency[np.uint32(4 * term + 2)], coherency[np.uint32(4 * term + 3)]
    if pol == 2:
        b = -b
    return a * re - b * im, a * im + b * re


@cuda.jit(device=True)
def common_right(factors: Any, place: int, size: int, term: int, pol: int) -> Any:
    """K_q."""
    return factors[0][place], factors[0][np.uint32(size + place)]


@cuda.jit(device=True)
def packed_left(factors: Any, place: int, size: int, term: int, pol: int) -> Any:
    """K_p (J_p C)[i, k] of `pack_in_slabs`, for inner term 2 t + k and polarisation 2 i + j."""
    plane = pol // 2 * 2
    return factors[0][np.uint32(plane * size + place)], factors[0][np.uint32((plane + 1) * size + place)]


@cuda.jit(device=True)
def packed_right(factors: Any, place: int, size: int, term: int, pol: int) -> Any:
    """K_q J_q[j, k] of `pack_in_slabs`, for inner term 2 t + k and polarisation 2 i + j."""
    plane = 4 + pol % 2 * 2
    return factors[0][np.uint32(plane * size + place)], factors[0][np.uint32((plane + 1) * size + place)]


@cuda.jit(device=True)
def kind_left(factors: Any, term: int, p: int, pol: int) -> Any:
    """K_p (J_p C)[i, k] for inner term 2 t + k and polarisation 2 i + j."""
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
    """K_q J_q[j, k] for inner term 2 t + k and polarisation 2 i + j."""
    phasors, jones, kind, source = factors[0], factors[1], factors[2], factors[3]
    t = term // 2
    response = jones[kind[q], source[t], pol % 2, term % 2]
    re, im = phasors[0, t, q], phasors[1, t, q]
    return re * response.real - im * response.imag, re * response.imag + im * response.real


@cuda.jit
def _pack(factors: Any, first_dump: int, first: int, packed: Array) -> None:
    n_terms, n_stations = packed.shape[4] // 2, packed.shape[5]
    for k in range(cuda.grid(1), packed.shape[0] * n_terms * n_stations, cuda.gridsize(1)):
        row, p = k // n_stations, k % n_stations
        dump, t = row // n_terms, row % n_terms
        phasors, jones, kind, source, coherency = factors
        of_dump = phasors[first_dump + dump], jones[first_dump + dump], kind, source, coherency[first_dump + dump]
        for i in range(2):
            for inner in range(2):
                place, term = 2 * t + inner, 2 * (first + t) + inner
                left, right = kind_left(of_dump, term, p, 2 * i), kind_right(of_dump, term, p, i)
                packed[dump, 0, i, 0, place, p], packed[dump, 0, i, 1, place, p] = left
                packed[dump, 1, i, 0, place, p], packed[dump, 1, i, 1, place, p] = right
