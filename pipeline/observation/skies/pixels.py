"""Pixels as sources, and their flux densities over frequency."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.observation.cosmology import kelvin_to_jy
from pipeline.observation.skies.base import Float64, Observed, SkyPart


class Recent:
    """Keeps the last results of a slow reader; a copy sent to another rank begins empty.

    Parameters
    ----------
    read
        Reads one plane, given its index. Must be picklable.
    keep
        How many results to keep.
    """

    def __init__(self, read: Callable[[int], Float64], keep: int) -> None:
        self._read, self._keep = read, keep
        self._planes: dict[int, Float64] = {}

    def __call__(self, plane: int) -> Float64:
        """Return a plane."""
        if plane not in self._planes:
            # The oldest go first, so that no more than `keep` are ever in memory.
            while len(self._planes) >= self._keep:
                del self._planes[next(iter(self._planes))]
            self._planes[plane] = self._read(plane)
        return self._planes[plane]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the planes behind."""
        return {"_read": self._read, "_keep": self._keep, "_planes": {}}


@dataclasses.dataclass(frozen=True)
class Held:
    """A single plane in memory, for which no rank opens the file.

    Attributes
    ----------
    values
        (source, n) float64.
    """

    values: Float64

    def __call__(self, plane: int) -> Float64:
        """Return the plane."""
        return self.values


@dataclasses.dataclass(frozen=True)
class Pixels(SkyPart):
    """Pixels of an image, a cube or a map, each a point source of its flux density.

    Attributes
    ----------
    name
        What to call it in messages.
    ra_rad, dec_rad
        (source,) float64, ICRS.
    index
        (source,) int64: which pixel of the map, or of the flattened image.
    width
        Pixels in a row of an image; zero for maps.
    weight
        (source,) float64: Jy of the value one, or, for brightness temperatures, K sr.
    is_kelvin
        Whether values are brightness temperatures.
    planes
        Gives plane k's values, (source, n) float64, a column for each of `stokes`.
    stokes
        Which of I, Q, U, V (0 to 3) there are.
    frequency_hz
        (plane,) float64 of a cube, ascending; of a single plane, its reference frequency (NaN where none is needed).
    spectral_index
        Of a single plane: flux densities follow (nu / reference)**spectral_index.
    """

    name: str
    ra_rad: Float64
    dec_rad: Float64
    index: npt.NDArray[np.int64]
    width: int
    weight: Float64
    is_kelvin: bool
    planes: Callable[[int], Float64]
    stokes: tuple[int, ...]
    frequency_hz: Float64
    spectral_index: float

    @property
    def is_unpolarised(self) -> bool:
        """Whether Q, U and V are zero in all planes."""
        return not any(self.stokes)

    def label(self, source: int) -> str:
        """Name a pixel, for messages."""
        index = int(self.index[source])
        at = f"{index % self.width + 1}, {index // self.width + 1}" if self.width else str(index)
        return f"{self.name} pixel {at}"

    def stokes_at(self, frequency_hz: float) -> Float64:
        """Return I, Q, U, V at a frequency, (source, 4) float64, Jy.

        Cubes are interpolated linearly in frequency, in the quantity they hold: brightness temperatures become flux
        densities at the frequency asked for.
        """
        at_hz, factor = frequency_hz, 1.0
        if len(self.frequency_hz) > 1:
            values = self._interpolated(frequency_hz)
        else:
            values, at_hz = self.planes(0), float(self.frequency_hz[0])
            factor = (frequency_hz / at_hz) ** self.spectral_index if self.spectral_index else 1.0
        factor *= float(kelvin_to_jy(at_hz, 1.0)) if self.is_kelvin else 1.0
        out = np.zeros((self.n_sources, 4))
        out[:, list(self.stokes)] = values * (factor * self.weight)[:, np.newaxis]
        return out

    def _interpolated(self, frequency_hz: float) -> Float64:
        self.check_band(frequency_hz, frequency_hz)
        lower, upper, fraction = between(self.frequency_hz, frequency_hz)
        if fraction in (0, 1):
            return self.planes(upper if fraction else lower)
        return np.asarray((1 - fraction) * self.planes(lower) + fraction * self.planes(upper))

    def check_band(self, low_hz: float, high_hz: float) -> None:
        """Raise ConfigError unless a cube covers a range: to half a plane's width beyond the outer planes' centres."""
        if len(self.frequency_hz) == 1:
            return
        first, last = covered_hz(self.frequency_hz)
        # Channels that are the planes end where these do, but for rounding.
        slack = 1e-6 * (self.frequency_hz[1] - self.frequency_hz[0])
        if low_hz < first - slack or high_hz > last + slack:
            raise ConfigError(
                f"{self.name}: the planes cover {first / 1e6:.6f} MHz to {last / 1e6:.6f} MHz, and frequencies from "
                f"{low_hz / 1e6:.6f} MHz to {high_hz / 1e6:.6f} MHz are asked for; nothing is extrapolated: choose the "
                "spectrum within the planes, or give a cube that covers it"
            )


def covered_hz(frequency_hz: Float64) -> tuple[float, float]:
    """Return the range that planes cover, from the lower edge of the first to the upper edge of the last.

    Parameters
    ----------
    frequency_hz
        (plane,) float64, ascending, at least two.
    """
    first, last = frequency_hz[0], frequency_hz[-1]
    return (
        float(first - (frequency_hz[1] - first) / 2),
        float(last + (last - frequency_hz[-2]) / 2),
    )


def between(frequency_hz: Float64, wanted_hz: float) -> tuple[int, int, float]:
    """Return the two planes around a frequency and how far it is from the first to the second, within 0 and 1.

    Within the outer halves of the outer planes, these planes themselves.
    """
    upper = int(np.clip(np.searchsorted(frequency_hz, wanted_hz, side="right"), 1, len(frequency_hz) - 1))
    low, high = frequency_hz[upper - 1], frequency_hz[upper]
    return upper - 1, upper, float(np.clip((wanted_hz - low) / (high - low), 0, 1))


def edges_hz(observed: Observed) -> tuple[float, float]:
    """Return the lower edge of the first channel and the upper edge of the last, within which flux is asked for."""
    first, last = observed.band_hz
    return first - observed.width_hz / 2, last + observed.width_hz / 2


def planes_used(frequency_hz: Float64, low_hz: float, high_hz: float) -> range:
    """Return the planes that a range of frequencies is interpolated between."""
    if len(frequency_hz) == 1:
        return range(1)
    first, after_first, beyond_first = between(frequency_hz, low_hz)
    before_last, last, beyond_last = between(frequency_hz, high_hz)
    return range(after_first if beyond_first == 1 else first, (before_last if beyond_last == 0 else last) + 1)


def reference(found_hz: float | None, given_hz: float | None, needed: bool, where: str) -> float:
    """Return the reference frequency of a single plane, NaN where none is known and none is needed.

    Raises
    ------
    ConfigError
        If it is needed and not known, or the file and the configuration differ.
    """
    if found_hz is not None and given_hz is not None and abs(found_hz - given_hz) > 1e-9 * found_hz:
        raise ConfigError(
            f"{where}: the file is at {found_hz / 1e6:.6f} MHz and reference is {given_hz / 1e6:.6f} MHz; remove "
            "'reference', or correct the file"
        )
    known = found_hz if found_hz is not None else given_hz
    if known is None and needed:
        raise ConfigError(
            f"{where}: the file has no frequency, which a spectral index and brightness temperatures need; set "
            "'reference', such as 'reference: 150 MHz'"
        )
    return np.nan if known is None else known
