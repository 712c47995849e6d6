"""Text files of sources, one a line: columns named by a format line, angles as text, sources gathered."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.errors import ConfigError
from pipeline.observation.skies.components import (
    Components,
    Names,
    Numbered,
    check_components,
    padded,
    unless_zero,
)

_HEADER: Final = re.compile(r"\s*#?\s*(?:format\s*=\s*(?P<after>.*)|(?P<before>.*?)\s*=\s*format)\s*", re.IGNORECASE)
# Quotes and brackets keep commas and blanks together; a comma, or blanks alone, end a field.
_FIELD: Final = re.compile(r"""((?:"[^"]*"|'[^']*'|\[[^\]]*\]|\([^)]*\)|[^\s,"'\[(])*)(\s*,\s*|\s+|$)""")
_SEXAGESIMAL: Final = re.compile(r"([+-]?)(\d+)([:hd.])(\d+)([:m.])(\d+(?:\.\d*)?)s?")
_ANGLE: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(deg|rad)?")
_NUMBERS: Final = (
    *("ra", "dec", "i", "q", "u", "v", "reference", "rotation_measure"),
    *("major", "minor", "position_angle"),
)
#: A frequency for sources whose flux densities do not depend on it.
ANY_HZ: Final = 150e6


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file.

    Raises
    ------
    ConfigError
        If it cannot be read, or is not text.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text ({error}); give a text file of sources") from error


def split_fields(text: str) -> list[str] | None:
    """Split at commas and blanks outside of quotes and brackets; None where one of these is not closed."""
    fields, place = [], 0
    text = text.strip()
    while True:
        match = _FIELD.match(text, place)
        if match is None:
            return None
        fields.append(match[1])
        place = match.end()
        if place == len(text):
            return fields


class NamedColumns:
    """A text file whose format line names its columns.

    Parameters
    ----------
    path
        What to call the file in messages.
    lines
        Its lines.
    """

    def __init__(self, path: Path, lines: Sequence[str]) -> None:
        self.path = path
        self._lines = lines
        self._header = next((number for number, line in enumerate(lines) if _HEADER.fullmatch(line)), None)

    @property
    def is_there(self) -> bool:
        """Whether there is a format line."""
        return self._header is not None

    def columns(self) -> list[tuple[str, str]]:
        """Return every column's name, as it is written, and its default, empty if there is none."""
        assert self._header is not None
        match = _HEADER.fullmatch(self._lines[self._header])
        assert match is not None
        text = (match["after"] if match["before"] is None else match["before"]).strip()
        if text[:1] in ("(", "[") and text[-1:] in (")", "]"):
            text = text[1:-1]
        fields = split_fields(text)
        if fields is None:
            raise ConfigError(f"{self.path}:{self._header + 1}: a quote or bracket is not closed; close it")
        return [(name, unquoted(default)) for name, _, default in (field.partition("=") for field in fields)]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Give every source's line number (from 1) and its fields, defaults filled in."""
        assert self._header is not None
        columns = self.columns()
        defaults = [default for _, default in columns]
        for number, line in enumerate(self._lines[self._header + 1 :], self._header + 2):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            fields = split_fields(text)
            if fields is None:
                raise ConfigError(f"{self.path}:{number}: a quote or bracket is not closed; close it")
            if len(fields) > len(columns):
                raise ConfigError(
                    f"{self.path}:{number}: has {len(fields)} fields, the format line names {len(columns)}; "
                    "give as many, and put a name that holds blanks or commas in quotes"
                )
            fields += [""] * (len(columns) - len(fields))
            yield number, [unquoted(field) or default for field, default in zip(fields, defaults, strict=True)]


def unquoted(text: str) -> str:
    """Take quotes off."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def number(where: str, column: str, text: str) -> float:
    """Return a number; an empty field is zero, as a source without the quantity has it.

    Raises
    ------
    ConfigError
        If the text is none.
    """
    try:
        return float(text) if text else 0.0
    except ValueError:
        raise ConfigError(f"{where}: {column}: {text!r} is not a number; give one, or leave the field empty") from None


def needed(where: str, column: str, text: str) -> float:
    """Return a number that must be there."""
    if not text:
        raise ConfigError(f"{where}: {column} is missing; give it")
    return number(where, column, text)


def terms(where: str, column: str, text: str) -> tuple[float, ...]:
    """Return one number, or those in brackets; an empty field has none."""
    inner = text[1:-1] if text[:1] in ("[", "(") else text
    return tuple(number(where, column, one) for one in inner.replace(",", " ").split())


def angle_rad(where: str, column: str, text: str, *, in_hours: bool, bare: str) -> float:
    """Return an angle in rad.

    Parameters
    ----------
    where, column, text
        The place, the name of the column, and what stands there: ``08:28:05.152``, ``8h28m5.152s``, ``-26.42.11.9``,
        ``-26d42m11.9s``, ``0.3rad``, ``20deg`` or a number.
    in_hours
        Whether sexagesimal angles are hours.
    bare
        The unit of a number alone, ``deg`` or ``rad``.

    Raises
    ------
    ConfigError
        If it is no angle, or its minutes or seconds reach 60.
    """
    match = _SEXAGESIMAL.fullmatch(text)
    if match is not None and (match[3] not in "d." if in_hours else match[3] != "h"):
        minutes, seconds = float(match[4]), float(match[6])
        if minutes < 60 and seconds < 60:
            degrees = (float(match[2]) + minutes / 60 + seconds / 3600) * (15 if in_hours else 1)
            return math.radians(-degrees if match[1] == "-" else degrees)
    plain = _ANGLE.fullmatch(text)
    if plain is None:
        example = "08:28:05.152 or 127.02deg" if in_hours else "-26.42.11.9 or -26.703deg"
        raise ConfigError(f"{where}: {column}: {text!r} is not an angle; write it as {example}")
    value, unit = float(plain[1]), plain[2] or bare
    if unit == "rad" and abs(value) > 2 * math.pi:
        raise ConfigError(f"{where}: {column}: {text} rad is more than a turn; write {text}deg if degrees are meant")
    return math.radians(value) if unit == "deg" else value


class Collected:
    """Sources of a text file, gathered line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = array("q")
        self._numbers = {key: array("d") for key in _NUMBERS}
        self._terms: list[tuple[float, ...]] = []
        self._ordinary = array("b")
        self._names: list[str] = []

    def add(self, line: int, name: str, spectrum: tuple[float, ...], *, is_ordinary: bool, **values: float) -> None:
        """Take a source.

        Parameters
        ----------
        line
            Where it stands, from 1.
        name
            Its name; the sources are numbered unless all have one.
        spectrum
            Terms of its polynomial, in ln(frequency), or in Jy if `is_ordinary`.
        is_ordinary
            As `Components.is_ordinary`.
        values
            Angles (rad), flux densities (Jy), ``reference`` (Hz) and ``rotation_measure`` (rad/m2); none is zero.
        """
        if not values.get("reference"):
            if any(spectrum) or values.get("rotation_measure"):
                raise ConfigError(
                    f"{self._path}: row {line} ({name or 'unnamed'}): has a spectrum or a rotation measure, but its "
                    "reference frequency is missing or zero; give it in Hz"
                )
            values["reference"] = ANY_HZ
        self._lines.append(line)
        self._names.append(name)
        self._terms.append(spectrum or (0.0,))
        self._ordinary.append(is_ordinary)
        for key, column in self._numbers.items():
            column.append(values.get(key, 0.0))

    def components(self) -> Components:
        """Return the sources, checked."""
        columns = {key: np.array(column, dtype=np.float64) for key, column in self._numbers.items()}
        ordinary = np.array(self._ordinary, dtype=np.bool_)
        names: Names = Numbered(self._path.stem, len(self._names))
        if all(self._names) and self._names:
            names = np.array(self._names, dtype=np.dtypes.StringDType())
        sky = Components(
            names=names,
            ra_rad=columns["ra"],
            dec_rad=columns["dec"],
            stokes_jy=np.stack([columns[stokes] for stokes in "iquv"], axis=-1),
            reference_hz=columns["reference"],
            spectral_index=np.array([spectrum[0] for spectrum in self._terms], dtype=np.float64),
            higher_terms=padded([spectrum[1:] for spectrum in self._terms]),
            is_ordinary=ordinary if ordinary.any() else None,
            rotation_measure=unless_zero(columns["rotation_measure"]),
            shape_rad=unless_zero(np.stack([columns[key] for key in ("major", "minor", "position_angle")], axis=-1)),
        )
        check_components(sky, str(self._path), np.array(self._lines, dtype=np.int64))
        return sky


def natural(base_ten: tuple[float, ...]) -> tuple[float, ...]:
    """Turn terms of powers of log10(nu / nu_0) into those of ln(nu / nu_0).

    (nu / nu_0)^(a_0 + a_1 log10(nu / nu_0) + ...), the spectra of the LOFAR tools, OSKAR and WSClean, is the
    exponential of a_0 x + a_1 / ln(10) x^2 + a_2 / ln(10)^2 x^3 + ..., x = ln(nu / nu_0).
    """
    return tuple(term / math.log(10) ** power for power, term in enumerate(base_ten))
