"""The table: how far Dawnstream is from another program, in plain float64 and in whole runs of both precisions."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from comparison.case import Case, load, save
from comparison.direct import directions_and_sum
from comparison.whole import whole_run

Complex128 = npt.NDArray[np.complex128]

BENCHMARKS = Path(__file__).parents[1]

#: Largest difference over the peak that is called agreement.
BOUNDS = {"directions": 1e-7, "double": 1e-7, "mixed": 1e-6}
COLUMNS = (("directions", 11), ("double", 9), ("mixed", 9))
HEADER = f"{'case':34} {'numbers':>8} {'directions':>11} {'double':>9} {'mixed':>9}  verdict"


def other_side(program: str, *arguments: str, case: Case | None = None) -> tuple[Case, Complex128]:
    """Ask another program, in the Python that PYUVSIM_PYTHON or MATVIS_PYTHON names, and read its answer.

    Parameters
    ----------
    program
        "pyuvsim" or "matvis".
    arguments
        For its script; CASE stands for the file of `case`, OUT for the answer.
    case
        What to compute, unless the arguments name something the program has.
    """
    python = os.environ.get(f"{program.upper()}_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        files = {"CASE": str(Path(folder) / "case.npz"), "OUT": str(Path(folder) / "out.npz")}
        if case is not None:
            save(Path(files["CASE"]), case)
        command = [
            python,
            "-m",
            f"comparison.{program}_side",
            *(files.get(argument, argument) for argument in arguments),
        ]
        # Open MPI tries a network first that is not there, and says so.
        environment = {**os.environ, "OMPI_MCA_osc": "^ucx", "PYTHONPATH": str(BENCHMARKS)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            remedy = f"{program.upper()}_PYTHON must name a Python that has {program}: make bench sees to it"
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr}\n{remedy}")
        answered, visibilities = load(Path(files["OUT"]))
    if visibilities is None:
        sys.exit(f"{program} gave no visibilities")
    return answered, visibilities


def apart(case: Case, ours: Complex128, theirs: Complex128) -> float:
    """Return the largest difference over the peak, among what is comparable.

    Cross- and autocorrelations have a peak each: the sum of all sources would hide what is wrong with a fringe.
    """
    keep, auto = case.comparable(), case.pairs[:, 0] == case.pairs[:, 1]
    kinds = [kind for kind in (keep & auto[:, np.newaxis], keep & ~auto[:, np.newaxis]) if kind.any()]
    # NumPy's maximum, as Python's would lose a NaN.
    return float(np.max([np.abs(ours - theirs)[:, :, kind].max() / np.abs(theirs[:, :, kind]).max() for kind in kinds]))


def row(name: str, case: Case, theirs: Complex128) -> str:
    """Compare and return a row; the plain sum is not for polarised sources."""
    found = {}
    if not case.stokes_jy[:, 1:].any():
        found["directions"] = apart(case, directions_and_sum(case), theirs)
    for precision in ("double", "mixed"):
        with tempfile.TemporaryDirectory() as folder:
            found[precision] = apart(case, whole_run(case, precision, Path(folder)), theirs)
    agrees = all(value <= BOUNDS[key] for key, value in found.items())
    numbers = theirs[:, :, case.comparable()].size
    cells = " ".join(f"{found[key]:{width}.1e}" if key in found else f"{'':>{width}}" for key, width in COLUMNS)
    return f"{name:34} {numbers:8} {cells}  {'agrees' if agrees else 'DIFFERS'}"


def reason(name: str, case: Case, ours: Complex128, theirs: Complex128) -> str:
    """Return a row that says how much one thing changes."""
    return f"{name:70} {apart(case, ours, theirs):9.1e}"
