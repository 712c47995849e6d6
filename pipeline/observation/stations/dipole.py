"""Crossed dipoles above a ground plane."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.bodies import SPEED_OF_LIGHT_M_S
from kernels.reference.beams import current_gain, ground_gain
from pipeline.errors import ConfigError
from pipeline.observation.stations.base import (
    Complex128,
    DeviceDirections,
    Directions,
    Evaluate,
    Float64,
    Rates,
    StationResponse,
    turning_rate,
)

# The zenith is what the response is divided by: it may not lie closer to a null of the ground plane than this,
# in units of what the plane gives at best.
_LEAST_ZENITH = 0.1
# Points along a smooth function of one angle and the frequency, to find its largest slope to 1e-3 and better.
_N_POINTS, _N_FREQUENCIES = 501, 9


class Dipole(StationResponse):
    """Two crossed horizontal dipoles, X to the north and Y to the east, all stations alike.

    `kernels.reference.beams.dipoles` has the formula: the ground plane's G times each dipole's L and its projection on
    the sky's north and east.

    Parameters
    ----------
    n_stations
        Number of stations.
    height_m
        Height h of the dipoles above the plane, m; None for dipoles in free space, G = 1.
    length_m
        Length of a dipole from tip to tip, m; None for short ones, L = 1.
    rotation_rad
        Angle from the north through the east to dipole X, rad.
    key
        What messages call the section of the configuration.
    """

    is_scalar = False
    extent_m = 0.0

    def __init__(
        self,
        n_stations: int,
        height_m: float | None,
        length_m: float | None,
        rotation_rad: float,
        key: str = "telescope.station",
    ) -> None:
        self._key = key
        self.kind: npt.NDArray[np.int32] = np.zeros(n_stations, np.int32)
        self._height_m = height_m
        self._length_m = length_m
        sine, cosine = math.sin(rotation_rad), math.cos(rotation_rad)
        # X and Y in east, north, up.
        self._feeds = np.array([[sine, cosine, 0.0], [cosine, -sine, 0.0]])

    def check_band(self, low_hz: float, high_hz: float) -> None:
        """Raise ConfigError if the zenith lies in a null of the ground plane, or a dipole is a wave long."""
        if self._length_m is not None and self._length_m * high_hz >= SPEED_OF_LIGHT_M_S:
            raise ConfigError(
                f"{self._key}.length: {self._length_m:g} m is the length of a wave or more at "
                f"{high_hz / 1e6:g} MHz, where its current is not a half wave; give less than "
                f"{SPEED_OF_LIGHT_M_S / high_hz:.4g} m, or leave it out for a short dipole"
            )
        if self._height_m is None:
            return
        low, high = (2.0 * self._height_m * frequency_hz / SPEED_OF_LIGHT_M_S for frequency_hz in (low_hz, high_hz))
        # In half waves: nulls lie at whole numbers.
        crosses = math.floor(low) != math.floor(high)
        least = min(abs(math.sin(math.pi * low)), abs(math.sin(math.pi * high)))
        if crosses or least < _LEAST_ZENITH:
            raise ConfigError(
                f"{self._key}.height: {self._height_m:g} m is {low:.3g} to {high:.3g} half waves between "
                f"{low_hz / 1e6:g} and {high_hz / 1e6:g} MHz; at whole numbers of half waves, and at none, the "
                f"ground plane silences the zenith; give for instance {SPEED_OF_LIGHT_M_S / high_hz / 4:.3g} m"
            )

    def rates(self, low_hz: float, high_hz: float, farthest: float = 2.0) -> Rates:
        """Bound how fast the responses change.

        J is a product of G, L and the projection of the dipoles on n and e. The projection is at most one and so are
        its derivatives, being a fixed matrix times unit vectors that turn rigidly. With G relative to its largest
        value and L at most one, rates of the product are at most the sums of rates (Leibniz). By cos(theta), the
        m-th derivatives of G are at most ``(k h)^m / sin(min(k h, pi/2))``, and those of L, with those of sin(x) / x
        of at most 1 / (m + 1), below ``(0.6 a)^m (a/2)^2 / sin(a/2)^2``. Slopes with frequency are found on a grid.
        """
        ground = current = 0.0
        if self._height_m is not None:
            phase = 2.0 * math.pi * self._height_m * high_hz / SPEED_OF_LIGHT_M_S
            lowest = 2.0 * math.pi * self._height_m * low_hz / SPEED_OF_LIGHT_M_S
            ground = turning_rate(phase / math.sin(min(lowest, math.pi / 2.0)))
        if self._length_m is not None:
            waves = self._length_m * high_hz / SPEED_OF_LIGHT_M_S
            current = turning_rate(0.6 * math.pi * waves / float(np.sinc(waves / 2.0)) ** 2)
        per_hz = _per_hz(lambda c, hz: ground_gain(c, self._waves(hz)[0]), low_hz, high_hz)
        per_hz += _per_hz(lambda c, hz: current_gain(c, self._waves(hz)[1]), low_hz, high_hz)
        return Rates(1.0 + ground + current, per_hz)

    def respond(
        self, directions: Directions, frequency_hz: float, kernels: Any, dtype: npt.DTypeLike = np.complex128
    ) -> Complex128:
        """Evaluate the responses, (1, source, 2, 2) complex128."""
        out = np.empty((1, len(directions.enu), 2, 2), np.complex128)
        kernels.dipoles(directions.enu, directions.north, self._feeds, *self._waves(frequency_hz), out.reshape(-1, 4))
        return out

    def bind(self, device: Any) -> Evaluate:
        """Return what evaluates the responses on a device."""
        feeds = device.upload(self._feeds)

        def evaluate(directions: DeviceDirections, frequency_hz: float, out: Any) -> None:
            flat = out.reshape(out.shape[1], 4)
            device.kernels.dipoles(directions.enu, directions.north, feeds, *self._waves(frequency_hz), flat)

        return evaluate

    def _waves(self, frequency_hz: float) -> tuple[float, float]:
        """Height and half the length of a dipole in wavelengths; zero where there is none."""
        per_m = frequency_hz / SPEED_OF_LIGHT_M_S
        return (self._height_m or 0.0) * per_m, 0.5 * (self._length_m or 0.0) * per_m


def _per_hz(factor: Callable[[Float64, float], Float64], low_hz: float, high_hz: float) -> float:
    """Find the largest slope with frequency of a smooth function of the cosine of an angle and the frequency."""
    cosine = np.linspace(0.0, 1.0, _N_POINTS)
    steepest = 0.0
    for frequency_hz in np.linspace(low_hz, high_hz, _N_FREQUENCIES):
        step_hz = 1e-5 * frequency_hz
        value, lower, upper = (factor(cosine, frequency_hz + step) for step in (0.0, -step_hz, step_hz))
        steepest = max(steepest, float(np.abs(upper - lower).max() / (2.0 * step_hz * np.abs(value).max())))
    return steepest
