"""Readers of catalogues: the GLEAM VOTable, and tables of any kind that astropy reads."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.observation.skies.components import Components, check_components

if TYPE_CHECKING:
    from pipeline.config.sources import CatalogueEntry

Float64 = npt.NDArray[np.float64]

_GLEAM_REFERENCE_HZ: Final = 200e6  # of Fintfit200 (Hurley-Walker et al. 2017, MNRAS 464, 1146)
_DEFAULT_REFERENCE_HZ: Final = 150e6  # as for sources in the configuration
_REQUIRED: Final = ("ra", "dec", "i")
_OPTIONAL: Final = ("q", "u", "v", "spectral_index", "reference", "name")


def read_catalogue(entry: CatalogueEntry) -> tuple[Components, list[str]]:
    """Read one catalogue.

    Parameters
    ----------
    entry
        ``catalogue`` (the file), ``format`` and, for GLEAM, what to do with sources that have no fit.

    Returns
    -------
    sky, notes
        The sources, and lines for people about what was left out or not used.

    Raises
    ------
    ConfigError
        If the file, a column or a number is missing or bad.
    """
    table = _read_table(entry)
    return _gleam(entry, table) if entry.format == "gleam" else _generic(entry, table)


def _read_table(entry: CatalogueEntry) -> Any:
    from astropy.table import Table

    path = entry.catalogue
    kind = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".vot": "votable", ".xml": "votable"}
    try:
        # Other endings: astropy looks at the file.
        table = Table.read(path, format=kind.get(path.suffix.lower()))
    except Exception as error:  # astropy's readers raise whatever their parsers do
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{path}: cannot be read as a table ({type(error).__name__}: {reason}); give a CSV, ECSV, FITS "
            "or VOTable file with the ending .csv, .ecsv, .fits or .vot"
        ) from error
    return table


def _gleam(entry: CatalogueEntry, table: Any) -> tuple[Components, list[str]]:
    """Take Fintfit200 and alpha, or one sub-band where there is no fit."""
    wanted = ["GLEAM", "RAJ2000", "DEJ2000", "Fintfit200", "alpha"]
    band = entry.band if entry.missing_fit == "band-flux" else None
    _need_columns(entry, table, [*wanted, band] if band else wanted)
    flux_jy = _numbers(entry, table, "Fintfit200", "Jy")
    index = _numbers(entry, table, "alpha", "")
    reference_hz = np.full(len(table), _GLEAM_REFERENCE_HZ)
    without_fit = ~(np.isfinite(flux_jy) & np.isfinite(index))
    keep = np.ones(len(table), dtype=bool)
    count = f"{entry.catalogue.name}: {without_fit.sum()} of {len(table)} sources have no fitted spectrum"
    notes = []
    if band:
        flux_jy = np.where(without_fit, _numbers(entry, table, band, "Jy"), flux_jy)
        index = np.where(without_fit, 0.0, index)
        reference_hz[without_fit] = _band_hz(entry, band)
        notes = [f"{count} and are taken at their flux density in {band}, with spectral index 0"]
    else:
        keep = ~without_fit
        lost = ", ".join(str(name) for name in table["GLEAM"][without_fit][:5])
        more = f" and {without_fit.sum() - 5} more" if without_fit.sum() > 5 else ""
        notes = [f"{count} and are left out: {lost}{more}"]
    sky = Components(
        names=tuple(f"GLEAM {name}" for name in table["GLEAM"][keep]),
        ra_rad=np.radians(_numbers(entry, table, "RAJ2000", "deg")[keep]),
        dec_rad=np.radians(_numbers(entry, table, "DEJ2000", "deg")[keep]),
        stokes_jy=np.stack([flux_jy[keep], *np.zeros((3, keep.sum()))], axis=-1),
        reference_hz=reference_hz[keep],
        spectral_index=index[keep],
    )
    check_components(sky, str(entry.catalogue), tuple((np.flatnonzero(keep) + 1).tolist()))
    return sky, notes if without_fit.any() else []


def _band_hz(entry: CatalogueEntry, band: str) -> float:
    """Return the frequency in the name of one of GLEAM's columns: Fint151 is at 151 MHz."""
    match = re.fullmatch(r"Fint(\d{3})", band)
    if match is None:
        raise ConfigError(
            f"{entry.catalogue}: band: {band!r} does not say its frequency; choose one of GLEAM's columns "
            "Fint076 to Fint227, such as Fint151 (151 MHz)"
        )
    return float(match.group(1)) * 1e6


def _generic(entry: CatalogueEntry, table: Any) -> tuple[Components, list[str]]:
    """Take the columns ra, dec, i and, if there, q, u, v, spectral_index, reference and name."""
    _need_columns(entry, table, list(_REQUIRED))
    notes = _unused_columns(entry, table)
    n_sources = len(table)

    def optional(column: str, unit: str, default: float) -> Float64:
        there = column in table.colnames
        return _numbers(entry, table, column, unit) if there else np.full(n_sources, default)

    stem = entry.catalogue.stem
    names = table["name"] if "name" in table.colnames else [f"{stem}-{row}" for row in range(1, n_sources + 1)]
    sky = Components(
        names=tuple(str(name) for name in names),
        ra_rad=np.radians(_numbers(entry, table, "ra", "deg")),
        dec_rad=np.radians(_numbers(entry, table, "dec", "deg")),
        stokes_jy=np.stack(
            [_numbers(entry, table, "i", "Jy"), *(optional(stokes, "Jy", 0.0) for stokes in "quv")], axis=-1
        ),
        reference_hz=optional("reference", "Hz", _DEFAULT_REFERENCE_HZ),
        spectral_index=optional("spectral_index", "", 0.0),
    )
    check_components(sky, str(entry.catalogue), tuple(range(1, n_sources + 1)))
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


def _need_columns(entry: CatalogueEntry, table: Any, wanted: list[str]) -> None:
    for name in wanted:
        if name not in table.colnames:
            near = difflib.get_close_matches(name, table.colnames, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"{entry.catalogue}: has no column {name!r}, which format {entry.format!r} needs; {hint}"
                f"columns: {', '.join(table.colnames)}"
            )


def _numbers(entry: CatalogueEntry, table: Any, column: str, unit: str) -> Float64:
    """Return a column as float64 in `unit`, which is also what bare numbers are taken in; missing is NaN."""
    from astropy.coordinates import Angle
    from astropy.units import Quantity, UnitConversionError

    values = table[column]
    try:
        if unit == "deg" and values.dtype.kind in "UO":
            # Angles as text, such as 0h10m and -27d.
            degrees: Float64 = Angle(list(values), unit="deg").deg
            return degrees
        # Missing values are NaN from here on.
        filled = values.astype(np.float64)
        filled = filled.filled(np.nan) if hasattr(filled, "filled") else filled
        # A column with a unit is converted, one without is taken as it is.
        numbers: Float64 = np.asarray(Quantity(filled, unit).value, dtype=np.float64)
    except (ValueError, TypeError, UnitConversionError) as error:
        raise ConfigError(
            f"{entry.catalogue}: column {column!r} does not hold numbers in {unit or 'no unit'} ({error}); "
            "give every row a number, or the column a unit that can be turned into it"
        ) from error
    return numbers
