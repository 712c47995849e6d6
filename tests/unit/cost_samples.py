"""Tasks, plans and machines made for the purpose of testing costs."""

from __future__ import annotations

import dataclasses

from pipeline.costs.machine import Machine, Roof
from pipeline.costs.stages import STAGES
from pipeline.costs.task import Summed, Task
from pipeline.layout import lay_out
from pipeline.plan import Plan, Sizes


def task(**changes) -> Task:
    plain = Task(
        n_stations=37,
        n_baselines=666,
        n_cells=1000,
        n_packed=90,
        n_sources=11,
        n_epochs=2,
        points=Summed(7, 14, 2),
        extended=Summed(),
        channels_per_item=2,
        block_dumps=3,
    )
    return dataclasses.replace(plain, **changes)


def plan(n_ranks=1, ranks_per_node=1, n_dumps=10, block_dumps=3, n_baselines=131) -> Plan:
    layout = lay_out(144, 6, 6, n_ranks, ranks_per_node)[0]
    sizes = Sizes(17, n_baselines, 11, 1000.0, n_terms=14, terms_at_once=9)
    return Plan(layout, sizes, n_dumps, block_dumps, memory_bytes=1, kept_bytes=0, decorrelation=0.0)


def machine(unit_s=1e-6, backend="cpu", threads=2, **changes) -> Machine:
    """All units take the same."""
    seconds = {precision: {s: dict.fromkeys(STAGES[s], unit_s) for s in STAGES} for precision in ("mixed", "double")}
    made = Machine("even", backend, threads, "2026-11-25", (), Roof(1e12, 5e11, 1e11, "made up"), 1e11, seconds)
    return dataclasses.replace(made, **changes)
