"""Catalogues: the reader of each format, and that of tables of any kind that astropy reads."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Float64
from pipeline.observation.skies.components import Components, Names, Numbered, check_components, unless_zero
from pipeline.observation.skies.table_columns import need_columns, numbers, read_table, texts

if TYPE_CHECKING:
    from pipeline.config.sources import CatalogueEntry

_DEFAULT_REFERENCE_HZ: Final = 150e6  # as for sources in the configuration
_ARCSEC_RAD: Final = np.pi / 648000
_REQUIRED: Final = ("ra", "dec", "i")
_SHAPE: Final = ("major", "minor", "position_angle")
_OPTIONAL: Final = (
    *("q", "u", "v", "spectral_index", "curvature", "reference", "rotation_measure"),
    *(*_SHAPE, "name"),
)


def read_catalogue(entry: CatalogueEntry) -> tuple[Components, list[str]]:
    """Read one catalogue.

    Parameters
    ----------
    entry
        ``catalogue`` (the file), ``format`` and the options of the format.

    Returns
    -------
    sky, notes
        The sources, and lines for people about what was left out or not used.

    Raises
    ------
    ConfigError
        If the file, a column or a number is missing or bad.
    """
    match entry.format:
        case "gleam":
            from pipeline.observation.skies.gleam import read_gleam

            return read_gleam(entry)
        case "table":
            return _read_table(entry)
        case "oskar":
            from pipeline.observation.skies.oskar_sky import read_oskar_sky

            return read_oskar_sky(entry.catalogue)
        case "wsclean":
            from pipeline.observation.skies.wsclean import read_wsclean

            return read_wsclean(entry.catalogue)
        case "skyh5":
            from pipeline.observation.skies.skyh5 import read_skyh5

            return read_skyh5(entry.catalogue, entry.interpolation)


def _read_table(entry: CatalogueEntry) -> tuple[Components, list[str]]:
    """Take the columns ra, dec, i and, of those in `_OPTIONAL`, what is there."""
    path = entry.catalogue
    table = read_table(path)
    need_columns(path, table, list(_REQUIRED), "format 'table'")
    if "major" in table.colnames or "minor" in table.colnames:
        need_columns(path, table, ["major", "minor"], "an elliptical Gaussian")
    notes = _unused_columns(entry, table)
    n_sources = len(table)

    def optional(column: str, unit: str, default: float) -> Float64:
        there = column in table.colnames
        return numbers(path, table, column, unit) if there else np.full(n_sources, default)

    names: Names = texts(table["name"]) if "name" in table.colnames else Numbered(path.stem, n_sources)
    widths = [optional(column, "arcsec", 0.0) * _ARCSEC_RAD for column in _SHAPE[:2]]
    curvature = unless_zero(optional("curvature", "", 0.0))
    sky = Components(
        names=names,
        ra_rad=np.radians(numbers(path, table, "ra", "deg")),
        dec_rad=np.radians(numbers(path, table, "dec", "deg")),
        stokes_jy=np.stack(
            [numbers(path, table, "i", "Jy"), *(optional(stokes, "Jy", 0.0) for stokes in "quv")], axis=-1
        ),
        reference_hz=optional("reference", "Hz", _DEFAULT_REFERENCE_HZ),
        spectral_index=optional("spectral_index", "", 0.0),
        higher_terms=None if curvature is None else curvature[:, np.newaxis],
        rotation_measure=unless_zero(optional("rotation_measure", "rad/m2", 0.0)),
        shape_rad=unless_zero(np.stack([*widths, np.radians(optional("position_angle", "deg", 0.0))], axis=-1)),
    )
    check_components(sky, str(path), range(1, n_sources + 1))
    return sky, notes


def _unused_columns(entry: CatalogueEntry, table: Any) -> list[str]:
    """Say which columns are not used; refuse those that look like a slip of the pen."""
    unused = [name for name in table.colnames if name not in _REQUIRED + _OPTIONAL]
    missing = [name for name in _OPTIONAL if name not in table.colnames and len(name) > 1]
    for name in unused:
        near = difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.8)
        if near:
            raise ConfigError(
                f"{entry.catalogue}: column {name!r} is not known; did you mean {near[0]!r}? Rename the "
                "column, or remove it"
            )
    return [f"{entry.catalogue.name}: columns not used: {', '.join(unused)}"] if unused else []
