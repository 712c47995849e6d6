"""How fast a whole prediction is: phasors, responses, products and averages, for stations alike and all different.

Prints baselines x sources x times per second. 1000 point sources within 5 degrees of the phase centre, 16 dumps, one
channel, without smearing (which multiplies sources), the first N stations of AA4.

    python benchmarks/prediction_rates.py [--stations 64 128 256 512] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
LAYOUT = ROOT / "pipeline/observation/layouts/skalow_AA4_layout.txt"
N_SOURCES, N_DUMPS, N_TURNS = 1000, 16, 3

CASES = {
    "isotropic, unpolarised": ("isotropic", False),
    "aperture arrays alike, unpolarised": ("{type: aperture-array}", False),
    "aperture arrays of dipoles alike": ("{type: aperture-array, element: dipole}", True),
    "aperture arrays of dipoles, all different": ("{type: aperture-array, element: dipole, rotation: {seed: 1}}", True),
}

OBSERVATION = """
name: rates
telescope:
  array: stations.txt
  location: {{longitude: 116.764448 deg, latitude: -26.824722 deg, height: 365 m}}
  station: {station}
sky: [{{catalogue: sources.csv, format: table}}]
phase_centre: {{ra: 0h, dec: -27d}}
time: {{start: 2026-11-22T12:00:00, integration: 0.84934656 s, dumps: {n_dumps}}}
spectrum: {{start: 150 MHz, width: 5.425347 kHz, channels: 1}}
averaging: {{node: 1, group: 1}}
compute: {{backend: cpu, smearing: none, route: product, memory: 8 GB}}
output: {{path: rates.dawn}}
"""


def write_observation(folder: Path, n_stations: int, station: str, is_polarised: bool) -> Path:
    """Write a configuration with its stations and sources."""
    rng = np.random.default_rng(1)
    np.savetxt(folder / "stations.txt", np.loadtxt(LAYOUT, comments="#", ndmin=2)[:n_stations])
    ra, dec = rng.uniform(-5, 5, (2, N_SOURCES))
    columns = np.stack([ra % 360, dec - 27, rng.uniform(0.1, 2, N_SOURCES), 0.05 * is_polarised * np.ones(N_SOURCES)])
    np.savetxt(folder / "sources.csv", columns.T, delimiter=",", header="ra,dec,i,q", comments="")
    config = folder / "rates.yaml"
    config.write_text(OBSERVATION.format(station=station, n_dumps=N_DUMPS))
    return config


def rate(config: Path) -> float:
    """Return baselines x sources x times per second of the fastest of a few turns."""
    from pipeline.parallel.exchange import Sums
    from pipeline.parallel.threads import blas_on_one_thread
    from pipeline.parallel.topology import Topology, World
    from pipeline.prediction.predictor import Predictor, warm_up
    from pipeline.prepare import prepare
    from pipeline.stages import Pool
    from pipeline.telemetry.timing import Timers

    seconds = []
    with World() as world:
        prepared = prepare(config, world)
        warm_up(prepared)
        plan = prepared.plan
        with Topology(world, plan.layout) as topology, blas_on_one_thread():
            for _ in range(N_TURNS):
                pool = Pool([Sums.empty(plan.block_dumps, 1, plan.sizes.n_baselines)])
                start = time.perf_counter()
                for predicted in Predictor(prepared, topology.role, pool, Timers()):
                    pool.give(predicted.buffer)
                seconds.append(time.perf_counter() - start)
    return plan.sizes.n_baselines * N_SOURCES * N_DUMPS / min(seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results: dict[str, dict[int, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for case, (station, is_polarised) in CASES.items():
            for n_stations in arguments.stations:
                config = write_observation(Path(folder), n_stations, station, is_polarised)
                results.setdefault(case, {})[n_stations] = value = rate(config)
                print(f"{case:45} {n_stations:4} stations  {value:.2e}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
