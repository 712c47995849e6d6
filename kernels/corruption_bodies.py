"""Scalar arithmetic of noise and of the ionosphere, written once for the CPU and for CUDA, as in `bodies`.

Random numbers are counter-based: a function of what they belong to, so they are the same however work is shared.
All words are uint64 that hold 32 bits: no product or sum of two exceeds 64 bits, in Numba's simulator neither.
"""

from __future__ import annotations

import math

import numpy as np

#: Last word of Philox's counter, bits 8 and up: what the numbers are for, so that one seed may serve all.
NOISE, GAINS, SCREEN, FLAGS = 0, 1, 2, 3

_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_PER_WORD = 2.0**-32


def philox(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, seed: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Philox4x32-10: four random words of a counter and a key [Salmon et al. 2011, SC11, section 3.3].

    Parameters
    ----------
    c0, c1, c2, c3
        The counter, uint64 below 2^32.
    seed
        The key, uint64: its low 32 bits are the first word.

    Returns
    -------
    tuple of uint64
        Four words below 2^32.
    """
    k0, k1 = seed & _LOW, seed >> _HALF
    for _ in range(10):
        product0, product1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (
            (product1 >> _HALF) ^ c1 ^ k0,
            product1 & _LOW,
            (product0 >> _HALF) ^ c3 ^ k1,
            product0 & _LOW,
        )
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0, c1, c2, c3


def normal_radius(word: np.uint64) -> float:
    """Radius of a pair of standard normals from a word below 2^32 [Box & Muller 1958]: at most 6.76."""
    return math.sqrt(-2.0 * math.log((float(word) + 0.5) * _PER_WORD))


def normal_turns(word: np.uint64) -> float:
    """Angle of a pair of standard normals from a word below 2^32, in turns: (-0.5, 0.5)."""
    return (float(word) + 0.5) * _PER_WORD - 0.5


def cubic_weights(fraction: float) -> tuple[float, float, float, float]:
    """Weights of the four pixels about a place, by cubic convolution [Keys 1981, IEEE TASSP 29, 1153, a = -1/2].

    Parameters
    ----------
    fraction
        How far the place lies from the second towards the third pixel, [0, 1].

    Returns
    -------
    tuple of float
        They add up to one; parabolas are interpolated exactly.
    """
    f, g = fraction, 1.0 - fraction
    return (
        -0.5 * f * g * g,
        1.0 + f * f * (1.5 * f - 2.5),
        1.0 + g * g * (1.5 * g - 2.5),
        -0.5 * g * f * f,
    )


def pierce_pixel(position_m: float, slope: float, height_m: float, origin_m: float, pixel_m: float) -> float:
    """Where a path goes through the layer, in pixels from the screen's origin along one axis.

    Parameters
    ----------
    position_m
        Station, m east (or north).
    slope
        East (or north) over up of the direction.
    height_m
        The layer above the stations, m.
    origin_m
        Pixel zero now, m.
    pixel_m
        Pixel, m.
    """
    return (position_m + slope * height_m - origin_m) / pixel_m
