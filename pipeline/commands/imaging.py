"""Images of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.common import AsJson, DatasetPath, Overwrite, ProgressStyle, on_all_ranks, print_json


def image(
    dataset: DatasetPath,
    output: Annotated[Path, typer.Option("-o", "--output", help="The cube, a FITS file.")],
    png: Annotated[Path | None, typer.Option("--png", help="Draw a plane, too.")] = None,
    plane: Annotated[int, typer.Option("--plane", min=0, help="Which band to draw.")] = 0,
    stokes: Annotated[str, typer.Option("--stokes", help="One or several of IQUV.")] = "I",
    overwrite: Overwrite = False,
    progress: ProgressStyle = "auto",
    as_json: AsJson = False,
) -> None:
    """Image every band of a dataset into one FITS cube: `[mpirun -n N] dawnstream image DATASET -o CUBE`."""
    from pipeline.parallel.topology import World
    from pipeline.products.make import make_images
    from pipeline.products.png import png_plane
    from pipeline.telemetry.describe import describe_images, images_as_dict

    with World() as world:

        def work() -> None:
            report = make_images(dataset, output, stokes, world, overwrite, progress)
            if world.rank > 0:
                return
            if png is not None:
                png_plane(output, plane, png, stokes[0])
            print_json(images_as_dict(report)) if as_json else print(describe_images(report, png))

        on_all_ranks(world.rank, work)
