"""Dawnstream beside pyuvsim: results it ships, its first-generation reference simulations, random skies.

    PYUVSIM_PYTHON=... python benchmarks/compare_pyuvsim.py [--store FOLDER]

Columns are the largest difference over the peak, cross- and autocorrelations each over their own: for Dawnstream's
directions and baselines with a plain float64 sum, and for `dawnstream run` in both precisions (a dataset holds
complex64, which alone is 4e-8). Then: how much each known cause of a difference changes. docs/comparisons.md
explains them.

pyuvsim needs an environment of its own: PYUVSIM_PYTHON names its Python (`make bench` sees to it). --store keeps
thinned answers for the tests.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from comparison.case import Case, save
from comparison.direct import directions_and_sum
from comparison.random_case import near_zenith_case, random_case
from comparison.report import HEADER, Complex128, other_side, reason, row
from comparison.whole import whole_run

# Name, configuration in pyuvsim's wheel, and which of its times and frequencies are taken: each n-th.
REFERENCES = (
    ("1.1 baselines", "obsparam_ref_1.1_baseline_number.yaml", 1, 1),
    ("1.2 times", "obsparam_ref_1.2_time_axis.yaml", 700, 1),
    ("1.3 frequencies", "obsparam_ref_1.3_frequency_axis.yaml", 1, 2500),
    ("1.7 several beams", "obsparam_ref_1.7_multi_beam.yaml", 50, 50),
)
BEAMS: tuple[dict[str, Any], ...] = (
    {"type": "uniform"},
    {"type": "airy", "diameter_m": 14.0},
    {"type": "short_dipole"},
)


def shipped(store: Path | None) -> None:
    """Compare with what pyuvsim's authors computed."""
    for name in ("flat", "subband", "spectral_index"):
        # Made with IERS Bulletin B, with which today's pyuvsim gives the same numbers to rounding.
        case, theirs = other_side("pyuvsim", "shipped", name, "OUT", "--iers", "B")
        print(row(f"gleam_triangle_{name}", case, theirs), flush=True)
        keep(store, f"pyuvsim_gleam_{name}", case, theirs)


def references(store: Path | None) -> None:
    """Compare with pyuvsim run on its reference simulations."""
    for name, config, every_time, every_frequency in REFERENCES:
        every = ("--every", str(every_time), str(every_frequency))
        case, theirs = other_side("pyuvsim", "config", config, "OUT", *every)
        print(row(f"reference {name}", case, theirs), flush=True)
        keep(store, f"pyuvsim_reference_{name[:3]}", *thinned(case, theirs, 300))


def random_skies(store: Path | None) -> None:
    """Compare on random skies over AA4's extent."""
    for seed, beam in enumerate(BEAMS):
        case, theirs = other_side("pyuvsim", "run", "CASE", "OUT", case=random_case(beam, seed))
        print(row(f"random sky, AA4, {beam['type']}", case, theirs), flush=True)
        if beam["type"] == "short_dipole":
            keep(store, "pyuvsim_random_dipole", *thinned(case, theirs, 60))
    polarised = random_case(BEAMS[-1], 7, n_sources=150, n_each=3, n_times=2, polarised=True)
    case, theirs = other_side("pyuvsim", "run", "CASE", "OUT", "--mend-polarisation", case=polarised)
    print(row("random sky, IQUV, dipoles, mended", case, theirs), flush=True)
    keep(store, "pyuvsim_random_iquv_mended", case, theirs)


def reasons() -> None:
    """Print what each cause of a difference amounts to."""
    case, theirs = other_side("pyuvsim", "shipped", "flat", "OUT", "--iers", "B")
    as_printed, _ = other_side("pyuvsim", "shipped", "flat", "OUT", "--iers", "B", "--as-printed")
    print(reason("GLEAM's positions taken as ICRS (pyradiosky: FK5)", case, directions_and_sum(as_printed), theirs))

    _, config, every, _ = REFERENCES[1]
    dates = ("config", config, "OUT", "--every", str(every), "1")
    case, table_a = other_side("pyuvsim", *dates)
    _, table_b = other_side("pyuvsim", *dates, "--iers", "B")
    print(reason("reference 1.2: IERS Bulletin B for finals2000A (200 m, 100 MHz)", case, table_b, table_a))
    elapsed = 0.75 / 86400 * every * np.arange(len(case.time_jd))
    exact = np.stack([np.full_like(elapsed, case.time_jd[0, 0]), elapsed], axis=1)
    even = directions_and_sum(dataclasses.replace(case, time_jd=exact))
    print(reason("reference 1.2: times every 0.75 s, not rounded to 40 us", case, even, table_a))

    polarised = random_case(BEAMS[-1], 7, n_sources=150, n_each=3, n_times=2, polarised=True)
    with tempfile.TemporaryDirectory() as folder:
        ours = whole_run(polarised, "double", Path(folder))
    for text, options in (
        ("IQUV, dipoles: pyuvsim as it is", ()),
        ("IQUV, dipoles: azimuth's sense mended", ("--mend-azimuth",)),
        ("IQUV, dipoles: and aberration taken out of the average rotation", ("--mend-polarisation",)),
    ):
        case, theirs = other_side("pyuvsim", "run", "CASE", "OUT", *options, case=polarised)
        print(reason(text, case, ours, theirs))


def near_the_zenith() -> None:
    """Print what the dipole to the north receives of a source that is polarised along it, by azimuth."""
    print("\nI = Q = 1 Jy, 0.1 deg from the zenith: XX in Jy")
    for azimuth_deg in (0.0, 45.0, 90.0, 135.0):
        case = near_zenith_case(azimuth_deg)
        _, theirs = other_side("pyuvsim", "run", "CASE", "OUT", case=case)
        with tempfile.TemporaryDirectory() as folder:
            ours = whole_run(case, "double", Path(folder))
        xx, their_xx = float(ours[0, 0, 0, 0].real), float(theirs[0, 0, 0, 0].real)
        print(f"azimuth {azimuth_deg:5.0f} deg   Dawnstream {xx:7.4f}   pyuvsim {their_xx:7.4f}", flush=True)


def thinned(case: Case, theirs: Complex128, n_baselines: int) -> tuple[Case, Complex128]:
    """Return evenly chosen baselines, so that a file for the tests is small."""
    chosen = np.unique(np.linspace(0, len(case.pairs) - 1, n_baselines).astype(int))
    return dataclasses.replace(case, pairs=case.pairs[chosen]), theirs[:, :, chosen]


def keep(store: Path | None, name: str, case: Case, theirs: Complex128) -> None:
    """Write a case with the other program's answer."""
    if store is not None:
        save(store / f"{name}.npz", case, theirs)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path)
    options = parser.parse_args()
    print(HEADER)
    shipped(options.store)
    references(options.store)
    random_skies(options.store)
    print("\nwhat changes how much, over the peak")
    reasons()
    near_the_zenith()


if __name__ == "__main__":
    main()
