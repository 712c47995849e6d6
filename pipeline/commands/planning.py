"""Before a run: what it would cost, and whether it can be."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.common import AsJson, ConfigPath, print_json


def plan(
    config: ConfigPath,
    ranks: Annotated[int, typer.Option("--ranks", min=1, help="MPI ranks, one per GPU.")] = 1,
    ranks_per_node: Annotated[
        int | None, typer.Option("--ranks-per-node", min=1, help="Ranks on a machine; default: all on one.")
    ] = None,
    machine: Annotated[
        str | None, typer.Option("--machine", help="What ranks run on: a file of dawnstream bench -o, or a name.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads of a rank; default: as that machine was measured.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a run would do, hold, write and take, without doing it."""
    from pipeline.config.file import load_config
    from pipeline.costs.machine import machine_for
    from pipeline.costs.observed import task_of
    from pipeline.costs.runtime import run_time
    from pipeline.inputs import load_inputs
    from pipeline.plan import make_plan
    from pipeline.telemetry.describe import describe_plan, ownership

    loaded = load_config(config)
    inputs = load_inputs(loaded)
    on = machine_for(loaded.compute.backend, machine)
    threads = threads or on.threads
    made = make_plan(loaded, inputs.sizes, ranks, ranks_per_node or ranks, threads)
    time = run_time(made, task_of(loaded, inputs, made), on, loaded.compute.precision, threads)
    if as_json:
        described = {"time": time.as_dict(), "notes": inputs.notes, "ownership": ownership(made)}
        print_json({**made.as_dict(), **described})
    else:
        print(describe_plan(loaded, inputs, made, time))


def check(config: ConfigPath) -> None:
    """Check everything of a configuration that can be checked without running it."""
    from pipeline.check import check_observation
    from pipeline.config.file import load_config
    from pipeline.inputs import load_inputs
    from pipeline.plan import make_plan

    loaded = load_config(config)
    inputs = load_inputs(loaded)
    notes = check_observation(
        loaded, inputs, make_plan(loaded, inputs.sizes, n_ranks=1, ranks_per_machine=1, threads=1)
    )
    for note in (*inputs.notes, *notes):
        print(note)
    print(f"{config}: good")


def schema() -> None:
    """Print the JSON Schema of a configuration, for editors that complete and check YAML."""
    from pipeline.config.file import json_schema

    print(json_schema())
