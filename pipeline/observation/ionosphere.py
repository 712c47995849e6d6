"""The ionosphere: a thin layer of free electrons, drifting, that turns the phases of what passes through it."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.observation.screens import Frames, kolmogorov_screen, read_screen

if TYPE_CHECKING:
    from pipeline.config.corruptions import IonosphereConfig, KolmogorovConfig

Float64 = npt.NDArray[np.float64]

# CODATA 2018: charge of the electron, electric constant, mass of the electron, speed of light.
_E_C, _EPSILON_0, _M_KG, _C_M_S = 1.602176634e-19, 8.8541878128e-12, 9.1093837015e-31, 299_792_458.0
_PER_TECU: Final = 1e16  # electrons per m^2

#: Turns of phase of one TECU at one hertz: 1.3445e9. The index of refraction of a thin plasma is
#: 1 - e^2 n_e / (8 pi^2 epsilon_0 m nu^2) [Thompson, Moran & Swenson 2017, chapter 14], so the phase comes early, and
#: K = exp(-2 pi i nu delay) turns forward.
TURNS_HZ_PER_TECU: Final = _E_C**2 / (8 * np.pi**2 * _EPSILON_0 * _M_KG) * _PER_TECU / _C_M_S

#: The frequency r0 is given at.
REFERENCE_HZ: Final = 150e6


@dataclasses.dataclass(frozen=True)
class Ionosphere:
    """A thin flat layer, as high above every station, that drifts as if frozen.

    Attributes
    ----------
    height_m
        The layer above the stations.
    velocity_m_s
        Its drift, to the east and to the north.
    content
        What a file holds, or what a screen at random is made of; every rank makes its own of these, the same.
    """

    height_m: float
    velocity_m_s: tuple[float, float]
    content: Frames | KolmogorovConfig

    @property
    def n_bytes(self) -> int:
        """Memory of the content, and of the frame of one moment."""
        if isinstance(self.content, Frames):
            return int(self.content.tec_tecu.nbytes + self.content.tec_tecu[0].nbytes)
        return 2 * 8 * (_pixels(self.content) + 3) ** 2

    @cached_property
    def _frames(self) -> Frames:
        return self.content if isinstance(self.content, Frames) else _turbulence(self.content)

    def screen_at(self, time_s: float) -> Float64:
        """Return the screen as the kernel `phase_screen` wants it, (north + 3, east + 3) float64, TECU.

        The same array as long as it does not change.

        Parameters
        ----------
        time_s
            Time since the start of the observation, s.

        Raises
        ------
        ConfigError
            If the file does not cover the time.
        """
        return self._frames.at(time_s)

    def place_at(self, time_s: float) -> tuple[float, float, float, float]:
        """Return where the screen is, as the kernel wants it: east and north of its origin, pixel, height, m."""
        frames = self._frames
        east_m, north_m = (
            origin + velocity * time_s for origin, velocity in zip(frames.origin_m, self.velocity_m_s, strict=True)
        )
        return east_m, north_m, frames.pixel_m, self.height_m

    @staticmethod
    def turns_per_tecu(frequency_hz: float) -> float:
        """Return the phase of one TECU, turns."""
        return TURNS_HZ_PER_TECU / frequency_hz

    def check_covers(self, station_enu: Float64, enu: Float64, time_s: float) -> None:
        """Make sure that every path goes through the screen; one at random repeats itself and has no edge.

        Parameters
        ----------
        station_enu
            (station, 3) float64, m.
        enu
            (source, 3) float64: unit vectors towards sources above the horizon.
        time_s
            Time since the start of the observation, s.

        Raises
        ------
        ConfigError
            If a path misses what the file holds.
        """
        if not isinstance(self.content, Frames) or not len(enu):
            return
        self.content.at(time_s)
        slopes = self.height_m * enu[:, :2] / enu[:, 2:]
        place = self.place_at(time_s)
        n_north, n_east = self.content.tec_tecu.shape[1:]
        for axis, (name, n) in enumerate((("east", n_east), ("north", n_north))):
            origin_m, pixel_m = place[axis], self.content.pixel_m
            # Cubic convolution takes one pixel before the origin, and three in all from the last place on.
            last_m = origin_m + (n - 3) * pixel_m
            low_m = slopes[:, axis].min() + station_enu[:, axis].min()
            high_m = slopes[:, axis].max() + station_enu[:, axis].max()
            if low_m < origin_m or high_m >= last_m:
                raise ConfigError(
                    f"ionosphere.file: {self.content.name} is good from {origin_m / 1e3:.4g} to {last_m / 1e3:.4g} km "
                    f"{name} of the array {time_s:g} s after the start, and paths pierce the layer from "
                    f"{low_m / 1e3:.4g} to {high_m / 1e3:.4g} km; give a larger screen, or leave out sources near the "
                    "horizon"
                )


def load_ionosphere(config: IonosphereConfig, lowest_hz: float) -> Ionosphere:
    """Make the ionosphere that a configuration asks for.

    Parameters
    ----------
    config
        Section ``ionosphere``.
    lowest_hz
        Centre of the first channel, where phases are largest.

    Raises
    ------
    ConfigError
        If a file is bad, or pixels are too coarse for r0.
    """
    velocity = (config.velocity.east_m_s, config.velocity.north_m_s)
    kolmogorov = config.kolmogorov
    if kolmogorov is None:
        # The configuration has a file where it has no turbulence.
        return Ionosphere(config.height_m, velocity, read_screen(Path(config.file or "")))
    # Phase goes as 1 / nu and its structure function as r^(5/3), so r0 goes as nu^(6/5).
    smallest_m = kolmogorov.r0_m * (lowest_hz / REFERENCE_HZ) ** 1.2
    if kolmogorov.pixel_m > smallest_m / 2:
        raise ConfigError(
            f"ionosphere.kolmogorov.pixel: {kolmogorov.pixel_m:g} m is more than half of r0, which is "
            f"{smallest_m:.4g} m at {lowest_hz / 1e6:g} MHz; give a pixel of "
            f"{float(f'{smallest_m / 2:.3g}'):g} m or less"
        )
    return Ionosphere(config.height_m, velocity, kolmogorov)


def _pixels(config: KolmogorovConfig) -> int:
    """Return how many pixels a screen at random has along a side: an even number."""
    return 2 * round(config.extent_m / config.pixel_m / 2)


def _turbulence(config: KolmogorovConfig) -> Frames:
    """Make the screen at random, with the array below its middle."""
    n = _pixels(config)
    phases = kolmogorov_screen(config.seed, n, config.pixel_m, config.r0_m, config.outer_scale_m)
    tec_tecu = phases * (REFERENCE_HZ / (2 * np.pi * TURNS_HZ_PER_TECU))
    # One row and column before and two behind repeat the other side, for the kernel to interpolate with.
    padded = np.pad(tec_tecu, (1, 2), mode="wrap")[np.newaxis]
    half_m = n // 2 * config.pixel_m
    return Frames("kolmogorov", padded, np.zeros(1), (-half_m, -half_m), config.pixel_m)
