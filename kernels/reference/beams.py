"""Responses of aperture arrays, and scalar responses of stations: the obvious NumPy float64 form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.bodies import SPEED_OF_LIGHT_M_S

Array = NDArray[Any]


def array_responses(
    element_enu: Array, weight: Array, first: Array, offset: Array, frequency_hz: float, field: Array, out: Array
) -> None:
    """Responses of aperture-array stations: out[k, s] = field[s] mean_e weight_e exp(+2 pi i nu/c r_e . offset_s).

    The mean is over the elements of station kind k. A station steered at its pointing adds its elements with the
    conjugate of the pointing's phase, hence the difference of directions. [Balanis 2016, Antenna Theory, 4th ed.,
    ch. 6; Mort et al. 2010, IEEE Int. Symp. on Phased Array Systems and Technology, 690]

    Parameters
    ----------
    element_enu
        (element, 3) float64, m, those of one kind in a run; in the axes of ``offset``.
    weight
        (element,) complex128: gain and phase of every element.
    first
        (kind + 1,) int64: where the elements of each kind begin; every kind has at least one.
    offset
        (source, 3) float64: unit vector to the source minus unit vector to the pointing.
    frequency_hz
        Frequency, Hz.
    field
        (source, value) complex of the dtype of ``out``: response of one element, a number or the four of a matrix.
    out
        (kind, source, value) complex128, or complex64 in which sines and cosines then are. Phases are float64 either
        way.
    """
    turns = (frequency_hz / SPEED_OF_LIGHT_M_S) * (element_enu @ offset.T)
    response = weight[:, None] * np.exp(2j * np.pi * (turns - np.rint(turns)))
    for k in range(first.size - 1):
        out[k] = response[first[k] : first[k + 1]].mean(axis=0)[:, None] * field


def scale(response: Array, kind: Array, source: Array, phasors: Array) -> None:
    """Multiply phasors by a scalar response, in place: K_p(t) *= response[dump, kind[p], source[t]].

    Of stations whose responses differ, but are the same for both polarisations: the products are then
    `unpolarised` or `common`.

    Parameters
    ----------
    response
        (dump, kind, source) complex of the phasors' precision.
    kind
        (station,) int32: row of a dump's responses.
    source
        (term,) int32: column of a dump's responses.
    phasors
        (dump, 2, term, station) float32 or float64, changed in place.
    """
    factor = response.astype(np.complex128)[:, kind][:, :, source].swapaxes(1, 2)
    product = factor * (phasors[:, 0].astype(np.float64) + 1j * phasors[:, 1])
    phasors[:, 0], phasors[:, 1] = product.real, product.imag


def interpolate(values: Array, weights: Array, others: Array, look: Array, out: Array) -> None:
    """Interpolate rows of numbers between moments, and put others behind them, which are known where they are wanted.

    out[d, r, i] = sum_m weights[d, m] values[r, m, i], in order, for the first; then others[r, look[d, j]], or zeros.

    Parameters
    ----------
    values
        (row, moment, value) float32 or float64, at least one moment; complex arrays as pairs of these.
    weights
        (dump, moment) same dtype: Lagrange's polynomials at where to interpolate.
    others
        (row, look, part) same dtype.
    look
        (dump, other) int32: which of the looks an other has in a dump; -1: none.
    out
        (dump, row, value and parts of all others) same dtype.
    """
    n_values = values.shape[2]
    out[..., :n_values] = np.einsum("dm,rmi->dri", weights.astype(np.float64), values.astype(np.float64))
    with_none = np.pad(others, ((0, 0), (0, 1), (0, 0)))  # the last look, which is also look -1, is zeros
    out[..., n_values:] = with_none[:, look].swapaxes(0, 1).reshape(out[..., n_values:].shape)
