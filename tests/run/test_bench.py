"""dawnstream bench: every stage that a prediction goes through is timed, and counted in the model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Times a few of the observations, on one core, and says which stages were counted and which were clocked.
PROBE = """
import json, os

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

from pipeline.costs.bench import Setting, cases_of, measure
from pipeline.costs.stages import KERNELS
from pipeline.parallel.topology import World
from pipeline.telemetry.progress import show_progress

NAMES = ("aperture arrays of dipoles, all different", "Gaussian sources", "noise and gains", "bytes")
with World() as world, show_progress("timing", 1, "none") as progress:
    cases = {case.name: case for case in cases_of([9], 20) if case.name in NAMES}
    samples = list(measure(world, list(cases.values()), Setting("cpu", ("mixed",), 1, True), progress))
print(json.dumps({
    sample.case.name: {
        "counted": sorted({stage for stage, _ in sample.counts} & set(KERNELS)),
        "clocked": sorted(set(sample.seconds) & set(KERNELS)),
        "sum": sum(value for stage, value in sample.seconds.items() if stage != "whole"),
        "whole": sample.seconds["whole"],
    }
    for sample in samples
}))
"""


def test_what_is_clocked_is_what_is_counted():
    done = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=250, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 4
    assert found["aperture arrays of dipoles, all different"]["clocked"] == [
        "accumulate",
        "all different",
        "array factors",
        "brightness",
        "dipoles",
        "interpolate",
        "lmn",
        "phasors",
    ]
    for name, one in found.items():
        assert one["counted"] == one["clocked"], name
        if name != "bytes":  # its stages overlap
            assert 0 < one["sum"] <= 1.05 * one["whole"], name


def test_bench_is_refused_before_it_times_anything(dawnstream, tmp_path):
    there = tmp_path / "machine.json"
    there.touch()
    done = dawnstream("bench", "--backend", "cpu", "-o", there)
    assert done.returncode == 3
    assert "is there already" in done.stderr
    assert there.read_bytes() == b""
    done = dawnstream("bench", "--backend", "cpu", "--progress", "none", ranks=2)
    assert done.returncode == 4
    assert done.stderr.count("was started on 2 ranks, and times one") == 1


def test_plan_says_how_long_a_run_takes(dawnstream):
    done = dawnstream("plan", "configs/tiny.yaml", "--json")
    assert done.returncode == 0, done.stderr
    time = json.loads(done.stdout)["time"]
    assert 0 < time["predict_s"] <= time["whole_s"] < 60
    assert time["node_hours"] == time["rank_hours"] == time["whole_s"] / 3600
    done = dawnstream("plan", "configs/tiny.yaml", "--machine", "no-such")
    assert done.returncode == 3
    assert "x86-avx512" in done.stderr
