"""The sky: point sources with Stokes I, Q, U, V and a power-law spectrum."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pipeline.config import CatalogueEntry, SourcesEntry
from pipeline.errors import ConfigError

Float64 = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Sky:
    """Point sources.

    Attributes
    ----------
    names
        (source,) one name each.
    ra_rad, dec_rad
        (source,) float64, ICRS.
    stokes_jy
        (source, 4) float64, Jy: I, Q, U, V at the reference frequency.
    reference_hz
        (source,) float64 reference frequency.
    spectral_index
        (source,) float64: S(nu) = S(reference) (nu / reference)**spectral_index, for all four alike.
    """

    names: tuple[str, ...]
    ra_rad: Float64
    dec_rad: Float64
    stokes_jy: Float64
    reference_hz: Float64
    spectral_index: Float64

    @property
    def n_sources(self) -> int:
        """Number of sources."""
        return len(self.names)

    @property
    def is_unpolarised(self) -> bool:
        """Whether Q, U and V are zero for all sources."""
        return not self.stokes_jy[:, 1:].any()

    def stokes_at(self, frequency_hz: float) -> Float64:
        """Return I, Q, U, V at a frequency, (source, 4) float64, Jy."""
        factor = (frequency_hz / self.reference_hz) ** self.spectral_index
        stokes: Float64 = self.stokes_jy * factor[:, np.newaxis]
        return stokes


def load_sky(entries: Iterable[CatalogueEntry | SourcesEntry]) -> tuple[Sky, list[str]]:
    """Gather the sources of all entries.

    Parameters
    ----------
    entries
        Section ``sky`` of the configuration; the entries add up.

    Returns
    -------
    sky, notes
        The sources, and lines for people: what was left out of a catalogue, and why.

    Raises
    ------
    ConfigError
        If a catalogue cannot be read, a number is not finite, or there is no source at all.
    """
    skies: list[Sky] = []
    notes: list[str] = []
    for entry in entries:
        if isinstance(entry, SourcesEntry):
            skies.append(_from_config(entry, sum(sky.n_sources for sky in skies)))
        else:
            # Here, as it brings astropy, which a sky written in the configuration does without.
            from pipeline.observation.catalogues import read_catalogue

            sky, remarks = read_catalogue(entry)
            skies.append(sky)
            notes.extend(remarks)
    if not sum(sky.n_sources for sky in skies):
        raise ConfigError("sky: holds no source; give it at least one source, or a catalogue that has some")
    return _joined(skies), notes


def _from_config(entry: SourcesEntry, n_before: int) -> Sky:
    sources = entry.sources
    sky = Sky(
        names=tuple(source.name or f"source-{n_before + index}" for index, source in enumerate(sources)),
        ra_rad=np.array([source.ra_rad for source in sources], dtype=np.float64),
        dec_rad=np.array([source.dec_rad for source in sources], dtype=np.float64),
        stokes_jy=np.array(
            [(source.i_jy, source.q_jy, source.u_jy, source.v_jy) for source in sources], dtype=np.float64
        ).reshape(-1, 4),
        reference_hz=np.array([source.reference_hz for source in sources], dtype=np.float64),
        spectral_index=np.array([source.spectral_index for source in sources], dtype=np.float64),
    )
    check_sky(sky, "sky.sources", tuple(range(len(sources))))
    return sky


def check_sky(sky: Sky, where: str, rows: tuple[int, ...]) -> None:
    """Make sure that a sky holds finite numbers within their bounds.

    Parameters
    ----------
    sky
        The sources.
    where
        What to call the place they come from.
    rows
        (source,) the row of each source in that place.

    Raises
    ------
    ConfigError
        Naming the first source, its row and the quantity that is wrong.
    """
    bounds = {
        "ra": (sky.ra_rad, -np.inf, np.inf, "a finite angle"),
        "dec": (sky.dec_rad, -np.pi / 2, np.pi / 2, "an angle from -90 deg to 90 deg"),
        **{
            name: (sky.stokes_jy[:, index], -np.inf, np.inf, "a finite flux density")
            for index, name in enumerate("iquv")
        },
        "reference": (sky.reference_hz, np.nextafter(0, 1), np.inf, "a frequency above zero"),
        "spectral_index": (sky.spectral_index, -np.inf, np.inf, "a finite number"),
    }
    for quantity, (values, lowest, highest, rule) in bounds.items():
        wrong = ~(np.isfinite(values) & (values >= lowest) & (values <= highest))
        if wrong.any():
            source = int(np.argmax(wrong))
            raise ConfigError(
                f"{where}: row {rows[source]} ({sky.names[source]}): {quantity} is {values[source]:g}; "
                f"it must be {rule}: correct the row or remove it"
            )


def _joined(skies: list[Sky]) -> Sky:
    return Sky(
        names=tuple(name for sky in skies for name in sky.names),
        ra_rad=np.concatenate([sky.ra_rad for sky in skies]),
        dec_rad=np.concatenate([sky.dec_rad for sky in skies]),
        stokes_jy=np.concatenate([sky.stokes_jy for sky in skies]),
        reference_hz=np.concatenate([sky.reference_hz for sky in skies]),
        spectral_index=np.concatenate([sky.spectral_index for sky in skies]),
    )
