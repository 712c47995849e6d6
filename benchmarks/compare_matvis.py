"""Dawnstream beside matvis on random skies over AA4's extent.

    MATVIS_PYTHON=... python benchmarks/compare_matvis.py [--store FOLDER]

Columns as in compare_pyuvsim.py. matvis needs an environment of its own: MATVIS_PYTHON names its Python
(`make bench` sees to it). --store keeps a thinned answer for the tests.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from compare_pyuvsim import BEAMS, thinned
from comparison.case import save
from comparison.direct import directions_and_sum
from comparison.random_case import random_case
from comparison.report import HEADER, other_side, reason, row


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path)
    options = parser.parse_args()
    print(HEADER)
    for seed, beam in enumerate(BEAMS):
        case, theirs = other_side("matvis", "CASE", "OUT", case=random_case(beam, 10 + seed))
        print(row(f"random sky, AA4, {beam['type']}", case, theirs), flush=True)
        if options.store is not None and beam["type"] == "airy":
            save(options.store / "matvis_random_airy.npz", *thinned(case, theirs, 60))

    print("\nwhat changes how much, over the peak")
    case = random_case(BEAMS[0], 20, n_times=6, step_days=2.0**-13)
    ours = directions_and_sum(case)
    for text, arguments in (
        ("10 s apart, directions by astropy", ()),
        ("10 s apart, directions by ERFA", ("--method", "ERFA")),
        ("10 s apart, directions by ERFA, aberration every 60 s", ("--method", "ERFA", "--every", "60")),
        ("float32 phases (its precision=1)", ("--precision", "1")),
    ):
        _, theirs = other_side("matvis", "CASE", "OUT", *arguments, case=case)
        print(reason(text, case, ours, theirs), flush=True)


if __name__ == "__main__":
    main()
