"""How fast the host could keep a GPU busy: a prediction on CUDA with a driver that takes every kernel and runs none.

Kernels are compiled for real, arrays are copied for real, and the GPU takes no time (null_driver). So what is printed
is the time of the host alone, for each channel and dump, beside what the sum over sources would take at a given rate: a
GPU waits for the host where the first is longer. Needs the 'ptx' extra and a C compiler, and no GPU.

    python benchmarks/host_limit.py [--dumps 400] [--channels 6] [--flux 560]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import null_driver

ROOT = Path(__file__).parents[1]

DIPOLES = "{type: aperture-array, element: {type: dipole, height: 1.5 m}%s}"
#: Stations, and the rate of the sum that is the aim on an H200: baselines x sources x times per second.
STATIONS = {
    "isotropic, unpolarised": ("isotropic", 1.2e13),
    "dipole arrays alike": (DIPOLES % "", 3e12),
    "dipole arrays, all different": (DIPOLES % ", rotation: {seed: 1}", 1.5e12),
}

OBSERVATION = """
name: host
telescope: {{array: ska-low-aa4, station: {station}}}
sky: [{{population: {{seed: 3, flux: {{min: {flux} mJy, max: 20 Jy}}, radius: 175 deg}}}}]
phase_centre: {{ra: 0h, dec: -27d}}
time: {{start: 2026-11-22T12:00:00, integration: 0.84934656 s, dumps: {dumps}}}
spectrum: {{start: 150 MHz, width: 5.425347 kHz, channels: {channels}}}
averaging: {{node: {channels}, group: 1}}
compute: {{backend: cuda, memory: 7 GB, route: product, smearing: none}}
output: {{path: host.dawn}}
"""


def seconds_of_host(path: Path) -> tuple[float, int]:
    """Predict an observation; return the seconds it took, and how many sources are up at its beginning."""
    import numpy as np

    from pipeline.costs.memory import N_BUFFERS
    from pipeline.parallel.exchange import Sums
    from pipeline.parallel.topology import Topology, World
    from pipeline.prediction.predictor import Predictor, warm_up
    from pipeline.prepare import prepare
    from pipeline.stages import Pool
    from pipeline.telemetry.timing import Timers

    with World() as world:
        prepared = prepare(path, world)
        warm_up(prepared)
        plan = prepared.plan
        with Topology(world, plan.layout) as topology:
            shape = (plan.block_dumps, plan.layout.items_per_rank()[0], plan.sizes.n_baselines)
            pool = Pool(Sums.empty(*shape) for _ in range(N_BUFFERS))
            start = time.perf_counter()
            for predicted in Predictor(prepared, topology.role, pool, Timers(time.perf_counter)):
                pool.give(predicted.buffer)
            seconds = time.perf_counter() - start
        (middle,) = prepared.geometry.moments(np.array([0.5]))
        return seconds, int((middle.enu()[:, 2] > 0).sum())


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dumps", type=int, default=400)
    parser.add_argument("--channels", type=int, default=6)
    parser.add_argument("--flux", type=float, default=560, help="least flux density of the population, mJy")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if problem := null_driver.missing():
        sys.exit(f"nothing is measured: {problem}")
    if options.one:
        print(*seconds_of_host(options.one))
        return
    print(f"512 stations, {options.channels} channels, {options.dumps} dumps; ms a channel and dump")
    print(f"{'stations':30} {'sources up':>10} {'host':>8} {'GPU, aim':>9} {'at rate':>9}")
    with tempfile.TemporaryDirectory() as folder:
        driver = null_driver.build(Path(folder))
        found = os.environ.get("LD_LIBRARY_PATH", "")
        settings = {**os.environ, "LD_LIBRARY_PATH": f"{driver}:{ROOT / '.venv/lib'}:{found}"}
        for name, (station, rate) in STATIONS.items():
            path = driver / "host.yaml"
            path.write_text(OBSERVATION.format(station=station, **vars(options)), encoding="utf-8")
            command = [sys.executable, __file__, "--one", str(path)]
            done = subprocess.run(command, env=settings, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
            seconds, n_up = map(float, done.stdout.split())
            n_samples = options.channels * options.dumps
            gpu = 512 * 511 / 2 * n_up / rate
            print(f"{name:30} {n_up:10.0f} {1e3 * seconds / n_samples:8.2f} {1e3 * gpu:9.2f} {rate:9.1e}", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
