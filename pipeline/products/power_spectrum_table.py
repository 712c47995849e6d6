"""A measured power spectrum as a table, as JSON and in lines for people."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError, DatasetError
from pipeline.observation.skies.eor_power import PowerSpectrum, read_table
from pipeline.products.power_spectrum import PowerMeasurement

Floats = NDArray[np.float64]

_UNITS = {"k": "Mpc-1", "low": "Mpc-1", "high": "Mpc-1", "n_modes": "", "power": "mK2 Mpc3", "delta_squared": "mK2"}


def read_truth(path: Path) -> PowerSpectrum:
    """Read the power spectrum that a measurement is to be compared with: k (1/Mpc) and Delta^2 (mK^2).

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    return PowerSpectrum(*read_table(path), slopes=None)


def over_same_modes(truth: PowerSpectrum, measured: PowerMeasurement) -> tuple[Floats, Floats]:
    """Average a known power spectrum as the measured one was: through the same taper, over the same modes.

    Returns
    -------
    power, delta_squared
        (bin,) float64, mK^2 Mpc^3 and mK^2.

    Raises
    ------
    ConfigError
        If it does not cover the modes, and those that the taper mixes into them.

    Notes
    -----
    A taper w mixes the modes along the line of sight: what is expected of one is the mean of P over all, weighted by
    the squared Fourier transform of w.
    """
    kept, k = measured.mode_bin >= 0, measured.grid.k
    window = np.abs(np.fft.fft(measured.taper)) ** 2
    is_tapered = bool(np.ptp(measured.taper) > 0)
    looked_at = kept.any(axis=0) & (k > 0) if is_tapered else kept
    _check_cover(truth, k[looked_at])
    expected = np.zeros(k.shape)
    expected[looked_at] = truth.power(k[looked_at])  # the mean, k = 0, is none of the power
    if is_tapered:
        mixing = np.fft.fft(window / window.sum())[:, None, None]
        expected = np.fft.ifft(np.fft.fft(expected, axis=0) * mixing, axis=0).real
    number = measured.mode_bin[kept]
    count = np.bincount(number)
    power = np.bincount(number, weights=expected[kept]) / count
    delta_squared = np.bincount(number, weights=(expected * k**3)[kept]) / count / (2 * np.pi**2)
    return np.asarray(power), np.asarray(delta_squared)


def _check_cover(truth: PowerSpectrum, k: Floats) -> None:
    """Refuse a table that ends within some wavenumbers."""
    first, last = truth.k_per_mpc[[0, -1]]
    if truth.slopes is None and (k.min() < first or k.max() > last):
        raise ConfigError(
            f"--true: the table covers k from {first:.4g} to {last:.4g}/Mpc, and the modes reach from {k.min():.4g} to "
            f"{k.max():.4g}/Mpc; extend it, or narrow --k-range"
        )


def as_dict(measured: PowerMeasurement, truth: PowerSpectrum | None = None) -> dict[str, Any]:
    """Return everything as numbers and lists, for JSON; what is not there is None."""
    spherical = {name: values.tolist() for name, values in vars(measured.spherical).items()}
    if truth is not None:
        power, delta_squared = over_same_modes(truth, measured)
        spherical |= {"true_power": power.tolist(), "true_delta_squared": delta_squared.tolist()}
    cylindrical = {name: _listed(values) for name, values in vars(measured.cylindrical).items()}
    return {
        "cubes": [str(cube.path) for cube in measured.cubes],
        "frequency_hz": measured.cubes[0].middle_hz,
        "redshift": measured.redshift,
        "units": {"k": "1/Mpc", "power": "mK^2 Mpc^3", "delta_squared": "mK^2"},
        "grid": dataclasses.asdict(measured.grid),
        "spherical": spherical,
        "cylindrical": cylindrical,
    }


def _listed(values: Floats) -> Any:
    """Return nested lists with None for NaN, which JSON has not."""
    if values.ndim > 1:
        return [_listed(row) for row in values]
    return [None if math.isnan(value) else value for value in values.tolist()]


def write_table(measured: PowerMeasurement, path: Path, truth: PowerSpectrum | None) -> None:
    """Write the spherical averages as an ECSV table.

    Raises
    ------
    DatasetError
        If it cannot be written.
    """
    from astropy import units
    from astropy.table import Table

    table = Table(meta={"redshift": measured.redshift, "cubes": [str(cube.path) for cube in measured.cubes]})
    columns = dict(vars(measured.spherical))
    if truth is not None:
        columns["true_power"], columns["true_delta_squared"] = over_same_modes(truth, measured)
    for name, values in columns.items():
        unit = _UNITS[name.removeprefix("true_").removesuffix("_error")]
        table[name] = values if not unit else values * units.Unit(unit)
    try:
        table.write(path, format="ascii.ecsv", overwrite=True)
    except OSError as error:
        raise DatasetError(f"{path}: the table cannot be written: {error}; choose another place") from error


def describe(measured: PowerMeasurement, truth: PowerSpectrum | None = None) -> str:
    """Return lines for people."""
    grid, s = measured.grid, measured.spherical
    width, depth = grid.size * grid.cell_mpc, grid.n_planes * grid.depth_mpc
    kept = measured.mode_bin >= 0
    lines = [
        f"field   {width:.1f} x {width:.1f} x {depth:.1f} Mpc at z = {measured.redshift:.3f}, "
        f"{grid.size} x {grid.size} x {grid.n_planes} modes",
        f"kept    {np.count_nonzero(kept)} modes: {np.count_nonzero(kept.any(axis=0))} cells of the uv plane, "
        f"{np.count_nonzero(kept.any(axis=(1, 2)))} of k_par",
        "",
        f"{'k  1/Mpc':>10} {'modes':>9} {'P  mK2 Mpc3':>24} {'Delta2  mK2':>22}" + (f" {'true':>10}" if truth else ""),
    ]
    true = None if truth is None else over_same_modes(truth, measured)[1]
    for i in range(len(s.k)):
        line = f"{s.k[i]:10.4f} {s.n_modes[i]:9.0f} {s.power[i]:12.5g} +- {s.power_error[i]:8.2g}"
        line += f" {s.delta_squared[i]:10.5g} +- {s.delta_squared_error[i]:8.2g}"
        lines.append(line if true is None else f"{line} {true[i]:10.5g}")
    return "\n".join(lines)
