"""What a bench found, as a table for people and as values for machines."""

from __future__ import annotations

from typing import Any

from pipeline.costs.bench import Sample
from pipeline.costs.machine import Machine
from pipeline.costs.stages import KERNELS, work_of


def stage_rows(machine: Machine, samples: list[Sample]) -> list[dict[str, Any]]:
    """Return a row for every kernel of every observation that was predicted.

    A row holds the rate in baseline-source-times a second, and in operations and bytes, those that the work needs at
    least: kept baselines only, whatever tiles sum beside. `roof` is the share of the roofline reached.
    """
    rows = []
    for sample in samples:
        task = sample.task
        if task is None:
            continue
        n_times = sample.case.dumps * sample.case.channels
        sources = task.points.sources + task.extended.sources + task.transform_sources
        work = task.n_baselines * sources * n_times
        rows.append(_row(sample, "whole prediction", work, sample.seconds["whole"]))
        for stage in KERNELS:
            if stage not in sample.seconds:
                continue
            seconds = sample.seconds[stage]
            needed = {
                key: number * (task.n_baselines / task.n_cells if key[1] == "term-cell" else 1)
                for key, number in sample.counts.items()
            }
            flops, flops_double, moved = work_of(needed, stage, sample.precision)
            peak = machine.roof.flops_double if sample.precision == "double" else machine.roof.flops
            least = max(flops / peak + flops_double / machine.roof.flops_double, moved / machine.roof.bytes_per_s)
            rows.append(
                _row(sample, stage, work, seconds)
                | {
                    "flops_per_s": (flops + flops_double) / seconds,
                    "bytes_per_s": moved / seconds,
                    "roof": least / seconds,
                }
            )
    return rows


def _row(sample: Sample, stage: str, work: float, seconds: float) -> dict[str, Any]:
    return {
        "observation": sample.case.name,
        "precision": sample.precision,
        "stations": sample.case.n_stations,
        "sources": sample.case.n_sources,
        "stage": stage,
        "seconds": seconds,
        "rate": work / seconds,
    }


def describe_bench(machine: Machine, rows: list[dict[str, Any]]) -> str:
    """Write the roof and a table of stages."""
    roof = machine.roof
    lines = [
        f"{machine.name}; load {machine.load:.2f} before",
        f"roof: {roof.flops / 1e9:,.0f} GF/s float32, {roof.flops_double / 1e9:,.0f} GF/s float64, "
        f"{roof.bytes_per_s / 1e9:,.1f} GB/s: {roof.source}",
        "rate: baselines x sources x times a second; roof: share of what arithmetic or memory allow",
    ]
    for observation in dict.fromkeys(row["observation"] for row in rows):
        lines += ["", observation]
        lines += [f"  {'stage':18}{'':7}{'stations':>8}{'sources':>9}{'rate':>9}{'GF/s':>8}{'GB/s':>8}{'roof':>6}"]
        lines += [_line(row) for row in rows if row["observation"] == observation]
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    line = f"  {row['stage']:18}{row['precision']:7}{row['stations']:8}{row['sources']:9}{row['rate']:9.1e}"
    if "roof" in row:
        line += f"{row['flops_per_s'] / 1e9:8.1f}{row['bytes_per_s'] / 1e9:8.1f}{row['roof']:6.0%}"
    return line
