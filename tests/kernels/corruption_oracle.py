"""Noise, gains and screens worked out one by one in plain Python: no line shared with the kernels."""

from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Random123's kat_vectors for philox4x32 with 10 rounds: counter, key, result.
PHILOX_KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 in whole numbers."""
    low = 0xFFFFFFFF
    c, k = list(counter), list(key)
    for _ in range(10):
        high0, low0 = divmod(c[0] * 0xD2511F53, 1 << 32)
        high1, low1 = divmod(c[2] * 0xCD9E8D57, 1 << 32)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B9) & low, (k[1] + 0xBB67AE85) & low]
    return c


def noise(p: int, q: int, sigma: float, seed: int, channel: int, dump: int) -> list[complex]:
    """XX, XY, YX, YY of one baseline."""
    values = []
    for call in (0, 1):
        words = philox([channel, dump, (p << 16) + q, call], [seed & 0xFFFFFFFF, seed >> 32])
        for a, b in (words[:2], words[2:]):
            radius = math.sqrt(-2 * math.log((a + 0.5) / 2**32))
            values.append(sigma * cmath.rect(radius, 2 * math.pi * ((b + 0.5) / 2**32 - 0.5)))
    if p == q:
        xx, xy, _, yy = values
        return [math.sqrt(2) * xx.real + 0j, xy, xy.conjugate(), math.sqrt(2) * yy.real + 0j]
    return values


def pairs(n_stations: int, autos: bool) -> NDArray[np.int32]:
    """All pairs of stations, (baseline, 2)."""
    return np.stack(np.triu_indices(n_stations, 0 if autos else 1), axis=1).astype(np.int32)


def directions(n: int, seed: int) -> NDArray[np.float64]:
    """Give unit vectors above 30 degrees of elevation; the first is the zenith."""
    rng = np.random.default_rng(seed)
    up, angle = rng.uniform(0.5, 1, n), rng.uniform(0, 2 * np.pi, n)
    across = np.sqrt(1 - up**2)
    enu = np.stack([across * np.sin(angle), across * np.cos(angle), up], axis=1)
    enu[:1] = (0.0, 0.0, 1.0)
    return enu


def rotate(
    phasors: NDArray[Any],
    stations: NDArray[np.float64],
    enu: NDArray[np.float64],
    source: NDArray[np.int32],
    height_m: float,
    content: Any,
    turns_per_tecu: float,
) -> NDArray[np.complex128]:
    """Phasors (term, station) behind a layer of vertical content(east, north)."""
    out = np.empty(phasors.shape[1:], complex)
    for t, s in enumerate(source):
        east, north, up = (float(x) for x in enu[s])
        for p, (x, y, _) in enumerate(stations.tolist()):
            slant = content(x + height_m * east / up, y + height_m * north / up) / up
            k = complex(phasors[0, t, p], phasors[1, t, p])
            out[t, p] = k * cmath.exp(2j * math.pi * math.fmod(turns_per_tecu * slant, 1.0))
    return out
