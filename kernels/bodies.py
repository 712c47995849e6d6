"""Scalar physics, written once: plain Python that Numba compiles for the CPU and for CUDA alike.

Constants are typed, as Numba would otherwise widen float32 arithmetic to float64. The polynomials are minimax
(Chebyshev) fits of sin(2 pi r) / r and (cos(2 pi r) - 1) / r^2 in z = r^2 over |r| <= 1/8, ascending powers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

SPEED_OF_LIGHT_M_S = 299_792_458.0

# Adding and taking away 1.5 * 2^52 leaves the nearest integer of a float64 below 2^51: no call, no branch.
_ROUND = 6755399441055744.0

_ONE, _TWO = np.float32(1.0), np.float32(2.0)

# Fit errors 2.4e-9 (sine) and 1.9e-10 (cosine): below float32 rounding.
_S0, _S1 = np.float32(6.283185287812946), np.float32(-41.34166257054795)
_S2, _S3 = np.float32(81.59254287130155), np.float32(-75.40161270274746)
_C0, _C1 = np.float32(-19.739208789987508), np.float32(64.93936905141977)
_C2, _C3 = np.float32(-85.44882008965106), np.float32(59.424105981756476)

# The same for float64: fit errors below 3e-18.
(
    _DS0,
    _DS1,
    _DS2,
    _DS3,
    _DS4,
    _DS5,
    _DS6,
) = (
    6.283185307179586,
    -41.341702240399634,
    81.60524927594804,
    -76.70585970427454,
    42.058685020160894,
    -15.093804209987114,
    3.7808689593022957,
)
(
    _DC0,
    _DC1,
    _DC2,
    _DC3,
    _DC4,
    _DC5,
    _DC6,
) = (
    -19.739208802178716,
    64.93939402266824,
    -85.4568172066438,
    60.24464135270201,
    -26.426253275854723,
    7.903206911569678,
    -1.6990343940660637,
)

# (2^r - 1) / r over |r| <= 1/2, ascending powers of r: 5e-9 of 2^r in float32's, 7e-16 in float64's.
_E0, _E1, _E2 = np.float32(0.693147188026229), np.float32(0.2402265076056809), np.float32(0.05550357114218935)
_E3, _E4, _E5 = np.float32(0.009618082557280938), np.float32(0.0013390863364762663), np.float32(0.00015453162944906746)
_DE0, _DE1, _DE2, _DE3, _DE4, _DE5, _DE6, _DE7, _DE8, _DE9 = (
    0.6931471805599464,
    0.24022650695909947,
    0.05550410866464445,
    0.009618129107649729,
    0.0013333558202633191,
    0.0001540353040044491,
    1.525267155974459e-05,
    1.3215458218322785e-06,
    1.0206215383278715e-07,
    7.070740270293092e-09,
)

OCTAVES_PER_NEPER = 1.4426950408889634
"""Logarithm of e to base 2: exp(x) = 2^(x OCTAVES_PER_NEPER)."""

LEAST_OCTAVE_SINGLE, LEAST_OCTAVE_DOUBLE = -127.0, -1023.0
"""Powers of two below which `exp2_single` and `exp2_double` are zero: those of the smallest normal numbers."""

_BIAS, _MANTISSA = np.float32(127.0), np.float32(2.0**23)


def turns_of_path(u: float, v: float, w: float, ell: float, m: float, n1: float, turns_per_m: float) -> float:
    """Phase of one station towards one source, modulo one turn.

    Parameters
    ----------
    u, v, w
        Station position, m, float64.
    ell, m, n1
        Direction cosines l, m and n - 1, float64.
    turns_per_m
        Frequency over the speed of light, 1/m.

    Returns
    -------
    float
        Phase in turns, [-0.5, 0.5], float64 throughout: at 73 km and 350 MHz it is reduced from 85,000 turns
        and keeps an error of 2e-11.
    """
    turns = turns_per_m * (u * ell + v * m + w * n1)
    return turns - ((turns + _ROUND) - _ROUND)


def nearest_quarter(turns: float) -> float:
    """Give the number of quarter turns nearest to a phase: -2, -1, 0, 1 or 2 for a phase in [-0.5, 0.5]."""
    return (4.0 * turns + _ROUND) - _ROUND


def cos_sin_single(rest: np.float32, quarter: np.float32) -> tuple[np.float32, np.float32]:
    """Cosine and sine of ``rest + quarter / 4`` turns in float32, to 1e-7.

    Parameters
    ----------
    rest
        What is left after the nearest quarter is taken away, turns, [-1/8, 1/8].
    quarter
        -2, -1, 0, 1 or 2.

    Returns
    -------
    tuple of float32
        The quarter turns are made by multiplying with -1, 0 and 1, which is exact and needs no branch.
    """
    z = rest * rest
    sine = rest * (_S0 + z * (_S1 + z * (_S2 + z * _S3)))
    cosine = _ONE + z * (_C0 + z * (_C1 + z * (_C2 + z * _C3)))
    even = _ONE - abs(quarter)
    odd = quarter * (_TWO - abs(quarter))
    return even * cosine - odd * sine, even * sine + odd * cosine


def cos_sin_double(rest: float, quarter: float) -> tuple[float, float]:
    """Cosine and sine of ``rest + quarter / 4`` turns in float64, as `cos_sin_single` does in float32."""
    z = rest * rest
    sine = rest * (_DS0 + z * (_DS1 + z * (_DS2 + z * (_DS3 + z * (_DS4 + z * (_DS5 + z * _DS6))))))
    cosine = 1.0 + z * (_DC0 + z * (_DC1 + z * (_DC2 + z * (_DC3 + z * (_DC4 + z * (_DC5 + z * _DC6))))))
    even = 1.0 - abs(quarter)
    odd = quarter * (2.0 - abs(quarter))
    return even * cosine - odd * sine, even * sine + odd * cosine


def octaves_of_envelope(a: float, b: float, c: float, du: float, dv: float) -> float:
    """Logarithm to base 2 of a Gaussian envelope whose a, b, c were multiplied by `OCTAVES_PER_NEPER`.

    Parameters
    ----------
    a, b, c
        Quadratic form, 1/m^2, float64.
    du, dv
        Baseline, m, float64.

    Returns
    -------
    float
        float64: at an axis ratio of 1000 the three terms are a million times their sum.
    """
    return -(du * (a * du + b * dv) + c * dv * dv)


def nearest_whole(value: float) -> float:
    """Give the integer nearest to a float64 below 2^51, without a call or a branch."""
    return (value + _ROUND) - _ROUND


def exp2_single(rest: np.float32, whole: np.float32) -> np.float32:
    """2^(rest + whole) in float32, to 1.2e-7 of it; 0 at `LEAST_OCTAVE_SINGLE`, exactly 1 at 0.

    Parameters
    ----------
    rest
        [-1/2, 1/2]
    whole
        Whole number from `LEAST_OCTAVE_SINGLE` to 127, which becomes the exponent bits.
    """
    mantissa = _ONE + rest * (_E0 + rest * (_E1 + rest * (_E2 + rest * (_E3 + rest * (_E4 + rest * _E5)))))
    return mantissa * np.int32((whole + _BIAS) * _MANTISSA).view(np.float32)


def exp2_double(rest: float, whole: float) -> float:
    """2^(rest + whole) in float64, to 1e-15 of it, as `exp2_single` does in float32."""
    high = _DE5 + rest * (_DE6 + rest * (_DE7 + rest * (_DE8 + rest * _DE9)))
    mantissa = 1.0 + rest * (_DE0 + rest * (_DE1 + rest * (_DE2 + rest * (_DE3 + rest * (_DE4 + rest * high)))))
    return mantissa * np.int64((whole + 1023.0) * 4503599627370496.0).view(np.float64)


def added_rounded(total: float, weight: float, value: float) -> float:
    """Add ``weight * value`` to a float32 total, the product rounded to float32 first.

    So it is the same to the bit as when the product travels as float32 and is added elsewhere.
    """
    return float(total) + float(np.float32(float(weight) * float(value)))


def direction_cosines(ell: float, m: float, n: float) -> tuple[float, float, float]:
    """Turn l, m, n into l, m, n - 1: near the phase centre n - 1 would cancel; behind (n < 0) the other form would."""
    n_minus_1 = -(ell * ell + m * m) / (1.0 + n) if n >= 0.0 else n - 1.0
    return ell, m, n_minus_1


def dipole_peaks(height: float, half: float) -> tuple[float, float]:
    """Give what `dipole` is divided by: a ground plane's at the zenith, a dipole's at right angles to it."""
    plane = math.sin(2.0 * math.pi * height) if height != 0.0 else 1.0
    return plane, (math.sin(math.pi * half) / (math.pi * half)) ** 2 if half != 0.0 else 1.0


def dipole(
    enu: Any, north: Any, feeds: Any, look: int, feed: int, height: float, half: float, zenith: float, across: float
) -> tuple[float, float]:
    """Response of one dipole in one look, towards the sky's north and east: see `reference.beams.dipoles`.

    Parameters
    ----------
    enu, north, feeds
        (look, 3), (look, 3), (2, 3) float64: towards the source, to the north there, along the dipoles.
    look, feed
        Which.
    height, half
        Height above the plane and half the length, in wavelengths; zero: no plane, a short dipole.
    zenith, across
        `dipole_peaks`.
    """
    x, y, z = enu[look, 0], enu[look, 1], enu[look, 2]
    a, b, c = north[look, 0], north[look, 1], north[look, 2]
    dx, dy, dz = feeds[feed, 0], feeds[feed, 1], feeds[feed, 2]
    along = dx * x + dy * y + dz * z
    ground = math.sin(2.0 * math.pi * height * z) / zenith if height != 0.0 else 1.0
    low, high = math.pi * half * (1.0 - along), math.pi * half * (1.0 + along)
    of_low = math.sin(low) / low if low != 0.0 else 1.0
    of_high = math.sin(high) / high if high != 0.0 else 1.0
    gain = ground * of_low * of_high / across
    east = dx * (b * z - c * y) + dy * (c * x - a * z) + dz * (a * y - b * x)
    return gain * (dx * a + dy * b + dz * c), gain * east


def is_up(lmn: Any, zenith: Any, dump: int, source: int) -> Any:
    """Whether l, m, n - 1, (dump, source, 3), is above the horizon of a zenith, (dump, 3), given in the same axes."""
    ell, m, n1 = lmn[dump, source, 0], lmn[dump, source, 1], lmn[dump, source, 2]
    return ell * zenith[dump, 0] + m * zenith[dump, 1] + (n1 + 1.0) * zenith[dump, 2] > 0.0


def power(response: Any, dump: int, source: int) -> float:
    """Power of a scalar response, (dump, source); one if it has no sources."""
    if response.shape[1] == 0:
        return 1.0
    value = response[dump, source]
    re, im = np.float64(value.real), np.float64(value.imag)  # float() of float32 is float32 to Numba
    return re * re + im * im


def seen(
    xn: complex, xe: complex, yn: complex, ye: complex, i: float, q: float, u: float, v: float
) -> tuple[float, float, float, float]:
    """J B J^H as (XX, YY, Re XY, Im XY), for J = [[xn, xe], [yn, ye]] and B = [[I + Q, U + iV], [U - iV, I - Q]]."""
    nn, ee, ne = i + q, i - q, complex(u, v)
    x_north, x_east = xn * nn + xe * ne.conjugate(), xn * ne + xe * ee
    y_north, y_east = yn * nn + ye * ne.conjugate(), yn * ne + ye * ee
    xx, yy = x_north * xn.conjugate() + x_east * xe.conjugate(), y_north * yn.conjugate() + y_east * ye.conjugate()
    xy = x_north * yn.conjugate() + x_east * ye.conjugate()
    return xx.real, yy.real, xy.real, xy.imag
