"""Sources with Stokes I, Q, U, V and a power-law spectrum."""

from __future__ import annotations

import dataclasses

import numpy as np

from pipeline.config.sources import SourcesEntry
from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Float64, SkyPart


@dataclasses.dataclass(frozen=True)
class Components(SkyPart):
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
    def is_unpolarised(self) -> bool:
        """Whether Q, U and V are zero for all sources."""
        return not self.stokes_jy[:, 1:].any()

    def label(self, source: int) -> str:
        """Name a source, for messages."""
        return self.names[source]

    def stokes_at(self, frequency_hz: float) -> Float64:
        """Return I, Q, U, V at a frequency, (source, 4) float64, Jy."""
        factor = (frequency_hz / self.reference_hz) ** self.spectral_index
        stokes: Float64 = self.stokes_jy * factor[:, np.newaxis]
        return stokes


def from_config(entry: SourcesEntry, n_before: int) -> Components:
    """Take sources from the configuration; those without a name are numbered from `n_before` on."""
    sources = entry.sources
    sky = Components(
        names=tuple(source.name or f"source-{n_before + index}" for index, source in enumerate(sources)),
        ra_rad=np.array([source.ra_rad for source in sources], dtype=np.float64),
        dec_rad=np.array([source.dec_rad for source in sources], dtype=np.float64),
        stokes_jy=np.array(
            [(source.i_jy, source.q_jy, source.u_jy, source.v_jy) for source in sources], dtype=np.float64
        ).reshape(-1, 4),
        reference_hz=np.array([source.reference_hz for source in sources], dtype=np.float64),
        spectral_index=np.array([source.spectral_index for source in sources], dtype=np.float64),
    )
    check_components(sky, "sky.sources", tuple(range(len(sources))))
    return sky


def check_components(sky: Components, where: str, rows: tuple[int, ...]) -> None:
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
