"""What commands share: options, ways to print, one voice for all ranks."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from pipeline.errors import DawnstreamError
from pipeline.telemetry.progress import Style
from pipeline.units import parse_quantity

T = TypeVar("T")

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="The observation, a YAML file.")]
DatasetPath = Annotated[Path, typer.Argument(metavar="DATASET", help="A dataset, a folder NAME.dawn.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print for machines.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
RanksPerNode = Annotated[
    int | None,
    typer.Option("--ranks-per-node", min=1, help="Ranks to take for a machine's; default: the real ones."),
]
ProgressStyle = Annotated[
    Style, typer.Option("--progress", help="A bar, lines or nothing; auto is a bar on a terminal of its own.")
]


def angle(text: str) -> float:
    """Read an angle, for an option."""
    try:
        return parse_quantity(text, "angle", "deg")
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def seconds(text: str | float) -> float:
    """Read a time, for an option; its default is a number already."""
    if isinstance(text, float):
        return text
    try:
        return parse_quantity(text, "time", "s")
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def print_json(value: Any) -> None:
    """Print for machines."""
    print(json.dumps(value, indent=2))


def say(*lines: str) -> None:
    """Tell people, beside what is printed."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def fail(error: DawnstreamError) -> NoReturn:
    """Say what is wrong, and end with its exit code."""
    say(f"dawnstream: {error}")
    raise SystemExit(error.exit_code)


def on_all_ranks(rank: int, work: Callable[[], T]) -> T:
    """Do what fails on every rank alike, and let the first rank alone say why."""
    try:
        return work()
    except DawnstreamError as error:
        if rank == 0:
            fail(error)
        raise SystemExit(error.exit_code) from None
