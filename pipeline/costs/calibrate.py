"""From times of small observations to the seconds of a unit of every stage's work."""

from __future__ import annotations

import dataclasses
import datetime
import os
from typing import Literal

import numpy as np

from pipeline.costs.bench import Sample, Setting, cases_of, measure
from pipeline.costs.machine import Machine
from pipeline.costs.probe import memory_rate, probe_roof
from pipeline.errors import PlanError
from pipeline.parallel.device import Device, open_device
from pipeline.parallel.topology import World
from pipeline.telemetry.describe import counted
from pipeline.telemetry.progress import Style, show_progress

#: Stages whose times one clock holds together.
_TOGETHER = {"host": ("host", "transform")}


def calibrate(name: str, device: Device, samples: list[Sample], load: float, setting: Setting) -> Machine:
    """Describe the machine at hand.

    Parameters
    ----------
    name
        For people.
    device
        What kernels ran on.
    samples
        What was timed.
    load
        Of the host before, one minute's average.
    setting
        How it was timed.
    """
    seconds: dict[str, dict[str, dict[str, float]]] = {
        precision: fit([sample for sample in samples if sample.precision == precision])
        for precision in dict.fromkeys(sample.precision for sample in samples)
    }
    backend: Literal["cpu", "cuda"] = "cuda" if device.backend == "cuda" else "cpu"
    return Machine(
        name=name,
        backend=backend,
        threads=device.n_threads,
        measured=datetime.date.today().isoformat(),
        assumed=("processor time, not wall time",) if setting.is_cpu_time else (),
        roof=probe_roof(device, setting.clock),
        host_bytes_per_s=memory_rate(device.n_threads, setting.clock),
        seconds=seconds,
        load=load,
    )


def fit(samples: list[Sample]) -> dict[str, dict[str, float]]:
    """Find the seconds of a unit of every stage's work that explain the times best.

    The least squares of the relative errors, with no unit below zero [Lawson & Hanson 1974, Solving Least Squares
    Problems, chapter 23].

    Parameters
    ----------
    samples
        Of one precision.

    Returns
    -------
    dict
        {stage: {unit: seconds}} of every unit that came up.
    """
    found: dict[str, dict[str, float]] = {}
    for clock in dict.fromkeys(stage for sample in samples for stage in sample.seconds if stage != "whole"):
        stages = _TOGETHER.get(clock, (clock,))
        rows = [sample for sample in samples if sample.seconds.get(clock, 0.0) > 0]
        units = list(dict.fromkeys(key for sample in rows for key in sample.counts if key[0] in stages))
        for (stage, unit), value in zip(units, _least_squares(rows, clock, units), strict=True):
            found.setdefault(stage, {})[unit] = value
    return found


def _least_squares(samples: list[Sample], clock: str, units: list[tuple[str, str]]) -> list[float]:
    from scipy.optimize import nnls

    if not samples or not units:
        return []
    taken = np.array([sample.seconds[clock] for sample in samples])
    counts = np.array([[sample.counts.get(unit, 0.0) for unit in units] for sample in samples])
    weighted = counts / taken[:, np.newaxis]
    # Units differ by ten orders of magnitude.
    scale = weighted.max(axis=0)
    scale[scale == 0] = 1.0
    solution, _ = nnls(weighted / scale, np.ones(len(taken)))
    return [float(value) for value in solution / scale]


def load_of_machine() -> float:
    """Return the processes that ran on the machine, on average over the last minute."""
    return os.getloadavg()[0]


def machine_name(device: Device) -> str:
    """Name the machine at hand: its device, or its processor and threads."""
    if device.backend == "cuda":
        return device.describe().split(",")[0]
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else 'CPU'}, {counted(device.n_threads, 'thread')}"


def bench_machine(
    world: World, setting: Setting, stations: list[int], n_sources: int, style: Style
) -> tuple[Machine, list[Sample]]:
    """Time every stage on this machine.

    Parameters
    ----------
    world
        One rank.
    setting
        What is timed, and how; the backend may be "auto".
    stations, n_sources
        Sizes of the observations.
    style
        How progress is shown.

    Raises
    ------
    DeviceError
        If CUDA is asked for and cannot be had, or is only simulated.
    PlanError
        If there are several ranks, or several threads whose processor time is asked for.
    """
    load = load_of_machine()
    device = open_device(setting.backend, setting.precisions[0], world.local_rank, world.n_threads)
    if setting.is_cpu_time and (device.n_threads > 1 or device.backend == "cuda"):
        raise PlanError(
            f"--cpu-time: kernels run on {device.describe()}, and the processor time of one thread is not theirs; "
            "give it one core: taskset -c 0 dawnstream bench --backend cpu --cpu-time"
        )
    setting = dataclasses.replace(setting, backend=device.backend)
    cases = cases_of(stations, n_sources)
    with show_progress("timing", len(cases) * len(setting.precisions), style, "observations") as progress:
        samples = list(measure(world, cases, setting, progress))
    return calibrate(machine_name(device), device, samples, load, setting), samples
