"""`dawnstream run` for stations of several types, which a configuration has no word for.

    python -m comparison.stations CASE.npz run CONFIG ...      as `dawnstream run CONFIG ...`, stations as in the case

Everything but the choice of responses is Dawnstream's: the responses themselves, their cadence, the kernels.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from comparison.case import Case, load
from pipeline.observation.stations.base import Complex, Directions, Rates, StationResponse


class SeveralTypes(StationResponse):
    """Stations of which each answers like one of several responses.

    Parameters
    ----------
    responses
        Each of a single station.
    kind
        (station,) which of them a station has.
    """

    extent_m = 0.0

    def __init__(self, responses: list[StationResponse], kind: npt.NDArray[np.int32]) -> None:
        self._responses, self.kind = responses, kind
        self.is_scalar = all(response.is_scalar for response in responses)

    @property
    def n_kinds(self) -> int:
        """Number of kinds of station, also if no station is of the last."""
        return len(self._responses)

    def rates(self, low_hz: float, high_hz: float, farthest: float = 2.0) -> Rates:
        """Bound how fast the fastest of the responses changes."""
        rates = [response.rates(low_hz, high_hz, farthest) for response in self._responses]
        return Rates(max(rate.per_radian for rate in rates), max(rate.per_hz for rate in rates))

    def respond(
        self, directions: Directions, frequency_hz: float, kernels: Any, dtype: npt.DTypeLike = np.complex128
    ) -> Complex:
        """Evaluate all of them."""
        return np.concatenate(
            [self._one(response.respond(directions, frequency_hz, kernels, dtype)) for response in self._responses]
        )

    def _one(self, response: Complex) -> Complex:
        if response.ndim == 4 or self.is_scalar:
            return response
        return response[..., np.newaxis, np.newaxis] * np.eye(2)


def response_of(case: Case, frequency_hz: float) -> SeveralTypes:
    """Return the responses of a case's stations at one frequency, at which its Gaussians have their width."""
    from pipeline.observation.stations.dipole import Dipole
    from pipeline.observation.stations.scalar import Airy, Gaussian, Isotropic

    responses: list[StationResponse] = []
    for beam in case.beams:
        if beam["type"] == "gaussian":
            fwhm_rad = 2.0 * math.sqrt(math.log(2.0)) * beam["sigma_rad"]
            responses.append(Gaussian(1, fwhm_rad, frequency_hz, "zenith"))
        elif beam["type"] == "airy":
            responses.append(Airy(1, beam["diameter_m"], "zenith"))
        elif beam["type"] == "short_dipole":
            responses.append(Dipole(1, None, None, 0.0))
        else:
            # A beam from a file is left out of the comparison; something must stand in its place.
            responses.append(Isotropic(1))
    return SeveralTypes(responses, case.beam.astype(np.int32))


def main() -> None:
    """Put the case's responses in the place of the configuration's, and be `dawnstream`."""
    from pipeline.cli import main as dawnstream
    from pipeline.config.file import load_config

    case, _ = load(Path(sys.argv[1]))
    config = load_config(Path(sys.argv[3]))
    sys.argv = ["dawnstream", *sys.argv[2:]]
    with patch("pipeline.inputs.load_response", lambda *_: response_of(case, config.spectrum.start_hz)):
        dawnstream()


if __name__ == "__main__":
    main()
