"""A case as a configuration, `dawnstream run`, and its dataset read back."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import fractions
import itertools
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from comparison.case import Case, save
from comparison.direct import SPEED_OF_LIGHT_M_S, exact_mjd, phase_centre

Complex128 = npt.NDArray[np.complex128]
Fraction = fractions.Fraction

_MJD_ZERO = datetime.date(1858, 11, 17)


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Evenly spaced values of an axis: where they are, the first, and the step."""

    indices: slice
    first: Fraction
    step: Fraction

    @property
    def count(self) -> int:
        """Number of values."""
        return int(self.indices.stop - self.indices.start)


def whole_run(case: Case, precision: str, folder: Path) -> Complex128:
    """Return (time, frequency, baseline, pol) of `dawnstream run`, fringes made to run again with its own w.

    One run takes all times and frequencies if they are evenly spaced, and one each otherwise. Smearing is off, as
    other programs have none. Dumps are as long as the times are apart, since dumps follow one another.
    """
    times = _stretches([exact_mjd(time) * 86400 for time in case.time_jd], Fraction(1))
    # A Gaussian station's beam becomes narrower with frequency, that of a case does not.
    by_channel = "gaussian" in _types(case)
    channels = _stretches([Fraction(f) for f in case.frequency_hz.tolist()], Fraction(1000), by_channel)
    out = np.full((len(case.time_jd), len(case.frequency_hz), len(case.pairs), 4), np.nan, np.complex128)
    np.savetxt(folder / "layout.txt", case.enu_m, fmt="%.17g")
    _write_catalogue(case, folder / "sky.csv")
    for of_time in times:
        for of_channel in channels:
            _run(case, _config(case, precision, of_time, of_channel), folder)
            out[of_time.indices, of_channel.indices] = _read(case, folder / "case.dawn", of_time, of_channel)
    return out


def _stretches(values: list[Fraction], alone: Fraction, one_by_one: bool = False) -> list[Stretch]:
    """Return one stretch of all values if they are evenly spaced, or else one each, with step `alone`."""
    steps = {after - before for before, after in itertools.pairwise(values)}
    if len(steps) == 1 and not one_by_one:
        return [Stretch(slice(0, len(values)), values[0], steps.pop())]
    return [Stretch(slice(index, index + 1), value, alone) for index, value in enumerate(values)]


def _types(case: Case) -> set[str]:
    return {beam["type"] for beam in case.beams}


def _station(case: Case, frequency_hz: float) -> dict[str, Any]:
    """Return section `telescope.station`; for stations of several types, stations.py replaces what it says."""
    beam = case.beams[0]
    if len(case.beams) > 1 or beam["type"] == "uniform":
        return {"type": "isotropic"}
    if beam["type"] == "short_dipole":
        return {"type": "dipole"}
    if beam["type"] == "airy":
        return {"type": "airy", "diameter": f"{beam['diameter_m']!r} m", "pointing": "zenith"}
    # The field's standard deviation against the full width at half maximum of the power.
    fwhm_rad = 2.0 * math.sqrt(math.log(2.0)) * beam["sigma_rad"]
    reference = f"{frequency_hz!r} Hz"
    return {"type": "gaussian", "fwhm": f"{fwhm_rad!r} rad", "reference": reference, "pointing": "zenith"}


def _config(case: Case, precision: str, of_time: Stretch, of_channel: Stretch) -> dict[str, Any]:
    longitude, latitude, height = case.place.tolist()
    ra_rad, dec_rad = phase_centre(case)
    location = {"longitude": f"{longitude!r} deg", "latitude": f"{latitude!r} deg", "height": f"{height!r} m"}
    first_hz, width_hz = float(of_channel.first), float(of_channel.step)
    return {
        "name": "case",
        "telescope": {
            "array": "layout.txt",
            "format": "enu",
            "location": location,
            "station": _station(case, first_hz),
            "autocorrelations": bool((case.pairs[:, 0] == case.pairs[:, 1]).any()),
        },
        "sky": [{"catalogue": "sky.csv", "format": "table"}],
        "phase_centre": {"ra": f"{ra_rad!r} rad", "dec": f"{dec_rad!r} rad"},
        "time": {
            "start": _iso(of_time.first - of_time.step / 2),
            "integration": f"{float(of_time.step)!r} s",
            "dumps": of_time.count,
        },
        "spectrum": {"start": f"{first_hz!r} Hz", "width": f"{width_hz!r} Hz", "channels": of_channel.count},
        "averaging": {"node": 1, "group": 1},
        "compute": {"backend": "cpu", "precision": precision, "smearing": "none", "route": "product"},
        "output": {"path": "case.dawn"},
    }


def _iso(seconds: Fraction) -> str:
    """Return a time, seconds since MJD 0, with 1e-12 s."""
    day, rest = divmod(seconds, 86400)
    picoseconds = round(rest * 10**12)
    minutes, picoseconds = divmod(picoseconds, 60 * 10**12)
    whole, part = divmod(picoseconds, 10**12)
    date = _MJD_ZERO + datetime.timedelta(days=int(day))
    return f"{date.isoformat()}T{minutes // 60:02d}:{minutes % 60:02d}:{whole:02d}.{part:012d}"


def _write_catalogue(case: Case, path: Path) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["ra", "dec", "i", "q", "u", "v", "reference", "spectral_index"])
        columns = (case.ra_deg, case.dec_deg, *case.stokes_jy.T, case.reference_hz, case.spectral_index)
        rows.writerows(zip(*(column.tolist() for column in columns), strict=True))


def _run(case: Case, config: dict[str, Any], folder: Path) -> None:
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    program = ["-m", "pipeline"]
    if len(case.beams) > 1:
        save(folder / "case.npz", case)
        program = ["-m", "comparison.stations", str(folder / "case.npz")]
    command = [sys.executable, *program, "run", str(path), "--overwrite", "--progress", "none"]
    benchmarks = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(benchmarks)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=benchmarks.parent, env=environment)
    if done.returncode:
        raise RuntimeError(f"dawnstream run failed:\n{done.stderr}")


def _read(case: Case, path: Path, of_time: Stretch, of_channel: Stretch) -> Complex128:
    """Return (time, frequency, baseline, pol) of a dataset whose bands have one channel."""
    from pipeline.dataset.reader import open_dataset

    dataset = open_dataset(path)
    out = np.empty((of_time.count, of_channel.count, len(case.pairs), 4), np.complex128)
    for index in range(dataset.n_bands):
        with dataset.band(index) as band:
            row = {pair: row for row, pair in enumerate(map(tuple, band.header.baselines.tolist()))}
            rows = [row[pair] for pair in map(tuple, case.pairs.tolist())]
            turns_per_m = band.header.channel_hz[0] / SPEED_OF_LIGHT_M_S
            for block in band:
                w_m = block.station_uvw[..., 2]
                w_m = w_m[:, case.pairs[:, 0]] - w_m[:, case.pairs[:, 1]]
                out[block.dump, index] = block.vis[:, 0, rows] * np.exp(2j * np.pi * turns_per_m * w_m)[..., None]
    return out
