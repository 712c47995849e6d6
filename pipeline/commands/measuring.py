"""What is measured in images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.commands.common import AsJson, Overwrite, ProgressStyle, angle, print_json


def power_spectrum(
    cubes: Annotated[list[Path], typer.Argument(metavar="CUBE [CUBE]", help="One image cube; two: cross-power.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A table, ECSV.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Draw it, too.")] = None,
    true: Annotated[
        Path | None, typer.Option("--true", help="A table of k (1/Mpc) and Delta^2 (mK^2) to compare with.")
    ] = None,
    field: Annotated[
        float | None, typer.Option("--field", parser=angle, help="Width of the sky; default: half of the image.")
    ] = None,
    beam: Annotated[
        float | None, typer.Option("--beam", parser=angle, help="FWHM of the stations' power beam, a Gaussian.")
    ] = None,
    taper: Annotated[
        Literal["none", "hann", "blackman-harris"], typer.Option("--taper", help="Along the line of sight.")
    ] = "none",
    bins: Annotated[int, typer.Option("--bins", help="Bins of k, even in its logarithm.")] = 10,
    k_range: Annotated[
        tuple[float, float] | None, typer.Option("--k-range", help="Smallest and largest k, 1/Mpc.")
    ] = None,
    max_par: Annotated[
        float, typer.Option("--max-par", help="Largest k_par, in units of pi / depth of a plane.")
    ] = 0.5,
    max_loss: Annotated[
        float, typer.Option("--max-loss", help="Error of a random sky's power up to which a mode is kept.")
    ] = 0.01,
    wedge: Annotated[
        float | None, typer.Option("--wedge", parser=angle, help="Leave out foregrounds' wedge up to this angle.")
    ] = None,
    wedge_margin: Annotated[float, typer.Option("--wedge-margin", help="And so much above it, 1/Mpc.")] = 0.0,
    cosmology: Annotated[str, typer.Option("--cosmology", help="As astropy names it.")] = "Planck18",
    overwrite: Overwrite = False,
    progress: ProgressStyle = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure the power spectrum of the 21 cm line in an image cube."""
    from pipeline.products.power_spectrum import PowerSettings
    from pipeline.products.power_spectrum_command import measure_and_write, named_cosmology
    from pipeline.products.power_spectrum_table import as_dict, describe

    settings = PowerSettings(
        field_rad=field,
        beam_fwhm_rad=beam,
        taper=taper,
        n_bins=bins,
        k_range_per_mpc=k_range,
        max_par=max_par,
        max_loss=max_loss,
        wedge_rad=wedge,
        wedge_margin_per_mpc=wedge_margin,
        cosmology=named_cosmology(cosmology),
    )
    measured, truth = measure_and_write(cubes, settings, true, output, png, overwrite, progress)
    print_json(as_dict(measured, truth)) if as_json else print(describe(measured, truth))
