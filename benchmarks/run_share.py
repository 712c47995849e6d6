"""How fast a whole run is beside prediction alone: nothing averaged across ranks, nothing written.

    python benchmarks/run_share.py [--ranks N] [--repeat N] [--sources N]

The observation is configs/demo.yaml, with its own 50 sources or with N random ones. Prints the share
reached, the median of paired repetitions. The first pair, in which kernels are compiled or read from the
cache, is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).parents[1]


def measure(config: Path, repeat: int) -> None:
    """Measure on this rank; the first prints seconds as JSON."""
    from pipeline.costs.memory import N_BUFFERS
    from pipeline.parallel.exchange import Sums, meet
    from pipeline.parallel.threads import blas_on_one_thread
    from pipeline.parallel.topology import World
    from pipeline.prediction.predictor import Predictor
    from pipeline.prepare import prepare
    from pipeline.run import run
    from pipeline.stages import Ahead, Pool
    from pipeline.telemetry.timing import Timers

    with World() as world:
        prepared = prepare(config, world)
        plan = prepared.plan
        role = plan.layout.role(world.rank)
        n_items = plan.layout.items_per_rank()[role.node_rank]
        pairs = []
        for _ in range(repeat + 1):
            pool = Pool(Sums.empty(plan.block_dumps, n_items, plan.sizes.n_baselines) for _ in range(N_BUFFERS))
            meet(world.comm)
            start = time.perf_counter()
            with blas_on_one_thread():
                for predicted in Ahead(Predictor(prepared, role, pool, Timers()), "predict"):
                    pool.give(predicted.buffer)
            meet(world.comm)
            alone = time.perf_counter() - start
            pairs.append((alone, run(prepared, world, True, "none").seconds))
        if world.rank == 0:
            print(json.dumps(pairs[1:]))


def observation(folder: Path, n_sources: int) -> Path:
    """Write the demo's configuration, with random sources around the phase centre if asked."""
    demo = yaml.safe_load((ROOT / "configs/demo.yaml").read_text())
    demo["output"]["path"] = str(folder / "out.dawn")
    for entry in demo["sky"]:
        entry["catalogue"] = str(ROOT / "configs" / entry["catalogue"])
    if n_sources:
        random = np.random.default_rng(1)
        dec_deg = np.degrees(np.arcsin(random.uniform(-1, -np.cos(np.radians(5)), n_sources)))
        ra_deg, flux_jy = random.uniform(0, 360, n_sources), random.lognormal(size=n_sources)
        rows = zip(ra_deg, dec_deg, flux_jy, strict=True)
        demo["sky"] = [
            {"sources": [{"ra": f"{ra} deg", "dec": f"{dec} deg", "i": f"{flux} Jy"} for ra, dec, flux in rows]}
        ]
    path = folder / "benchmark.yaml"
    path.write_text(yaml.safe_dump(demo))
    return path


def main() -> None:
    """Launch the ranks and print the share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--sources", type=int, default=0)
    parser.add_argument("--rank-of-many", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank_of_many:
        measure(options.rank_of_many, options.repeat)
        return
    with tempfile.TemporaryDirectory() as folder:
        config = observation(Path(folder), options.sources)
        command = [ROOT / "scripts/mpirun", "-n", options.ranks, sys.executable, __file__]
        command += ["--rank-of-many", config, "--repeat", options.repeat]
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True)
    pairs = json.loads(done.stdout.splitlines()[-1])
    print(f"{options.ranks} ranks, {options.sources or 50} sources, {options.repeat} pairs")
    print(f"prediction alone  {statistics.median(alone for alone, _ in pairs):.2f} s")
    print(f"whole run         {statistics.median(whole for _, whole in pairs):.2f} s")
    print(f"share reached     {statistics.median(alone / whole for alone, whole in pairs):.2f}")


if __name__ == "__main__":
    main()
