"""A Gaussian random field with a given 21 cm power spectrum, as a sky: a box that any rank makes alike."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.observation.cosmology import cosmology, depth_mpc, kelvin_to_jy, transverse_mpc
from pipeline.observation.skies.base import Float64, Observed, SkyPart
from pipeline.observation.skies.eor_power import PowerSpectrum, load_power_spectrum

if TYPE_CHECKING:
    from pipeline.config.eor import EorFieldConfig, PowerSpectrumConfig

#: How far a frequency may lie outside the channels, in channels: half of one, and a little for rounding.
_REACH = 0.5 + 1e-6


@dataclasses.dataclass(frozen=True)
class Box:
    """The comoving grid of the field.

    Attributes
    ----------
    size, n_channels
        Pixels along east and along north; channels along the line of sight.
    cell_mpc, depth_mpc
        Comoving size of a pixel and depth of a channel, Mpc, at the middle of the band.
    """

    size: int
    n_channels: int
    cell_mpc: float
    depth_mpc: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the cube: (channel, north, east)."""
        return self.n_channels, self.size, self.size

    @property
    def k_bounds_per_mpc(self) -> tuple[float, float]:
        """The smallest wavenumber above zero and the largest one of the grid, 1/Mpc."""
        steps = [(self.size, self.cell_mpc), (self.size, self.cell_mpc), (self.n_channels, self.depth_mpc)]
        low = min(2 * np.pi / (n * step) for n, step in steps if n > 1)
        high = float(np.sqrt(sum((2 * np.pi * (n // 2) / (n * step)) ** 2 for n, step in steps)))
        return low, high

    def temperature_mk(self, spectrum: PowerSpectrum, seed: int) -> npt.NDArray[np.float32]:
        """Draw the field.

        Parameters
        ----------
        spectrum
            Its power spectrum.
        seed
            The random numbers depend on it and on the box's shape alone.

        Returns
        -------
        (channel, north, east) float32
            Brightness temperature, mK, of zero mean, periodic along all three axes.

        Notes
        -----
        White noise of unit variance per cell has the power spectrum V, the volume of a cell; its Fourier transform
        times sqrt(P(k) / V) has P(k). One plane of wavenumbers is shaped at a time, so that no second cube of k is
        needed.
        """
        import ducc0

        generator = np.random.Generator(np.random.Philox(key=seed))
        noise = generator.standard_normal(self.shape, dtype=np.float32)
        modes = ducc0.fft.r2c(noise, axes=(0, 1, 2))
        across = 2 * np.pi * np.fft.fftfreq(self.size, self.cell_mpc)
        east = 2 * np.pi * np.fft.rfftfreq(self.size, self.cell_mpc)
        along = 2 * np.pi * np.fft.fftfreq(self.n_channels, self.depth_mpc)
        squared = across[:, None] ** 2 + east**2
        volume = self.cell_mpc**2 * self.depth_mpc
        for plane, k_par in zip(modes, along, strict=True):
            k = np.sqrt(squared + k_par**2)
            zero = k == 0
            k[zero] = 1.0
            plane *= np.where(zero, 0.0, np.sqrt(spectrum.power(k) / volume)).astype(np.float32)
        field: npt.NDArray[np.float32] = ducc0.fft.c2r(
            modes, axes=(0, 1, 2), lastsize=self.size, forward=False, inorm=2
        )
        return field


@dataclasses.dataclass(frozen=True)
class EorField(SkyPart):
    """A box of the 21 cm line: one point source for each pixel, another flux density in each channel.

    The box is drawn when it is first looked at, and not sent to other ranks.

    Attributes
    ----------
    ra_rad, dec_rad
        (source,) float64, ICRS; pixels row by row, the southernmost row and its westernmost pixel first.
    solid_angle_sr
        (source,) float64 of a pixel.
    observed
        Channels and phase centre.
    box, spectrum, seed
        What is drawn.
    """

    ra_rad: Float64
    dec_rad: Float64
    solid_angle_sr: Float64
    observed: Observed
    box: Box
    spectrum: PowerSpectrum
    seed: int

    @property
    def is_unpolarised(self) -> bool:
        """The line is not polarised."""
        return True

    def label(self, source: int) -> str:
        """Name a pixel, for messages."""
        row, column = divmod(source, self.box.size)
        return f"eor_field pixel {column} to the east, {row} to the north"

    @cached_property
    def temperature_mk(self) -> npt.NDArray[np.float32]:
        """The field, (channel, north, east) float32, mK."""
        return self.box.temperature_mk(self.spectrum, self.seed)

    def stokes_at(self, frequency_hz: float) -> Float64:
        """Return I, Q, U, V at a frequency, (source, 4) float64, Jy: the temperature of the channel it lies in.

        Raises
        ------
        ConfigError
            If it lies in no channel.
        """
        channel = self._channel(frequency_hz)
        stokes = np.zeros((self.n_sources, 4))
        kelvin = self.temperature_mk[channel].reshape(-1).astype(np.float64) * 1e-3
        stokes[:, 0] = kelvin * kelvin_to_jy(frequency_hz, self.solid_angle_sr)
        return stokes

    def _channel(self, frequency_hz: float) -> int:
        """Return the channel of a frequency."""
        channels = (frequency_hz - self.observed.start_hz) / self.observed.width_hz
        if not -_REACH <= channels <= self.observed.n_channels - 1 + _REACH:
            raise ConfigError(
                f"sky.eor_field: {frequency_hz / 1e6:.6f} MHz lies in none of the spectrum's channels, and the field "
                "is drawn for these alone; ask for a frequency inside the spectrum"
            )
        return int(np.clip(np.rint(channels), 0, self.observed.n_channels - 1))

    def check_band(self, low_hz: float, high_hz: float) -> None:
        """Raise ConfigError unless the field is there from `low_hz` to `high_hz`."""
        self._channel(low_hz)
        self._channel(high_hz)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the drawn box at home: the seed tells another rank all of it."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def from_config(config: EorFieldConfig, observed: Observed) -> EorField:
    """Place the box around its centre, and scale it with the cosmology.

    Raises
    ------
    ConfigError
        If a channel is beyond the line, or the power spectrum does not cover the box.
    """
    low_hz, high_hz = observed.band_hz
    middle_hz, universe = (low_hz + high_hz) / 2, cosmology(config.cosmology)
    box = Box(
        size=config.size,
        n_channels=observed.n_channels,
        cell_mpc=float(transverse_mpc(universe, middle_hz)) * config.cell_rad,
        depth_mpc=float(depth_mpc(universe, middle_hz, observed.width_hz)),
    )
    depth_mpc(universe, np.array([low_hz, high_hz]), observed.width_hz)
    spectrum = load_power_spectrum(config.power_spectrum)
    _check_cover(spectrum, box, config.power_spectrum)
    centre = config.centre
    about = observed.phase_centre_rad if centre is None else (centre.ra_rad, centre.dec_rad)
    ra_rad, dec_rad, n = pixel_directions(config.size, config.cell_rad, about)
    return EorField(ra_rad, dec_rad, config.cell_rad**2 / n, observed, box, spectrum, config.seed)


def _check_cover(spectrum: PowerSpectrum, box: Box, config: PowerSpectrumConfig) -> None:
    """Refuse a table that ends within the wavenumbers of the box, unless told what to do there."""
    (low, high), (first, last) = box.k_bounds_per_mpc, spectrum.k_per_mpc[[0, -1]]
    if config.table is not None and config.beyond != "zero" and not (first <= low and high <= last):
        raise ConfigError(
            f"sky.eor_field.power_spectrum.table: {config.table} covers k from {first:.4g} to {last:.4g}/Mpc, and the "
            f"box has wavenumbers from {low:.4g} to {high:.4g}/Mpc; extend the table, or set beyond: zero to have no "
            "power outside it"
        )


def pixel_directions(size: int, cell_rad: float, centre_rad: tuple[float, float]) -> tuple[Float64, Float64, Float64]:
    """Return where the pixels of a box lie.

    Parameters
    ----------
    size, cell_rad
        Pixels along a side; their width in direction cosines.
    centre_rad
        Right ascension and declination of pixel (size // 2, size // 2).

    Returns
    -------
    ra_rad, dec_rad
        (pixel,) float64, ICRS, row by row from the south, each from the west.
    n
        (pixel,) float64, the cosine of the distance from the centre: a pixel's solid angle is cell^2 / n.

    Notes
    -----
    The orthographic projection (SIN) of Calabretta & Greisen 2002, A&A 395, 1077, section 5.1.5, inverted.
    """
    offset = (np.arange(size) - size // 2) * cell_rad
    east, north = np.tile(offset, size), np.repeat(offset, size)
    n = np.sqrt(1 - east**2 - north**2)
    ra, dec = centre_rad
    towards = n * np.cos(dec) - north * np.sin(dec)
    ra_rad = np.mod(ra + np.arctan2(east, towards), 2 * np.pi)
    dec_rad = np.arctan2(n * np.sin(dec) + north * np.cos(dec), np.hypot(east, towards))
    return ra_rad, dec_rad, n
