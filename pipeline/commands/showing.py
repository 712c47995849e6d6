"""Films of a cube, and plots of datasets and cubes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.commands.common import AsJson, Overwrite, ProgressStyle, print_json
from pipeline.units import parse_quantity


def _data(text: str) -> float:
    """Read an amount of data, for an option."""
    try:
        return parse_quantity(text, "data", "MB")
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def film(
    cube: Annotated[Path, typer.Argument(metavar="CUBE", help="An image cube, FITS.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A page, .html, or a film, .mp4 or .gif; its suffix says which.")
    ],
    stokes: Annotated[str, typer.Option("--stokes", help="Which one of the cube's.")] = "I",
    planes: Annotated[
        str, typer.Option("--planes", help="Such as 0:10 or ::2, from 0, the end left out; default: all.")
    ] = "",
    fps: Annotated[float, typer.Option("--fps", help="Planes a second.")] = 5.0,
    colours: Annotated[
        Literal["inferno", "viridis", "cividis", "gray", "RdBu_r"], typer.Option("--colours", help="Table of colours.")
    ] = "inferno",
    scale: Annotated[
        Literal["asinh", "linear"], typer.Option("--scale", help="asinh: linear near zero, logarithmic beyond.")
    ] = "asinh",
    ends: Annotated[
        str | None, typer.Option("--range", help="LOW,HIGH in the cube's unit; default: from its pixels.")
    ] = None,
    per_plane: Annotated[bool, typer.Option("--per-plane", help="A range of its own for each plane.")] = False,
    stride: Annotated[
        int, typer.Option("--stride", help="Page: keep every so many-th pixel along both axes, values as they are.")
    ] = 1,
    max_size: Annotated[
        float | None,
        typer.Option("--max-size", parser=_data, metavar="DATA", help="Page: refuse to make a larger one than 64 MB."),
    ] = None,
    overwrite: Overwrite = False,
    progress: ProgressStyle = "auto",
    as_json: AsJson = False,
) -> None:
    """Make a film of a cube across frequency: a page to explore it in any browser, or a video."""
    from pipeline.products.film.colours import given_range
    from pipeline.products.film.make import make_film
    from pipeline.products.film.settings import PAGE_BYTES, FilmSettings
    from pipeline.telemetry.progress import show_count

    settings = FilmSettings(
        stokes=stokes,
        planes=planes,
        fps=fps,
        colours=colours,
        scale=scale,
        ends=given_range(ends),
        per_plane=per_plane,
        stride=stride,
        max_bytes=PAGE_BYTES if max_size is None else max_size,
    )
    with show_count("drawing", progress) as count:
        made = make_film(cube, output, settings, overwrite, count)
    if as_json:
        print_json({"film": str(made.path), "planes": made.n_planes, "bytes": made.n_bytes})
    else:
        print(f"film  {made.path}: {made.n_planes} planes, {made.n_bytes / 1e6:.2f} MB")


def plot(
    source: Annotated[Path, typer.Argument(metavar="DATASET|CUBE", help="A dataset, NAME.dawn, or a cube, FITS.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The picture: .png, .pdf or .svg.")],
    kind: Annotated[
        Literal["uv-coverage", "amplitude", "waterfall", "spectrum", "psf"],
        typer.Option("--kind", help="Of a dataset all but psf; of a cube spectrum and psf."),
    ],
    bands: Annotated[
        str, typer.Option("--bands", help="Such as 0:10 or ::2, from 0, the end left out; default: all.")
    ] = "",
    pol: Annotated[str, typer.Option("--pol", help="I, Q, U, V, XX, XY, YX or YY.")] = "I",
    baseline: Annotated[
        str | None, typer.Option("--baseline", help="Waterfall: stations A,B; default: all together.")
    ] = None,
    phase: Annotated[bool, typer.Option("--phase", help="Waterfall: phase, not amplitude.")] = False,
    pixel: Annotated[
        str | None, typer.Option("--pixel", help="Spectrum of a cube: X,Y from 0; default: the brightest.")
    ] = None,
    plane: Annotated[int, typer.Option("--plane", help="Psf: which plane.")] = 0,
    dpi: Annotated[int, typer.Option("--dpi", help="Dots per inch.")] = 150,
    overwrite: Overwrite = False,
    progress: ProgressStyle = "auto",
    as_json: AsJson = False,
) -> None:
    """Plot a dataset or a cube: uv coverage, amplitudes, a waterfall, a spectrum or the point-spread function."""
    from pipeline.products.plots.make import PlotSettings, make_plot
    from pipeline.telemetry.progress import show_count

    settings = PlotSettings(
        kind=kind,
        bands=bands,
        polarisation=pol,
        baseline=baseline,
        phase=phase,
        pixel=pixel,
        plane=plane,
        dpi=dpi,
    )
    with show_count("reading", progress) as count:
        title = make_plot(source, output, settings, overwrite, count)
    if as_json:
        print_json({"plot": str(output), "title": title})
    else:
        print(f"plot  {output}: {title.replace(chr(10), ', ')}")
