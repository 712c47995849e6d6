"""Running averages: the obvious NumPy float64 form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


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
    sums += (weights.astype(np.float64)[:, None] * visibilities).astype(np.complex64)
    sum_weights += weights


def add(values: Array, out: Array) -> None:
    """Add an array to another: out += values.

    Parameters
    ----------
    values, out
        Contiguous, of the same shape and dtype, float32 or complex64; ``out`` is changed in place.
    """
    out += values


def clear(out: Array) -> None:
    """Set an array to zero.

    Parameters
    ----------
    out
        Contiguous, of any shape and dtype.
    """
    out[...] = 0
