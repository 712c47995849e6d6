"""The run, top to bottom: predict, average on the node, average across nodes, write.

Three things overlap on every rank: the device predicts block i + 1, the host averages block i, ADIOS2
writes block i - 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pipeline.costs.memory import N_BUFFERS
from pipeline.dataset.manifest import create_dataset, finish_dataset
from pipeline.dataset.writer import is_mpi_build
from pipeline.layout import share
from pipeline.output import new_manifest
from pipeline.parallel.exchange import OrderedSum, Sums, divide, meet
from pipeline.parallel.threads import blas_on_one_thread
from pipeline.parallel.topology import Topology, World, guarded, require_threads, together
from pipeline.plan import Plan
from pipeline.prediction.predictor import Predictor
from pipeline.prepare import Prepared
from pipeline.stages import Ahead, Pool, Stopped
from pipeline.telemetry.progress import Progress, Style, show_progress
from pipeline.telemetry.report import Report, collect_report
from pipeline.telemetry.timing import Timers
from pipeline.writing import Writing


def run(
    prepared: Prepared,
    world: World,
    overwrite: bool,
    style: Style,
    clock: Callable[[], float] = time.perf_counter,
) -> Report:
    """Make a dataset.

    Parameters
    ----------
    prepared
        The observation, checked.
    world
        The ranks.
    overwrite
        Replace a dataset that is there.
    style
        How the first rank shows progress.
    clock
        What stages are timed by; each is one thread's.

    Returns
    -------
    Report
        Where the time went; the same on every rank.

    Raises
    ------
    DatasetError
        If the dataset cannot be made. Once prediction has begun, an error on any rank of several is printed
        there and ends them all.
    """
    config, text = prepared.config, prepared.config.to_yaml()

    def create() -> None:
        if is_mpi_build() and world.size > 1:
            require_threads()
        if world.rank == 0:
            create_dataset(config.output.path, text, new_manifest(prepared, text), overwrite)

    together(world.comm, create)
    timers = Timers(clock)
    start = time.perf_counter()
    with Topology(world, prepared.plan.layout) as topology, guarded(world), blas_on_one_thread():
        role = topology.role
        n_dumps = (role.bands[1] - role.bands[0]) * config.time.dumps
        samples = config.spectrum.channels * config.time.dumps * len(prepared.inputs.baselines) / n_dumps
        with show_progress(
            "predicting", n_dumps, style if world.rank == 0 else "none", "Mvis", samples * 4e-6
        ) as progress:
            stream(prepared, topology, text, timers, progress)
        meet(world.comm)
        seconds = time.perf_counter() - start
        if world.rank == 0:
            finish_dataset(config.output.path, [True] * prepared.plan.layout.n_bands)
        return collect_report(world.comm, prepared.plan, timers, seconds)


def stream(prepared: Prepared, topology: Topology, text: str, timers: Timers, progress: Progress) -> None:
    """Predict, average and write every block of this rank's bands."""
    plan, role = prepared.plan, topology.role
    n_items = plan.layout.items_per_rank()[role.node_rank]
    blocks = Pool(Sums.empty(plan.block_dumps, n_items, plan.sizes.n_baselines) for _ in range(N_BUFFERS))
    predictor = Predictor(prepared, role, blocks, timers)
    on_node, across_nodes = ordered_sums(plan, topology)
    writing = Writing(prepared, topology, text, timers)
    try:
        for predicted in Ahead(predictor, "predict"):
            with timers("average on node"):
                sums = on_node(predicted.sums)
            with timers("average across nodes"):
                sums = across_nodes(sums)
                divide(sums)
            writing.put(predicted.band, predicted.geometry, sums)
            blocks.give(predicted.buffer)
            progress.advance(len(predicted.geometry.dump))
        writing.finish()
    finally:
        blocks.close(Stopped())


def ordered_sums(plan: Plan, topology: Topology) -> tuple[OrderedSum, OrderedSum]:
    """Return the two averaging steps: channels to sextets on the node, sextets to a band across nodes."""
    layout = plan.layout
    on_node = OrderedSum(
        topology.node,
        layout.items_per_rank(),
        plan.sizes.n_baselines,
        plan.block_dumps,
        run=layout.runs[0],
    )
    start, stop = share(plan.sizes.n_baselines, layout.ranks_per_node, topology.role.node_rank)
    across_nodes = OrderedSum(
        topology.across,
        [layout.sums_per_node] * layout.nodes_per_group,
        stop - start,
        plan.block_dumps,
        run=layout.runs[1],
    )
    return on_node, across_nodes
