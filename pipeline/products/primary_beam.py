"""What the stations' beams do to an image of total intensity: the power response, averaged as the samples are.

A source of I Jy and no polarisation in direction s appears in the image of Stokes I with I times

    A(s) = sum over samples of  w Re tr(J_p J_q^H) / 2  /  sum of w,

as XX + YY = I tr(J_p J_q^H) of the measurement equation: that is what is worked out here. It does not depend on which
way the axes of polarisation lie on the sky, so any will do.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError
from pipeline.products.beam_grid import BeamGrid
from pipeline.products.settings import ImageSettings

if TYPE_CHECKING:
    from pipeline.dataset.schema import BandHeader
    from pipeline.observation.geometry import Geometry
    from pipeline.observation.stations.base import StationResponse

Floats = NDArray[np.float64]

_CHANGE = 0.05  # of the response while it is taken for constant; the error of its mean is (change^2) / 6 of the largest
_LONGEST_RAD = 0.04  # 9 minutes: directions that rise and set
#: Memory for the answers of all kinds of station to the directions that are worked out at once.
DIRECTIONS_BYTES = 100_000_000
_DIRECTION_BYTES = 3 * 4 * 16  # four complex numbers and what comes between
_SECTIONS = ("telescope", "phase_centre", "time")


class PrimaryBeam:
    """The stations of an observation, and where they look.

    Parameters
    ----------
    response
        What the stations answer with.
    geometry
        Of the observation.
    """

    def __init__(self, response: StationResponse, geometry: Geometry) -> None:
        self.response, self.geometry = response, geometry

    @classmethod
    def of_observation(cls, observation: dict[str, Any], where: Path) -> PrimaryBeam:
        """Read what an observation's configuration names.

        Parameters
        ----------
        observation
            The effective configuration of a dataset.
        where
            The dataset, for messages.

        Raises
        ------
        ConfigError
            If a file it names is not there any more, or cannot be used.
        """
        from pydantic import ValidationError

        from pipeline.config.base import DirectionConfig
        from pipeline.config.observation import TimeConfig
        from pipeline.config.telescope import TelescopeConfig
        from pipeline.observation.geometry import Geometry
        from pipeline.observation.sky import Sky
        from pipeline.observation.stations.load import load_response
        from pipeline.observation.telescope import load_telescope

        try:
            sections = {name: observation[name] for name in _SECTIONS}
            telescope_config = TelescopeConfig.model_validate(sections["telescope"], context={"folder": where})
            centre = DirectionConfig.model_validate(sections["phase_centre"])
            time = TimeConfig.model_validate(sections["time"])
        except (KeyError, ValidationError) as error:
            detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else f"no section {error}"
            raise ConfigError(
                f"{where}/observation.yaml: {detail.removeprefix('Value error, ')}; the primary beam needs the files "
                "that the observation was made with: put them back, or image without image.primary_beam"
            ) from None
        telescope = load_telescope(telescope_config)
        response = load_response(telescope_config.station, telescope)
        start_utc, integration_s = time.start_utc, time.integration_s
        return cls(response, Geometry(telescope, Sky(()), centre.ra_rad, centre.dec_rad, start_utc, integration_s))

    def of_band(self, header: BandHeader, settings: ImageSettings) -> BeamSum:
        """Return an empty sum for a band."""
        return BeamSum(self, header, settings)


class BeamSum:
    """The sum over samples of imaging weight times power response, dump by dump in order.

    Responses are evaluated at the band's middle frequency, and once for as many dumps as they hardly change in, at the
    weighted mean of their times.
    """

    def __init__(self, beam: PrimaryBeam, header: BandHeader, settings: ImageSettings) -> None:
        from pipeline.observation.smearing import EARTH_RAD_S

        response = beam.response
        if len(response.kind) != len(header.station_names):
            raise ConfigError(
                f"telescope: {len(response.kind)} stations now, {len(header.station_names)} when the dataset was made; "
                "the primary beam needs the files that the observation was made with"
            )
        self._beam, self._settings = beam, settings
        self._frequency_hz = float(np.mean(header.channel_hz))
        self._pairs = response.kind[header.baselines].astype(np.intp) @ [response.n_kinds, 1]
        farthest = settings.size / 2 * settings.cell_rad * math.sqrt(2)
        rate = response.rates(self._frequency_hz, self._frequency_hz, farthest).per_radian
        cell_rad = min(_CHANGE / rate, _LONGEST_RAD) if rate else _LONGEST_RAD
        self._cell_dumps = max(1, int(cell_rad / (EARTH_RAD_S * header.integration_s)))
        self._grid: BeamGrid | None = None
        self._cell = -1
        self._clear()

    def _clear(self) -> None:
        self._weights = np.zeros(self._beam.response.n_kinds**2)
        self._elapsed = 0.0

    def add(self, dump: int, baseline: NDArray[np.intp], weight: Floats) -> None:
        """Add the samples of a dump; dumps come in order.

        Parameters
        ----------
        dump
            Index.
        baseline
            (row,) indices in the header.
        weight
            (row,) float64: their imaging weights, channels added up.
        """
        if dump // self._cell_dumps != self._cell:
            self._close_cell()
            self._cell = dump // self._cell_dumps
        self._weights += np.bincount(self._pairs[baseline], weights=weight, minlength=len(self._weights))
        self._elapsed += float(weight.sum()) * (dump + 0.5)

    def finish(self) -> Floats:
        """Return the sum, (y, x) float64."""
        self._close_cell()
        if self._grid is None:
            return np.zeros((self._settings.size, self._settings.size))
        return self._grid.image()

    def _close_cell(self) -> None:
        """Add what the dumps of a cell have gathered."""
        total = float(self._weights.sum())
        if total > 0:
            moment = self._beam.geometry.moments(np.array([self._elapsed / total]))[0]
            power = _Power(self._beam.response, moment.uvw_axes, self._weights, self._frequency_hz)
            if self._grid is None:
                self._grid = BeamGrid.fine_enough(power, self._settings.size, self._settings.cell_rad)
            self._grid.add(power)
        self._clear()


class _Power:
    """The power response at a moment, summed over pairs of kinds of station with their weights.

    Called with direction cosines (direction,) each, returns the sum for each.
    """

    def __init__(self, response: StationResponse, uvw_axes: Floats, weights: Floats, frequency_hz: float) -> None:
        n_kinds = response.n_kinds
        square = weights.reshape(n_kinds, n_kinds)
        self._response, self._axes, self._frequency_hz = response, uvw_axes, frequency_hz
        # The real part of the sum is the same for a pair and its mirror image.
        self._weights = (square + square.T) / 2

    def __call__(self, l_east: Floats, m_north: Floats) -> Floats:
        n_up = np.sqrt(1 - l_east**2 - m_north**2)
        enu = np.stack([l_east, m_north, n_up], axis=1) @ self._axes
        out = np.zeros(len(enu))
        # What is below the horizon is not seen.
        up = np.flatnonzero(enu[:, 2] > 0)
        at_once = max(1, DIRECTIONS_BYTES // (_DIRECTION_BYTES * self._response.n_kinds))
        for first in range(0, len(up), at_once):
            some = up[first : first + at_once]
            out[some] = self._towards(enu[some])
        return out

    def _towards(self, enu: Floats) -> Floats:
        """Return the sum for directions (direction, 3) in east, north, up."""
        import kernels.cpu
        from pipeline.observation.stations.base import Directions

        across = self._axes[1] - (enu @ self._axes[1])[:, None] * enu
        north = across / np.linalg.norm(across, axis=1, keepdims=True)
        found = self._response.respond(Directions(enu, north, self._axes[2]), self._frequency_hz, kernels.cpu)
        parts = found.reshape(*found.shape[:2], -1)
        out = np.zeros(len(enu))
        for element in range(parts.shape[2]):
            answers = parts[:, :, element]
            mixed = self._weights @ answers
            out += (answers.real * mixed.real + answers.imag * mixed.imag).sum(axis=0)
        return out if self._response.is_scalar else out / 2
