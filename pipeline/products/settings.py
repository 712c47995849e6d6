"""How to image, and what it takes."""

from __future__ import annotations

import dataclasses
import math

from pipeline.config.image import UVDistance, evenly_spaced_stokes
from pipeline.errors import ConfigError
from pipeline.products.weighting import Scheme

#: Stokes parameters as sums of factor x polarisation, from B of the measurement equation, which has no
#: one-half in it: XX = I + Q, XY = U + iV, YX = U - iV, YY = I - Q.
STOKES: dict[str, dict[str, complex]] = {
    "I": {"XX": 0.5, "YY": 0.5},
    "Q": {"XX": 0.5, "YY": -0.5},
    "U": {"XY": 0.5, "YX": 0.5},
    "V": {"XY": -0.5j, "YX": 0.5j},
}


_SMALLEST_GRID = 32  # pixels; ducc0 makes nothing smaller, and nothing odd
_SAMPLES_AT_ONCE = 2**20  # gridded in one call, at least: each call costs an FFT per w plane


@dataclasses.dataclass(frozen=True)
class ImageSettings:
    """How to image.

    Attributes
    ----------
    size
        Pixels along a side.
    cell_rad
        Width of a pixel, rad.
    weight
        "natural", "uniform" or "briggs".
    robust
        Briggs' robustness, -2 (almost uniform) to 2 (almost natural); no other weighting looks at it.
    taper_rad
        Full width at half maximum, rad, of the Gaussian that the taper convolves the image with; None: no taper.
    uv_min, uv_max
        Samples with sqrt(u^2 + v^2) outside these are left out; None: no limit.
    stations, without_stations
        Names of stations or patterns of names: baselines between `stations` only (none: all), and without any of
        `without_stations`.
    stokes
        One or several of "IQUV", such as "I" or "IQUV", evenly spaced in that order.
    continuum
        All bands make one image.
    primary_beam_cut
        Images are corrected for the primary beam where it is at least so much of its largest value in them, from 0 up
        to 1; None: not corrected, and no primary beam worked out.
    epsilon
        Accuracy of the gridding, relative to the sum of the weighted visibilities.
    n_threads
        Threads of the gridding.

    Raises
    ------
    ConfigError
        If a value is out of its range.
    """

    size: int = 512
    cell_rad: float = math.radians(1 / 60)
    weight: Scheme = "natural"
    robust: float = 0.0
    taper_rad: float | None = None
    uv_min: UVDistance | None = None
    uv_max: UVDistance | None = None
    stations: tuple[str, ...] = ()
    without_stations: tuple[str, ...] = ()
    stokes: str = "I"
    continuum: bool = False
    primary_beam_cut: float | None = None
    epsilon: float = 1e-6
    n_threads: int = 1

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"image.size: {self.size} is no number of pixels; give at least 1")
        # The corner of the image must lie in the sky: l^2 + m^2 < 1.
        reach = self.size / 2 * self.cell_rad * math.sqrt(2)
        if not (self.cell_rad > 0 and reach < 1):
            raise ConfigError(
                f"image.cell: {self.size} pixels of {math.degrees(self.cell_rad) * 3600:g} arcsec reach to "
                f"{reach:.3g} of the sphere's radius in the corner, where they must stay between 0 and 1; "
                f"use fewer pixels, or a cell below {math.degrees(self.cell_rad / reach) * 3600:.4g} arcsec"
            )
        if self.weight not in ("natural", "uniform", "briggs"):
            raise ConfigError(f"image.weight: {self.weight!r} is not known; use natural, uniform or briggs")
        if not -2 <= self.robust <= 2:
            raise ConfigError(f"image.robust: {self.robust:g} lies outside -2 to 2")
        if self.taper_rad is not None and not self.taper_rad > 0:
            raise ConfigError(f"image.taper: {self.taper_rad:g} rad must be above zero")
        try:
            evenly_spaced_stokes(self.stokes)
        except ValueError as error:
            raise ConfigError(f"image.stokes: {error}") from None
        if self.primary_beam_cut is not None and not 0 <= self.primary_beam_cut < 1:
            raise ConfigError(f"image.primary_beam_cut: {self.primary_beam_cut:g} must be at least 0 and below 1")
        if not 1e-12 < self.epsilon < 0.1:
            raise ConfigError(f"epsilon: {self.epsilon:g} lies outside 1e-12 to 0.1")
        if self.n_threads < 1:
            raise ConfigError(f"n_threads: {self.n_threads} is no number of threads; give at least 1")


def grid_pixels(size: int) -> int:
    """Return the pixels along a side that ducc0 makes for an image of `size`: even, and at least 32."""
    return max(_SMALLEST_GRID, size + size % 2)


def samples_at_once(settings: ImageSettings) -> int:
    """Return how many samples (visibilities x channels) wait to be gridded together.

    Each call costs a Fourier transform per w plane, so a larger image waits for more samples; they take about
    as much memory as its grids.
    """
    return max(_SAMPLES_AT_ONCE, settings.size**2)


def images_at_once(settings: ImageSettings) -> int:
    """Return how many images of a band are gridded at the same time: all of them, on as many threads as there are."""
    return min(settings.n_threads, len(settings.stokes) + 2)


def memory_estimate(
    settings: ImageSettings, n_baselines: int, n_channels: int, n_block_dumps: int, n_stations: int, n_dumps: int
) -> int:
    """Return the bytes that imaging a band needs at most, the interpreter and its modules aside.

    Parameters
    ----------
    settings
        How to image.
    n_baselines, n_channels, n_block_dumps, n_stations
        Shape of a block as read.
    n_dumps
        Of the whole band: there are no more samples to wait.
    """
    n_stokes, at_once = len(settings.stokes), images_at_once(settings)
    # vis and weight as read and once more as bytes; station_uvw.
    block = n_block_dumps * (2 * n_channels * n_baselines * (4 * 8 + 4) + n_stations * 24)
    samples = min(samples_at_once(settings) + n_baselines * n_channels, n_dumps * n_baselines * n_channels)
    # uvw, weight, baseline and vis waiting; uvw and weight joined; then u, v and cells to find weights, later one
    # Stokes parameter a thread and ducc0's index of it.
    to_weigh = 0 if settings.weight == "natural" and settings.taper_rad is None else 80
    rows = samples * (24 + 8 + 8 + 16 * n_stokes + 24 + 8 + max(to_weigh, (16 + 40) * at_once))
    pixels = grid_pixels(settings.size) ** 2
    # The sums; a thread's image, once more as it is added, and its complex grid, oversampled up to 2.5-fold along each
    # axis: the more samples, the more (measured: 2-fold).
    images = (n_stokes + 2) * settings.size**2 * 8 + at_once * pixels * (8 + 8 + 16 * 2.5**2)
    density = 0 if settings.weight == "natural" else 2 * 8 * (settings.size + 3) ** 2
    return int(block + rows + images + density)
