"""The power spectrum of a 21 cm field: a power law, or a table."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.config.eor import PowerSpectrumConfig

Float64 = npt.NDArray[np.float64]

_KNOWN_BY_NAME: Final = (".ecsv", ".csv", ".fits", ".vot")  # other files are columns of plain text


@dataclasses.dataclass(frozen=True)
class PowerSpectrum:
    """Delta^2(k) = k^3 P(k) / (2 pi^2), interpolated in log k and log Delta^2 between its points.

    Attributes
    ----------
    k_per_mpc
        (point,) float64, growing.
    delta_squared_mk2
        (point,) float64, above zero.
    slopes
        Logarithmic slope below the first point and above the last one; None where the power is zero there.
    """

    k_per_mpc: Float64
    delta_squared_mk2: Float64
    slopes: tuple[float, float] | None

    def delta_squared(self, k_per_mpc: npt.ArrayLike) -> Float64:
        """Return Delta^2, mK^2, at wavenumbers above zero (any shape, 1/Mpc)."""
        k = np.asarray(k_per_mpc, np.float64)
        first, last = self.k_per_mpc[0], self.k_per_mpc[-1]
        value = np.exp(np.interp(np.log(k), np.log(self.k_per_mpc), np.log(self.delta_squared_mk2)))
        if self.slopes is None:
            return np.where((k < first) | (k > last), 0.0, value)
        low, high = self.slopes
        return np.asarray(value * np.minimum(k / first, 1) ** low * np.maximum(k / last, 1) ** high)

    def power(self, k_per_mpc: npt.ArrayLike) -> Float64:
        """Return P(k) = 2 pi^2 Delta^2 / k^3, mK^2 Mpc^3, at wavenumbers above zero (any shape, 1/Mpc)."""
        k = np.asarray(k_per_mpc, np.float64)
        return np.asarray(2 * np.pi**2 * self.delta_squared(k) / k**3)


def load_power_spectrum(config: PowerSpectrumConfig) -> PowerSpectrum:
    """Take a power spectrum from the configuration, or from the table it names.

    Raises
    ------
    ConfigError
        If the table cannot be read, or does not hold growing wavenumbers and powers above zero.
    """
    if config.table is None:
        slope = config.slope or 0.0
        reference = np.array([config.reference_per_mpc or 1.0])
        return PowerSpectrum(reference, np.array([config.delta_squared_mk2]), (slope, slope))
    k, delta_squared = read_table(config.table)
    return PowerSpectrum(k, delta_squared, None)


def read_table(path: Path) -> tuple[Float64, Float64]:
    """Read k (1/Mpc) and Delta^2 (mK^2), the first two columns of a table that astropy can read.

    Columns that carry units are converted; others are taken to be in these.

    Raises
    ------
    ConfigError
        If it cannot be read, its units are others, or its numbers are not growing wavenumbers and powers above zero.
    """
    from astropy import units
    from astropy.table import QTable

    try:
        table = QTable.read(path, format=None if path.suffix in _KNOWN_BY_NAME else "ascii")
        k, power = (units.Quantity(table[name]) for name in table.colnames[:2])
        k = k if k.unit == units.one else k.to(units.Mpc**-1)
        power = power if power.unit == units.one else power.to(units.mK**2)
        values = np.array([k.value, power.value], np.float64)
    except (OSError, ValueError, TypeError, units.UnitsError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(
            f"{path}: not a table of a power spectrum: {reason}; its first two columns must be k (1/Mpc) and Delta^2 "
            "(mK^2)"
        ) from error
    _check_table(path, values)
    return values[0], values[1]


def _check_table(path: Path, values: Float64) -> None:
    """Make sure that a table (column, row) holds growing wavenumbers and powers above zero."""
    rule = "a table holds at least two rows, wavenumbers above zero that grow, and powers above zero"
    if values.shape[1] < 2:
        raise ConfigError(f"{path}: has {values.shape[1]} rows; {rule}: add rows")
    grows = np.diff(values[0], prepend=0.0) > 0
    wrong = np.flatnonzero(~(np.isfinite(values).all(axis=0) & grows & (values[1] > 0)))
    if wrong.size:
        row = int(wrong[0])
        raise ConfigError(
            f"{path}: row {row} (k = {values[0, row]:g}/Mpc, Delta^2 = {values[1, row]:g} mK^2): {rule}; correct "
            "the row or remove it"
        )
