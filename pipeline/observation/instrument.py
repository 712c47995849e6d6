"""What keeps the instrument from being ideal, gathered: noise, gains, flags and the ionosphere."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.observation.flags import Flags, load_flags
from pipeline.observation.gains import Gains, load_gains
from pipeline.observation.ionosphere import Ionosphere, load_ionosphere
from pipeline.observation.noise import Noise, load_noise

if TYPE_CHECKING:
    from pipeline.config.observation import Config


@dataclasses.dataclass(frozen=True)
class Instrument:
    """What the configuration asks for; None is what it leaves ideal."""

    noise: Noise | None = None
    gains: Gains | None = None
    flags: Flags | None = None
    ionosphere: Ionosphere | None = None


def load_instrument(
    config: Config, station_names: tuple[str, ...], baselines: npt.NDArray[np.int32]
) -> tuple[Instrument, list[str]]:
    """Make what the sections ``noise``, ``gains``, ``flags`` and ``ionosphere`` ask for.

    Parameters
    ----------
    config
        The observation.
    station_names
        (station,) one each.
    baselines
        (baseline, 2) int32: the stations of every kept baseline.

    Returns
    -------
    instrument, notes
        And lines for people: what is flagged.

    Raises
    ------
    ConfigError
        If a file is bad, or something does not cover the observation.
    """
    spectrum, n_stations = config.spectrum, len(station_names)
    last_hz = spectrum.start_hz + (spectrum.channels - 1) * spectrum.width_hz
    noise = gains = flags = ionosphere = None
    notes: list[str] = []
    if config.noise is not None:
        band_hz = (spectrum.start_hz, last_hz)
        noise = load_noise(config.noise, band_hz, spectrum.width_hz, config.time.integration_s, n_stations)
    if config.gains is not None:
        gains = load_gains(config.gains, spectrum.start_hz, spectrum.width_hz, spectrum.channels, n_stations)
    if config.flags is not None:
        shape = (spectrum.channels, config.time.dumps)
        per_band = config.averaging.node * config.averaging.group
        flags, notes = load_flags(config.flags, station_names, baselines, shape, per_band)
    if config.ionosphere is not None:
        ionosphere = load_ionosphere(config.ionosphere, spectrum.start_hz)
    return Instrument(noise, gains, flags, ionosphere), notes
