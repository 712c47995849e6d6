"""A run's memory is that of its plan, and does not grow with the number of dumps."""

from __future__ import annotations

import json
import subprocess
import sys

import yaml
from conftest import ROOT

PEAK = """
import json, re, sys
from pathlib import Path
from pipeline.parallel.topology import World
from pipeline.prepare import prepare
from pipeline.run import run

with World() as world:
    prepared = prepare(Path(sys.argv[1]), world)
    run(prepared, world, overwrite=True, style="none")
    # Not ru_maxrss, in which a child starts with what its parent holds.
    peak = 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
    print(json.dumps([peak, prepared.plan.block_dumps, prepared.plan.reduced_bytes]))
"""


def peak_bytes(tmp_path, tiny, dumps):
    config = yaml.safe_load(tiny)
    config["telescope"]["array"] = "ska-low-aa2"
    config["time"]["dumps"] = dumps
    config["spectrum"]["channels"], config["averaging"] = 4, {"node": 2, "group": 1}
    config["compute"] = {"memory": "8 MB"}
    config["output"]["path"] = "out.dawn"
    path = tmp_path / "memory.yaml"
    path.write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, timeout=200, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_memory_does_not_grow_with_dumps(tmp_path, tiny):
    peak_bytes(tmp_path, tiny, 8)  # kernels come from the cache in both that count
    few, few_block, few_bytes = peak_bytes(tmp_path, tiny, 48)
    many, many_block, many_bytes = peak_bytes(tmp_path, tiny, 480)
    assert few_block == many_block
    grown = many_bytes - few_bytes
    assert grown > 50e6
    assert many - few < grown / 10, f"{(many - few) / 1e6:.1f} MB more for {grown / 1e6:.0f} MB written"
