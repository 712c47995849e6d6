"""A run's memory is that of its plan, whatever takes most of it, and does not grow with the number of dumps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]

PEAK = """
import json, os, re, sys

# One core, and so one thread: others' work on the machine would make two wait for each other.
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

from pathlib import Path
from pipeline.parallel.topology import World
from pipeline.prediction.predictor import warm_up
from pipeline.prepare import prepare
from pipeline.run import run

def resident(name):
    # Not ru_maxrss, in which a child starts with what its parent holds.
    return 1024 * int(re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

with World() as world:
    prepared = prepare(Path(sys.argv[1]), world)
    warm_up(prepared)
    before = resident("VmRSS")
    run(prepared, world, overwrite=True, style="none")
    plan, peak = prepared.plan, resident("VmHWM")
    grown = peak - before + plan.sizes.screen_bytes  # the screen is there before
    print(json.dumps([peak, plan.block_dumps, plan.reduced_bytes, grown, plan.memory_bytes]))
"""


def run_alone(tmp_path, config):
    """Run in a process of its own; return peak, dumps of a block, bytes written, growth while it ran, planned."""
    config["output"]["path"] = "out.dawn"
    path = tmp_path / "memory.yaml"
    path.write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, timeout=200, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def peak_bytes(tmp_path, tiny, dumps):
    config = yaml.safe_load(tiny)
    config["telescope"]["array"] = "ska-low-aa2"
    config["time"]["dumps"] = dumps
    config["spectrum"]["channels"], config["averaging"] = 4, {"node": 2, "group": 1}
    config["compute"] = {"memory": "8 MB"}
    return run_alone(tmp_path, config)[:3]


def test_memory_does_not_grow_with_dumps(tmp_path, tiny):
    peak_bytes(tmp_path, tiny, 8)  # kernels come from the cache in both that count
    few, few_block, few_bytes = peak_bytes(tmp_path, tiny, 48)
    many, many_block, many_bytes = peak_bytes(tmp_path, tiny, 480)
    assert few_block == many_block
    grown = many_bytes - few_bytes
    assert grown > 50e6
    assert many - few < grown / 10, f"{(many - few) / 1e6:.1f} MB more for {grown / 1e6:.0f} MB written"


#: What libraries hold beside the arrays that are planned: ADIOS2's and ducc0's own, compiled code, the allocator's.
LIBRARIES_BYTES = 20e6

DIPOLES = {"type": "aperture-array", "element": {"type": "dipole", "height": "1.5 m"}, "rotation": {"seed": 1}}


def population(radius, least):
    return [{"population": {"seed": 1, "flux": {"min": least, "max": "75 Jy"}, "radius": radius}}]


CORE = {"array": "ska-low-aa4", "baselines": {"max": "1 km"}}
FEW_BASELINES = {"array": "ska-low-aa2", "baselines": {"max": "300 m"}}


@pytest.mark.parametrize(
    ("telescope", "dumps", "changes"),
    [
        (CORE, 32, {"compute": {"precision": "double"}}),
        (CORE, 32, {"averaging": {"node": 1, "group": 4}}),
        (CORE, 96, {"compute": {"route": "nufft", "smearing": "none"}}),
        (CORE, 32, {"ionosphere": {"kolmogorov": {"seed": 1, "r0": "10 km"}}, "gains": {"seed": 1}}),
        ({**FEW_BASELINES, "station": DIPOLES}, 8, {"sky": population("10 deg", "100 mJy")}),
        (FEW_BASELINES, 4, {"sky": population("60 deg", "25 mJy")}),
    ],
    ids=["double", "averages", "transforms", "ionosphere", "responses", "terms"],
)
def test_memory_is_what_the_plan_said(tmp_path, tiny, telescope, dumps, changes):
    config = yaml.safe_load(tiny)
    config |= {"telescope": telescope, "sky": population("3 deg", "1 Jy"), "averaging": {"node": 2, "group": 2}}
    config["time"]["dumps"], config["spectrum"]["channels"] = dumps, 4
    *_, grown, planned = run_alone(tmp_path, config | changes)
    assert planned > 60e6, "too little to measure"
    assert abs(grown - planned) < planned / 10 + LIBRARIES_BYTES, f"{grown / 1e6:.1f} MB, planned {planned / 1e6:.1f}"
