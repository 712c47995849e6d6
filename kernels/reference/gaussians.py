"""Elliptical Gaussian sources: the obvious NumPy float64 form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.reference.products import coherency_matrix, complex_phasors, pairs

Array = NDArray[Any]


def along_axes(
    station_uvw: Array, epoch: Array, axes: Array, source: Array, frequency_hz: float, offset_hz: Array, out: Array
) -> None:
    """Stations along the axes of every Gaussian, in one dump: out[t, p, i] = nu_t axes[source[t], i] . uvw_p.

    Parameters
    ----------
    station_uvw
        (epoch, station, 3) float64, m.
    epoch
        (term,) int32: which of the dump's epochs.
    axes
        (source, 2, 3) float64, 1/(m Hz): so that exp(-(nu a_0 . b)^2 - (nu a_1 . b)^2) is the visibility of a Gaussian
        of 1 Jy on a baseline b.
    source
        (term,) int32: row of ``axes``.
    frequency_hz, offset_hz
        Hz; (term,) float64, Hz: the frequency of a term is the sum of both.
    out
        (term, station, 3) float64: what `gaussians` takes as stations, with an envelope of (1, 0, 1); zero at the end.
    """
    turns_hz = (frequency_hz + offset_hz)[:, None, None]
    out[..., :2] = np.einsum("tij,tpj->tpi", axes[source], station_uvw[epoch]) * turns_hz
    out[..., 2] = 0.0


def gaussians(
    phasors: Array,
    jones: Array,
    kind: Array,
    source: Array,
    coherency: Array,
    envelope: Array,
    epoch: Array,
    station_uvw: Array,
    baseline_index: Array,
    out: Array,
) -> None:
    """Add visibilities of Gaussians: V_pq += sum_t exp(-(a du^2 + b du dv + c dv^2)) K_p conj(K_q) J_p C_t J_q^H.

    Parameters
    ----------
    phasors
        (2, term, station) float32 or float64.
    jones
        (kind, source, 2, 2) complex of the same precision; with no kinds, (0, source, 2, 2), all stations are alike
        and ``coherency`` is already J C J^H.
    kind
        (station,) int32: row of ``jones``.
    source
        (term,) int32: column of ``jones``.
    coherency
        (term, 4) float of the same precision, Jy: (XX, YY, Re XY, Im XY), times the weight of the term.
    envelope
        (term, 3) float64, 1/m^2: a, b, c, for baselines in metres; a >= 0, c >= 0, b^2 <= 4 a c.
    epoch
        (term,) int32: row of ``station_uvw``.
    station_uvw
        (epoch, station, 3) float64, m: du, dv are the differences of u and v.
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (baseline, 4) complex64 or complex128, Jy, added to, rounded once: XX, XY, YX, YY.
    """
    sky, phasor, n_stations = coherency_matrix(coherency), complex_phasors(phasors), phasors.shape[2]
    response = np.broadcast_to(np.eye(2), (n_stations, len(sky), 2, 2))
    if len(jones):
        response = jones.astype(np.complex128)[np.ix_(kind, source)]
    a, b, c = envelope.T
    for p, q, row in zip(*pairs(baseline_index), strict=True):
        du, dv = (station_uvw[epoch, p, :2] - station_uvw[epoch, q, :2]).T
        fringe = np.exp(-(a * du**2 + b * du * dv + c * dv**2)) * phasor[:, p] * phasor[:, q].conj()
        seen = response[p] @ sky @ response[q].conj().swapaxes(-1, -2)
        out[row] += (fringe[:, None, None] * seen).sum(axis=0).reshape(4)
