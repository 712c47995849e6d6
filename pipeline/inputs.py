"""What a configuration names, read: telescope, baselines, sky."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from pipeline.config.observation import Config
from pipeline.observation.skies.base import Observed
from pipeline.observation.sky import Sky, load_sky
from pipeline.observation.telescope import Telescope, load_telescope, select_baselines
from pipeline.plan import Sizes


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The inputs of an observation.

    Attributes
    ----------
    telescope, sky
        The array and the sources.
    baselines
        (baseline, 2) int32: the stations of every kept baseline.
    notes
        What a person should know about how the files were read.
    """

    telescope: Telescope
    sky: Sky
    baselines: npt.NDArray[np.int32]
    notes: tuple[str, ...]

    @property
    def sizes(self) -> Sizes:
        """What the plan needs to know of the inputs."""
        separations = np.diff(self.telescope.enu_m[self.baselines], axis=1)[:, 0]
        return Sizes(
            n_stations=self.telescope.n_stations,
            n_baselines=len(self.baselines),
            n_sources=self.sky.n_sources,
            longest_m=float(np.linalg.norm(separations, axis=1).max()),
        )


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
    sky, notes = load_sky(config.sky, observed(config))
    return Inputs(telescope, sky, baselines, tuple(notes))
