"""What corrupts visibilities, on CUDA: noise, gains of stations, a phase screen; one thread per baseline or phasor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda

from kernels import bodies, corruption_bodies
from kernels.corruption_bodies import NOISE
from kernels.cuda.launch import THREADS, blocks

Array = Any  # device array

_philox = cuda.jit(corruption_bodies.philox, device=True)
_normal_radius = cuda.jit(corruption_bodies.normal_radius, device=True)
_normal_turns = cuda.jit(corruption_bodies.normal_turns, device=True)
_cubic_weights = cuda.jit(corruption_bodies.cubic_weights, device=True)
_pierce_pixel = cuda.jit(corruption_bodies.pierce_pixel, device=True)
_nearest_quarter = cuda.jit(bodies.nearest_quarter, device=True)
_cos_sin_double = cuda.jit(bodies.cos_sin_double, device=True)


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
    key = (np.uint64(channel), np.uint64(dump), np.uint64(seed))
    _add_noise[blocks(stations.shape[0]), THREADS](stations, sigma_jy, *key, visibilities)


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
    _apply_gains[blocks(stations.shape[0]), THREADS](stations, gains, visibilities)


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
    n_phasors = phasors.shape[1] * phasors.shape[2]
    if n_phasors:
        arrays = (station_enu, enu, source, screen)
        _phase_screen[blocks(n_phasors), THREADS](*arrays, place, turns_per_tecu, phasors)


@cuda.jit(device=True)
def _normals(radius_word: Any, angle_word: Any, sigma: float) -> Any:
    """Two normals of standard deviation sigma."""
    radius, turns = sigma * _normal_radius(radius_word), _normal_turns(angle_word)
    quarter = _nearest_quarter(turns)
    cosine, sine = _cos_sin_double(turns - 0.25 * quarter, quarter)
    return radius * cosine, radius * sine


@cuda.jit
def _add_noise(stations: Array, sigma_jy: Array, channel: Any, dump: Any, seed: Any, visibilities: Array) -> None:
    for b in range(cuda.grid(1), stations.shape[0], cuda.gridsize(1)):
        p, q = stations[b, 0], stations[b, 1]
        sigma = math.sqrt(sigma_jy[p] * sigma_jy[q])
        pair = np.uint64(p) << np.uint64(16) | np.uint64(q)
        w0, w1, w2, w3 = _philox(channel, dump, pair, np.uint64(NOISE << 8), seed)
        xx_re, xx_im = _normals(w0, w1, sigma)
        xy_re, xy_im = _normals(w2, w3, sigma)
        w0, w1, w2, w3 = _philox(channel, dump, pair, np.uint64((NOISE << 8) + 1), seed)
        yx_re, yx_im = _normals(w0, w1, sigma)
        yy_re, yy_im = _normals(w2, w3, sigma)
        if p == q:
            xx_re, xx_im = math.sqrt(2.0) * xx_re, 0.0
            yx_re, yx_im = xy_re, -xy_im
            yy_re, yy_im = math.sqrt(2.0) * yy_re, 0.0
        visibilities[b, 0] += complex(xx_re, xx_im)
        visibilities[b, 1] += complex(xy_re, xy_im)
        visibilities[b, 2] += complex(yx_re, yx_im)
        visibilities[b, 3] += complex(yy_re, yy_im)


@cuda.jit
def _apply_gains(stations: Array, gains: Array, visibilities: Array) -> None:
    for b in range(cuda.grid(1), stations.shape[0], cuda.gridsize(1)):
        p, q = stations[b, 0], stations[b, 1]
        for i in range(2):
            for j in range(2):
                if p == q and i == j:
                    gain = gains[p, i]
                    visibilities[b, 2 * i + j] *= gain.real * gain.real + gain.imag * gain.imag
                else:
                    visibilities[b, 2 * i + j] *= gains[p, i] * gains[q, j].conjugate()
        if p == q:
            visibilities[b, 2] = visibilities[b, 1].conjugate()


@cuda.jit
def _phase_screen(
    station_enu: Array, enu: Array, source: Array, screen: Array, place: Any, turns_per_tecu: float, phasors: Array
) -> None:
    east0, north0, pixel_m, height_m = place
    n_stations = phasors.shape[2]
    for k in range(cuda.grid(1), phasors.shape[1] * n_stations, cuda.gridsize(1)):
        t, p = k // n_stations, k % n_stations
        east, north, up = enu[source[t], 0], enu[source[t], 1], enu[source[t], 2]
        x = _pierce_pixel(station_enu[p, 0], east / up, height_m, east0, pixel_m)
        y = _pierce_pixel(station_enu[p, 1], north / up, height_m, north0, pixel_m)
        turns = turns_per_tecu / up * _content(screen, x, y)
        turns -= math.floor(turns + 0.5)
        quarter = _nearest_quarter(turns)
        cosine, sine = _cos_sin_double(turns - 0.25 * quarter, quarter)
        re, im = phasors[0, t, p], phasors[1, t, p]
        phasors[0, t, p], phasors[1, t, p] = re * cosine - im * sine, re * sine + im * cosine


@cuda.jit(device=True)
def _content(screen: Array, x: float, y: float) -> float:
    """Interpolate the screen at a place, in pixels."""
    left, low = math.floor(x), math.floor(y)
    wx, wy = _cubic_weights(x - left), _cubic_weights(y - low)
    i, j = int(low) % (screen.shape[0] - 3), int(left) % (screen.shape[1] - 3)
    content = 0.0
    for row in range(4):
        part = wx[0] * screen[i + row, j] + wx[1] * screen[i + row, j + 1]
        part += wx[2] * screen[i + row, j + 2] + wx[3] * screen[i + row, j + 3]
        content += wy[row] * part
    return content
