"""Crossed dipoles by the textbook's formulae, look by look in long double: no line shared with kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LongDouble = NDArray[np.longdouble]

#: Height and half the length in wavelengths: nothing, a plane, a length, both; G changes its sign in the third.
SHAPES = ((0.0, 0.0), (0.2, 0.0), (0.7, 0.0), (0.0, 0.24), (0.0, 0.45), (0.7, 0.45))

_PI = np.arccos(np.longdouble(-1))
_HALF_EPSILON = np.finfo(np.float64).eps / 2

# Roundings, in half epsilons. A sine is good to two units in the last place (CUDA C++ Programming Guide, "Mathematical
# Functions"). Of J: six of a projection (a product and a difference of its cross product, three of its dot product,
# for unit vectors), three of the gain and one of both.
_OF_SINE, _OF_PRODUCT = 4, 10

# A cosine is as good as one when a source is along a dipole; others are so far away that 1 - c^2 keeps its digits.
_NEARLY_ALONG, _LEAST_UP = 1e-15, 0.1


def looks(n_looks: int, rotation: float, seed: int = 51) -> tuple[NDArray[np.float64], ...]:
    """Make sources above and below the horizon, the second to fifth along a dipole or opposite; north; and feeds.

    North is any direction here: at right angles to a source along a dipole it would hide the gain there.
    """
    rng = np.random.default_rng(seed)
    sine, cosine = np.sin(rotation), np.cos(rotation)
    feeds = np.array([[sine, cosine, 0.0], [cosine, -sine, 0.0]])
    up, azimuth = rng.uniform(_LEAST_UP, 1, n_looks) * rng.choice([-1, 1], n_looks), rng.uniform(0, 6, n_looks)
    across = np.sqrt(1 - up**2)
    enu = np.stack([across * np.sin(azimuth), across * np.cos(azimuth), up], axis=1)
    enu[1:5] = np.concatenate([feeds, -feeds])[: len(enu[1:5])]
    north = rng.normal(size=(n_looks, 3))
    return enu, north / np.linalg.norm(north, axis=1, keepdims=True), feeds


def responses(
    enu: NDArray[Any], north: NDArray[Any], feeds: NDArray[Any], height: float, half: float, stored: Any
) -> tuple[LongDouble, LongDouble]:
    """Return J of every look, row by row, and by how much it may be off if made in float64 and stored as `stored`."""
    out = np.zeros((len(enu), 4), np.longdouble)
    bound = np.zeros_like(out)
    for s, dipole in np.ndindex(len(enu), 2):
        (x, y, z), (a, b, c), d = np.longdouble(enu[s]), np.longdouble(north[s]), np.longdouble(feeds[dipole])
        east = (b * z - c * y, c * x - a * z, a * y - b * x)
        of_plane, error_of_plane = _ground(z, np.longdouble(height))
        of_length, error_of_length = _current(d[0] * x + d[1] * y + d[2] * z, np.longdouble(half))
        gain = abs(of_plane * of_length)
        error = error_of_plane * abs(of_length) + abs(of_plane) * error_of_length + _OF_PRODUCT * gain
        for column, sky in enumerate(((a, b, c), east)):
            value = of_plane * of_length * (d[0] * sky[0] + d[1] * sky[1] + d[2] * sky[2])
            out[s, 2 * dipole + column] = value
            bound[s, 2 * dipole + column] = _HALF_EPSILON * error + np.finfo(stored).eps / 2 * abs(value)
    return out, bound


def _ground(up: np.longdouble, height: np.longdouble) -> tuple[Any, Any]:
    """Give the wave less that of the image, over the same at the zenith; and its error, half epsilons.

    A phase is a product of pi, height and cosine; the sine at the zenith has the same error, times the ratio.
    """
    if height == 0:
        return np.longdouble(1), 0
    phase = 2 * _PI * height
    wave, of_zenith = (np.exp(1j * phase * cosine) - np.exp(-1j * phase * cosine) for cosine in (up, np.longdouble(1)))
    ratio = (wave / of_zenith).real
    return ratio, (3 * phase + _OF_SINE) * (1 + abs(ratio)) / abs(np.sin(phase))


def _current(along: np.longdouble, half: np.longdouble) -> tuple[Any, Any]:
    """Give the field of a sinusoidal current over a short one's, both one across the dipole; its error, half epsilons.

    Kernels multiply sin(x) / x of x = a (1 - c) / 2 by that of a (1 + c) / 2 and divide by the square of that of a / 2.
    Of three roundings c is off by three, 1 - c by two more as it is up to two, and x, up to a, by three of its own:
    5.5 a. The slope of sin(x) / x is less than a half, a sine and a quotient add five: 5.5 a + 10 for the two. Of the
    square, with two roundings of a / 2 and one of its own: a + 11. Nothing here is more than one.
    """
    if half == 0:
        return np.longdouble(1), 0
    a = 2 * _PI * half
    error = (6.5 * a + 21) * a**2 / (2 * (1 - np.cos(a)))
    if 1 - abs(along) < _NEARLY_ALONG:
        return a * np.sin(a) / (2 * (1 - np.cos(a))), error
    return (np.cos(a * along) - np.cos(a)) / ((1 - along**2) * (1 - np.cos(a))), error
