"""Component lists of WSClean (https://sourceforge.net/p/wsclean/wiki/ComponentList)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from pipeline.errors import ConfigError
from pipeline.observation.skies.components import Components
from pipeline.observation.skies.text_lines import (
    Collected,
    NamedColumns,
    angle_rad,
    natural,
    needed,
    number,
    read_lines,
    terms,
)

_ARCSEC_RAD: Final = math.pi / 648000
_REQUIRED: Final = ("name", "type", "ra", "dec", "i")
_OPTIONAL: Final = (
    *("patch", "q", "u", "v", "spectralindex", "logarithmicsi", "referencefrequency"),
    *("majoraxis", "minoraxis", "orientation"),
)
_BOOLEANS: Final = {"": True, "true": True, "false": False}


def read_wsclean(path: Path) -> tuple[Components, list[str]]:
    """Read a component list.

    Parameters
    ----------
    path
        The file, such as ``PREFIX-sources.txt``.

    Returns
    -------
    sky, notes
        The sources, and lines for people about what was not used.

    Raises
    ------
    ConfigError
        If the file, a column or a number is missing or bad.
    """
    table = NamedColumns(path, read_lines(path))
    if not table.is_there:
        raise ConfigError(
            f"{path}: has no line 'Format = Name, Type, Ra, Dec, I, …', with which WSClean's component lists begin"
        )
    names = [name.lower() for name, _ in table.columns()]
    for name in _REQUIRED:
        if name not in names:
            raise ConfigError(f"{path}: the format line has no column {name!r}; columns: {', '.join(names)}")
    sources = Collected(path)
    n_patches = 0
    for line, fields in table.rows():
        row = dict(zip(names, fields, strict=True))
        if not row["name"] and not row["type"]:
            # The LOFAR tools describe a patch, a group of sources, by a line without name and type.
            n_patches += 1
            continue
        _add(sources, f"{path}:{line}", line, row)
    notes = [f"{path.name}: {n_patches} lines that describe patches are not used"] if n_patches else []
    return sources.components(), notes


def _add(sources: Collected, where: str, line: int, row: dict[str, str]) -> None:
    """Take one source."""
    for name, text in row.items():
        if name and name not in _REQUIRED + _OPTIONAL and text:
            raise ConfigError(f"{where}: {name} is {text!r}; this column is not read: leave it empty, or remove it")
    if any(number(where, stokes, row.get(stokes, "")) for stokes in "quv"):
        raise ConfigError(
            f"{where}: has Stokes Q, U or V, which WSClean does not write, and whose dependence on frequency the "
            "readers of such files do not agree on; use format: oskar or table"
        )
    kind = row["type"].upper()
    if kind not in ("POINT", "GAUSSIAN"):
        raise ConfigError(f"{where}: type {row['type']!r} is not read; it must be POINT or GAUSSIAN")
    spectrum = terms(where, "SpectralIndex", row.get("spectralindex", ""))
    logarithmic = _BOOLEANS.get(row.get("logarithmicsi", "").lower())
    if logarithmic is None:
        raise ConfigError(f"{where}: LogarithmicSI is {row['logarithmicsi']!r}; it must be true or false")
    shape = {}
    if kind == "GAUSSIAN":
        shape = {
            "major": needed(where, "MajorAxis", row.get("majoraxis", "")) * _ARCSEC_RAD,
            "minor": needed(where, "MinorAxis", row.get("minoraxis", "")) * _ARCSEC_RAD,
            "position_angle": math.radians(number(where, "Orientation", row.get("orientation", ""))),
        }
    sources.add(
        line,
        row["name"],
        natural(spectrum) if logarithmic else spectrum,
        is_ordinary=not logarithmic,
        ra=angle_rad(where, "Ra", row["ra"], in_hours=True, bare="rad"),
        dec=angle_rad(where, "Dec", row["dec"], in_hours=False, bare="rad"),
        i=needed(where, "I", row["i"]),
        reference=number(where, "ReferenceFrequency", row.get("referencefrequency", "")),
        **shape,
    )
