"""Phasors: the obvious NumPy float64 form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.bodies import SPEED_OF_LIGHT_M_S

Array = NDArray[Any]


def phasors(station_uvw: Array, epoch: Array, lmn: Array, frequency_hz: Array, out: Array) -> None:
    """Phasors K = exp(+2 pi i nu/c (u l + v m + w (n-1))) of every term: a source at one time and frequency.

    Parameters
    ----------
    station_uvw
        (epoch, station, 3) float64, m.
    epoch
        (term,) int32: row of ``station_uvw``.
    lmn
        (term, 3) float64: l, m, n - 1 of the source at its epoch.
    frequency_hz
        (term,) float64, Hz.
    out
        (2, term, station) float32 or float64: real and imaginary parts.
    """
    turns = np.einsum("tpi,ti->tp", station_uvw[epoch], lmn) * (frequency_hz / SPEED_OF_LIGHT_M_S)[:, None]
    turns -= np.rint(turns)
    out[0] = np.cos(2.0 * np.pi * turns)
    out[1] = np.sin(2.0 * np.pi * turns)
