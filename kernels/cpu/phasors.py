"""Phasors on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from kernels import bodies
from kernels.bodies import SPEED_OF_LIGHT_M_S
from kernels.cpu.tiles import OPTIONS

Array = NDArray[Any]

# Compiled into their callers, which are cached.
_turns_of_path = njit(bodies.turns_of_path, fastmath={"contract"})
_nearest_quarter = njit(bodies.nearest_quarter)
_cos_sin_single = njit(bodies.cos_sin_single, fastmath={"contract"})
_cos_sin_double = njit(bodies.cos_sin_double, fastmath={"contract"})


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
        (dump, 2, term, station) float32 or float64: real and imaginary parts. Phases are float64 either way.
    """
    kernel = _phasors_single if out.dtype == np.float32 else _phasors_double
    kernel(np.ascontiguousarray(station_uvw.swapaxes(2, 3)), epoch, lmn, frequency_hz, offset_hz, out)


@njit(parallel=True, **OPTIONS)
def _phasors_single(
    uvw_station: Array, epoch: Array, lmn: Array, frequency_hz: float, offset_hz: Array, out: Array
) -> None:
    """Phasors in float32 from (dump, epoch, 3, station) positions."""
    n_terms = epoch.size
    for k in prange(lmn.shape[0] * n_terms):
        dump, t = k // n_terms, k % n_terms
        uvw, turns_per_m = uvw_station[dump, epoch[t]], (frequency_hz + offset_hz[t]) / SPEED_OF_LIGHT_M_S
        u, v, w = uvw[0], uvw[1], uvw[2]
        ell, m, n1 = lmn[dump, t, 0], lmn[dump, t, 1], lmn[dump, t, 2]
        re, im = out[dump, 0, t], out[dump, 1, t]
        for p in range(u.size):
            turns = _turns_of_path(u[p], v[p], w[p], ell, m, n1, turns_per_m)
            quarter = _nearest_quarter(turns)
            re[p], im[p] = _cos_sin_single(np.float32(turns - 0.25 * quarter), np.float32(quarter))


@njit(parallel=True, **OPTIONS)
def _phasors_double(
    uvw_station: Array, epoch: Array, lmn: Array, frequency_hz: float, offset_hz: Array, out: Array
) -> None:
    """Phasors in float64 from (dump, epoch, 3, station) positions."""
    n_terms = epoch.size
    for k in prange(lmn.shape[0] * n_terms):
        dump, t = k // n_terms, k % n_terms
        uvw, turns_per_m = uvw_station[dump, epoch[t]], (frequency_hz + offset_hz[t]) / SPEED_OF_LIGHT_M_S
        u, v, w = uvw[0], uvw[1], uvw[2]
        ell, m, n1 = lmn[dump, t, 0], lmn[dump, t, 1], lmn[dump, t, 2]
        re, im = out[dump, 0, t], out[dump, 1, t]
        for p in range(u.size):
            turns = _turns_of_path(u[p], v[p], w[p], ell, m, n1, turns_per_m)
            quarter = _nearest_quarter(turns)
            re[p], im[p] = _cos_sin_double(turns - 0.25 * quarter, quarter)
