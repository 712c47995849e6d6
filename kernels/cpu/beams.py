"""Responses of aperture arrays, and scalar responses of stations, on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from kernels import bodies
from kernels.cpu.tiles import OPTIONS

Array = NDArray[Any]

# Sources that stand in vectors while elements follow one another.
_SOURCES = 64

# Elements that are added up in float32.
_ELEMENTS = 16

# Terms that a thread takes at a time: a cache line of responses, which lie source by source.
_TERMS = 8

# Values that are interpolated at a time.
_VALUES = 4096

# Compiled into their callers, which are cached.
_turns_of_path = njit(bodies.turns_of_path, fastmath={"contract"})
_nearest_quarter = njit(bodies.nearest_quarter)
_cos_sin_single = njit(bodies.cos_sin_single, fastmath={"contract"})
_cos_sin_double = njit(bodies.cos_sin_double, fastmath={"contract"})
_dipole = njit(bodies.dipole, fastmath={"contract"})


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
    kernel = _array_responses_single if out.dtype == np.complex64 else _array_responses_double
    kernel(element_enu, weight, first, offset, frequency_hz / bodies.SPEED_OF_LIGHT_M_S, field, out)


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
    _scale(response, kind, source, phasors)


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
    _dipoles(enu, north, feeds, height, half, *bodies.dipole_peaks(height, half), out)


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
    _interpolate(values, weights, n_between, look, out)


@njit(**OPTIONS)
def _turns_towards(offset: Array, turns_per_m: float) -> Array:
    """Return the turns per metre towards a block of sources, axis by axis; zero where there are fewer."""
    towards = np.zeros(3 * _SOURCES)
    for s in range(offset.shape[0]):
        for axis in range(3):
            towards[axis * _SOURCES + s] = turns_per_m * offset[s, axis]
    return towards


@njit(**OPTIONS)
def _multiply_field(sums: Array, n_elements: int, field: Array, out: Array) -> None:
    """Multiply the mean over elements into the field of one, source by source."""
    for s in range(field.shape[0]):
        factor = complex(sums[s] / n_elements, sums[_SOURCES + s] / n_elements)
        for i in range(field.shape[1]):
            out[s, i] = factor * field[s, i]


@njit(parallel=True, **OPTIONS)
def _array_responses_double(
    element_enu: Array, weight: Array, first: Array, offset: Array, turns_per_m: float, field: Array, out: Array
) -> None:
    """Sum over elements in order, a block of sources at a time in vectors, in float64."""
    n_sources, n_kinds = out.shape[1], out.shape[0]
    n_blocks = (n_sources + _SOURCES - 1) // _SOURCES
    for task in prange(n_kinds * n_blocks):
        k, s0 = task // n_blocks, task % n_blocks * _SOURCES
        n = min(_SOURCES, n_sources - s0)
        towards, sums = _turns_towards(offset[s0 : s0 + n], turns_per_m), np.zeros(2 * _SOURCES)
        for e in range(first[k], first[k + 1]):
            x, y, z = element_enu[e, 0], element_enu[e, 1], element_enu[e, 2]
            re, im = weight[e].real, weight[e].imag
            for s in range(_SOURCES):
                east, north, up = towards[s], towards[_SOURCES + s], towards[2 * _SOURCES + s]
                turns = _turns_of_path(x, y, z, east, north, up, 1.0)
                quarter = _nearest_quarter(turns)
                cosine, sine = _cos_sin_double(turns - 0.25 * quarter, quarter)
                sums[s] += re * cosine - im * sine
                sums[_SOURCES + s] += re * sine + im * cosine
        _multiply_field(sums, first[k + 1] - first[k], field[s0 : s0 + n], out[k, s0 : s0 + n])


@njit(parallel=True, **OPTIONS)
def _array_responses_single(
    element_enu: Array, weight: Array, first: Array, offset: Array, turns_per_m: float, field: Array, out: Array
) -> None:
    """Do the same with float64 phases, and sums of a few elements in float32; two loops, each with vectors of one."""
    n_sources, n_kinds = out.shape[1], out.shape[0]
    n_blocks = (n_sources + _SOURCES - 1) // _SOURCES
    for task in prange(n_kinds * n_blocks):
        k, s0 = task // n_blocks, task % n_blocks * _SOURCES
        n = min(_SOURCES, n_sources - s0)
        towards, sums = _turns_towards(offset[s0 : s0 + n], turns_per_m), np.zeros(2 * _SOURCES)
        rest, quarter = np.zeros(_SOURCES, np.float32), np.zeros(_SOURCES, np.float32)
        some = np.zeros(2 * _SOURCES, np.float32)
        for e0 in range(first[k], first[k + 1], _ELEMENTS):
            some[:] = 0
            for e in range(e0, min(e0 + _ELEMENTS, first[k + 1])):
                x, y, z = element_enu[e, 0], element_enu[e, 1], element_enu[e, 2]
                re, im = np.float32(weight[e].real), np.float32(weight[e].imag)
                for s in range(_SOURCES):
                    east, north, up = towards[s], towards[_SOURCES + s], towards[2 * _SOURCES + s]
                    turns = _turns_of_path(x, y, z, east, north, up, 1.0)
                    nearest = _nearest_quarter(turns)
                    rest[s], quarter[s] = np.float32(turns - 0.25 * nearest), np.float32(nearest)
                for s in range(_SOURCES):
                    cosine, sine = _cos_sin_single(rest[s], quarter[s])
                    some[s] += re * cosine - im * sine
                    some[_SOURCES + s] += re * sine + im * cosine
            for s in range(2 * _SOURCES):
                sums[s] += some[s]
        _multiply_field(sums, first[k + 1] - first[k], field[s0 : s0 + n], out[k, s0 : s0 + n])


@njit(parallel=True, **OPTIONS)
def _scale(response: Array, kind: Array, source: Array, phasors: Array) -> None:
    """Multiply stations in turn, with a few terms each."""
    n_terms, n_stations = phasors.shape[2], phasors.shape[3]
    n_blocks = (n_terms + _TERMS - 1) // _TERMS
    for task in prange(phasors.shape[0] * n_blocks):
        dump, block = task // n_blocks, task % n_blocks
        t0, t1 = block * _TERMS, min((block + 1) * _TERMS, n_terms)
        waves = phasors[dump]
        for p in range(n_stations):
            of_kind = response[dump, kind[p]]
            for t in range(t0, t1):
                factor, re, im = of_kind[source[t]], waves[0, t, p], waves[1, t, p]
                waves[0, t, p] = factor.real * re - factor.imag * im
                waves[1, t, p] = factor.real * im + factor.imag * re


@njit(parallel=True, **OPTIONS)
def _dipoles(
    enu: Array, north: Array, feeds: Array, height: float, half: float, zenith: float, across: float, out: Array
) -> None:
    for s in prange(len(enu)):
        for k in range(2):
            out[s, 2 * k], out[s, 2 * k + 1] = _dipole(enu, north, feeds, s, k, height, half, zenith, across)


@njit(parallel=True, **OPTIONS)
def _interpolate(values: Array, weights: Array, n_between: int, look: Array, out: Array) -> None:
    """Add moments one after another, a block of values of a row at a time that stays in the cache."""
    n_parts = values.shape[2]
    n_values = n_between * n_parts
    n_blocks = (n_values + _VALUES - 1) // _VALUES
    for task in prange(out.shape[1] * (n_blocks + 1)):
        row, block = task // (n_blocks + 1), task % (n_blocks + 1)
        if block == n_blocks:
            for dump in range(out.shape[0]):
                for other in range(look.shape[1]):
                    which = look[dump, other]
                    for part in range(n_parts):
                        out[dump, row, n_between + other, part] = values[row, which, part] if which >= 0 else 0
            continue
        begin, end = block * _VALUES, min((block + 1) * _VALUES, n_values)
        flat = values[row].reshape(-1)
        for dump in range(out.shape[0]):
            total = out[dump, row].reshape(-1)[begin:end]
            for m in range(weights.shape[1]):
                weight, moment = weights[dump, m], flat[m * n_values + begin : m * n_values + end]
                if m == 0:
                    for i in range(total.size):
                        total[i] = weight * moment[i]
                else:
                    for i in range(total.size):
                        total[i] += weight * moment[i]
