"""Phasors on CUDA."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from kernels import bodies
from kernels.bodies import SPEED_OF_LIGHT_M_S
from kernels.cuda.launch import THREADS, blocks

Array = Any

_turns_of_path = cuda.jit(bodies.turns_of_path, device=True)
_nearest_quarter = cuda.jit(bodies.nearest_quarter, device=True)


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
    n_phasors = out.size // 2
    if n_phasors:
        kernel[blocks(n_phasors), THREADS](station_uvw, epoch, lmn, frequency_hz, offset_hz, out)


def _phasors_kernel(cos_sin: Any, real: type) -> Any:
    """Make the kernel of phasors from the trigonometry of one precision."""

    def kernel(station_uvw: Array, epoch: Array, lmn: Array, frequency_hz: float, offset_hz: Array, out: Array) -> None:
        n_terms, n_stations = out.shape[2], out.shape[3]
        for k in range(cuda.grid(1), out.shape[0] * n_terms * n_stations, cuda.gridsize(1)):
            row, p = k // n_stations, k % n_stations
            d, t = row // n_terms, row % n_terms
            e, turns_per_m = epoch[t], (frequency_hz + offset_hz[t]) / SPEED_OF_LIGHT_M_S
            u, v, w = station_uvw[d, e, p, 0], station_uvw[d, e, p, 1], station_uvw[d, e, p, 2]
            turns = _turns_of_path(u, v, w, lmn[d, t, 0], lmn[d, t, 1], lmn[d, t, 2], turns_per_m)
            quarter = _nearest_quarter(turns)
            out[d, 0, t, p], out[d, 1, t, p] = cos_sin(real(turns - 0.25 * quarter), real(quarter))

    return cuda.jit(kernel)


_phasors_single = _phasors_kernel(cuda.jit(bodies.cos_sin_single, device=True), np.float32)
_phasors_double = _phasors_kernel(cuda.jit(bodies.cos_sin_double, device=True), np.float64)
