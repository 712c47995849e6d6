"""How fast a whole run is beside prediction alone: nothing averaged across ranks, nothing written.

    python benchmarks/run_share.py [CONFIG] [--ranks N] [--repeat N]

Prints the share reached, the median of paired repetitions. The first pair, in which kernels are compiled
or read from the cache, is not counted.
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

ROOT = Path(__file__).parents[1]


def measure(config: Path, repeat: int) -> None:
    """Measure on this rank; the first prints seconds as JSON."""
    from pipeline.parallel.exchange import Sums, meet
    from pipeline.parallel.topology import World
    from pipeline.plan import N_BUFFERS
    from pipeline.predict import Predictor
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
            for predicted in Ahead(Predictor(prepared, role, pool, Timers()), "predict"):
                pool.give(predicted.buffer)
            meet(world.comm)
            alone = time.perf_counter() - start
            pairs.append((alone, run(prepared, world, True, "none").seconds))
        if world.rank == 0:
            print(json.dumps(pairs[1:]))


def main() -> None:
    """Launch the ranks and print the share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", type=Path, default=ROOT / "configs/demo.yaml")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--rank-of-many", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank_of_many:
        measure(options.config, options.repeat)
        return
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "benchmark.yaml"
        text = options.config.read_text().replace("../out/demo.dawn", "out.dawn")
        config.write_text(text.replace("skies/", f"{ROOT}/configs/skies/"))
        command = [ROOT / "scripts/mpirun", "-n", str(options.ranks), sys.executable, __file__, config]
        command += ["--rank-of-many", "--repeat", str(options.repeat)]
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True)
    pairs = json.loads(done.stdout.splitlines()[-1])
    print(f"{options.ranks} ranks, {options.repeat} pairs")
    print(f"prediction alone  {statistics.median(alone for alone, _ in pairs):.2f} s")
    print(f"whole run         {statistics.median(whole for _, whole in pairs):.2f} s")
    print(f"share reached     {statistics.median(alone / whole for alone, whole in pairs):.2f}")


if __name__ == "__main__":
    main()
