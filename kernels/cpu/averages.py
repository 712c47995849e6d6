"""Running averages on the CPU."""

from __future__ import annotations

from typing import Any

from numba import njit, prange
from numpy.typing import NDArray

from kernels import bodies
from kernels.cpu.tiles import OPTIONS

Array = NDArray[Any]

# Without contraction, which would leave out the rounding of the product.
_EXACT = {**OPTIONS, "fastmath": False}

_added_rounded = njit(bodies.added_rounded, fastmath=False)  # compiled into its caller, which is cached


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
    _accumulate(visibilities, weights, sums, sum_weights)


@njit(parallel=True, **_EXACT)
def _accumulate(visibilities: Array, weights: Array, sums: Array, sum_weights: Array) -> None:
    """Weighted sum, rounded to the float32 of ``sums``."""
    for b in prange(weights.size):
        for pol in range(4):
            total, value = sums[b, pol], visibilities[b, pol]
            re = _added_rounded(total.real, weights[b], value.real)
            im = _added_rounded(total.imag, weights[b], value.imag)
            sums[b, pol] = complex(re, im)
        sum_weights[b] += weights[b]
