"""What corrupts visibilities, on the CPU: noise, gains of stations, a phase screen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from kernels import bodies, corruption_bodies
from kernels.corruption_bodies import NOISE
from kernels.cpu.tiles import OPTIONS

Array = NDArray[Any]

# Compiled into their callers, which are cached.
_philox = njit(corruption_bodies.philox)
_normal_radius = njit(corruption_bodies.normal_radius)
_normal_turns = njit(corruption_bodies.normal_turns)
_cubic_weights = njit(corruption_bodies.cubic_weights, fastmath={"contract"})
_pierce_pixel = njit(corruption_bodies.pierce_pixel, fastmath={"contract"})
_nearest_quarter = njit(bodies.nearest_quarter)
_cos_sin_double = njit(bodies.cos_sin_double, fastmath={"contract"})

# Baselines whose random numbers a thread makes at a time: long enough for vector instructions, short enough for L1.
_CHUNK = 256


def add_noise(stations: Array, sigma_jy: Array, seed: int, channel: int, dump: int, visibilities: Array) -> None:
    """Add normal noise to visibilities, each sample a function of seed, channel, dump, stations and polarisation.

    Parameters
    ----------
    stations
        (baseline, 2) int32: p and q, below 65536.
    sigma_jy
        (station,) float64, Jy: standard deviation of the real and of the imaginary part of one polarisation product
        of two stations alike; of others it is the geometric mean.
    seed
        Key of the random numbers, below 2^64.
    channel, dump
        Indices, below 2^32.
    visibilities
        (baseline, 4) complex64 or complex128, Jy, changed in place. Autocorrelations stay Hermitian: XX and YY are real
        with sqrt(2) sigma, YX = conj(XY).
    """
    _add_noise(stations, np.sqrt(sigma_jy), np.uint64(seed), np.uint64(channel), np.uint64(dump), visibilities)


def apply_gains(stations: Array, gains: Array, visibilities: Array) -> None:
    """Multiply visibilities by the gains of their stations: V_pq[i, j] *= g_p[i] conj(g_q[j]).

    Parameters
    ----------
    stations
        (baseline, 2) int32: p and q.
    gains
        (station, 2) complex128: of X and Y.
    visibilities
        (baseline, 4) complex64 or complex128, Jy, changed in place. Autocorrelations stay Hermitian to the bit.
    """
    _apply_gains(stations, gains, visibilities)


def phase_screen(
    station_enu: Array,
    enu: Array,
    source: Array,
    screen: Array,
    place: tuple[float, float, float, float],
    turns_per_tecu: float,
    phasors: Array,
) -> None:
    """Multiply phasors by exp(2 pi i turns_per_tecu TEC), TEC being what their path meets in a thin flat layer.

    Parameters
    ----------
    station_enu
        (station, 3) float64, m. The layer is as high above each of them, so only east and north matter.
    enu
        (source, 3) float64: unit vectors towards the sources, up above zero.
    source
        (term,) int32: which source a term of ``phasors`` belongs to.
    screen
        (north + 3, east + 3) float64, TECU: vertical content, with one row and column before and two behind those
        the period of which is repeated. Interpolated by cubic convolution; the path is 1 / up longer.
    place
        East and north of the pixel in row and column 1, size of a pixel, height of the layer, m.
    turns_per_tecu
        Phase per column density, turns per TECU.
    phasors
        (2, term, station) float32 or float64, changed in place.
    """
    # The terms of a source share its path: interpolating takes ten times as long as multiplying.
    order = np.argsort(source, kind="stable")
    first = np.searchsorted(source[order], np.arange(len(enu) + 1))
    _phase_screen(station_enu, enu, (order, first), screen, place, turns_per_tecu, phasors)


@njit(parallel=True, **OPTIONS)
def _add_noise(
    stations: Array, root_sigma: Array, seed: np.uint64, channel: np.uint64, dump: np.uint64, visibilities: Array
) -> None:
    for chunk in prange((stations.shape[0] + _CHUNK - 1) // _CHUNK):
        b0 = chunk * _CHUNK
        n = min(_CHUNK, stations.shape[0] - b0)
        words = np.empty((8, n), np.uint64)
        normals = np.empty((8, n), np.float64)
        _fill_words(stations[b0 : b0 + n], seed, channel, dump, words)
        _fill_normals(words, normals)
        for k in range(n):
            p, q = stations[b0 + k, 0], stations[b0 + k, 1]
            sigma = root_sigma[p] * root_sigma[q]
            row = visibilities[b0 + k]
            if p == q:
                row[0] += math.sqrt(2.0) * sigma * normals[0, k]
                row[1] += sigma * complex(normals[2, k], normals[3, k])
                row[2] += sigma * complex(normals[2, k], -normals[3, k])
                row[3] += math.sqrt(2.0) * sigma * normals[6, k]
            else:
                for pol in range(4):
                    row[pol] += sigma * complex(normals[2 * pol, k], normals[2 * pol + 1, k])


@njit(**OPTIONS)
def _fill_words(stations: Array, seed: np.uint64, channel: np.uint64, dump: np.uint64, words: Array) -> None:
    """Make eight random words per baseline, of two counters."""
    for k in range(stations.shape[0]):
        pair = np.uint64(stations[k, 0]) << np.uint64(16) | np.uint64(stations[k, 1])
        words[0, k], words[1, k], words[2, k], words[3, k] = _philox(channel, dump, pair, np.uint64(NOISE << 8), seed)
        words[4, k], words[5, k], words[6, k], words[7, k] = _philox(
            channel, dump, pair, np.uint64((NOISE << 8) + 1), seed
        )


@njit(**OPTIONS)
def _fill_normals(words: Array, normals: Array) -> None:
    """Turn pairs of words into standard normals: real and imaginary part of XX, XY, YX, YY."""
    for pair in range(4):
        for k in range(words.shape[1]):
            radius, turns = _normal_radius(words[2 * pair, k]), _normal_turns(words[2 * pair + 1, k])
            quarter = _nearest_quarter(turns)
            cosine, sine = _cos_sin_double(turns - 0.25 * quarter, quarter)
            normals[2 * pair, k], normals[2 * pair + 1, k] = radius * cosine, radius * sine


@njit(parallel=True, **OPTIONS)
def _apply_gains(stations: Array, gains: Array, visibilities: Array) -> None:
    for b in prange(stations.shape[0]):
        p, q = stations[b, 0], stations[b, 1]
        row = visibilities[b]
        for i in range(2):
            for j in range(2):
                if p == q and i == j:
                    gain = gains[p, i]
                    row[2 * i + j] *= gain.real * gain.real + gain.imag * gain.imag
                else:
                    row[2 * i + j] *= gains[p, i] * gains[q, j].conjugate()
        if p == q:
            row[2] = row[1].conjugate()


@njit(parallel=True, **OPTIONS)
def _phase_screen(
    station_enu: Array,
    enu: Array,
    terms: tuple[Array, Array],
    screen: Array,
    place: tuple[float, float, float, float],
    turns_per_tecu: float,
    phasors: Array,
) -> None:
    """Rotate the terms of every source, ``terms[0][terms[1][s] : terms[1][s + 1]]``."""
    order, first = terms
    for s in prange(enu.shape[0]):
        rotation = np.empty((2, phasors.shape[2]), np.float64)
        if first[s] < first[s + 1]:
            _fill_rotation(station_enu, enu[s], screen, place, turns_per_tecu, rotation)
        for k in range(first[s], first[s + 1]):
            re, im = phasors[0, order[k]], phasors[1, order[k]]
            for p in range(phasors.shape[2]):
                cosine, sine = rotation[0, p], rotation[1, p]
                re[p], im[p] = re[p] * cosine - im[p] * sine, re[p] * sine + im[p] * cosine


@njit(**OPTIONS)
def _fill_rotation(
    station_enu: Array,
    direction: Array,
    screen: Array,
    place: tuple[float, float, float, float],
    turns_per_tecu: float,
    rotation: Array,
) -> None:
    """Make cosine and sine of the phase of every station towards one direction."""
    east0, north0, pixel_m, height_m = place
    up = direction[2]
    for p in range(rotation.shape[1]):
        x = _pierce_pixel(station_enu[p, 0], direction[0] / up, height_m, east0, pixel_m)
        y = _pierce_pixel(station_enu[p, 1], direction[1] / up, height_m, north0, pixel_m)
        turns = turns_per_tecu / up * _content(screen, x, y)
        turns -= np.rint(turns)
        quarter = _nearest_quarter(turns)
        rotation[0, p], rotation[1, p] = _cos_sin_double(turns - 0.25 * quarter, quarter)


@njit(**OPTIONS)
def _content(screen: Array, x: float, y: float) -> float:
    """Interpolate the screen at a place, in pixels."""
    left, low = math.floor(x), math.floor(y)
    wx, wy = _cubic_weights(x - left), _cubic_weights(y - low)
    i, j = int(low) % (screen.shape[0] - 3), int(left) % (screen.shape[1] - 3)
    content = 0.0
    for row in range(4):
        line = screen[i + row]
        content += wy[row] * (wx[0] * line[j] + wx[1] * line[j + 1] + wx[2] * line[j + 2] + wx[3] * line[j + 3])
    return content
