"""What a configuration names, read: telescope, baselines, sky."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from pipeline.config.observation import Config
from pipeline.observation.instrument import Instrument, load_instrument
from pipeline.observation.skies.base import Observed
from pipeline.observation.sky import Sky, load_sky
from pipeline.observation.smearing import distances
from pipeline.observation.stations.base import StationResponse
from pipeline.observation.stations.load import load_response
from pipeline.observation.telescope import Telescope, load_telescope, select_baselines
from pipeline.plan import Sizes
from pipeline.prediction.cells import dumps_per_cell
from pipeline.prediction.routes import Routes, choose_routes
from pipeline.prediction.terms import epoch_offsets


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The inputs of an observation.

    Attributes
    ----------
    telescope, response, sky
        The array, what its stations answer with, and the sources.
    baselines
        (baseline, 2) int32: the stations of every kept baseline.
    instrument
        What keeps it from being ideal.
    routes
        How the sources are summed.
    sizes
        What the plan needs to know of all this.
    notes
        What a person should know about how the files were read.
    """

    telescope: Telescope
    response: StationResponse
    sky: Sky
    baselines: npt.NDArray[np.int32]
    instrument: Instrument
    routes: Routes
    sizes: Sizes
    notes: tuple[str, ...]


def observed(config: Config) -> Observed:
    """Say what entries of the sky may need to know of the observation."""
    centre, spectrum = config.phase_centre, config.spectrum
    return Observed((centre.ra_rad, centre.dec_rad), spectrum.start_hz, spectrum.width_hz, spectrum.channels)


def load_inputs(config: Config) -> Inputs:
    """Read what a configuration names.

    Raises
    ------
    ConfigError
        If a file cannot be used, no baseline is kept or the sky is empty.
    """
    telescope = load_telescope(config.telescope)
    kept = config.telescope.baselines
    baselines = select_baselines(telescope, kept.min_m, kept.max_m, config.telescope.autocorrelations)
    response = load_response(config.telescope.station, telescope)
    response.check_band(*observed(config).band_hz)
    sky, notes = load_sky(config.sky, observed(config))
    instrument, remarks = load_instrument(config, telescope.station_names, baselines)
    longest_m = longest_baseline_m(telescope, baselines)
    routes = choose_routes(config, sky, response, len(baselines), longest_m)
    cell_dumps, is_interpolated = _cells(config, sky, response)
    sizes = Sizes(
        n_stations=telescope.n_stations,
        n_baselines=len(baselines),
        n_sources=sky.n_sources,
        longest_m=longest_m,
        n_terms=routes.n_terms,
        terms_at_once=routes.terms_at_once,
        n_epochs=len(epoch_offsets(routes.nodes)),
        n_transformed=sum(len(part.sources) for part in routes.transformed),
        n_kinds=response.n_kinds,
        sources_at_once=routes.sources_at_once,
        extended_at_once=max((one.nodes.n_terms for one in routes.chunks if one.is_extended), default=0),
        n_values=1 if response.is_scalar else 4,
        is_unity=response.is_unity,
        grid_bytes=max((part.memory_bytes for part in routes.transformed), default=0),
        cell_dumps=cell_dumps,
        is_interpolated=is_interpolated and not response.is_unity,
        screen_bytes=0 if instrument.ionosphere is None else instrument.ionosphere.n_bytes,
    )
    notes = [*notes, *remarks, *routes.notes]
    return Inputs(telescope, response, sky, baselines, instrument, routes, sizes, tuple(notes))


def _cells(config: Config, sky: Sky, response: StationResponse) -> tuple[int, bool]:
    """Return how many dumps share moments, and whether responses are interpolated between these."""
    farthest = float(distances(sky.ra_rad, sky.dec_rad, observed(config).phase_centre_rad).max())
    rate = response.rates(*observed(config).band_hz, farthest).per_radian
    return dumps_per_cell(rate, config.time.integration_s, config.time.dumps, config.compute.accuracy)


def longest_baseline_m(telescope: Telescope, baselines: npt.NDArray[np.int32]) -> float:
    """Return the length of the longest of some baselines, m."""
    separations = np.diff(telescope.enu_m[baselines], axis=1)[:, 0]
    return float(np.linalg.norm(separations, axis=1).max())
