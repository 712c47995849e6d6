"""How the cost of a prediction grows: in sources, dumps and channels linearly, in stations quadratically, up to AA4.

    python benchmarks/scaling.py [--png docs/images/scaling.png] [--json FILE] [--repeat N] [--cpu-time]

The first N stations of AA4, all cross-correlations, isotropic, an unpolarised sky, mixed precision. The lines are those
of the cost model with the figures of --machine: one that comes with Dawnstream, or a file of `dawnstream bench -o`. On
a busy machine, `taskset -c 0 python benchmarks/scaling.py --cpu-time` counts processor time on one core.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from pipeline.costs.bench import Sample, Setting, measure
from pipeline.costs.cases import Case
from pipeline.costs.machine import load_machine
from pipeline.parallel.topology import World
from pipeline.telemetry.progress import show_progress

BASE = Case("scaling", n_stations=128, n_sources=2048, dumps=4, channels=4, node=4)
GROWN: dict[str, list[int]] = {
    "n_sources": [128, 512, 2048, 8192, 32768],
    "dumps": [4, 8, 16, 32, 64],
    "channels": [4, 8, 16, 32, 64],
    "n_stations": [16, 32, 64, 128, 256, 512],
}
LABELS = {"n_sources": "sources", "dumps": "dumps", "channels": "channels", "n_stations": "stations"}


def cases(axis: str) -> list[Case]:
    """Return the observations along an axis."""
    changes: list[dict[str, Any]] = [{axis: value} for value in GROWN[axis]]
    return [dataclasses.replace(BASE, **one) for one in changes]


def rows(axis: str, samples: list[Sample], machine: str, threads: int) -> list[dict[str, float]]:
    """Return sizes, and the seconds measured and modelled."""
    model = load_machine(machine)
    found = []
    for value, sample in zip(GROWN[axis], samples, strict=True):
        seconds = sum(model.time(sample.counts, "mixed", threads).values())
        found.append({"size": value, "seconds": sample.seconds["whole"], "model": seconds})
    return found


def slope(found: list[dict[str, float]]) -> float:
    """Return the exponent of the growth between the two largest sizes."""
    last, largest = found[-2:]
    return math.log(largest["seconds"] / last["seconds"]) / math.log(largest["size"] / last["size"])


def draw(path: Path, results: dict[str, list[dict[str, float]]], said: str) -> None:
    """Draw what was measured as points, what the model says as lines."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    figure = Figure(figsize=(8, 6.5), layout="constrained")
    axes: Any = figure.subplots(2, 2)
    for place, (name, found) in zip(axes.flat, results.items(), strict=True):
        sizes = [row["size"] for row in found]
        power = 2 if name == "stations" else 1
        last = found[-1]
        ideal = [last["seconds"] * (size / last["size"]) ** power for size in sizes]
        place.loglog(sizes, ideal, color="0.75", lw=5, label="linear" if power == 1 else "quadratic")
        place.loglog(sizes, [row["model"] for row in found], color="C1", label="cost model")
        place.loglog(sizes, [row["seconds"] for row in found], "o", color="C0", label="measured")
        place.set(xlabel=name, ylabel="seconds")
        place.set_xticks(sizes, [f"{size:g}" for size in sizes])
        place.xaxis.minorticks_off()
        place.yaxis.set_major_formatter("{x:g}")
        place.yaxis.set_minor_formatter(NullFormatter())
        place.legend(frameon=False)
    figure.suptitle(f"{said}\n128 stations, 2048 sources, 4 dumps, 4 channels, but for what varies", fontsize=10)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--png", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--machine", default="x86-avx512")
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    results: dict[str, list[dict[str, float]]] = {}
    with World() as world:
        setting = Setting("cpu", ("mixed",), options.repeat, options.cpu_time)
        for axis in GROWN:
            with show_progress("timing", len(GROWN[axis]), "none") as progress:
                samples = list(measure(world, cases(axis), setting, progress))
            results[LABELS[axis]] = found = rows(axis, samples, options.machine, world.n_threads)
            for row in found:
                print(f"{LABELS[axis]:9} {row['size']:6.0f}  {row['seconds']:9.4f} s  model {row['model']:9.4f} s")
            print(f"{LABELS[axis]:9} grows as its power {slope(found):.2f} at the end", flush=True)
        clock = "processor time" if options.cpu_time else "wall time"
        said = f"Prediction on {world.n_threads} thread{'s' * (world.n_threads > 1)}, {clock}"
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))
    if options.png:
        draw(options.png, results, said)


if __name__ == "__main__":
    main()
