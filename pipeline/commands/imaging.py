"""Images of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pipeline.commands.common import AsJson, DatasetPath, Overwrite, ProgressStyle, on_all_ranks, print_json, seconds

_SETTINGS = "Instead of the dataset's configuration"


def _setting(name: str, help_text: str, negative: str = "") -> Any:
    return typer.Option(f"--{name}{negative}", help=help_text, rich_help_panel=_SETTINGS, show_default=False)


def image(
    dataset: DatasetPath,
    output: Annotated[Path, typer.Option("-o", "--output", help="The image, a FITS file.")],
    png: Annotated[Path | None, typer.Option("--png", help="Draw a plane, too.")] = None,
    plane: Annotated[int, typer.Option("--plane", min=0, help="Which band to draw.")] = 0,
    size: Annotated[int | None, _setting("size", "Pixels along a side.")] = None,
    cell: Annotated[str | None, _setting("cell", "Width of a pixel, such as '30 arcsec'.")] = None,
    weight: Annotated[Literal["natural", "uniform", "briggs"] | None, _setting("weight", "Imaging weights.")] = None,
    robust: Annotated[float | None, _setting("robust", "Briggs' robustness, -2 to 2.")] = None,
    taper: Annotated[str | None, _setting("taper", "Width of a Gaussian taper on the sky, such as '3 arcmin'.")] = None,
    uv_min: Annotated[str | None, _setting("uv-min", "Shortest (u, v), such as '30 m' or '50 lambda'.")] = None,
    uv_max: Annotated[str | None, _setting("uv-max", "Longest (u, v), such as '2 km' or '1 klambda'.")] = None,
    stations: Annotated[str | None, _setting("stations", "Baselines between these only: names or patterns.")] = None,
    without_stations: Annotated[str | None, _setting("without-stations", "No baseline of these.")] = None,
    stokes: Annotated[str | None, _setting("stokes", "One or several of IQUV.")] = None,
    continuum: Annotated[bool | None, _setting("continuum", "One image of all bands.", "/--cube")] = None,
    primary_beam: Annotated[
        bool | None, _setting("primary-beam", "Work out the primary beam, and correct for it.", "/--no-primary-beam")
    ] = None,
    primary_beam_cut: Annotated[float | None, _setting("primary-beam-cut", "Correct down to this level of it.")] = None,
    memory: Annotated[str | None, _setting("memory", "A rank may take so much, such as '8 GB'.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what it would take, and end.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Image while the data arrive.")] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Follow the streams (output.stream), not the files.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", parser=seconds, help="The longest to wait for the run to go on.")
    ] = 300.0,
    refresh: Annotated[float, typer.Option("--refresh", parser=seconds, help="Time between two quick looks.")] = 10.0,
    overwrite: Overwrite = False,
    progress: ProgressStyle = "auto",
    as_json: AsJson = False,
) -> None:
    """Image the bands of a dataset: `[mpirun -n N] dawnstream image DATASET -o CUBE`."""
    from pipeline.parallel.topology import World
    from pipeline.products.make import Request, make_images, plan_of
    from pipeline.products.png import png_plane

    given = {
        "size": size,
        "cell": cell,
        "weight": weight,
        "robust": robust,
        "taper": taper,
        "uv_range": {key: value for key, value in (("min", uv_min), ("max", uv_max)) if value is not None} or None,
        "stations": _names(stations),
        "without_stations": _names(without_stations),
        "stokes": stokes,
        "continuum": continuum,
        "primary_beam": primary_beam,
        "primary_beam_cut": primary_beam_cut,
        "memory": memory,
    }
    options = {key: value for key, value in given.items() if value is not None}
    request = Request(dataset, output, options, overwrite, timeout if follow else None, refresh, stream, png)
    if stream and not follow:
        raise typer.BadParameter("--stream goes with --follow")
    with World() as world:

        def work() -> None:
            if plan:
                planned = plan_of(request, world)
                if world.rank == 0:
                    print_json(planned.as_dict()) if as_json else print(planned.describe())
                return
            report = make_images(request, world, progress)
            if world.rank == 0:
                if png is not None:
                    png_plane(output, plane, png, report.stokes[0])
                print_json(report.as_dict()) if as_json else print(report.describe(png))
            if report.missing:
                raise report.incomplete()

        on_all_ranks(world.rank, work)


def _names(text: str | None) -> list[str] | None:
    """Read a list of names with commas."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
