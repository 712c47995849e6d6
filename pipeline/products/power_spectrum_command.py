"""From cubes to a measured power spectrum, its table and its picture, as the command line asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from pipeline.config.diffuse import CosmologyConfig
from pipeline.errors import ConfigError, DatasetError
from pipeline.observation.skies.eor_power import PowerSpectrum
from pipeline.products.power_spectrum import PowerMeasurement, PowerSettings, measure_power
from pipeline.products.power_spectrum_table import over_same_modes, read_truth, write_table
from pipeline.telemetry.progress import Style, show_count


def named_cosmology(name: str) -> CosmologyConfig:
    """Return the cosmology of a name.

    Raises
    ------
    ConfigError
        If the name is not known.
    """
    try:
        return CosmologyConfig.model_validate({"name": name})
    except ValidationError as error:
        raise ConfigError(f"--cosmology: {name!r}: {error.errors()[0]['msg']}") from None


def measure_and_write(
    cubes: Sequence[Path],
    settings: PowerSettings,
    true: Path | None,
    output: Path | None,
    png: Path | None,
    overwrite: bool,
    style: Style,
) -> tuple[PowerMeasurement, PowerSpectrum | None]:
    """Measure, and write what was asked for.

    Parameters
    ----------
    cubes
        One or two.
    settings
        How to measure.
    true
        A table to compare with.
    output, png
        Where the table and the picture go.
    overwrite
        Replace them if they are there.
    style
        How progress is shown.

    Returns
    -------
    measured, truth
        The measurement, and the power spectrum of the table.

    Raises
    ------
    ConfigError, DatasetError
        If a setting or a file is no good.
    """
    for path in (output, png):
        if path is not None and path.exists() and not overwrite:
            raise DatasetError(f"{path} exists; choose another, or pass --overwrite")
    truth = None if true is None else read_truth(true)
    with show_count("measuring", style) as progress:
        measured = measure_power(cubes, settings, progress)
    if truth is not None:
        over_same_modes(truth, measured)
    if output is not None:
        write_table(measured, output, truth)
    if png is not None:
        from pipeline.products.power_spectrum_plot import plot_power

        plot_power(measured, png, truth)
    return measured, truth
