"""How fast this machine is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.commands.common import AsJson, Overwrite, ProgressStyle, on_all_ranks, print_json


def bench(
    backend: Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--backend", help="What to time.")] = "auto",
    stations: Annotated[
        list[int], typer.Option("--stations", min=2, max=512, help="Stations; may be given several times.")
    ] = [64, 256],  # noqa: B006 - typer reads it, nothing changes it
    sources: Annotated[int, typer.Option("--sources", min=1, help="Sources; a sixteenth is timed, too.")] = 1000,
    precision: Annotated[
        Literal["mixed", "double", "both"], typer.Option("--precision", help="Of phasors and sums.")
    ] = "mixed",
    cpu_time: Annotated[
        bool, typer.Option("--cpu-time", help="Processor instead of wall time: for a busy machine, on one core.")
    ] = False,
    repeat: Annotated[int, typer.Option("--repeat", min=1, help="Turns of which the median counts.")] = 5,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write what a plan needs to know of this machine, JSON.")
    ] = None,
    overwrite: Overwrite = False,
    progress: ProgressStyle = "auto",
    as_json: AsJson = False,
) -> None:
    """Time every stage of a run on this machine, and say which share of its roof that is."""
    from pipeline.costs.bench import Setting
    from pipeline.costs.calibrate import bench_machine
    from pipeline.costs.machine import check_free, save_machine
    from pipeline.costs.stages import Precision
    from pipeline.costs.tables import describe_bench, stage_rows
    from pipeline.parallel.topology import World

    precisions: tuple[Precision, ...] = ("mixed", "double") if precision == "both" else (precision,)
    setting = Setting(backend, precisions, repeat, cpu_time)
    with World() as world:

        def work() -> None:
            if output is not None:
                check_free(output, overwrite)
            machine, samples = bench_machine(world, setting, stations, sources, progress)
            rows = stage_rows(machine, samples)
            if output is not None:
                save_machine(machine, output, overwrite)
            print_json({"machine": machine.as_dict(), "rows": rows}) if as_json else print(
                describe_bench(machine, rows)
            )

        on_all_ranks(world.rank, work)
