"""From the configuration to the responses of an array's stations."""

from __future__ import annotations

from pipeline.config.station import (
    AiryConfig,
    ApertureArrayConfig,
    DipoleConfig,
    GaussianConfig,
    IsotropicConfig,
    UVBeamConfig,
)
from pipeline.observation.stations.aperture_array import ApertureArray
from pipeline.observation.stations.base import StationResponse
from pipeline.observation.stations.dipole import Dipole
from pipeline.observation.stations.layouts import load_layouts
from pipeline.observation.stations.scalar import Airy, Gaussian, Isotropic
from pipeline.observation.stations.uvbeam import TabulatedBeam, read_uvbeam
from pipeline.observation.telescope import Telescope

_Single = IsotropicConfig | GaussianConfig | AiryConfig | DipoleConfig | UVBeamConfig


def load_response(config: _Single | ApertureArrayConfig, telescope: Telescope) -> StationResponse:
    """Make the response a configuration describes.

    Parameters
    ----------
    config
        Section ``telescope.station``.
    telescope
        The array, for the number of its stations.

    Raises
    ------
    ConfigError
        If a file is bad, a package is missing, or there are not as many layouts or angles as stations.
    """
    if isinstance(config, ApertureArrayConfig):
        element = _single(config.element, 1, "telescope.station.element")
        return ApertureArray(load_layouts(config, telescope.n_stations), element)
    return _single(config, telescope.n_stations, "telescope.station")


def _single(config: _Single, n_stations: int, key: str) -> StationResponse:
    """Make the response of stations, or elements, that are all alike."""
    if isinstance(config, GaussianConfig):
        return Gaussian(n_stations, config.fwhm_rad, config.reference_hz, config.pointing)
    if isinstance(config, AiryConfig):
        return Airy(n_stations, config.diameter_m, config.pointing)
    if isinstance(config, DipoleConfig):
        return Dipole(n_stations, config.height_m, config.length_m, config.rotation_rad, key)
    if isinstance(config, UVBeamConfig):
        beam = read_uvbeam(config.file, key)
        return TabulatedBeam(n_stations, beam, config.frequency_interpolation, f"{key}.file: {config.file}")
    return Isotropic(n_stations)
