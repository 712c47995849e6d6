"""Datasets into the files of other software."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.commands.common import AsJson, DatasetPath, Overwrite, ProgressStyle, on_all_ranks, print_json, say

if TYPE_CHECKING:
    from pipeline.products.export.settings import ExportReport


def export(
    dataset: DatasetPath,
    output: Annotated[Path, typer.Option("-o", "--output", help="NAME.ms, NAME.uvh5; with --split, a folder.")],
    file_format: Annotated[
        Literal["ms", "uvh5"] | None, typer.Option("--format", help="Measurement Set or UVH5; default: as OUT ends.")
    ] = None,
    bands: Annotated[str | None, typer.Option("--bands", help="Such as 0-3,7; default: all.")] = None,
    split: Annotated[
        bool, typer.Option("--split/--together", help="A file for each band, or one, whose channels are the bands.")
    ] = False,
    skip_incomplete: Annotated[
        bool, typer.Option("--skip-incomplete", help="Export the bands that are whole, and end with code 6 if not all.")
    ] = False,
    overwrite: Overwrite = False,
    progress: ProgressStyle = "auto",
    as_json: AsJson = False,
) -> None:
    """Write a dataset as Measurement Set or UVH5: `[mpirun -n N] dawnstream export DATASET -o OUT`."""
    from pipeline.parallel.topology import World
    from pipeline.products.export.export import export_dataset
    from pipeline.products.export.selection import format_of
    from pipeline.products.export.settings import ExportSettings
    from pipeline.telemetry.progress import show_count

    with World() as world:

        def work() -> None:
            settings = ExportSettings(format_of(output, file_format), split, bands, skip_incomplete)
            with show_count("exporting", progress if world.rank == 0 else "none") as count:
                report = export_dataset(dataset, output, settings, world, count, overwrite)
            if world.rank == 0:
                print_json(report.as_dict()) if as_json else print(report.describe())
            _say_left_out(report, world.rank)

        on_all_ranks(world.rank, work)


def _say_left_out(report: ExportReport, rank: int) -> None:
    """End with the error of the first band that was left out, after a line for each."""
    for band, error in report.left_out.items():
        if rank == 0:
            say(f"left out band {band}: {error}")
    if report.left_out:
        raise report.incomplete()
