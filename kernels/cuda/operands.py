"""What the products multiply: the two factors of a visibility, each of one station and one term.

A visibility is a sum over inner terms of left times the conjugate of right. Device functions give real and imaginary
part of one of them. Those of the products are given flat arrays: ``place`` is that of an inner term and station, as
uint32, and ``size`` what lies between real and imaginary parts, since indices of 64 bits cost two instructions each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import cuda

from kernels.cuda.launch import THREADS, blocks

Array = Any

SLAB_BYTES = 256_000_000
"""Most of what `pack_in_slabs` holds: enough terms that adding a slab to the visibilities costs little."""


def pack_in_slabs(factors: Any, n_dumps: int) -> Iterator[Array]:
    """Multiply responses into phasors, some terms of every dump at a time.

    A tile would otherwise gather the same responses again for every tile beside it: see docs/gpu.md.

    Parameters
    ----------
    factors
        phasors, jones, kind, source, coherency, as in `products.per_kind`.
    n_dumps
        The terms are those of so many dumps in turn, equally many of each.

    Yields
    ------
    (2, 2, 2, inner term, station) float32 or float64, on the device
        Left K_p (J_p C)[i, k] and right K_q J_q[j, k]; i or j; real and imaginary parts; dumps in turn, 2 t + k in
        each. Terms beyond a dump's last are zero. Overwritten by the next.
    """
    phasors = factors[0]
    n_terms, n_stations = phasors.shape[1] // n_dumps, phasors.shape[2]
    fitting = SLAB_BYTES // (16 * phasors.dtype.itemsize * n_dumps * n_stations)
    slab = max(1, min(n_terms, fitting))
    packed = cuda.device_array((2, 2, 2, 2 * slab * n_dumps, n_stations), phasors.dtype) if n_terms else None
    for first in range(0, n_terms, slab):
        _pack[blocks(slab * n_dumps * n_stations), THREADS](factors, n_terms, first, slab, packed)
        yield packed


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
def _pack(factors: Any, n_terms: int, first: int, slab: int, packed: Array) -> None:
    n_stations = packed.shape[4]
    for k in range(cuda.grid(1), packed.shape[3] // 2 * n_stations, cuda.gridsize(1)):
        row, p = k // n_stations, k % n_stations
        dump, t = row // slab, first + row % slab
        for i in range(2):
            for inner in range(2):
                place = 2 * row + inner
                if t < n_terms:
                    term = 2 * (dump * n_terms + t) + inner
                    left, right = kind_left(factors, term, p, 2 * i), kind_right(factors, term, p, i)
                    packed[0, i, 0, place, p], packed[0, i, 1, place, p] = left
                    packed[1, i, 0, place, p], packed[1, i, 1, place, p] = right
                else:
                    packed[0, i, 0, place, p] = packed[0, i, 1, place, p] = 0
                    packed[1, i, 0, place, p] = packed[1, i, 1, place, p] = 0
