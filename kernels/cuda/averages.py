"""Running averages on CUDA."""

from __future__ import annotations

from typing import Any

from numba import cuda

from kernels import bodies
from kernels.cuda.launch import THREADS, blocks

Array = Any

_added_rounded = cuda.jit(bodies.added_rounded, device=True)


def accumulate(visibilities: Array, weights: Array, sums: Array, sum_weights: Array) -> None:
    """Add weighted visibilities to a running average: sums += weights * visibilities, all in float32.

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
    _accumulate[blocks(4 * weights.shape[0]), THREADS](visibilities, weights, sums, sum_weights)


@cuda.jit
def _accumulate(visibilities: Array, weights: Array, sums: Array, sum_weights: Array) -> None:
    for k in range(cuda.grid(1), 4 * weights.shape[0], cuda.gridsize(1)):
        b, pol = k // 4, k % 4
        total, value = sums[b, pol], visibilities[b, pol]
        re = _added_rounded(total.real, weights[b], value.real)
        im = _added_rounded(total.imag, weights[b], value.imag)
        sums[b, pol] = complex(re, im)
        if pol == 0:
            sum_weights[b] += weights[b]
