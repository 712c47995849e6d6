"""Running averages on the CPU."""

from __future__ import annotations

from typing import Any

from numba import njit, prange
from numpy.typing import NDArray

from kernels import bodies
from kernels.cpu.tiles import OPTIONS

Array = NDArray[Any]

_rounded_once = njit(bodies.rounded_once)  # compiled into its caller, which is cached


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
def _accumulate(visibilities: Array, weights: Array, sums: Array, sum_weights: Array) -> None:
    """Weighted sum in float64, rounded to the float32 of ``sums``."""
    for b in prange(weights.size):
        for pol in range(4):
            total, value = sums[b, pol], visibilities[b, pol]
            re = _rounded_once(total.real, weights[b], value.real)
            im = _rounded_once(total.imag, weights[b], value.imag)
            sums[b, pol] = complex(re, im)
        sum_weights[b] += weights[b]
