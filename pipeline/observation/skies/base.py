"""What every entry of the sky has in common."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Observed:
    """What an entry of the sky may need to know of the observation.

    Attributes
    ----------
    phase_centre_rad
        ICRS right ascension and declination.
    start_hz, width_hz
        Centre of channel 0, width of a channel.
    n_channels
        Number of fine channels.
    """

    phase_centre_rad: tuple[float, float]
    start_hz: float
    width_hz: float
    n_channels: int

    @property
    def band_hz(self) -> tuple[float, float]:
        """Centres of the first and the last channel."""
        return self.start_hz, self.start_hz + (self.n_channels - 1) * self.width_hz


class SkyPart(ABC):
    """One entry of the sky: directions that stay, flux densities that depend on frequency.

    A part is sent to every rank by pickling, so one that reads a large file keeps its path and reads what it is asked
    for.

    Attributes
    ----------
    ra_rad, dec_rad
        (source,) float64, ICRS.
    """

    ra_rad: Float64
    dec_rad: Float64

    @property
    def n_sources(self) -> int:
        """Number of sources."""
        return len(self.ra_rad)

    @property
    def shape_rad(self) -> Float64 | None:
        """Shapes of elliptical Gaussians, (source, 3) float64, rad; None where all sources are points.

        Full widths at half maximum along the major and the minor axis, position angle of the major axis (north
        through east); zero widths are points.
        """
        return None

    @property
    @abstractmethod
    def is_unpolarised(self) -> bool:
        """Whether Q, U and V are zero for all sources at all frequencies."""

    @abstractmethod
    def label(self, source: int) -> str:
        """Name a source, for messages."""

    @abstractmethod
    def stokes_at(self, frequency_hz: float) -> Float64:
        """Return I, Q, U, V at a frequency, (source, 4) float64, Jy."""

    def check_band(self, low_hz: float, high_hz: float) -> None:  # noqa: B027 - most cover every band
        """Raise ConfigError unless flux densities are known from `low_hz` to `high_hz`."""
