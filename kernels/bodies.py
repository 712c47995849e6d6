"""Scalar physics, written once: plain Python that Numba compiles for the CPU and for CUDA alike.

Constants are typed, as Numba would otherwise widen float32 arithmetic to float64. The polynomials are minimax
(Chebyshev) fits of sin(2 pi r) / r and (cos(2 pi r) - 1) / r^2 in z = r^2 over |r| <= 1/8, ascending powers.
"""

from __future__ import annotations

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


def rounded_once(total: float, weight: float, value: float) -> float:
    """Add ``weight * value`` to a float32 total in float64: the product of two float32 is exact there."""
    return float(total) + float(weight) * float(value)
