"""Every kernel on a GPU: speed, share of the roof, and error against float64, for 64 to 512 stations.

Each kernel runs in a process of its own, so that one that fails leaves a row that says so and the rest goes on. Writes
benchmarks/results/DEVICE-DATE.json and .md.

    python benchmarks/gpu.py [--stations 64 128 256 512] [--results FOLDER] [--require-gpu]
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

SECONDS_A_TASK = 75
"""Longest that a process may take: they all fit in eight minutes even if some are ended by it."""


def run_task(task: str, stations: list[int]) -> list[dict[str, Any]]:
    """Run one task in a process of its own and return its rows; the last says what went wrong, if anything did."""
    command = [sys.executable, __file__, "--task", task, "--stations", *map(str, stations)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_A_TASK, check=False)
        text, problem = done.stdout, "" if done.returncode == 0 else last_line(done.stderr) or f"exit {done.returncode}"
    except subprocess.TimeoutExpired as error:
        text = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
        problem = f"ended after {SECONDS_A_TASK} s"
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [*rows, {"task": task, "problem": problem}] if problem else rows


def last_line(text: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if len(line.strip()) > 3]
    return lines[-1][:200] if lines else ""


def describe() -> dict[str, Any]:
    """Return the device and the software."""
    import numba
    from numba import cuda

    device = cuda.get_current_device()
    name = device.name.decode() if isinstance(device.name, bytes) else device.name
    return {
        "device": name,
        "capability": "{}.{}".format(*device.compute_capability),
        "multiprocessors": device.MULTIPROCESSOR_COUNT,
        "memory_gb": round(cuda.current_context().get_memory_info().total / 1e9, 1),
        "driver_cuda": "{}.{}".format(*cuda.runtime.get_version()),
        "numba": numba.__version__,
        "date": datetime.date.today().isoformat(),
    }


def child(task: str, stations: list[int]) -> None:
    """Measure one task and print a line of JSON for every row."""
    import gpu_tasks

    if task == "describe":
        print(json.dumps(describe()), flush=True)
        return
    started = time.perf_counter()
    for row in gpu_tasks.TASKS[task](stations):
        seconds = round(time.perf_counter() - started, 1)
        print(json.dumps({"task": task, **row, "seconds_since_start": seconds}), flush=True)


def share(row: dict[str, Any], roofs: dict[str, float]) -> str:
    """Return how much of the device's roof a row reaches, and which roof."""
    roof = roofs.get(row.get("roof", ""))
    if not roof or "per_second" not in row:
        return "not measured"
    return f"{row['per_second'] / roof:.0%} of {row['roof']}"


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    roofs = {row["name"]: row["per_second"] for row in rows if row.get("task") == "roofs" and "name" in row}
    yield "| task | case | rate | share of the measured roof | largest error / summed flux |"
    yield "|---|---|---|---|---|"
    for row in rows:
        if "problem" in row:
            yield f"| {row['task']} | not measured: {row['problem'].replace('|', '/')} | | | |"
            continue
        rate = f"{row['rate']:.3g} {row['unit']}" if "rate" in row else f"{row['per_second']:.3g} {row['unit']}"
        error = f"{row['error']:.1e}" if "error" in row else ""
        reached = "" if row["task"] == "roofs" else share(row, roofs)
        yield f"| {row['task']} | {row.get('case', row.get('name', ''))} | {rate} | {reached} | {error} |"


def main() -> None:
    """Run all tasks, or one."""
    import gpu_tasks

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, nargs="*", default=[64, 128, 256, 512])
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results")
    parser.add_argument("--require-gpu", action="store_true", help="fail where there is no GPU")
    parser.add_argument("--task", choices=["describe", *gpu_tasks.TASKS], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        child(arguments.task, arguments.stations)
        return
    found = run_task("describe", [])
    if "device" not in found[0]:
        print(f"not measured: no GPU ({found[0]['problem']})")
        sys.exit(1 if arguments.require_gpu else 0)
    rows: list[dict[str, Any]] = []
    for task in gpu_tasks.TASKS:
        more = run_task(task, arguments.stations)
        rows += more
        for row in more:
            print(json.dumps(row), flush=True)
    lines = [f"# {found[0]['device']}, {found[0]['date']}", "", *table(rows), "", json.dumps(found[0])]
    name = re.sub(r"[^A-Za-z0-9]+", "-", found[0]["device"]).strip("-").lower()
    arguments.results.mkdir(parents=True, exist_ok=True)
    path = arguments.results / f"{name}-{found[0]['date']}"
    path.with_suffix(".json").write_text(json.dumps({"machine": found[0], "rows": rows}, indent=1) + "\n")
    path.with_suffix(".md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    failed = sum("problem" in row for row in rows)
    print(f"{len(rows) - failed} rows measured, {failed} not; {path}.md")
    sys.exit(1 if failed and arguments.require_gpu else 0)


if __name__ == "__main__":
    main()
