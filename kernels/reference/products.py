"""The obvious NumPy float64 form of every kernel: the oracle for cpu and cuda, slow and memory-hungry."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.bodies import SPEED_OF_LIGHT_M_S

Array = NDArray[Any]


def phasors(station_uvw: Array, lmn: Array, frequency_hz: float, out: Array) -> None:
    """Phasors K = exp(+2 pi i nu/c (u l + v m + w (n-1))).

    Parameters
    ----------
    station_uvw
        (station, 3) float64, m.
    lmn
        (source, 3) float64: l, m, n - 1.
    frequency_hz
        Frequency, Hz.
    out
        (2, source, station) float32 or float64: real and imaginary parts.
    """
    turns = (frequency_hz / SPEED_OF_LIGHT_M_S) * (lmn @ station_uvw.T)
    turns -= np.rint(turns)
    out[0] = np.cos(2.0 * np.pi * turns)
    out[1] = np.sin(2.0 * np.pi * turns)


def unpolarised(phasors: Array, intensity: Array, baseline_index: Array, out: Array) -> None:
    """Visibilities of an unpolarised sky: XX = YY = sum_s I K_p conj(K_q), XY = YX = 0.

    Parameters
    ----------
    phasors
        (2, source, station) float32 or float64.
    intensity
        (source,) same dtype, Jy; may be negative.
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY.
    """
    p, q, row = _pairs(baseline_index)
    out[row] = 0.0
    out[row, 0] = out[row, 3] = _product(phasors, intensity)[p, q]


def common(phasors: Array, coherency: Array, baseline_index: Array, out: Array) -> None:
    """Visibilities where all stations share one response.

    Parameters
    ----------
    phasors
        (2, source, station) float32 or float64.
    coherency
        (source, 4) same dtype, Jy: J B J^H as (XX, YY, Re XY, Im XY); YX = conj(XY).
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY.
    """
    p, q, row = _pairs(baseline_index)
    for pol, weight in enumerate(_coherency_matrix(coherency).reshape(-1, 4).T):
        out[row, pol] = _product(phasors, weight)[p, q]


def per_station(phasors: Array, jones: Array, coherency: Array, baseline_index: Array, out: Array) -> None:
    """Visibilities V_pq = sum_s K_p conj(K_q) J_p C_s J_q^H of stations that differ.

    Parameters
    ----------
    phasors
        (2, source, station) float32 or float64.
    jones
        (station, source, 2, 2) complex of the same precision.
    coherency
        (source, 4) float of the same precision, Jy: (XX, YY, Re XY, Im XY) of the sky.
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY.
    """
    sky = _coherency_matrix(coherency)
    wide_jones = jones.astype(np.complex128)
    phasor = _complex(phasors)
    for p, q, row in zip(*_pairs(baseline_index), strict=True):
        seen = wide_jones[p] @ sky @ wide_jones[q].conj().swapaxes(-1, -2)
        fringe = phasor[:, p] * phasor[:, q].conj()
        out[row] = (fringe[:, None, None] * seen).sum(axis=0).reshape(4)


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
    sums[...] = sums.astype(np.complex128) + weights.astype(np.float64)[:, None] * visibilities
    sum_weights += weights


def _complex(phasors: Array) -> Array:
    """Phasors as one complex128 array (source, station)."""
    phasor: Array = phasors[0].astype(np.float64) + 1j * phasors[1].astype(np.float64)
    return phasor


def _product(phasors: Array, weight: Array) -> Array:
    """Matrix (station, station) of sum_s weight K_p conj(K_q), complex128."""
    phasor = _complex(phasors)
    product: Array = (phasor * weight[:, None]).T @ phasor.conj()
    return product


def _coherency_matrix(coherency: Array) -> Array:
    """Coherency (source, 2, 2) complex128 from (XX, YY, Re XY, Im XY)."""
    xx, yy, re, im = coherency.astype(np.float64).T
    matrix: Array = np.stack([xx + 0j, re + 1j * im, re - 1j * im, yy + 0j], axis=-1).reshape(-1, 2, 2)
    return matrix


def _pairs(baseline_index: Array) -> tuple[Array, Array, Array]:
    """Stations p, q and row of ``out`` of every baseline kept."""
    p, q = np.nonzero(baseline_index >= 0)
    return p, q, baseline_index[p, q]
