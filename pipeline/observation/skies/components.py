"""Lists of sources: points and elliptical Gaussians with Stokes I, Q, U, V and spectra."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config.sources import SourceConfig, SourcesEntry
from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Float64, SkyPart
from pipeline.observation.skies.spectra import Table, faraday_rotate, logarithmic_factor, ordinary_increment_jy


@dataclasses.dataclass(frozen=True)
class Numbered:
    """Names that are numbers behind a stem, and so take no memory."""

    stem: str
    count: int
    first: int = 1

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return f"{self.stem}-{self.first + index}"

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(self.count))


Names = Sequence[str] | npt.NDArray[Any] | Numbered


@dataclasses.dataclass(frozen=True)
class Components(SkyPart):
    """Sources of a list.

    Attributes
    ----------
    names
        (source,) one name each: a sequence, or an array of text.
    ra_rad, dec_rad
        (source,) float64, ICRS.
    stokes_jy
        (source, 4) float64, Jy: I, Q, U, V at the reference frequency.
    reference_hz
        (source,) float64 reference frequency.
    spectral_index
        (source,) float64: S(nu) = S(reference) (nu / reference)**spectral_index, for all four alike.
    higher_terms
        (source, term) float64: coefficients of the second and higher powers of ln(nu / reference) in ln S; None where
        all spectra are power laws.
    is_ordinary
        (source,) bool: True where `spectral_index` and `higher_terms` are instead coefficients, in Jy, of powers of
        nu / reference - 1 in Stokes I, which Q, U and V follow in proportion; None where there is no such source.
    rotation_measure
        (source,) float64, rad/m2; None where all are zero.
    shape_rad
        (source, 3) float64, as `SkyPart` has it; None where all are points.
    tables
        Sources whose flux densities are tabulated; what the attributes above say of their spectra is not used.
    """

    names: Names
    ra_rad: Float64
    dec_rad: Float64
    stokes_jy: Float64
    reference_hz: Float64
    spectral_index: Float64
    higher_terms: Float64 | None = None
    is_ordinary: npt.NDArray[np.bool_] | None = None
    rotation_measure: Float64 | None = None
    shape_rad: Float64 | None = None
    tables: tuple[Table, ...] = ()

    @property
    def is_unpolarised(self) -> bool:
        """Whether Q, U and V are zero for all sources."""
        return not self.stokes_jy[:, 1:].any() and all(table.is_unpolarised for table in self.tables)

    def label(self, source: int) -> str:
        """Name a source, for messages."""
        return str(self.names[source])

    def stokes_at(self, frequency_hz: float) -> Float64:
        """Return I, Q, U, V at a frequency, (source, 4) float64, Jy."""
        ratio = frequency_hz / self.reference_hz
        index = self.spectral_index if self.is_ordinary is None else np.where(self.is_ordinary, 0, self.spectral_index)
        higher = self.higher_terms
        if higher is not None and self.is_ordinary is not None:
            higher = np.where(self.is_ordinary[:, np.newaxis], 0, higher)
        stokes: Float64 = self.stokes_jy * logarithmic_factor(ratio, index, higher)[:, np.newaxis]
        if self.is_ordinary is not None:
            self._add_ordinary(stokes, ratio, np.flatnonzero(self.is_ordinary))
        if self.rotation_measure is not None:
            faraday_rotate(stokes, self.rotation_measure, frequency_hz, self.reference_hz)
        for table in self.tables:
            values = table.at(frequency_hz)
            stokes[slice(None) if table.rows is None else table.rows, : values.shape[1]] = values
        return stokes

    def _add_ordinary(self, stokes: Float64, ratio: Float64, rows: npt.NDArray[np.int64]) -> None:
        """Give the sources in `rows` the spectra of ordinary polynomials, in place."""
        higher = None if self.higher_terms is None else self.higher_terms[rows]
        increment = ordinary_increment_jy(ratio[rows], self.spectral_index[rows], higher)
        reference = self.stokes_jy[rows]
        # Where I is zero, so are Q, U and V: `check_components` made sure.
        share = np.divide(increment, reference[:, 0], out=np.zeros_like(increment), where=reference[:, 0] != 0)
        stokes[rows, 1:] = reference[:, 1:] * (1 + share[:, np.newaxis])
        stokes[rows, 0] = reference[:, 0] + increment

    def check_band(self, low_hz: float, high_hz: float) -> None:
        """Raise ConfigError unless tables reach from `low_hz` to `high_hz`."""
        for table in self.tables:
            table.check_band(low_hz, high_hz)


def from_config(entry: SourcesEntry, n_before: int) -> Components:
    """Take sources from the configuration; those without a name are numbered from `n_before` on."""
    sources = entry.sources
    names = tuple(source.name or f"source-{n_before + index}" for index, source in enumerate(sources))
    shapes = [
        (shape.major_rad, shape.minor_rad, shape.position_angle_rad) if shape else (0.0, 0.0, 0.0)
        for shape in (source.shape for source in sources)
    ]
    terms = [_terms(source) for source in sources]
    sky = Components(
        names=names,
        ra_rad=np.array([source.ra_rad for source in sources], dtype=np.float64),
        dec_rad=np.array([source.dec_rad for source in sources], dtype=np.float64),
        stokes_jy=np.array(
            # Of a source with a table, all but the table is left at zero.
            [(source.i_jy or 0.0, source.q_jy, source.u_jy, source.v_jy) for source in sources],
            dtype=np.float64,
        ).reshape(-1, 4),
        reference_hz=np.array([source.reference_hz for source in sources], dtype=np.float64),
        spectral_index=np.array([one[0] for one in terms], dtype=np.float64),
        higher_terms=padded([one[1:] for one in terms]),
        rotation_measure=unless_zero(np.array([source.rotation_measure for source in sources], dtype=np.float64)),
        shape_rad=unless_zero(np.array(shapes, dtype=np.float64).reshape(-1, 3)),
        tables=tuple(_tables(sources, names)),
    )
    check_components(sky, "sky.sources", range(len(sources)))
    return sky


def _terms(source: SourceConfig) -> tuple[float, ...]:
    """Return the terms of a source's log-polynomial; curvature is the second."""
    return (*source.spectral_index, source.curvature) if source.curvature else source.spectral_index


def _tables(sources: tuple[SourceConfig, ...], names: tuple[str, ...]) -> Iterator[Table]:
    """Make the tables of sources that have one."""
    for row, (source, name) in enumerate(zip(sources, names, strict=True)):
        if source.spectrum is None:
            continue
        columns = [getattr(source.spectrum, f"{stokes}_jy") for stokes in "iquv"]
        planes = np.zeros((len(columns[0]), 1, 4))
        for index, values in enumerate(columns):
            if values:
                planes[:, 0, index] = values
        table = Table(
            f"sky.sources: row {row} ({name})",
            np.array([row]),
            np.array(source.spectrum.frequencies_hz, dtype=np.float64),
            planes,
            source.spectrum.interpolation,
            not planes[..., 1:].any(),
        )
        table.check_numbers(lambda _, name=name: name)
        yield table


def padded(terms: Sequence[Sequence[float]]) -> Float64 | None:
    """Return terms of different numbers as (source, term) float64, filled up with zeros; None if there are none."""
    width = max(map(len, terms), default=0)
    if not width:
        return None
    return np.array([[*row, *[0.0] * (width - len(row))] for row in terms], dtype=np.float64)


def unless_zero(values: Float64) -> Float64 | None:
    """Return `values`, or None where all are zero and none needs to be kept."""
    return values if values.any() else None


def check_components(sky: Components, where: str, rows: Sequence[int] | npt.NDArray[np.int64]) -> None:
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
    for quantity, (values, lowest, highest, rule) in _bounds(sky).items():
        wrong = ~(np.isfinite(values) & (values >= lowest) & (values <= highest))
        if wrong.any():
            source = int(np.argmax(wrong))
            raise ConfigError(
                f"{where}: row {rows[source]} ({sky.label(source)}): {quantity} is {values[source]:g}; "
                f"it must be {rule}: correct the row or remove it"
            )
    if sky.is_ordinary is not None:
        wrong = sky.is_ordinary & (sky.stokes_jy[:, 0] == 0) & sky.stokes_jy[:, 1:].any(axis=1)
        if wrong.any():
            source = int(np.argmax(wrong))
            raise ConfigError(
                f"{where}: row {rows[source]} ({sky.label(source)}): i is 0 at the reference frequency, so q, u and v "
                "cannot follow its spectrum: give i another reference frequency"
            )


def _bounds(sky: Components) -> dict[str, tuple[Float64, float | Float64, float | Float64, str]]:
    """Return by quantity its values, the lowest and the highest that are allowed, and that rule in words."""
    nothing = np.zeros(0)
    shape = np.zeros((0, 3)) if sky.shape_rad is None else sky.shape_rad
    higher = np.zeros((0, 0)) if sky.higher_terms is None else sky.higher_terms
    return {
        "ra": (sky.ra_rad, -np.inf, np.inf, "a finite angle"),
        "dec": (sky.dec_rad, -np.pi / 2, np.pi / 2, "an angle from -90 deg to 90 deg"),
        **{
            name: (sky.stokes_jy[:, index], -np.inf, np.inf, "a finite flux density")
            for index, name in enumerate("iquv")
        },
        "reference": (sky.reference_hz, np.nextafter(0, 1), np.inf, "a frequency above zero"),
        "spectral_index": (sky.spectral_index, -np.inf, np.inf, "a finite number"),
        **{
            f"term {index + 2} of the spectrum": (term, -np.inf, np.inf, "a finite number")
            for index, term in enumerate(higher.T)
        },
        "rotation_measure": (
            nothing if sky.rotation_measure is None else sky.rotation_measure,
            -np.inf,
            np.inf,
            "a finite number of rad/m2",
        ),
        "major": (shape[:, 0], 0.0, np.inf, "a width that is not negative, and 0 for a point"),
        "minor": (shape[:, 1], 0.0, shape[:, 0], "a width from 0 to that of the major axis"),
        "position_angle": (shape[:, 2], -np.inf, np.inf, "a finite angle"),
    }
