"""Responses without polarisation: isotropic stations, Gaussian beams and uniformly lit dishes."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kernels.bodies import SPEED_OF_LIGHT_M_S
from pipeline.observation.stations.base import (
    Complex128,
    Directions,
    Float64,
    Rates,
    StationResponse,
    turning_rate,
)

Pointing = Literal["phase-centre", "zenith"]

# The largest value of 2 J2(x), rounded up.
_LARGEST_TWICE_J2 = 0.9730


class Isotropic(StationResponse):
    """Stations that answer with one.

    Parameters
    ----------
    n_stations
        Number of stations.
    """

    is_scalar = is_unity = True
    extent_m = 0.0

    def __init__(self, n_stations: int) -> None:
        self.kind: npt.NDArray[np.int32] = np.zeros(n_stations, np.int32)

    def rates(self, low_hz: float, high_hz: float, farthest: float = 2.0) -> Rates:
        """Bound how fast the responses change: not at all."""
        return Rates(0.0, 0.0)

    def respond(
        self, directions: Directions, frequency_hz: float, kernels: Any, dtype: npt.DTypeLike = np.complex128
    ) -> Complex128:
        """Evaluate the responses, (1, source) complex128: one."""
        return np.ones((1, len(directions.enu)), np.complex128)


class Gaussian(StationResponse):
    """Beams V = exp(-2 ln 2 (theta / FWHM)^2), so that the power V^2 falls to one half at theta = FWHM / 2.

    theta is the angle from where the station points, FWHM goes as one over the frequency.

    Parameters
    ----------
    n_stations
        Number of stations.
    fwhm_rad, reference_hz
        Full width at half maximum of the power, rad, at a frequency, Hz.
    pointing
        Where all stations point to.
    """

    is_scalar = True
    extent_m = 0.0

    def __init__(self, n_stations: int, fwhm_rad: float, reference_hz: float, pointing: Pointing) -> None:
        self.kind: npt.NDArray[np.int32] = np.zeros(n_stations, np.int32)
        self._pointing = pointing
        # The standard deviation of V times the frequency, rad Hz.
        self._sigma_rad_hz = fwhm_rad * reference_hz / (2.0 * math.sqrt(math.log(2.0)))

    def rates(self, low_hz: float, high_hz: float, farthest: float = 2.0) -> Rates:
        """Bound how fast the responses change.

        With V = exp(-x^2 / 2), x = theta nu / (sigma nu)_0:

        - a beam that follows the phase centre keeps its angles to the sources; of one fixed at the zenith V is the
          mean of plane waves over a normal distribution of standard deviation 1/sigma, whose m-th derivative is at most
          that distribution's m-th absolute moment, for m up to 4 below ``(3^(1/4) / sigma)^m``;
        - dV/dnu = -V x^2 / nu, largest at x^2 = 2.
        """
        follows = self._pointing == "phase-centre"
        x_largest = (2.0 * math.asin(min(farthest / 2.0, 1.0)) if follows else math.pi) * high_hz / self._sigma_rad_hz
        x_square = min(x_largest**2, 2.0)
        per_radian = 0.0 if follows else turning_rate(3.0**0.25 * high_hz / self._sigma_rad_hz)
        return Rates(per_radian, x_square * math.exp(-x_square / 2.0) / low_hz)

    def respond(
        self, directions: Directions, frequency_hz: float, kernels: Any, dtype: npt.DTypeLike = np.complex128
    ) -> Complex128:
        """Evaluate the responses, (1, source) complex128."""
        # From the chord, as the cosine would lose half the digits near the centre.
        theta = 2.0 * np.arcsin(np.minimum(_chord(directions, self._pointing) / 2.0, 1.0))
        x = theta * (frequency_hz / self._sigma_rad_hz)
        return np.exp(-0.5 * x * x).astype(np.complex128)[None]


class Airy(StationResponse):
    """Beams V = 2 J1(x) / x, x = pi D nu/c sin theta, of uniformly lit circular apertures.

    [Born & Wolf, Principles of Optics, 8.5.2.] theta is the angle from where the dish points; behind the dish,
    from theta = 90 degrees on, V is zero.

    Parameters
    ----------
    n_stations
        Number of stations.
    diameter_m
        Diameter D, m.
    pointing
        Where all dishes point to.
    """

    is_scalar = True

    def __init__(self, n_stations: int, diameter_m: float, pointing: Pointing) -> None:
        self.kind: npt.NDArray[np.int32] = np.zeros(n_stations, np.int32)
        self.extent_m = diameter_m
        self._pointing = pointing

    def rates(self, low_hz: float, high_hz: float, farthest: float = 2.0) -> Rates:
        """Bound how fast the responses change.

        With dV/dx = -2 J2(x) / x (DLMF 10.6.6):

        - a dish that follows the phase centre keeps its angles to the sources; of one fixed at the zenith V is the
          mean of plane waves over its disc, whose m-th derivative is at most the disc's m-th absolute moment along an
          axis, for m up to 4 below ``(8^(-1/4) D / 2)^m`` times (2 pi nu/c)^m;
        - dV/dnu = -2 J2(x) / nu, where 2 J2(x) is at most x^2 / 4 and 0.9730.
        """
        follows = self._pointing == "phase-centre"
        x_largest = math.pi * self.extent_m * high_hz / SPEED_OF_LIGHT_M_S
        x_reached = x_largest * (min(farthest, 1.0) if follows else 1.0)
        per_radian = 0.0 if follows else turning_rate(8.0**-0.25 * x_largest)
        return Rates(per_radian, min(x_reached**2 / 4.0, _LARGEST_TWICE_J2) / low_hz)

    def respond(
        self, directions: Directions, frequency_hz: float, kernels: Any, dtype: npt.DTypeLike = np.complex128
    ) -> Complex128:
        """Evaluate the responses, (1, source) complex128."""
        from scipy.special import j1

        chord = _chord(directions, self._pointing)
        # sin(theta) of the chord 2 sin(theta / 2).
        sine = chord * np.sqrt(np.maximum(1.0 - chord * chord / 4.0, 0.0))
        x = (math.pi * self.extent_m * frequency_hz / SPEED_OF_LIGHT_M_S) * sine
        # Where the pattern is one to the last digit, J1(x) / x may be 0 / 0.
        centre = x < 1e-9
        voltage = np.where(centre, 1.0, 2.0 * j1(x) / np.where(centre, 1.0, x))
        voltage[chord * chord >= 2.0] = 0.0
        return voltage.astype(np.complex128)[None]


def _chord(directions: Directions, pointing: Pointing) -> Float64:
    """Distance of the unit vectors towards the sources from where the station points, (source,) float64."""
    towards = directions.pointing if pointing == "phase-centre" else np.array([0.0, 0.0, 1.0])
    chord: Float64 = np.linalg.norm(directions.enu - towards, axis=-1)
    return chord
