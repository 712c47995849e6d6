"""What only a whole observation can break, checked before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.dataset.storage import check_space, check_writable
from pipeline.errors import ConfigError
from pipeline.observation.geometry import Geometry

if TYPE_CHECKING:
    from pipeline.config.observation import Config
    from pipeline.inputs import Inputs
    from pipeline.plan import Plan

#: Moments at which sources are looked for above the horizon: every quarter of an hour of a 6-hour observation.
_N_LOOKS = 25


def observation_geometry(config: Config, inputs: Inputs) -> Geometry:
    """Return the geometry of an observation."""
    centre, time = config.phase_centre, config.time
    return Geometry(inputs.telescope, inputs.sky, centre.ra_rad, centre.dec_rad, time.start_utc, time.integration_s)


def check_observation(config: Config, inputs: Inputs, plan: Plan) -> list[str]:
    """Check what only the whole observation can break.

    Returns
    -------
    list of str
        Lines for people: what will be left out.

    Raises
    ------
    DatasetError
        If the output cannot be written or is larger than the room there is.
    ConfigError
        If the phase centre sets, no source is ever up, the times lie outside the tables of the Earth's rotation, or a
        path misses the ionosphere that a file holds.
    """
    check_writable(config.output.path)
    check_space(config.output.path, plan.reduced_bytes)
    geometry = observation_geometry(config, inputs)
    geometry.check_phase_centre_is_up(config.time.dumps)
    notes = _look_for_sources(config, inputs, geometry)
    ionosphere = inputs.instrument.ionosphere
    if ionosphere is not None:
        # The layer drifts one way, so the ends of the observation are the farthest.
        ends = np.array([0.5, config.time.dumps - 0.5])
        for elapsed, moment in zip(ends, geometry.moments(ends), strict=True):
            enu = moment.enu()
            ionosphere.check_covers(inputs.telescope.enu_m, enu[enu[:, 2] > 0], elapsed * config.time.integration_s)
    return notes


def _look_for_sources(config: Config, inputs: Inputs, geometry: Geometry) -> list[str]:
    """Say which sources are never up; if that is all of them, there is nothing to see."""
    sky = inputs.sky
    looks = np.unique(np.linspace(0, config.time.dumps - 1, _N_LOOKS).round()) + 0.5
    down = np.arange(sky.n_sources)
    for moment in geometry.moments(looks):
        if down.size:
            down = down[moment.enu(down)[:, 2] <= 0]
    if down.size == sky.n_sources:
        raise ConfigError(
            f"sky: all {sky.n_sources:,} sources, such as {sky.label(0)}, are below the horizon of "
            f"{inputs.telescope.name} all the time; choose another time.start, or sources that rise"
        )
    if not down.size:
        return []
    return [
        f"{down.size:,} of {sky.n_sources:,} sources, such as {sky.label(int(down[0]))}, are below the horizon all the "
        "time, and left out"
    ]
