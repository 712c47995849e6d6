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


def dipoles(enu: Array, north: Array, feeds: Array, height: float, half: float, out: Array) -> None:
    """Responses of two crossed dipoles: ``J = G [[d_X.n L_X, d_X.e L_X], [d_Y.n L_Y, d_Y.e L_Y]]``.

    n and e are the sky's unit vectors to the north and east at the source, d the dipoles' [Balanis 2005, Antenna
    Theory, 3rd ed., 4.2]. The direct wave and the one reflected by a ground plane, as from an image of opposite sign,
    add up to ``2i sin(2 pi height cos theta)`` [Balanis, 4.7.4]; G is that divided by its value at the zenith. L is
    what a dipole with a sinusoidal current has more than a short one [Balanis, eq. 4-62a], and one at right angles to
    the dipole: ``L = (cos(a c) - cos a) / ((1 - c^2) (1 - cos a))`` for the cosine c of the angle from the dipole and
    a = 2 pi half. Written as a product of sines it is smooth at c = 1.

    Parameters
    ----------
    enu, north
        (look, 3) float64: unit vectors towards the source, and along the sky to the north, in east, north, up; e is
        ``cross(north, enu)``.
    feeds
        (2, 3) float64: unit vectors d of X and Y, horizontal.
    height, half
        Height of the dipoles above the plane and half their length, in wavelengths; zero: no plane, short dipoles.
    out
        (look, 4) complex64 or complex128: the elements of J, row by row. Computed in float64.
    """
    sky = np.stack([north, np.cross(north, enu)], axis=-1)
    gain = ground_gain(enu[:, 2:], height) * current_gain(enu @ feeds.T, half)
    out[...] = (gain[:, :, np.newaxis] * (feeds @ sky)).reshape(len(enu), 4)


def interpolate(values: Array, weights: Array, n_between: int, look: Array, out: Array) -> None:
    """Interpolate the responses to sources between moments; those to others are known where they are wanted.

    out[d, r, s] = sum_m weights[d, m] values[r, m n + s], in order, for the first n sources; then
    values[r, look[d, s - n]], or zeros.

    Parameters
    ----------
    values
        (row, look, part) float32 or float64: first those at the moments, one after another; complex arrays as pairs.
    weights
        (dump, moment) same dtype: Lagrange's polynomials at where to interpolate.
    n_between
        The number n of sources that are interpolated.
    look
        (dump, other) int32: which of the looks an other has in a dump; -1: none.
    out
        (dump, row, source, part) same dtype: of those that are interpolated, then of the others.
    """
    n_moments, between = weights.shape[1], values[:, : weights.shape[1] * n_between].astype(np.float64)
    between = between.reshape(values.shape[0], n_moments, n_between, values.shape[2])
    out[:, :, :n_between] = np.einsum("dm,rmsp->drsp", weights.astype(np.float64), between)
    with_none = np.pad(values, ((0, 0), (0, 1), (0, 0)))  # the last look, which is also look -1, is zeros
    out[:, :, n_between:] = with_none[:, look].swapaxes(0, 1)


def ground_gain(up: Array, height: float) -> Array:
    """G of `dipoles`, (…) float64, for the cosine of the angle from the zenith."""
    if height == 0.0:
        return np.ones_like(up)
    gain: Array = np.sin(2.0 * np.pi * height * up) / np.sin(2.0 * np.pi * height)
    return gain


def current_gain(along: Array, half: float) -> Array:
    """L of `dipoles`, (…) float64, for the cosine of the angle from the dipole."""
    # numpy's sinc(x) is sin(pi x) / (pi x).
    gain: Array = np.sinc(half * (1.0 + along)) * np.sinc(half * (1.0 - along)) / np.sinc(half) ** 2
    return gain
