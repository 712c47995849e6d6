"""Whole runs on CUDA with a driver that takes kernels and runs none: what the host does with a GPU, without one.

Results are rubbish and not looked at; kernels are compiled for real. Skipped without numba-cuda (the 'ptx' extra).
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import null_driver
import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(bool(null_driver.missing()), reason=null_driver.missing() or "all is there")

OBSERVATION = """
name: host
telescope: {{array: ska-low-aa1, autocorrelations: true, baselines: {{max: 1 km}}, station: {station}}}
sky:
  - population: {{seed: 3, flux: {{min: {least}, max: 75 Jy}}, radius: {radius}}}
  - sources: [{{name: wide, ra: 0h, dec: -28d, i: 2 Jy, q: 1 Jy{shape}}}]
phase_centre: {{ra: 0h, dec: -27d}}
time: {{start: 2026-11-22T12:00:00, integration: 8 s, dumps: 161}}
spectrum: {{start: 150 MHz, width: 5 kHz, channels: 12}}
averaging: {{node: 2, group: 3}}
compute: {{backend: cuda, precision: {precision}, smearing: none, route: {route}}}
output: {{path: host.dawn}}
{more}"""

DEFAULTS = {
    "station": "isotropic",
    "shape": "",
    "least": "20 Jy",
    "radius": "175 deg",
    "precision": "mixed",
    "route": "product",
    "more": "",
}
DIPOLES = "{type: aperture-array, element: {type: dipole, height: 1.5 m}%s}"
EVERYTHING = """
noise: {seed: 1, sefd: 2000 Jy}
gains: {seed: 2, amplitude: 0.05, phase: 5 deg}
ionosphere: {kolmogorov: {seed: 3, r0: 10 km, pixel: 4 km}}
"""
GAUSSIAN = ", shape: {major: 2 arcmin, minor: 1 arcmin}"

RUN = """
import json, sys
from pathlib import Path
from pipeline.parallel.topology import World
from pipeline.prediction.predictor import warm_up
from pipeline.prepare import held_on_device, prepare
from pipeline.run import run

with World() as world:
    prepared = prepare(Path(sys.argv[1]), world)
    warm_up(prepared)
    run(prepared, world, overwrite=True, style="none")
    plan, held = prepared.plan, held_on_device(prepared.plan, prepared.config.compute.precision)
    print(json.dumps([plan.block_dumps, plan.n_blocks, held.fixed_bytes + plan.block_dumps * held.dump_bytes]))
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the driver."""
    return null_driver.build(tmp_path_factory.mktemp("driver"))


def run_on(driver: Path, *arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run Python on the driver."""
    folders = [driver, ROOT / ".venv/lib", *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    settings["LD_LIBRARY_PATH"] = ":".join(map(str, folders))
    command = [sys.executable, *map(str, arguments)]
    env = {**os.environ, **settings}
    return subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=ROOT, env=env, check=False)


@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        ({}, 0),
        ({"station": DIPOLES % ""}, 0),
        ({"station": DIPOLES % ", rotation: {seed: 1}", "precision": "double"}, 0),
        ({"station": "{type: aperture-array, rotation: {seed: 1}}"}, 0),
        ({"station": "{type: airy, diameter: 300 m, pointing: zenith}", "shape": GAUSSIAN, "more": EVERYTHING}, 0),
        # Transforms are the host's: the brightness of every channel, dump and part comes to it.
        ({"route": "nufft", "radius": "2 deg", "least": "100 mJy"}, 12 * 161 * 2),
    ],
    ids=["isotropic", "alike", "differ", "scalars", "everything", "transforms"],
)
def test_a_run_launches_what_a_gpu_takes_and_waits_for_nothing(driver, tmp_path, changes, waits):
    path, log = tmp_path / "host.yaml", tmp_path / "log"
    path.write_text(OBSERVATION.format(**{**DEFAULTS, **changes}))
    done = run_on(driver, "-W", "error::numba.NumbaPerformanceWarning", "-c", RUN, path, NULL_DRIVER_LOG=str(log))
    assert done.returncode == 0, done.stderr
    block_dumps, n_blocks, held = json.loads(done.stdout)
    lines = log.read_text().splitlines()
    assert not [line for line in lines if line.startswith("refused")]
    # The warm-up ends with the last time that all is waited for.
    run = lines[max(k for k, line in enumerate(lines) if line == "synchronise") + 1 :]
    launches = [line.split()[1] for line in run if line.startswith("launch")]
    assert len(launches) > 12 * n_blocks
    assert sum("waiting" in line for line in run) == waits
    # Freeing memory waits for all kernels: it is done a thousand arrays at a time.
    bursts = sum(line == "free" and before != "free" for before, line in itertools.pairwise(run))
    assert bursts <= 2 + run.count("free") / 300
    assert max(int(size) for size in re.findall(r"peak (\d+)", "\n".join(lines))) <= held
    assert block_dumps > 7


def test_the_benchmark_of_a_gpu_runs_to_its_end(driver, tmp_path):
    done = run_on(driver, "benchmarks/gpu.py", "--stations", 67, "--results", tmp_path)
    assert done.returncode == 0, done.stderr
    assert " rows measured, 0 not; " in done.stdout, done.stdout
