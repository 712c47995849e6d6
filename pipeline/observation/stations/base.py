"""What every station response has in common."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Complex128 = npt.NDArray[np.complex128]


@dataclasses.dataclass(frozen=True)
class Directions:
    """Where sources are at a moment, seen from the array's centre: apparent, in east, north, up.

    Attributes
    ----------
    enu
        (source, 3) float64: unit vectors towards the sources, all above the horizon.
    north
        (source, 3) float64: unit vectors at right angles to `enu`, towards ICRS north along the sky. East along
        the sky is ``cross(north, enu)``; north and east are the axes of the brightness matrix, so a response in
        their terms has the parallactic rotation in it.
    pointing
        (3,) float64: unit vector towards the apparent phase centre, where stations are steered to.
    """

    enu: Float64
    north: Float64
    pointing: Float64


class StationResponse(ABC):
    """What the stations of an array answer with.

    Attributes
    ----------
    kind
        (station,) int32: stations of one kind answer alike.
    is_scalar
        Whether every response is a number times the unit matrix, whatever the polarisation.
    extent_m
        The largest distance within a station, which bounds how fast its response changes with direction and
        frequency: by at most ``2 pi nu / c extent_m / 2`` per radian, relative to its largest value.
    """

    kind: npt.NDArray[np.int32]
    is_scalar: bool
    extent_m: float

    @property
    def n_kinds(self) -> int:
        """Number of kinds of station."""
        return int(self.kind.max()) + 1

    def check_band(self, low_hz: float, high_hz: float) -> None:  # noqa: B027 - most cover every band
        """Raise ConfigError unless the response is known from `low_hz` to `high_hz`."""

    @abstractmethod
    def respond(self, directions: Directions, frequency_hz: float, kernels: Any) -> Complex128:
        """Evaluate the responses of all kinds.

        Parameters
        ----------
        directions
            The sources.
        frequency_hz
            Frequency, Hz.
        kernels
            The module of kernels (`kernels.reference` or `kernels.cpu`) to do large sums with.

        Returns
        -------
        (kind, source) complex128 if `is_scalar`, else (kind, source, 2, 2) complex128
            Rows are the feeds X (north) and Y (east), columns the sky's north and east.
        """
