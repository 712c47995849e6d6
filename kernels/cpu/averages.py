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
        (dump, baseline, 4) complex64 or complex128, Jy.
    weights
        (baseline,) float32, the same for all dumps.
    sums
        (dump, baseline, 4) complex64, changed in place.
    sum_weights
        (dump, baseline) float32, changed in place.
    """
    _accumulate(visibilities, weights, sums, sum_weights)


def add(values: Array, out: Array) -> None:
    """Add an array to another: out += values.

    Parameters
    ----------
    values, out
        Contiguous, of the same shape and dtype, float32 or complex64; ``out`` is changed in place.
    """
    _add(values.reshape(-1), out.reshape(-1))


def clear(out: Array) -> None:
    """Set an array to zero.

    Parameters
    ----------
    out
        Contiguous, of any shape and dtype.
    """
    out.fill(0)


@njit(parallel=True, **_EXACT)
def _accumulate(visibilities: Array, weights: Array, sums: Array, sum_weights: Array) -> None:
    """Weighted sum, rounded to the float32 of ``sums``."""
    n_baselines = weights.size
    for k in prange(visibilities.shape[0] * n_baselines):
        dump, b = k // n_baselines, k % n_baselines
        for pol in range(4):
            total, value = sums[dump, b, pol], visibilities[dump, b, pol]
            re = _added_rounded(total.real, weights[b], value.real)
            im = _added_rounded(total.imag, weights[b], value.imag)
            sums[dump, b, pol] = complex(re, im)
        sum_weights[dump, b] += weights[b]


@njit(parallel=True, **_EXACT)
def _add(values: Array, out: Array) -> None:
    for k in prange(out.size):
        out[k] += values[k]
