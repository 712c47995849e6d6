"""What corrupts visibilities, in NumPy float64: noise, gains of stations, a phase screen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.corruption_bodies import NOISE

Array = NDArray[Any]


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
    p, q = stations.T.astype(np.uint64)
    pair = (p << np.uint64(16)) | q
    first = standard_normals(seed, (channel, dump, pair, NOISE << 8))
    second = standard_normals(seed, (channel, dump, pair, (NOISE << 8) + 1))
    parts = np.concatenate([first, second], axis=-1) * np.sqrt(sigma_jy[p] * sigma_jy[q])[:, None]
    noise = parts[:, ::2] + 1j * parts[:, 1::2]
    auto = p == q
    noise[auto, 0] = np.sqrt(2.0) * noise[auto, 0].real
    noise[auto, 2] = noise[auto, 1].conj()
    noise[auto, 3] = np.sqrt(2.0) * noise[auto, 3].real
    visibilities += noise


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
    p, q = stations.T
    factor = gains[p][:, :, None] * gains[q].conj()[:, None, :]
    seen = factor.reshape(-1, 4) * visibilities
    auto = p == q
    seen[auto, 2] = seen[auto, 1].conj()
    for pol in (0, 3):
        seen[auto, pol] = factor.reshape(-1, 4)[auto, pol].real * visibilities[auto, pol]
    visibilities[...] = seen


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
    east0, north0, pixel_m, height_m = place
    slope = enu[:, None, :2] / enu[:, None, 2:] * height_m + station_enu[None, :, :2]
    x, y = (slope[..., 0] - east0) / pixel_m, (slope[..., 1] - north0) / pixel_m
    content = np.zeros(x.shape)
    for row in range(-1, 3):
        for column in range(-1, 3):
            i, j = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
            weight = _cubic(y - (i + row)) * _cubic(x - (j + column))
            at = (i % (screen.shape[0] - 3) + 1 + row, j % (screen.shape[1] - 3) + 1 + column)
            content += weight * screen[at]
    turns = (turns_per_tecu * content / enu[:, 2:])[source]
    rotated = (phasors[0].astype(np.float64) + 1j * phasors[1]) * np.exp(2j * np.pi * (turns - np.rint(turns)))
    phasors[0], phasors[1] = rotated.real, rotated.imag


def philox(counter: tuple[Any, Any, Any, Any], seed: int) -> tuple[Array, Array, Array, Array]:
    """Philox4x32-10 [Salmon et al. 2011, SC11, section 3.3] of counters that broadcast, as four uint64 below 2^32."""
    c = [np.asarray(word, np.uint64) for word in counter]
    key = [seed % 2**32, seed // 2**32]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [
            b // np.uint64(2**32) ^ c[1] ^ np.uint64(key[0]),
            b % np.uint64(2**32),
            a // np.uint64(2**32) ^ c[3] ^ np.uint64(key[1]),
            a % np.uint64(2**32),
        ]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    return c[0], c[1], c[2], c[3]


def standard_normals(seed: int, counter: tuple[Any, Any, Any, Any]) -> Array:
    """Four standard normals per counter, (..., 4) float64, by Box & Muller (1958)."""
    uniform = [(word + 0.5) / 2.0**32 for word in philox(counter, seed)]
    pairs = [
        np.sqrt(-2.0 * np.log(radius)) * np.exp(2j * np.pi * (angle - 0.5))
        for radius, angle in (uniform[:2], uniform[2:])
    ]
    normals: Array = np.stack([part for pair in pairs for part in (pair.real, pair.imag)], axis=-1)
    return normals


def _cubic(distance: Array) -> Array:
    """Kernel of cubic convolution, a = -1/2 [Keys 1981, IEEE TASSP 29, 1153, eq. 15]."""
    s = np.abs(distance)
    near = 1.5 * s**3 - 2.5 * s**2 + 1.0
    far = -0.5 * s**3 + 2.5 * s**2 - 4.0 * s + 2.0
    weight: Array = np.where(s < 1, near, np.where(s < 2, far, 0.0))
    return weight
