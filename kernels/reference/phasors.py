"""Phasors: the obvious NumPy float64 form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.bodies import SPEED_OF_LIGHT_M_S

Array = NDArray[Any]


def phasors(station_uvw: Array, epoch: Array, lmn: Array, frequency_hz: float, offset_hz: Array, out: Array) -> None:
    """Phasors K = exp(+2 pi i nu/c (u l + v m + w (n-1))) of every term: a source at one time and frequency.

    Terms are the same in every dump, but where their sources and the stations are.

    Parameters
    ----------
    station_uvw
        (dump, epoch, station, 3) float64, m.
    epoch
        (term,) int32: which of the dump's epochs.
    lmn
        (dump, term, 3) float64: l, m, n - 1 of the source at its epoch.
    frequency_hz, offset_hz
        Hz; (term,) float64, Hz: the frequency of a term is the sum of both.
    out
        (dump, 2, term, station) float32 or float64: real and imaginary parts.
    """
    per_m = (frequency_hz + offset_hz) / SPEED_OF_LIGHT_M_S
    turns = np.einsum("dtpi,dti->dtp", station_uvw[:, epoch], lmn) * per_m[:, None]
    turns -= np.rint(turns)
    out[:, 0] = np.cos(2.0 * np.pi * turns)
    out[:, 1] = np.sin(2.0 * np.pi * turns)
