"""What only a whole observation can break, checked before it runs."""

from __future__ import annotations

import numpy as np

from pipeline.config.observation import Config
from pipeline.dataset.storage import check_space, check_writable
from pipeline.inputs import Inputs
from pipeline.observation.geometry import Geometry
from pipeline.plan import Plan


def observation_geometry(config: Config, inputs: Inputs) -> Geometry:
    """Return the geometry of an observation."""
    centre, time = config.phase_centre, config.time
    return Geometry(inputs.telescope, inputs.sky, centre.ra_rad, centre.dec_rad, time.start_utc, time.integration_s)


def check_observation(config: Config, inputs: Inputs, plan: Plan) -> None:
    """Check what only the whole observation can break.

    Raises
    ------
    DatasetError
        If the output cannot be written or is larger than the room there is.
    ConfigError
        If the phase centre sets, or the times lie outside the tables of the Earth's rotation.
    """
    check_writable(config.output.path)
    check_space(config.output.path, plan.reduced_bytes)
    geometry = observation_geometry(config, inputs)
    geometry.check_phase_centre_is_up(config.time.dumps)
    ionosphere = inputs.instrument.ionosphere
    if ionosphere is not None:
        # The pierce points wander one way, so the ends of the observation are the farthest.
        ends = np.array([0.5, config.time.dumps - 0.5])
        for elapsed, moment in zip(ends, geometry.moments(ends), strict=True):
            enu = moment.enu()
            ionosphere.check_covers(inputs.telescope.enu_m, enu[enu[:, 2] > 0], elapsed * config.time.integration_s)
