"""Responses of aperture arrays, and scalar responses of stations, on CUDA."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from kernels import bodies
from kernels.cuda.launch import THREADS, blocks

Array = Any

_turns_of_path = cuda.jit(bodies.turns_of_path, device=True)
_nearest_quarter = cuda.jit(bodies.nearest_quarter, device=True)
_cos_sin_single = cuda.jit(bodies.cos_sin_single, device=True)
_cos_sin_double = cuda.jit(bodies.cos_sin_double, device=True)
_dipole = cuda.jit(bodies.dipole, device=True)


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
    if out.size:
        turns_per_m = frequency_hz / bodies.SPEED_OF_LIGHT_M_S
        kernel = _array_responses_single if out.dtype == np.complex64 else _array_responses_double
        n_items = out.shape[0] * out.shape[1]
        kernel[blocks(n_items), THREADS](element_enu, weight, first, offset, turns_per_m, field, out)


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
    if phasors.size:
        _scale[blocks(phasors.size // 2), THREADS](response, kind, source, phasors)


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
    if out.size:
        peaks = bodies.dipole_peaks(height, half)
        _dipoles[blocks(len(out)), THREADS](enu, north, feeds, height, half, *peaks, out)


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
    if out.size:
        _interpolate[blocks(out.size), THREADS](values, weights, n_between, look, out)


def _array_responses_in(real: Any, cos_sin: Any) -> Any:
    """Make the kernel with cosines and sines, which are most of the arithmetic, in float32 or float64."""

    @cuda.jit
    def kernel(
        element_enu: Array, weight: Array, first: Array, offset: Array, turns_per_m: float, field: Array, out: Array
    ) -> None:
        n_sources = out.shape[1]
        for task in range(cuda.grid(1), out.shape[0] * n_sources, cuda.gridsize(1)):
            k, s = task // n_sources, task % n_sources
            re, im, n_elements = 0.0, 0.0, first[k + 1] - first[k]
            for e in range(first[k], first[k + 1]):
                x, y, z = element_enu[e, 0], element_enu[e, 1], element_enu[e, 2]
                turns = _turns_of_path(x, y, z, offset[s, 0], offset[s, 1], offset[s, 2], turns_per_m)
                quarter = _nearest_quarter(turns)
                cosine, sine = cos_sin(real(turns - 0.25 * quarter), real(quarter))
                re += weight[e].real * cosine - weight[e].imag * sine
                im += weight[e].real * sine + weight[e].imag * cosine
            factor = complex(re / n_elements, im / n_elements)
            for i in range(field.shape[1]):
                out[k, s, i] = factor * field[s, i]

    return kernel


_array_responses_single = _array_responses_in(np.float32, _cos_sin_single)
_array_responses_double = _array_responses_in(np.float64, _cos_sin_double)


@cuda.jit
def _scale(response: Array, kind: Array, source: Array, phasors: Array) -> None:
    n_terms, n_stations = phasors.shape[2], phasors.shape[3]
    for k in range(cuda.grid(1), phasors.shape[0] * n_terms * n_stations, cuda.gridsize(1)):
        row, p = k // n_stations, k % n_stations
        d, t = row // n_terms, row % n_terms
        factor, re, im = response[d, kind[p], source[t]], phasors[d, 0, t, p], phasors[d, 1, t, p]
        phasors[d, 0, t, p] = factor.real * re - factor.imag * im
        phasors[d, 1, t, p] = factor.real * im + factor.imag * re


@cuda.jit
def _dipoles(
    enu: Array, north: Array, feeds: Array, height: float, half: float, zenith: float, across: float, out: Array
) -> None:
    for s in range(cuda.grid(1), enu.shape[0], cuda.gridsize(1)):
        for k in range(2):
            out[s, 2 * k], out[s, 2 * k + 1] = _dipole(enu, north, feeds, s, k, height, half, zenith, across)


@cuda.jit
def _interpolate(values: Array, weights: Array, n_between: int, look: Array, out: Array) -> None:
    n_rows, n_sources, n_parts = out.shape[1], out.shape[2], out.shape[3]
    for k in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        rest, part = k // n_parts, k % n_parts
        rest, s = rest // n_sources, rest % n_sources
        d, r = rest // n_rows, rest % n_rows
        if s >= n_between:
            which = look[d, s - n_between]
            out[d, r, s, part] = values[r, which, part] if which >= 0 else 0
            continue
        total = weights[d, 0] * values[r, s, part]
        for m in range(1, weights.shape[1]):
            total += weights[d, m] * values[r, m * n_between + s, part]
        out[d, r, s, part] = total
