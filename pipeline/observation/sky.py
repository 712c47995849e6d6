"""The sky: all entries of a configuration, joined."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pipeline.config.diffuse import HealpixEntry, ImageEntry, LightconeEntry
from pipeline.config.eor import EorFieldEntry
from pipeline.config.sources import CatalogueEntry, PopulationEntry, SourcesEntry
from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Float64, Observed, SkyPart

if TYPE_CHECKING:
    from pipeline.config.sky import SkyEntry


@dataclasses.dataclass(frozen=True)
class Sky:
    """Everything there is to see.

    Attributes
    ----------
    parts
        The entries, in order; sources are numbered through them.
    """

    parts: tuple[SkyPart, ...]

    @cached_property
    def ra_rad(self) -> Float64:
        """(source,) float64, ICRS."""
        return np.concatenate([np.empty(0), *(part.ra_rad for part in self.parts)])

    @cached_property
    def dec_rad(self) -> Float64:
        """(source,) float64, ICRS."""
        return np.concatenate([np.empty(0), *(part.dec_rad for part in self.parts)])

    @cached_property
    def shape_rad(self) -> Float64:
        """(source, 3) float64: widths and position angle as `SkyPart` has them, zeros for points."""
        return np.concatenate(
            [np.zeros((part.n_sources, 3)) if part.shape_rad is None else part.shape_rad for part in self.parts]
        )

    @property
    def n_sources(self) -> int:
        """Number of sources."""
        return sum(part.n_sources for part in self.parts)

    @property
    def is_unpolarised(self) -> bool:
        """Whether Q, U and V are zero for all sources."""
        return all(part.is_unpolarised for part in self.parts)

    def label(self, source: int) -> str:
        """Name a source, for messages."""
        for part in self.parts:
            if source < part.n_sources:
                return part.label(source)
            source -= part.n_sources
        raise IndexError(source)

    def stokes_at(self, frequency_hz: float) -> Float64:
        """Return I, Q, U, V at a frequency, (source, 4) float64, Jy."""
        return np.concatenate([part.stokes_at(frequency_hz) for part in self.parts])


def load_sky(entries: Iterable[SkyEntry], observed: Observed) -> tuple[Sky, list[str]]:
    """Gather the sources of all entries.

    Parameters
    ----------
    entries
        Section ``sky`` of the configuration; the entries add up.
    observed
        What the observation looks at.

    Returns
    -------
    sky, notes
        The sources, and lines for people: what was left out of a catalogue, and why.

    Raises
    ------
    ConfigError
        If a file cannot be read, a number is not finite, a part does not cover the channels, or there is no source.
    """
    parts: list[SkyPart] = []
    notes: list[str] = []
    for entry in entries:
        part, remarks = _load_part(entry, observed, sum(part.n_sources for part in parts))
        part.check_band(*observed.band_hz)
        parts.append(part)
        notes.extend(remarks)
    if not sum(part.n_sources for part in parts):
        raise ConfigError("sky: holds no source; give it at least one source, or a catalogue that has some")
    return Sky(tuple(parts)), notes


def _load_part(entry: SkyEntry, observed: Observed, n_before: int) -> tuple[SkyPart, list[str]]:
    """Read one entry; what reads it is imported here, as most of it brings astropy, which others do without."""
    match entry:
        case SourcesEntry():
            from pipeline.observation.skies.components import from_config

            return from_config(entry, n_before), []
        case CatalogueEntry():
            from pipeline.observation.skies.catalogues import read_catalogue

            return read_catalogue(entry)
        case PopulationEntry():
            from pipeline.observation.skies.population import from_config as population

            return population(entry, observed), []
        case ImageEntry():
            from pipeline.observation.skies.images import read_image

            return read_image(entry, observed)
        case HealpixEntry():
            from pipeline.observation.skies.healpix import read_healpix

            return read_healpix(entry, observed)
        case LightconeEntry():
            from pipeline.observation.skies.lightcone import read_lightcone

            return read_lightcone(entry, observed)
        case EorFieldEntry():
            from pipeline.observation.skies.eor import from_config as eor_field

            return eor_field(entry.eor_field, observed), []
