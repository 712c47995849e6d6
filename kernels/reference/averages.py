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
        (baseline, 4) complex64 or complex128, Jy.
    weights
        (baseline,) float32.
    sums
        (baseline, 4) complex64, changed in place.
    sum_weights
        (baseline,) float32, changed in place.
    """
    sums += (weights.astype(np.float64)[:, None] * visibilities).astype(np.complex64)
    sum_weights += weights
