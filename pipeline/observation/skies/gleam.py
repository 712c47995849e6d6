"""The GLEAM extragalactic catalogue (Hurley-Walker et al. 2017, MNRAS 464, 1146), with VizieR's columns (VIII/100)."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Float64
from pipeline.observation.skies.components import Components, check_components, unless_zero
from pipeline.observation.skies.spectra import Table
from pipeline.observation.skies.table_columns import need_columns, numbers, read_table, texts

if TYPE_CHECKING:
    from pipeline.config.sources import CatalogueEntry

_REFERENCE_HZ: Final = 200e6  # of Fintfit200
_SUBBANDS_MHZ: Final = (
    *(76, 84, 92, 99, 107, 115, 122, 130, 143, 151),
    *(158, 166, 174, 181, 189, 197, 204, 212, 220, 227),
)
_FITTED: Final = {"awide": "arcsec", "bwide": "arcsec", "pawide": "deg"}
_PSF: Final = {"psfawide": "arcsec", "psfbwide": "arcsec", "psfPAwide": "deg"}


def read_gleam(entry: CatalogueEntry) -> tuple[Components, list[str]]:
    """Read GLEAM sources with their fits, or with their flux densities in the sub-bands.

    Parameters
    ----------
    entry
        The file and its options.

    Returns
    -------
    sky, notes
        The sources, and lines for people about what was left out.

    Raises
    ------
    ConfigError
        If the file, a column or a number is missing or bad.
    """
    table = read_table(entry.catalogue)
    need_columns(entry.catalogue, table, ["GLEAM", "RAJ2000", "DEJ2000"], "format 'gleam'")
    sky, keep, notes = (_subbands if entry.spectrum == "subbands" else _fits)(entry, table)
    if entry.shapes:
        sky = dataclasses.replace(sky, shape_rad=_shapes(entry, table[keep]))
    check_components(sky, str(entry.catalogue), np.flatnonzero(keep) + 1)
    for spectrum in sky.tables:
        spectrum.check_numbers(sky.label)
    return sky, notes


def _sources(
    entry: CatalogueEntry, table: Any, flux_jy: Float64, reference_hz: Float64, index: Float64, *spectra: Table
) -> Components:
    """Put the rows of a table together."""
    return Components(
        names=texts(f"GLEAM {name}" for name in table["GLEAM"]),
        ra_rad=np.radians(numbers(entry.catalogue, table, "RAJ2000", "deg")),
        dec_rad=np.radians(numbers(entry.catalogue, table, "DEJ2000", "deg")),
        stokes_jy=np.stack([flux_jy, *np.zeros((3, len(table)))], axis=-1),
        reference_hz=reference_hz,
        spectral_index=index,
        tables=spectra,
    )


def _fits(entry: CatalogueEntry, table: Any) -> tuple[Components, npt.NDArray[np.bool_], list[str]]:
    """Take Fintfit200 and alpha, or one sub-band where there is no fit."""
    band, path = entry.band, entry.catalogue
    need_columns(path, table, ["Fintfit200", "alpha", *([band] if band else [])], "format 'gleam'")
    flux_jy = numbers(path, table, "Fintfit200", "Jy")
    index = numbers(path, table, "alpha", "")
    reference_hz = np.full(len(table), _REFERENCE_HZ)
    without = ~(np.isfinite(flux_jy) & np.isfinite(index))
    keep = np.ones(len(table), dtype=bool)
    count = f"{path.name}: {without.sum()} of {len(table)} sources have no fitted spectrum"
    if band:
        flux_jy = np.where(without, numbers(path, table, band, "Jy"), flux_jy)
        index = np.where(without, 0.0, index)
        reference_hz[without] = _band_hz(entry, band)
        note = f"{count} and are taken at their flux density in {band}, with spectral index 0"
    else:
        keep = ~without
        note = f"{count} and are left out: {_first(table['GLEAM'][without])}"
    sky = _sources(entry, table[keep], flux_jy[keep], reference_hz[keep], index[keep])
    return sky, keep, [note] if without.any() else []


def _subbands(entry: CatalogueEntry, table: Any) -> tuple[Components, npt.NDArray[np.bool_], list[str]]:
    """Take the flux densities in the twenty sub-bands; sources that lack one are left out."""
    columns = [f"Fint{mhz:03d}" for mhz in _SUBBANDS_MHZ]
    need_columns(entry.catalogue, table, columns, "spectrum: subbands")
    planes = np.array([numbers(entry.catalogue, table, column, "Jy") for column in columns])
    keep = np.isfinite(planes).all(axis=0)
    spectrum = Table(
        str(entry.catalogue),
        None,
        np.array(_SUBBANDS_MHZ) * 1e6,
        planes[:, keep, np.newaxis],
        entry.interpolation,
        is_unpolarised=True,
    )
    zeros = np.zeros(keep.sum())
    sky = _sources(entry, table[keep], zeros, zeros + _REFERENCE_HZ, zeros, spectrum)
    note = (
        f"{entry.catalogue.name}: {(~keep).sum()} of {len(table)} sources lack a flux density in a sub-band and are "
        f"left out: {_first(table['GLEAM'][~keep])}"
    )
    return sky, keep, [] if keep.all() else [note]


def _first(names: Any) -> str:
    """List the first five names."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(str(name) for name in names[:5]) + more


def _band_hz(entry: CatalogueEntry, band: str) -> float:
    """Return the frequency in the name of one of GLEAM's columns: Fint151 is at 151 MHz."""
    match = re.fullmatch(r"Fint(\d{3})", band)
    if match is None:
        raise ConfigError(
            f"{entry.catalogue}: band: {band!r} does not say its frequency; choose one of GLEAM's columns "
            "Fint076 to Fint227, such as Fint151 (151 MHz)"
        )
    return float(match.group(1)) * 1e6


def _shapes(entry: CatalogueEntry, table: Any) -> Float64 | None:
    """Return the fitted shapes less the point spread function, (source, 3) float64, rad."""
    from astropy.units import Unit

    path = entry.catalogue
    need_columns(path, table, [*_FITTED, *_PSF], "shapes: true")
    fitted, psf = (
        np.stack([numbers(path, table, name, unit) * Unit(unit).to("rad") for name, unit in columns.items()], axis=-1)
        for columns in (_FITTED, _PSF)
    )
    return unless_zero(deconvolved(fitted, psf))


def deconvolved(fitted_rad: Float64, psf_rad: Float64) -> Float64:
    """Take one Gaussian's shape out of another's.

    Second moments of a convolution add, so the source's are those of the fit less those of the point spread
    function (Wild 1970, AuJPh 23, 113). Along an axis on which the fit is no wider than the latter the source has no
    width.

    Parameters
    ----------
    fitted_rad, psf_rad
        (source, 3) float64, rad: full widths at half maximum, position angle.

    Returns
    -------
    shape_rad
        (source, 3) float64, rad, as `SkyPart.shape_rad`.
    """
    # Moments along north, east and between them; widths at half maximum do for deviations.
    north, east, mixed = (a - b for a, b in zip(_moments(fitted_rad), _moments(psf_rad), strict=True))
    mean, spread = (north + east) / 2, np.hypot((north - east) / 2, mixed)
    # Rounding must not leave a width to a source that is exactly as wide as the point spread function.
    noise = 8 * np.finfo(np.float64).eps * fitted_rad[:, 0] ** 2
    major, minor = (np.sqrt(np.where(square > noise, square, 0)) for square in (mean + spread, mean - spread))
    angle = np.where(major > 0, np.arctan2(2 * mixed, north - east) / 2, 0.0)
    shape: Float64 = np.stack([major, minor, angle], axis=-1)
    return shape


def _moments(shape_rad: Float64) -> tuple[Float64, Float64, Float64]:
    """Return squares of widths along north and east, and their mixed moment."""
    major, minor, angle = shape_rad.T
    cos, sin = np.cos(angle), np.sin(angle)
    return (
        (major * cos) ** 2 + (minor * sin) ** 2,
        (major * sin) ** 2 + (minor * cos) ** 2,
        (major**2 - minor**2) * sin * cos,
    )
