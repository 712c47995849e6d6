"""How fast a whole prediction is: phasors, responses, products and averages, for stations alike and all different.

Prints baselines x sources x times per second, the median of a few turns, timed as `dawnstream bench` does. 1000 point
sources within 5 degrees of the phase centre, 16 dumps, one channel, without smearing (which multiplies sources), the
first N stations of AA4.

    python benchmarks/prediction_rates.py [--stations 64 128 256 512] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.costs.bench import Setting, measure
from pipeline.costs.cases import ARRAY, TURNED, Case
from pipeline.parallel.topology import World
from pipeline.telemetry.progress import show_progress

N_SOURCES, N_DUMPS, N_TURNS = 1000, 16, 5
DIPOLES = "{type: aperture-array, element: dipole}"


def cases(n_stations: int) -> Iterator[Case]:
    """Yield the observations of so many stations."""
    plain = Case(
        "isotropic, unpolarised", n_stations=n_stations, n_sources=N_SOURCES, dumps=N_DUMPS, channels=1, node=1
    )
    yield plain
    yield replace(plain, name="aperture arrays alike, unpolarised", station=ARRAY)
    yield replace(plain, name="aperture arrays of dipoles alike", station=DIPOLES, polarised=True)
    all_different = "aperture arrays of dipoles, all different"
    yield replace(plain, name=all_different, station=TURNED, kinds=n_stations, polarised=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results: dict[str, dict[int, float]] = {}
    setting = Setting("cpu", ("mixed",), N_TURNS)
    with World() as world, show_progress("timing", 1, "none") as progress:
        for n_stations in arguments.stations:
            for sample in measure(world, list(cases(n_stations)), setting, progress):
                work = n_stations * (n_stations - 1) // 2 * N_SOURCES * N_DUMPS
                name = sample.case.name
                results.setdefault(name, {})[n_stations] = rate = work / sample.seconds["whole"]
                print(f"{name:45} {n_stations:4} stations  {rate:.2e}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
