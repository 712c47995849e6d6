"""Gain errors of stations: complex factors that are the same in all directions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from kernels.corruption_bodies import GAINS
from kernels.reference.corruptions import standard_normals
from pipeline.errors import ConfigError
from pipeline.observation.layout_files import read_text_table

if TYPE_CHECKING:
    from pipeline.config.corruptions import GainsConfig

Complex128 = npt.NDArray[np.complex128]
Float64 = npt.NDArray[np.float64]

# Many cells of a block of dumps, of one channel or several: 1 MB for 512 stations.
_CORNERS_KEPT: Final = 64
_COLUMNS: Final = "X-amplitude X-phase Y-amplitude Y-phase"


class Gains(ABC):
    """The gains of all stations."""

    @abstractmethod
    def gains_at(self, frequency_hz: float, time_s: float) -> Complex128:
        """Return the gains of X and Y, (station, 2) complex128.

        Parameters
        ----------
        frequency_hz
            Frequency, Hz.
        time_s
            Time since the start of the observation, s.
        """


class RandomGains(Gains):
    """Gains (1 + a) exp(i phi) with normal a and phi, that may drift.

    Where they drift, values at the corners of cells of time and frequency are independent; in between they are joined
    with weights cos(pi/2 s) and sin(pi/2 s), s = 3 f^2 - 2 f^3 at the fraction f of a cell. The squares of the weights
    add up to one, so that a and phi have the same standard deviation everywhere, and s makes them smooth.

    Parameters
    ----------
    seed
        Key of the random numbers; a value depends on it, the station, the polarisation and the corner alone.
    amplitude, phase_rad
        Standard deviations of a and phi.
    timescale_s, bandwidth_hz
        Size of a cell; None where gains do not drift. Cells of time count from the start of the observation, those of
        frequency from 0 Hz.
    n_stations
        Number of stations.
    """

    def __init__(
        self,
        seed: int,
        amplitude: float,
        phase_rad: float,
        timescale_s: float | None,
        bandwidth_hz: float | None,
        n_stations: int,
    ) -> None:
        self._seed, self._scale = seed, np.array([amplitude, phase_rad])
        self._timescale_s, self._bandwidth_hz = timescale_s, bandwidth_hz
        self._feed = np.arange(2 * n_stations).reshape(n_stations, 2)
        self._corners: dict[tuple[int, int], Float64] = {}

    def gains_at(self, frequency_hz: float, time_s: float) -> Complex128:
        """Return the gains; see `Gains.gains_at`."""
        errors = np.zeros((*self._feed.shape, 2))
        for time, time_weight in _corners(time_s, self._timescale_s):
            for band, band_weight in _corners(frequency_hz, self._bandwidth_hz):
                errors += time_weight * band_weight * self._corner(time, band)
        errors *= self._scale
        gains: Complex128 = (1 + errors[..., 0]) * np.exp(1j * errors[..., 1])
        return gains

    def _corner(self, time: int, band: int) -> Float64:
        """Return two normals per station and polarisation, (station, 2, 2), from the store if they were asked for."""
        if (time, band) not in self._corners:
            if len(self._corners) >= _CORNERS_KEPT:
                self._corners.clear()
            normals = standard_normals(self._seed, (self._feed, time, band, GAINS << 8))
            self._corners[time, band] = normals[..., :2]
        return self._corners[time, band]


class TabulatedGains(Gains):
    """Gains as given, constant in time.

    Parameters
    ----------
    gains
        (channel, station, 2) complex128; one channel stands for all.
    start_hz, width_hz
        Centre of channel 0 and width of a channel.
    """

    def __init__(self, gains: Complex128, start_hz: float, width_hz: float) -> None:
        self._gains, self._start_hz, self._width_hz = gains, start_hz, width_hz

    def gains_at(self, frequency_hz: float, time_s: float) -> Complex128:
        """Return the gains of the channel nearest in frequency; see `Gains.gains_at`."""
        channel = round((frequency_hz - self._start_hz) / self._width_hz) if len(self._gains) > 1 else 0
        gains: Complex128 = self._gains[channel]
        return gains


def load_gains(config: GainsConfig, start_hz: float, width_hz: float, n_channels: int, n_stations: int) -> Gains:
    """Make the gains that a configuration asks for.

    Parameters
    ----------
    config
        Section ``gains``.
    start_hz, width_hz, n_channels
        Centre of channel 0, width and number of channels.
    n_stations
        Number of stations.

    Raises
    ------
    ConfigError
        If a file is bad, or does not hold these stations and channels.
    """
    if config.file is None:
        drift = config.drift
        # The configuration has all three where there is no file.
        return RandomGains(
            config.seed or 0,
            config.amplitude or 0.0,
            config.phase_rad or 0.0,
            drift.timescale_s if drift else None,
            drift.bandwidth_hz if drift else None,
            n_stations,
        )
    gains = _read_array(config.file) if config.file.suffix == ".npy" else _read_text(config.file)
    if gains.shape[1] != n_stations:
        raise ConfigError(f"{config.file}: holds gains of {gains.shape[1]} stations; the array has {n_stations}")
    if gains.shape[0] not in (1, n_channels):
        raise ConfigError(f"{config.file}: holds gains of {gains.shape[0]} channels; give 1 or all {n_channels}")
    return TabulatedGains(gains, start_hz, width_hz)


def _corners(value: float, cell: float | None) -> list[tuple[int, float]]:
    """Return the corners of a cell and their weights; one corner where there are no cells."""
    if cell is None:
        return [(0, 1.0)]
    first = int(value // cell)
    fraction = value / cell - first
    angle = np.pi / 2 * fraction**2 * (3 - 2 * fraction)
    return [(first, float(np.cos(angle))), (first + 1, float(np.sin(angle)))]


def _read_text(path: Path) -> Complex128:
    """Read one line per station of amplitudes and phases in degrees, (1, station, 2)."""
    amplitude_x, phase_x, amplitude_y, phase_y = read_text_table(path, _COLUMNS, required=4).values.T
    amplitude, phase = np.stack([amplitude_x, amplitude_y], axis=-1), np.stack([phase_x, phase_y], axis=-1)
    gains: Complex128 = (amplitude * np.exp(1j * np.radians(phase)))[np.newaxis]
    return gains


def _read_array(path: Path) -> Complex128:
    """Read a NumPy array (station, 2) or (channel, station, 2) of complex numbers."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(f"{path}: cannot be read as a NumPy array ({error}); write it with numpy.save") from error
    if array.dtype.kind != "c" or array.ndim not in (2, 3) or array.shape[-1] != 2:
        raise ConfigError(
            f"{path}: holds {array.dtype} of shape {array.shape}; gains are complex and "
            "(station, 2) or (channel, station, 2)"
        )
    if not np.isfinite(array).all():
        raise ConfigError(
            f"{path}: holds {np.sum(~np.isfinite(array))} gains that are not finite; replace them, or flag"
        )
    gains: Complex128 = array.astype(np.complex128).reshape(-1, *array.shape[-2:])
    return gains
