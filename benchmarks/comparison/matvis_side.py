"""matvis's side of the comparison; runs in the Python that has matvis, from the folder benchmarks.

    python -m comparison.matvis_side CASE.npz OUT.npz [--method Astropy|ERFA] [--every SECONDS] [--precision 1|2]

OUT.npz holds the case and matvis's visibilities in Dawnstream's convention (case.py).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comparison.case import Case, load, save


def make_beams(case: Case) -> list[Any]:
    """Return a case's beams as matvis wants them, X to the north."""
    from pyuvdata import AiryBeam, GaussianBeam, ShortDipoleBeam, UniformBeam

    make = {
        "uniform": lambda beam: UniformBeam(),
        "gaussian": lambda beam: GaussianBeam(sigma=beam["sigma_rad"]),
        "airy": lambda beam: AiryBeam(diameter=beam["diameter_m"]),
        "short_dipole": lambda beam: ShortDipoleBeam(x_orientation="north"),
    }
    return [make[beam["type"]](beam) for beam in case.beams]


def simulate(case: Case, method: str, every_s: float, precision: int) -> np.ndarray:
    """Return (time, frequency, baseline, pol) in our convention; matvis knows Stokes I only.

    Doubled, as matvis splits Stokes I in halves. Its pairs (q, p) are our (p, q): the sign of its fringe is ours,
    and the conjugate is on the first of a pair.
    """
    import astropy.units as u
    from astropy.coordinates import EarthLocation
    from astropy.time import Time
    from matvis import simulate_vis

    if case.stokes_jy[:, 1:].any():
        sys.exit("matvis is asked for unpolarised sources only")
    longitude, latitude, height = case.place
    parameters = {"coord_method_params": {"update_bcrs_every": every_s}} if method == "ERFA" else {}
    visibilities = simulate_vis(
        ants=dict(enumerate(case.enu_m)),
        fluxes=np.stack([case.stokes_at(frequency)[:, 0] for frequency in case.frequency_hz], axis=1),
        ra=np.radians(case.ra_deg),
        dec=np.radians(case.dec_deg),
        freqs=case.frequency_hz,
        times=Time(*case.time_jd.T, format="jd", scale="utc"),
        beams=make_beams(case),
        beam_idx=case.beam,
        telescope_loc=EarthLocation.from_geodetic(longitude * u.deg, latitude * u.deg, height * u.m),
        polarized=True,
        precision=precision,
        antpairs=case.pairs[:, ::-1],
        coord_method=f"CoordinateRotation{method}",
        **parameters,
    )
    shape = (len(case.frequency_hz), len(case.time_jd), len(case.pairs), 2, 2)
    # (feed of q, feed of p) becomes (feed of p, feed of q).
    matrix = visibilities.reshape(shape).transpose(1, 0, 2, 4, 3)
    doubled: NDArray[np.complex128] = 2.0 * matrix.reshape(*matrix.shape[:3], 4).astype(np.complex128)
    return doubled


def main() -> None:
    """Compute what the command line names."""
    from astropy.utils import iers

    iers.conf.auto_download, iers.conf.auto_max_age = False, None
    iers.earth_orientation_table.set(iers.IERS_A.open(iers.IERS_A_FILE))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--method", choices=("Astropy", "ERFA"), default="Astropy")
    parser.add_argument("--every", type=float, default=0.0, help="ERFA: seconds between aberration updates")
    parser.add_argument("--precision", type=int, choices=(1, 2), default=2)
    options = parser.parse_args()
    case, _ = load(options.case)
    save(options.out, case, simulate(case, options.method, options.every, options.precision))


if __name__ == "__main__":
    main()
