"""Thermal noise: how sensitive a station is, and what the radiometer equation makes of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.config.corruptions import NoiseConfig

Float64 = npt.NDArray[np.float64]

# 2 k in Jy m^2 / K: 1 Jy = 1e-26 W / (m^2 Hz), k exact in the SI.
_TWO_K: Final = 2 * 1.380649e-23 / 1e-26
# The kernel puts two stations into one 32-bit word of the counter.
_MOST_STATIONS: Final = 1 << 16

#: Effective area over system temperature of one SKA-Low station and polarisation, m^2/K, from 50 MHz in steps of
#: 10 MHz to 350 MHz: "Anticipated SKA1 Science Performance", SKA-TEL-SKO-0000818 revision 2 (Braun et al. 2019,
#: arXiv:1912.12699), for a station of 256 antennas looking at the zenith and an average sky.
_SKA_LOW_M2_K: Final = (
    *(0.102, 0.255, 0.420, 0.580, 0.781, 0.862, 0.885, 0.924, 0.965, 1.052),
    *(1.119, 1.159, 1.171, 1.190, 1.195, 1.223, 1.235, 1.263, 1.226, 1.234),
    *(1.282, 1.304, 1.289, 1.306, 1.314, 1.289, 1.294, 1.327, 1.286, 1.204),
    *(1.156,),
)


@dataclasses.dataclass(frozen=True)
class Noise:
    """The noise of every station.

    Attributes
    ----------
    seed
        Key of the random numbers.
    frequency_hz, a_over_t_m2_k
        (entry,) float64: sensitivity of a station over frequency, per polarisation, linear in between; a single entry
        holds at all frequencies.
    efficiency
        Of the system, such as losses by quantisation.
    width_hz, integration_s
        Bandwidth and time of one sample.
    n_stations
        Number of stations.
    """

    seed: int
    frequency_hz: Float64
    a_over_t_m2_k: Float64
    efficiency: float
    width_hz: float
    integration_s: float
    n_stations: int

    def sefd_jy(self, frequency_hz: float) -> float:
        """Return the system equivalent flux density of a station and polarisation, 2 k T_sys / A_eff, Jy."""
        return _TWO_K / float(np.interp(frequency_hz, self.frequency_hz, self.a_over_t_m2_k))

    def sigma_jy(self, frequency_hz: float) -> Float64:
        """Return what `add_noise` wants of every station, (station,) float64, Jy.

        The standard deviation of the real and of the imaginary part of one polarisation product of two stations alike,
        SEFD / (efficiency sqrt(2 width integration)) [Thompson, Moran & Swenson 2017, section 6.2].
        """
        n_samples = 2 * self.width_hz * self.integration_s
        return np.full(self.n_stations, self.sefd_jy(frequency_hz) / (self.efficiency * np.sqrt(n_samples)))


def load_noise(
    config: NoiseConfig, band_hz: tuple[float, float], width_hz: float, integration_s: float, n_stations: int
) -> Noise:
    """Make the noise that a configuration asks for.

    Parameters
    ----------
    config
        Section ``noise``.
    band_hz
        Centres of the first and of the last channel.
    width_hz, integration_s
        Bandwidth and time of one sample.
    n_stations
        Number of stations.

    Raises
    ------
    ConfigError
        If a table is bad or does not cover the channels, or there are more stations than the random numbers tell apart.
    """
    if n_stations > _MOST_STATIONS:
        raise ConfigError(f"noise: tells {_MOST_STATIONS} stations apart, and there are {n_stations}; remove noise")
    frequency_hz: Float64
    if config.sefd_jy is not None:
        frequency_hz, a_over_t = np.zeros(1), np.full(1, _TWO_K / config.sefd_jy)
    elif isinstance(config.sensitivity, Path):
        frequency_hz, a_over_t = _read_table(config.sensitivity)
    else:
        frequency_hz, a_over_t = np.linspace(50e6, 350e6, len(_SKA_LOW_M2_K)), np.array(_SKA_LOW_M2_K)
    if config.sefd_jy is None and not (frequency_hz[0] <= band_hz[0] and band_hz[1] <= frequency_hz[-1]):
        raise ConfigError(
            f"noise.sensitivity: {config.sensitivity} is known from {frequency_hz[0] / 1e6:g} to "
            f"{frequency_hz[-1] / 1e6:g} MHz, and channels lie from {band_hz[0] / 1e6:g} to {band_hz[1] / 1e6:g} MHz; "
            "observe within, or give sefd or a table that covers them"
        )
    return Noise(config.seed, frequency_hz, a_over_t, config.efficiency, width_hz, integration_s, n_stations)


def _read_table(path: Path) -> tuple[Float64, Float64]:
    """Read frequencies and m^2/K from a table with the columns frequency and a_over_t or sefd, with units."""
    from astropy.table import Table

    try:
        table = Table.read(path, format="ascii.ecsv" if path.suffix.lower() == ".ecsv" else None)
    except Exception as error:  # astropy's readers raise whatever their parsers do
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{path}: cannot be read as a table ({type(error).__name__}: {reason}); give an ECSV, FITS or VOTable file"
        ) from error
    given = [name for name in ("a_over_t", "sefd") if name in table.colnames]
    if "frequency" not in table.colnames or len(given) != 1:
        raise ConfigError(
            f"{path}: has columns {', '.join(table.colnames)}; a sensitivity has frequency and one of a_over_t "
            "(m2 / K) and sefd (Jy)"
        )
    frequency_hz = _column(path, table, "frequency", "Hz")
    value = _column(path, table, given[0], "m2 / K" if given[0] == "a_over_t" else "Jy")
    if len(frequency_hz) < 2 or not (np.diff(frequency_hz) > 0).all():
        raise ConfigError(f"{path}: column 'frequency' does not ascend; give two rows or more, in order of frequency")
    return frequency_hz, value if given[0] == "a_over_t" else _TWO_K / value


def _column(path: Path, table: Any, name: str, unit: str) -> Float64:
    """Return a column in `unit`; every row must be above zero."""
    from astropy.units import Quantity, Unit, UnitConversionError

    column = table[name]
    if column.unit is None:
        raise ConfigError(f"{path}: column {name!r} has no unit; give it one that can be turned into {unit}")
    try:
        numbers = np.asarray(Quantity(np.ma.filled(column.astype(float), np.nan), column.unit).to_value(Unit(unit)))
    except (ValueError, TypeError, UnitConversionError) as error:
        raise ConfigError(f"{path}: column {name!r} does not hold numbers in {unit} ({error}); correct it") from error
    bad = np.flatnonzero(~(np.isfinite(numbers) & (numbers > 0)))
    if bad.size:
        raise ConfigError(f"{path}: row {bad[0] + 1} of column {name!r} is {numbers[bad[0]]:g}; it must be above zero")
    return numbers
