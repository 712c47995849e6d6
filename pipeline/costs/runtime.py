"""How long a run takes: the cost of what the busiest rank does, and how its stages overlap. Plain numbers only."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pipeline.costs.machine import Machine
from pipeline.costs.memory import CELL_BYTES
from pipeline.costs.stages import KERNELS, Counts, Precision, added, times
from pipeline.costs.task import Task, count_channel, count_directions

if TYPE_CHECKING:
    from pipeline.plan import Plan

#: What a node's network takes in, where nothing was measured: 100 Gbit/s.
NETWORK_BYTES_PER_S = 12.5e9


@dataclasses.dataclass(frozen=True)
class RunTime:
    """The time a run is expected to take, without start-up and compiling.

    Attributes
    ----------
    stages
        Seconds of every stage on the busiest rank, were it alone.
    predict_s, average_s, exchange_s, write_s
        Of the stages that overlap, on the busiest rank.
    fill_s
        Of what cannot overlap: the averages and the writing of the last block.
    whole_s
        From the first block to the last byte.
    rank_hours, node_hours
        Of all ranks and nodes.
    assumed
        What all this rests on.
    """

    stages: dict[str, float]
    predict_s: float
    average_s: float
    exchange_s: float
    write_s: float
    fill_s: float
    whole_s: float
    rank_hours: float
    node_hours: float
    assumed: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return dataclasses.asdict(self)


def run_time(plan: Plan, task: Task, machine: Machine, precision: Precision, threads: int) -> RunTime:
    """Predict how long a run takes.

    Parameters
    ----------
    plan, task
        What is done.
    machine, precision, threads
        What a rank runs on, the precision, and the rank's threads.

    Raises
    ------
    PlanError
        If the machine has no figure for something.

    Notes
    -----
    Three threads of a rank predict, average and write; the slowest sets the pace. ADIOS2 keeps the interpreter's lock
    while it writes, without which no next kernel begins: predicting and writing add up. On a CPU all share the cores
    with the kernels, so that no run is faster than all work spread over all threads.
    """
    channel = times(count_channel(task), plan.layout.busiest_channels * plan.n_dumps)
    directions = times(count_directions(task), plan.layout.busiest_bands * plan.n_dumps)
    stages = machine.time(added(channel, directions), precision, threads)
    at_once = min(threads, plan.block_dumps)
    # Dumps of a block are transformed at the same time, a thread each.
    transform = stages.pop("transform", 0.0) / at_once
    behind = machine.time(added(count_averages(plan), count_writing(plan)), precision, threads)
    exchange = _exchange_s(plan, machine)
    kernels = sum(seconds for stage, seconds in stages.items() if stage in KERNELS)
    host, average, write = sum(stages.values()) - kernels, behind["average"], behind["write"]
    held = threads if machine.backend == "cpu" else 0
    # Seconds of all cores.
    spent = kernels * held + transform * at_once + host + average + exchange + write
    predict = kernels + transform + host
    fill = (average + exchange + write) / (plan.layout.busiest_bands * plan.n_blocks)
    whole = max(max(predict + write, average + exchange) + fill, spent / threads)
    hours = whole / 3600
    return RunTime(
        stages={**stages, "transform": transform, **behind, "exchange": exchange},
        predict_s=predict,
        average_s=average,
        exchange_s=exchange,
        write_s=write,
        fill_s=fill,
        whole_s=whole,
        rank_hours=hours * plan.layout.n_ranks,
        node_hours=hours * plan.layout.n_machines,
        assumed=_assumed(plan, machine, threads),
    )


def count_averages(plan: Plan) -> Counts:
    """Count the averaging of the busiest rank: of a node's items, across nodes, the division and the copy."""
    layout, n = plan.layout, plan.sizes.n_baselines
    slice_1 = -(-n // layout.ranks_per_node)
    slice_2 = -(-slice_1 // layout.nodes_per_group)
    on_node, across = layout.runs
    items = sum(layout.items_per_rank()) * slice_1 * (on_node > 1) + across * slice_2 * (across > 1)
    n_bands = plan.layout.busiest_bands
    return {
        ("average", "item-baseline"): n_bands * plan.n_dumps * items,
        ("average", "baseline"): n_bands * plan.n_dumps * slice_2,
        ("average", "call"): n_bands * plan.n_blocks,
    }


def count_writing(plan: Plan) -> Counts:
    """Count what the busiest rank writes: the ranks of a group take turns from band to band."""
    layout = plan.layout
    n_bands = -(-plan.layout.busiest_bands // (layout.ranks_per_node * layout.nodes_per_group))
    return {
        ("write", "band"): n_bands,
        ("write", "step"): n_bands * plan.n_blocks,
        ("write", "byte"): n_bands * plan.n_dumps * plan.sizes.n_baselines * CELL_BYTES,
    }


def exchanged_bytes(plan: Plan) -> tuple[int, int]:
    """Return what the busiest rank sends over all dumps: on its machine, and to other machines."""
    near, far = plan.layout.sent(plan.sizes.n_baselines)
    return near * plan.n_dumps * CELL_BYTES, far * plan.n_dumps * CELL_BYTES


def _exchange_s(plan: Plan, machine: Machine) -> float:
    """Return the seconds of exchanges: three passes through memory on a machine, and the network between them."""
    near, far = exchanged_bytes(plan)
    ranks = plan.layout.ranks_per_machine
    memory = machine.host_bytes_per_s / ranks
    return 3 * near / memory + far * ranks / NETWORK_BYTES_PER_S


def _assumed(plan: Plan, machine: Machine, threads: int) -> tuple[str, ...]:
    """Say what the time rests on."""
    measured = f"measured on {machine.measured}" if machine.measured else "not measured"
    load = f" at load {machine.load:.1f}" if machine.load is not None else ""
    said = [f"{machine.name}, {measured}{load}; {threads} thread{'s' * (threads > 1)} a rank", *machine.assumed]
    near, far = exchanged_bytes(plan)
    if far:
        said.append(f"network of {NETWORK_BYTES_PER_S / 1e9:g} GB/s a node, not measured")
    if near:
        said.append("exchange on a node as three passes through memory, not measured")
    if plan.layout.n_groups > 1:
        said.append("every rank that writes has a disk as fast as the one measured")
    return tuple(said)
