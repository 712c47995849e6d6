"""The run itself."""

from __future__ import annotations

from pipeline.commands.common import (
    AsJson,
    ConfigPath,
    Overwrite,
    ProgressStyle,
    RanksPerNode,
    on_all_ranks,
    print_json,
    say,
)


def run(
    config: ConfigPath,
    overwrite: Overwrite = False,
    ranks_per_node: RanksPerNode = None,
    progress: ProgressStyle = "auto",
    as_json: AsJson = False,
) -> None:
    """Make the dataset of an observation: `mpirun -n N dawnstream run CONFIG`."""
    from pipeline.parallel.topology import World, together
    from pipeline.prediction.predictor import warm_up
    from pipeline.prepare import prepare
    from pipeline.run import run as run_observation
    from pipeline.telemetry.describe import describe_report

    with World(ranks_per_node) as world:

        def work() -> None:
            prepared = prepare(config, world)
            if world.rank == 0:
                say(*prepared.inputs.notes, prepared.device.describe())
            seconds = together(world.comm, lambda: warm_up(prepared))
            if world.rank == 0:
                say(f"kernels ready after {seconds:.1f} s")
            report = run_observation(prepared, world, overwrite, progress)
            if world.rank == 0 and as_json:
                print_json({"dataset": str(prepared.config.output.path), **report.as_dict()})
            elif world.rank == 0:
                print(describe_report(report, prepared.config.output.path))

        on_all_ranks(world.rank, work)
