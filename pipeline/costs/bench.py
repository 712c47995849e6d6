"""Timing the stages of a run: the real Predictor on small observations, its kernels clocked, and real runs written."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from pipeline.costs.cases import Case, output_cases, prediction_cases, write_case
from pipeline.costs.clocked import Clocked
from pipeline.costs.memory import N_BUFFERS
from pipeline.costs.observed import task_of
from pipeline.costs.stages import Counts, Precision, added, kernel_stage, times
from pipeline.costs.task import Task, count_channel, count_directions
from pipeline.errors import PlanError
from pipeline.parallel.device import Device
from pipeline.parallel.exchange import Sums
from pipeline.parallel.threads import blas_on_one_thread
from pipeline.parallel.topology import Topology, World
from pipeline.prediction.predictor import Predictor, warm_up
from pipeline.prepare import Prepared, prepare
from pipeline.stages import Pool
from pipeline.telemetry.progress import Progress
from pipeline.telemetry.timing import Timers


@dataclasses.dataclass(frozen=True)
class Setting:
    """How it is timed.

    Attributes
    ----------
    backend, precisions
        What is timed.
    repeat
        Turns of which the median counts; one more, before them, does not.
    is_cpu_time
        Count processor time instead of wall time: right on a busy machine too, for one thread.
    """

    backend: str
    precisions: tuple[Precision, ...]
    repeat: int
    is_cpu_time: bool = False

    @property
    def clock(self) -> Callable[[], float]:
        """The clock of a prediction, all of whose threads work in turn."""
        return time.process_time if self.is_cpu_time else time.perf_counter

    @property
    def clock_of_thread(self) -> Callable[[], float]:
        """The clock of a run's stages, which overlap."""
        return time.thread_time if self.is_cpu_time else time.perf_counter


@dataclasses.dataclass(frozen=True)
class Sample:
    """What one observation took.

    Attributes
    ----------
    case, precision
        Which.
    task
        What one channel and dump of it is; None of one that was written.
    counts
        All its work.
    seconds
        Of every stage, the median of several turns; "whole" is the prediction.
    """

    case: Case
    precision: Precision
    task: Task | None
    counts: Counts
    seconds: dict[str, float]


def cases_of(stations: list[int], n_sources: int) -> list[Case]:
    """Return all observations of a bench, in the order they are timed."""
    return [*prediction_cases(stations, n_sources), *output_cases()]


def measure(world: World, cases: list[Case], setting: Setting, progress: Progress) -> Iterator[Sample]:
    """Time observations.

    Parameters
    ----------
    world
        One rank.
    cases, setting
        What is timed, and how.
    progress
        Told of every case.

    Raises
    ------
    PlanError
        If there are several ranks, whose times would not be those of one.
    """
    if world.size > 1:
        raise PlanError(f"dawnstream bench: was started on {world.size} ranks, and times one; start it without mpirun")
    for precision in setting.precisions:
        for case in cases:
            with tempfile.TemporaryDirectory() as folder:
                prepared = prepare(write_case(Path(folder), case, setting.backend, precision), world)
                timed = _time_output if case.name in ("bands", "steps", "bytes") else _time_prediction
                yield timed(case, precision, prepared, world, setting)
            progress.advance(1)


def _time_prediction(case: Case, precision: Precision, prepared: Prepared, world: World, setting: Setting) -> Sample:
    """Time the Predictor, which is all of a run but averages across ranks and writing."""
    warm_up(prepared)
    plan, task = prepared.plan, task_of(prepared.config, prepared.inputs, prepared.plan)
    clocked = Clocked(prepared.device, setting.clock)
    prepared = dataclasses.replace(prepared, device=cast(Device, clocked))
    turns = []
    with Topology(world, plan.layout) as topology, blas_on_one_thread():
        for _ in range(setting.repeat + 1):
            clocked.seconds.clear()
            shape = (plan.block_dumps, plan.layout.items_per_rank()[0], plan.sizes.n_baselines)
            pool = Pool(Sums.empty(*shape) for _ in range(N_BUFFERS))
            timers, start = Timers(setting.clock), setting.clock()
            for predicted in Predictor(prepared, topology.role, pool, timers):
                pool.give(predicted.buffer)
            turns.append(_by_stage(clocked.seconds, task, timers) | {"whole": setting.clock() - start})
    counts = added(
        times(count_channel(task), case.channels * case.dumps), times(count_directions(task), case.dumps)
    )  # fmt: skip
    medians = {stage: statistics.median(turn[stage] for turn in turns[1:]) for stage in turns[0]}
    return Sample(case, precision, task, counts, medians)


def _by_stage(kernels: dict[str, float], task: Task, timers: Timers) -> dict[str, float]:
    """Return the seconds of every stage; what is no kernel's is the host's."""
    seconds: dict[str, float] = {}
    for kernel, spent in kernels.items():
        stage = kernel_stage(kernel, task.n_kinds, task.n_stations, task.is_scalar)
        if stage is not None:
            seconds[stage] = seconds.get(stage, 0.0) + spent
    # Directions are the only kernel that is not run while predicting.
    lmn = seconds.get("lmn", 0.0)
    host = timers.seconds["predict"] - (sum(seconds.values()) - lmn)
    return seconds | {"directions": timers.seconds["geometry"] - lmn, "host": host}


def _time_output(case: Case, precision: Precision, prepared: Prepared, world: World, setting: Setting) -> Sample:
    """Time whole runs, for the stages behind the prediction."""
    from pipeline.costs.runtime import count_averages, count_writing
    from pipeline.run import run

    warm_up(prepared)
    turns: list[dict[str, Any]] = []
    for _ in range(setting.repeat + 1):
        report = run(prepared, world, overwrite=True, style="none", clock=setting.clock_of_thread)
        mean = {stage: seconds for stage, (seconds, _) in report.stages.items()}
        average = mean["average on node"] + mean["average across nodes"] + mean["gather"]
        turns.append({"write": mean["write"], "average": average, "whole": report.seconds})
    plan = prepared.plan
    counts = added(count_averages(plan), count_writing(plan))
    medians = {stage: statistics.median(turn[stage] for turn in turns[1:]) for stage in turns[0]}
    return Sample(case, precision, None, counts, medians)
