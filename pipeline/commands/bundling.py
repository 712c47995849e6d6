"""A run's results, to be sent on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.common import AsJson, ProgressStyle, print_json


def bundle(
    source: Annotated[Path, typer.Argument(metavar="DATASET", help="A dataset; with --check a bundle.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The folder to make.")] = None,
    cubes: Annotated[
        list[Path] | None,
        typer.Option("--cube", help="An image cube; its -psf and others come along. May be repeated."),
    ] = None,
    others: Annotated[
        list[Path] | None, typer.Option("--add", help="A plot, film, table or report. May be repeated.")
    ] = None,
    with_visibilities: Annotated[bool, typer.Option("--with-visibilities", help="Take in the dataset itself.")] = False,
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Take a dataset whose run ended early, and its complete bands.")
    ] = False,
    copy: Annotated[bool, typer.Option("--copy", help="Copy all files; default: hard links where possible.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare every file of a bundle with its checksum.")] = False,
    progress: ProgressStyle = "auto",
    as_json: AsJson = False,
) -> None:
    """Put a run's results into one folder of checksummed files, to be sent on; or check one that came."""
    from pipeline.products.bundle import Contents, check_bundle, describe_bundle, make_bundle

    chosen = (output, cubes, others, with_visibilities, incomplete, copy)
    if check and any(chosen):
        raise typer.BadParameter("--check stands alone: it takes a bundle, and makes nothing")
    if not check and output is None:
        raise typer.BadParameter("name the folder to make with -o, or a bundle to --check")
    if check or output is None:
        report = check_bundle(source, progress)
    else:
        contents = Contents(cubes or (), others or (), with_visibilities, incomplete)
        report = make_bundle(source, output, contents, copy, progress)
    print_json(report.as_dict()) if as_json else print(describe_bundle(report))
    if report.error is not None:
        raise report.error
