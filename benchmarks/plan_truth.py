"""How near the plan's time is to the run's: predicted beside actual, for observations of different kinds.

    python benchmarks/plan_truth.py [--machine FILE] [--repeat N] [--only NAME ...] [--cpu-time]

The machine is measured first, as `dawnstream bench -o FILE` does, unless a file is given. Every observation is then run
as often as asked, and the median of its times stands beside what the plan said; memory is the growth of the largest
rank during the run. On a busy machine, `taskset -c 0 python benchmarks/plan_truth.py --cpu-time` counts processor time
on one core; observations of several ranks are left out then.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
STATION = {"type": "aperture-array", "element": {"type": "dipole", "height": "1.5 m"}, "rotation": {"seed": 1}}
SOURCES = {"population": {"seed": 1, "flux": {"min": "1 Jy", "max": "75 Jy"}, "radius": "20 deg"}}

#: Name: configuration, ranks, and what is changed in it.
OBSERVATIONS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "demo": ("demo", 1, {}),
    "demo, 2 ranks": ("demo", 2, {}),
    "dishes": ("dishes", 1, {"time.dumps": 16}),
    "21 cm field by transforms": ("eor-core", 1, {"spectrum.channels": 72, "time.dumps": 2}),
    "aperture arrays, all different": (
        "demo",
        1,
        {"telescope.station": STATION, "telescope.array": "ska-low-aa2", "spectrum.channels": 36, "sky": [SOURCES]},
    ),
    "aperture arrays alike, noise, gains": (
        "demo",
        2,
        {
            "telescope.station": {"type": "aperture-array"},
            "spectrum.channels": 72,
            "noise": {"seed": 1},
            "gains": {"seed": 2},
        },
    ),
    "few sources, much output": ("demo", 1, {"averaging": {"node": 2, "group": 1}, "spectrum.channels": 48}),
}


def observation(folder: Path, name: str) -> tuple[Path, int]:
    """Write the configuration of an observation; return its path and ranks."""
    base, ranks, changes = OBSERVATIONS[name]
    values = yaml.safe_load((ROOT / f"configs/{base}.yaml").read_text())
    for key, value in changes.items():
        section, _, last = key.rpartition(".")
        (values[section] if section else values)[last] = value
    values["output"]["path"] = str(folder / "out.dawn")
    if isinstance(values["telescope"]["array"], str) and "/" in values["telescope"]["array"]:
        values["telescope"]["array"] = str(ROOT / "configs" / values["telescope"]["array"])
    for entry in values["sky"]:
        if "catalogue" in entry:
            entry["catalogue"] = str(ROOT / "configs" / entry["catalogue"])
    path = folder / "truth.yaml"
    path.write_text(yaml.safe_dump(values))
    return path, ranks


def measure(config: Path, machine: str, repeat: int, is_cpu_time: bool) -> None:
    """Plan and run on this rank; the first prints both as JSON."""
    from pipeline.costs.machine import machine_for
    from pipeline.costs.observed import task_of
    from pipeline.costs.runtime import run_time
    from pipeline.parallel.topology import World
    from pipeline.prediction.predictor import warm_up
    from pipeline.prepare import prepare
    from pipeline.run import run

    with World() as world:
        prepared = prepare(config, world)
        warm_up(prepared)
        plan, compute = prepared.plan, prepared.config.compute
        task = task_of(prepared.config, prepared.inputs, plan)
        said = run_time(plan, task, machine_for(compute.backend, machine), compute.precision, world.n_threads)
        found, grown, before = [], 0, resident_bytes("VmRSS")
        for turn in range(repeat + 1):
            start = time.process_time()
            report = run(prepared, world, overwrite=True, style="none")
            spent = time.process_time() - start
            stages = {name: top for name, (_, top) in report.stages.items()}
            found.append({"whole": spent if is_cpu_time else report.seconds, **stages})
            if turn == 0:
                # Later turns find the allocator's memory in pieces.
                grown = max(world.comm.allgather(resident_bytes("VmHWM") - before))
        if world.rank == 0:
            memory = {"planned": plan.memory_bytes, "grown": grown}
            print(json.dumps({"said": said.as_dict(), "found": found[1:], "memory": memory}))


def resident_bytes(name: str) -> int:
    """Return what the kernel says of this process's memory: VmRSS now, VmHWM at most."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError(f"/proc/self/status has no {name}")
    return 1024 * int(found[1])


def compare(name: str, options: argparse.Namespace, machine: str) -> Any:
    """Run an observation, print its line and return predicted over actual."""
    with tempfile.TemporaryDirectory() as folder:
        config, ranks = observation(Path(folder), name)
        launcher = [str(ROOT / "scripts/mpirun"), "-n", str(ranks)] if ranks > 1 else []
        command = [*launcher, sys.executable, __file__, "--rank-of", str(config), "--machine", machine]
        command += ["--repeat", str(options.repeat)] + ["--cpu-time"] * options.cpu_time
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    said, memory = answer["said"], answer["memory"]
    whole: float = statistics.median(turn["whole"] for turn in answer["found"])
    predicting = statistics.median(turn["predict"] + turn["geometry"] for turn in answer["found"])
    print(
        f"{name:37}{said['predict_s']:9.2f}{predicting:8.2f}{said['whole_s']:10.2f}{whole:8.2f}"
        f"{said['whole_s'] / whole:8.2f}{memory['planned'] / 1e6:9.0f}{memory['grown'] / 1e6:8.0f}",
        flush=True,
    )
    return said["whole_s"] / whole


def main() -> None:
    """Measure the machine, then compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machine", help="a file of dawnstream bench -o, or a name; else it is measured first")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(OBSERVATIONS), default=list(OBSERVATIONS))
    parser.add_argument("--cpu-time", action="store_true", help="processor time, on one core: for a busy machine")
    parser.add_argument("--rank-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank_of:
        measure(options.rank_of, options.machine, options.repeat, options.cpu_time)
        return
    with tempfile.TemporaryDirectory() as folder:
        machine = options.machine or str(Path(folder) / "machine.json")
        if not options.machine:
            command = [sys.executable, "-m", "pipeline", "bench", "-o", machine, "--backend", "cpu"]
            command += ["--cpu-time"] * options.cpu_time
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=ROOT)
        print(f"load {os.getloadavg()[0]:.2f}; machine: {options.machine or 'measured just now'}; seconds, MB")
        print(f"{'':37}{'predicting':>9}{'':8}{'whole':>9}{'':8}{'':8}{'memory':>9}")
        print(f"{'':37}{'plan':>9}{'run':>8}{'plan':>10}{'run':>8}{'ratio':>8}{'plan':>9}{'run':>8}")
        alone = [name for name in options.only if OBSERVATIONS[name][1] == 1 or not options.cpu_time]
        ratios = [compare(name, options, machine) for name in alone]
    print(f"predicted / actual: from {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
