"""A case that two programs compute: array, sky, times, frequencies, beams, and the visibilities of one of them.

NumPy only, and no import from the project: the other program's Python reads this module, too.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Case:
    """Inputs, in units and frames that leave no choice.

    Attributes
    ----------
    enu_m
        (station, 3) float64, m: east, north, up at the array's centre (WGS84).
    place
        (3,) float64: longitude and latitude of the centre, deg, and height, m.
    ra_deg, dec_deg
        (source,) float64, ICRS.
    stokes_jy
        (source, 4) float64: I, Q, U, V (IAU) at `reference_hz`.
    reference_hz, spectral_index
        (source,) float64.
    time_jd
        (time, 2) float64: UTC Julian date in two parts, the moments to compute.
    frequency_hz
        (frequency,) float64.
    pairs
        (baseline, 2) int64: station indices, p <= q.
    beams
        What stations look like: dictionaries with `type` (uniform, gaussian, airy, short_dipole) and its
        parameter, `sigma_rad` or `diameter_m`. All look at the zenith.
    beam
        (station,) int64: which of `beams` a station has.
    """

    enu_m: Float64
    place: Float64
    ra_deg: Float64
    dec_deg: Float64
    stokes_jy: Float64
    reference_hz: Float64
    spectral_index: Float64
    time_jd: Float64
    frequency_hz: Float64
    pairs: npt.NDArray[np.int64]
    beams: tuple[dict[str, Any], ...]
    beam: npt.NDArray[np.int64]

    def comparable(self) -> npt.NDArray[np.bool_]:
        """Return (baseline, pol): what the programs mean alike.

        pyuvdata's beams other than the dipole have the same field for both feeds, so that XY = XX, and a dipole
        with one of them gives what depends on the basis. Dawnstream's have equal gains and XY = 0 for unpolarised
        sources. So: four polarisations between dipoles, XX between others, nothing between the two kinds.
        """
        types = np.array([beam["type"] for beam in self.beams])[self.beam[self.pairs]]
        dipoles = types == "short_dipole"
        others = np.isin(types, ("uniform", "gaussian", "airy")).all(axis=1)
        keep = np.repeat(dipoles.all(axis=1)[:, np.newaxis], 4, axis=1)
        keep[:, 0] |= others
        return keep

    def stokes_at(self, frequency_hz: float) -> Float64:
        """Return (source, 4) flux densities at a frequency, Jy."""
        return self.stokes_jy * ((frequency_hz / self.reference_hz) ** self.spectral_index)[:, None]


def save(path: Path, case: Case, visibilities: npt.NDArray[np.complex128] | None = None) -> None:
    """Write a case, and visibilities of it where there are some, as one .npz file.

    Parameters
    ----------
    path
        The file.
    case
        Inputs.
    visibilities
        (time, frequency, baseline, pol) complex128, Jy, in Dawnstream's signs, X to the north, but with fringes
        that run (n where Dawnstream has n - 1), which needs no phase centre.
    """
    arrays = {field.name: getattr(case, field.name) for field in dataclasses.fields(case)}
    arrays["beams"] = np.array(json.dumps(case.beams))
    if visibilities is not None:
        arrays["visibilities"] = visibilities
    np.savez_compressed(path, **arrays)


def load(path: Path) -> tuple[Case, npt.NDArray[np.complex128] | None]:
    """Read what `save` wrote."""
    with np.load(path) as arrays:
        fields = {field.name: arrays[field.name] for field in dataclasses.fields(Case)}
        visibilities = arrays.get("visibilities")
    fields["beams"] = tuple(json.loads(str(fields["beams"])))
    return Case(**fields), visibilities
