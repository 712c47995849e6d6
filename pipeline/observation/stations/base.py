"""What every station response has in common."""

from __future__ import annotations

import dataclasses
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels import reference

Float64 = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complexfloating[Any, Any]]
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
        their terms has the parallactic rotation in it. NaN for a scalar response, which does not look.
    pointing
        (3,) or (source, 3) float64: unit vector towards the apparent phase centre, where stations are steered to; at
        each source's own moment.
    """

    enu: Float64
    north: Float64
    pointing: Float64


@dataclasses.dataclass(frozen=True)
class DeviceDirections:
    """Directions, of which a device gets what is asked for, once.

    Attributes
    ----------
    host
        The directions; ``pointing`` is that of each source.
    device
        Where they go: a `pipeline.parallel.host_device.Device`.
    """

    host: Directions
    device: Any

    @functools.cached_property
    def enu(self) -> Any:
        """On the device: (source, 3) float64, towards the sources."""
        return self.device.upload(self.host.enu)

    @functools.cached_property
    def north(self) -> Any:
        """On the device: (source, 3) float64, to the north."""
        return self.device.upload(self.host.north)

    @functools.cached_property
    def offset(self) -> Any:
        """On the device: (source, 3) float64, towards the sources less the pointing."""
        return self.device.upload(self.host.enu - self.host.pointing)


Evaluate = Callable[[DeviceDirections, float, Any], None]
"""Puts the responses in some directions at a frequency, Hz, into (kind, source, value) complex on the device."""


@dataclasses.dataclass(frozen=True)
class Rates:
    """How fast a response changes at most, relative to its largest value (in the spectral norm).

    Evaluating once for several dumps or channels errs by at most a rate times the distance from where it was
    evaluated; for an angle, that is 7.3e-5 rad/s times the time.

    Attributes
    ----------
    per_radian
        1/rad: while the whole sky, sources and phase centre, turns rigidly over the station about any axis, as
        it does with the Earth's rotation. Changes of the polarisation frame are in it. Derivatives up to the fourth
        are below the same power of it, so that polynomials through up to four moments have an error bound, too.
    per_hz
        1/Hz: with frequency, in a direction that stays.
    """

    per_radian: float
    per_hz: float


def turning_rate(rate: float) -> float:
    """Bound the derivatives of a function of a unit vector that turns rigidly.

    If the m-th derivatives of f along x are at most rate^m, those of f(x(t)) with all derivatives of x at most one are
    by Faa di Bruno's formula at most the Touchard polynomials T_m(rate), the moments E[N^m] of Poisson's
    distribution of mean `rate`. E[N^m]^(1/m) grows with m, so that its value for m = 4 serves m = 1 ... 4.
    """
    return float((rate + 7.0 * rate**2 + 6.0 * rate**3 + rate**4) ** 0.25)


class StationResponse(ABC):
    """What the stations of an array answer with.

    Attributes
    ----------
    kind
        (station,) int32: stations of one kind answer alike.
    is_scalar
        Whether every response is a number times the unit matrix, whatever the polarisation.
    extent_m
        How large a station is (a dish's diameter, twice the distance of the farthest element from the middle), m;
        zero where the response is not that of an aperture. How fast a response changes, `rates` says.
    n_elements
        Elements that are added up, of all kinds of station together; zero where there are none.
    is_unity
        Whether every response is one.
    """

    n_elements: int = 0
    is_unity: bool = False
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
    def rates(self, low_hz: float, high_hz: float, farthest: float = 2.0) -> Rates:
        """Bound how fast the responses change.

        Parameters
        ----------
        low_hz, high_hz
            The frequencies the bound is to hold for, both ends included, Hz.
        farthest
            The largest distance of a source from the phase centre, as the length of the difference of the unit
            vectors: about the angle in radians for a small field, and 2 at most.
        """

    @abstractmethod
    def respond(
        self, directions: Directions, frequency_hz: float, kernels: Any, dtype: npt.DTypeLike = np.complex128
    ) -> Complex:
        """Evaluate the responses of all kinds.

        Parameters
        ----------
        directions
            The sources.
        frequency_hz
            Frequency, Hz.
        kernels
            The module of kernels (`kernels.reference` or `kernels.cpu`) to do it with.
        dtype
            Of large sums: complex64 where that is what responses are multiplied with.

        Returns
        -------
        (kind, source) complex if `is_scalar`, else (kind, source, 2, 2) complex, complex128 or `dtype`
            Rows are the feeds X (north) and Y (east), columns the sky's north and east.
        """

    def bind(self, device: Any) -> Evaluate:
        """Return what evaluates the responses for a device: on the host, where a response has no kernels.

        Parameters
        ----------
        device
            A `pipeline.parallel.host_device.Device`.
        """

        def evaluate(directions: DeviceDirections, frequency_hz: float, out: Any) -> None:
            found = self.respond(directions.host, frequency_hz, reference)
            device.fill(out, found.reshape(out.shape).astype(out.dtype))

        return evaluate
