"""Sky models of OSKAR, the form with named columns (since OSKAR 2.12) and the fixed one.

Both are described in OSKAR's documentation, "Sky Model" and "Sky Model File (fixed format)".
"""

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
_FIXED: Final = (
    *("ra_deg", "dec_deg", "i", "q", "u", "v", "reference", "spectral_index", "rotation_measure"),
    *("major", "minor", "position_angle"),
)

#: What columns hold, and how their names (in lower case) begin; the first that fits counts, and "$" ends a name.
#: Columns that hold "refused" must be empty.
_BEGINNINGS: Final = (
    ("ra_deg", ("rad", "ra_deg")),
    ("dec_deg", ("decd", "dec_deg")),
    ("ra", ("ra",)),
    ("dec", ("de",)),
    ("i", ("i$", "i_", "stokesi", "stokes_i", "int_flux", "fint")),
    ("q", ("q$", "q_", "stokesq", "stokes_q")),
    ("u", ("u$", "u_", "stokesu", "stokes_u")),
    ("v", ("v$", "v_", "stokesv", "stokes_v")),
    ("reference", ("referencefreq", "reffreq", "reference_freq", "ref_freq")),
    ("curvature", ("spectralcurv", "spectral_curv", "spec_curv")),
    ("spectral_index", ("sp", "alpha")),
    ("rotation_measure", ("rot", "rm")),
    ("logarithmic", ("logarithmicsi$", "log_spec_idx$")),
    ("major", ("maj",)),
    ("minor", ("min",)),
    ("position_angle", ("ori", "positionang", "position_ang", "pos_ang", "pa$", "pa_")),
    ("name", ("name$",)),
    ("refused", ("frequencyinc", "freqinc", "frequency_inc", "freq_inc", "linewidth", "line_width")),
    ("refused", ("pol", "referencewave", "refwave", "reference_wave", "ref_wave")),
    ("refused", ("semimaj", "semi_maj", "semimin", "semi_min", "a$", "b$")),
)


def read_oskar_sky(path: Path) -> tuple[Components, list[str]]:
    """Read a sky model of either form.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    sky, notes
        The sources, and lines for people about what was not used.

    Raises
    ------
    ConfigError
        If the file, a column or a number is missing or bad.
    """
    lines = read_lines(path)
    table = NamedColumns(path, lines)
    sources = Collected(path)
    notes = []
    if table.is_there:
        notes = _read_named(path, table, sources)
    else:
        _read_fixed(path, lines, sources)
    return sources.components(), notes


def _read_fixed(path: Path, lines: list[str], sources: Collected) -> None:
    """Read columns in their fixed order; eleven are those of files from before rotation measures."""
    for line, text in enumerate(lines, 1):
        fields = text.partition("#")[0].replace(",", " ").split()
        if not fields:
            continue
        columns: tuple[str, ...] = _FIXED
        if len(fields) == 11:
            columns = (*_FIXED[:8], *_FIXED[9:])
        elif not (3 <= len(fields) <= 9 or len(fields) == 12):
            raise ConfigError(
                f"{path}:{line}: has {len(fields)} columns; OSKAR's fixed form has 3 to 9, 11 or 12: RA, Dec, I, Q, U, "
                "V, reference frequency, spectral index, rotation measure, major, minor, position angle"
            )
        _add(sources, f"{path}:{line}", line, dict(zip(columns, fields, strict=False)))


def _read_named(path: Path, table: NamedColumns, sources: Collected) -> list[str]:
    """Read columns by their names; return notes."""
    written = [name for name, _ in table.columns()]
    meanings = [_meaning(name) for name in written]
    known = [meaning.removesuffix("_deg") for meaning in meanings if meaning and meaning != "refused"]
    twice = next((meaning for meaning in known if known.count(meaning) > 1), None)
    if twice is not None:
        raise ConfigError(
            f"{path}: several columns hold {twice} ({', '.join(written)}); flux densities at several frequencies are "
            "not read: keep one column"
        )
    for wanted in ("ra", "dec", "i"):
        if wanted not in known:
            raise ConfigError(f"{path}: the format line has no column for {wanted}; columns: {', '.join(written)}")
    for line, fields in table.rows():
        where = f"{path}:{line}"
        for name, meaning, text in zip(written, meanings, fields, strict=True):
            if meaning == "refused" and text:
                raise ConfigError(f"{where}: {name} is {text!r}; this column is not read: {_remedy(name)}")
        row = {meaning: text for meaning, text in zip(meanings, fields, strict=True) if meaning}
        _add(sources, where, line, row)
    unused = [name for name in written if name and name.lower() != "type" and _meaning(name) is None]
    return [f"{path.name}: columns not used: {', '.join(unused)}"] if unused else []


def _meaning(name: str) -> str | None:
    """Say what a column holds; None for what is of no concern."""
    ended = f"{name.lower()}$"
    return next((meaning for meaning, beginnings in _BEGINNINGS if ended.startswith(beginnings)), None)


def _remedy(name: str) -> str:
    """Say what to do about a column that is not read."""
    lower = name.lower()
    if lower.startswith("pol"):
        return "give Stokes Q and U at the reference frequency"
    if lower.startswith("ref"):
        return "give Stokes Q and U at ReferenceFrequency"
    if lower.startswith(("semi", "a", "b")):
        return "give full widths at half maximum as MajorAxis and MinorAxis"
    return "spectra of lines, and flux densities at several frequencies, must be given as a spectrum of a source"


def _add(sources: Collected, where: str, line: int, row: dict[str, str]) -> None:
    """Take one source."""
    if row["i"][:1] in ("[", "("):
        raise ConfigError(f"{where}: i is a list; {_remedy('i')}")
    spectrum = natural(terms(where, "spectral index", row.get("spectral_index", "")))
    # As OSKAR does: anything but f(alse), n(o) and 0 is true.
    is_ordinary = row.get("logarithmic", "true").lower()[:1] in ("f", "n", "0")
    if is_ordinary:
        spectrum = terms(where, "spectral index", row["spectral_index"]) if "spectral_index" in row else ()
    curvature = number(where, "curvature", row.get("curvature", ""))
    if curvature:
        if is_ordinary or len(spectrum) > 1:
            raise ConfigError(
                f"{where}: has a curvature and a spectral index of several terms, or of no logarithm; give one of them"
            )
        spectrum = (*(spectrum or (0.0,)), curvature)
    major, minor = (number(where, key, row.get(key, "")) * _ARCSEC_RAD for key in ("major", "minor"))
    if (major == 0) != (minor == 0):
        raise ConfigError(f"{where}: only one of the widths major and minor is zero; give both, or none for a point")
    ra, dec = (
        angle_rad(where, key, row[key], in_hours=key == "ra", bare="rad")
        if key in row
        else angle_rad(where, key, row[f"{key}_deg"], in_hours=key == "ra", bare="deg")
        for key in ("ra", "dec")
    )
    numbers = {key: number(where, key, row.get(key, "")) for key in ("q", "u", "v", "reference", "rotation_measure")}
    sources.add(
        line,
        row.get("name", ""),
        spectrum,
        is_ordinary=is_ordinary,
        ra=ra,
        dec=dec,
        i=needed(where, "i", row["i"]),
        major=major,
        minor=minor,
        position_angle=math.radians(number(where, "position angle", row.get("position_angle", ""))),
        **numbers,
    )
