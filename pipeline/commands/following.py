"""A run, watched while it goes."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.common import AsJson, DatasetPath, ProgressStyle, seconds


def follow(
    dataset: DatasetPath,
    stream: Annotated[
        bool, typer.Option("--stream", help="Follow the streams (output.stream), also where there are files.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", parser=seconds, help="The longest to wait for the run to go on.")
    ] = 300.0,
    amplitudes: Annotated[
        bool, typer.Option(help="Read the visibilities, too; without, follow costs next to nothing.")
    ] = True,
    progress: ProgressStyle = "auto",
    as_json: AsJson = False,
) -> None:
    """Show progress, rates and amplitudes of a run while it goes; end when it does: `dawnstream follow DATASET`."""
    from pipeline.dataset.follow import follow as follow_dataset
    from pipeline.dataset.follow import wait_for_dataset
    from pipeline.telemetry.following import show_following

    with show_following(progress, as_json) as show:
        for block in follow_dataset(wait_for_dataset(dataset, timeout, stream), timeout, amplitudes):
            show(block)
