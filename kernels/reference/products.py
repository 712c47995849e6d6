"""Products over terms: the obvious NumPy float64 form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def unpolarised(phasors: Array, intensity: Array, baseline_index: Array, out: Array) -> None:
    """Visibilities of an unpolarised sky: XX = YY = sum_t I K_p conj(K_q), XY = YX = 0.

    Parameters
    ----------
    phasors
        (dump, 2, term, station) float32 or float64.
    intensity
        (dump, term) same dtype, Jy, times the weight of the term; may be negative.
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (dump, baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY; added to.
    """
    p, q, row = pairs(baseline_index)
    for dump in range(len(out)):
        products = _product(phasors[dump], intensity[dump])[p, q]
        out[dump, row, 0] += products
        out[dump, row, 3] += products


def common(phasors: Array, coherency: Array, baseline_index: Array, out: Array) -> None:
    """Visibilities where all stations share one response.

    Parameters
    ----------
    phasors
        (dump, 2, term, station) float32 or float64.
    coherency
        (dump, term, 4) same dtype, Jy: J B J^H as (XX, YY, Re XY, Im XY), times the weight of the term; YX = conj(XY).
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (dump, baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY; added to.
    """
    p, q, row = pairs(baseline_index)
    for dump in range(len(out)):
        for pol, weight in enumerate(coherency_matrix(coherency[dump]).reshape(-1, 4).T):
            out[dump, row, pol] += _product(phasors[dump], weight)[p, q]


def per_kind(
    phasors: Array,
    jones: Array,
    kind: Array,
    source: Array,
    coherency: Array,
    baseline_index: Array,
    out: Array,
    space: Array | None = None,
) -> None:
    """Visibilities V_pq = sum_t K_p conj(K_q) J_p C_t J_q^H of stations of several kinds, one response per kind.

    Parameters
    ----------
    phasors
        (dump, 2, term, station) float32 or float64.
    jones
        (dump, kind, source, 2, 2) complex of the same precision.
    kind
        (station,) int32: row of ``jones``; 0, 1, 2 ... where all stations differ.
    source
        (term,) int32: column of ``jones``.
    coherency
        (dump, term, 4) float of the same precision, Jy: (XX, YY, Re XY, Im XY) of the sky, times the term's weight.
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (dump, baseline, 4) complex64 or complex128, Jy: XX, XY, YX, YY; added to.
    space
        Not used: what packs on a GPU.
    """
    for dump in range(len(out)):
        sky, phasor = coherency_matrix(coherency[dump]), complex_phasors(phasors[dump])
        response = jones[dump].astype(np.complex128)[:, source]
        for p, q, row in zip(*pairs(baseline_index), strict=True):
            seen = response[kind[p]] @ sky @ response[kind[q]].conj().swapaxes(-1, -2)
            fringe = phasor[:, p] * phasor[:, q].conj()
            out[dump, row] += (fringe[:, None, None] * seen).sum(axis=0).reshape(4)


def complex_phasors(phasors: Array) -> Array:
    """Phasors as one complex128 array (term, station)."""
    phasor: Array = phasors[0].astype(np.float64) + 1j * phasors[1].astype(np.float64)
    return phasor


def _product(phasors: Array, weight: Array) -> Array:
    """Matrix (station, station) of sum_t weight K_p conj(K_q), complex128."""
    phasor = complex_phasors(phasors)
    product: Array = (phasor * weight[:, None]).T @ phasor.conj()
    return product


def coherency_matrix(coherency: Array) -> Array:
    """Coherency (term, 2, 2) complex128 from (XX, YY, Re XY, Im XY)."""
    xx, yy, re, im = coherency.astype(np.float64).T
    matrix: Array = np.stack([xx + 0j, re + 1j * im, re - 1j * im, yy + 0j], axis=-1).reshape(-1, 2, 2)
    return matrix


def pairs(baseline_index: Array) -> tuple[Array, Array, Array]:
    """Stations p, q and row of ``out`` of every baseline kept."""
    p, q = np.nonzero(baseline_index >= 0)
    return p, q, baseline_index[p, q]
