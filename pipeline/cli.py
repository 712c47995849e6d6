"""The command line: all commands put together."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands import (
    benching,
    bundling,
    datasets,
    exporting,
    following,
    imaging,
    measuring,
    planning,
    running,
    showing,
)
from pipeline.commands.common import fail
from pipeline.errors import DawnstreamError
from pipeline.version import software

app = typer.Typer(
    name="dawnstream",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="What the correlator of a telescope like SKA-Low would put out: visibilities, channel by channel, "
    "averaged over MPI, written with ADIOS2, imaged into a cube.\n\n"
    "Begin with a configuration: `dawnstream plan configs/demo.yaml` says what a run would cost, "
    "`mpirun -n 2 dawnstream run configs/demo.yaml` makes the dataset, "
    "`dawnstream image out/demo.dawn -o out/demo.fits` images it.",
)


def _print_version(asked: bool) -> None:
    if asked:
        print(software())
        raise typer.Exit


@app.callback()
def dawnstream(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Hold what all commands share."""


# In the order in which help lists them.
app.command()(planning.plan)
app.command()(planning.check)
app.command()(running.run)
app.command()(following.follow)
app.command()(datasets.info)
app.command()(datasets.verify)
app.command()(imaging.image)
app.command()(showing.film)
app.command()(showing.plot)
app.command()(exporting.export)
app.command()(bundling.bundle)
app.command("power-spectrum")(measuring.power_spectrum)
app.command()(benching.bench)
app.command()(planning.schema)


def main() -> None:
    """Run the command line; end with the exit code of the error, if there is one."""
    try:
        app()
    except DawnstreamError as error:
        fail(error)
