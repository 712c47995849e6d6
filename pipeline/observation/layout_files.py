"""Readers of station layouts in text files; every complaint names file, line, value, rule and remedy."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError

Float64 = npt.NDArray[np.float64]

# Farther than this from the origin no station shares a horizon with it: the file holds something else.
_FARTHEST_ENU_M = 1e6
# Farther than this from its station's position no element shares a beam former with it.
_FARTHEST_ELEMENT_M = 1e4
# The Earth's polar and equatorial radii (WGS84), with room for ocean trenches and high mountains.
_GEOCENTRIC_RADII_M = (6.33e6, 6.41e6)
_OSKAR_LAYOUTS = ("layout.txt", "layout_ecef.txt", "layout_wgs84.txt")
# Files of an OSKAR station that change its beam in ways Dawnstream does not compute.
_OSKAR_NOT_COMPUTED = (
    "apodi[sz]ation*.txt",
    "cable_length_error*.txt",
    "element_pattern*",
    "element_types.txt",
    "feed_angle*.txt",
    "gain_model.h5",
    "gain_phase*.txt",
    "*HARP*.h5",
    "layout_[xy].txt",
    "layout_ecef.txt",
    "layout_wgs84.txt",
    "mount_type*.txt",
    "permitted_beams.txt",
)
#: The file of an OSKAR telescope folder that says which station folder is whose.
STATION_TYPES = "station_type_map.txt"


@dataclasses.dataclass(frozen=True)
class TextTable:
    """Numbers of a text file.

    Attributes
    ----------
    path
        The file.
    values
        (row, column) float64; columns that a line leaves out are zero.
    lines
        (row,) line numbers, counted from 1.
    """

    path: Path
    values: Float64
    lines: tuple[int, ...]


def read_text_table(path: Path, columns: str, required: int) -> TextTable:
    """Read lines of numbers, separated by commas or blanks, with comments behind '#'.

    Parameters
    ----------
    path
        The file.
    columns
        What the columns hold, in words: "east north up"; their number is the most a line may have.
    required
        The number of columns every line must have; the others default to zero.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a line does not hold the numbers it should.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text ({error}); give a readable text file") from error
    names = columns.split()
    rows: list[list[float]] = []
    lines: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.split("#")[0].strip()
        if not content:
            continue
        row = [_finite(path, number, word) for word in re.split(r"\s*,\s*|\s+", content)]
        _check_width(f"{path}:{number}: {content!r} has {len(row)} values", row, rows, names, required)
        rows.append(row)
        lines.append(number)
    if not rows:
        raise ConfigError(f"{path}: holds no values; give one line of {', '.join(names)} each")
    values = np.zeros((len(rows), len(names)))
    values[:, : len(rows[0])] = rows
    return TextTable(path, values, tuple(lines))


def _check_width(found: str, row: list[float], rows: list[list[float]], names: list[str], required: int) -> None:
    """Refuse a row of a length that is not allowed, or not that of the rows before."""
    if not required <= len(row) <= len(names):
        counts = f"{required} or {len(names)}" if required < len(names) else f"{required}"
        raise ConfigError(f"{found}; a line holds {counts}: {', '.join(names)}")
    if rows and len(row) != len(rows[0]):
        raise ConfigError(f"{found}, the first line {len(rows[0])}; give every line the same number of values")


def _finite(path: Path, number: int, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(
            f"{path}:{number}: {word!r} is not a finite number; separate numbers by commas or blanks, "
            "and start headings and comments with '#'"
        )
    return value


def read_enu(path: Path) -> TextTable:
    """Read stations as east, north and, optionally, up in metres; values (station, 3)."""
    table = read_text_table(path, "east north up", required=2)
    _refuse(
        table,
        np.abs(table.values).max(axis=1) > _FARTHEST_ENU_M,
        f"east, north and up lie within {_FARTHEST_ENU_M / 1e3:g} km of the array's centre; "
        "write 'format: geocentric' in the configuration if these are geocentric positions",
    )
    return table


def read_geocentric(path: Path) -> TextTable:
    """Read stations as geocentric (ITRF) X, Y, Z in metres; values (station, 3)."""
    table = read_text_table(path, "X Y Z", required=3)
    radius = np.linalg.norm(table.values, axis=1)
    lowest, highest = _GEOCENTRIC_RADII_M
    _refuse(
        table,
        (radius < lowest) | (radius > highest),
        f"a geocentric position lies {lowest / 1e3:g} to {highest / 1e3:g} km from the Earth's centre; "
        "give X Y Z in metres, or write 'format: enu' in the configuration if these are east, north, up",
    )
    return table


def read_degrees(path: Path) -> TextTable:
    """Read longitude and latitude in degrees and, optionally, height in metres; values (row, 3)."""
    table = read_text_table(path, "longitude latitude height", required=2)
    longitude, latitude = table.values[:, 0], table.values[:, 1]
    _refuse(
        table,
        (np.abs(longitude) > 360) | (np.abs(latitude) > 90),
        "longitude comes first, within ±360 degrees, then latitude, within ±90 degrees (WGS84)",
    )
    return table


def _refuse(table: TextTable, wrong: npt.NDArray[np.bool_], rule: str) -> None:
    """Name the first wrong row, if there is one."""
    if wrong.any():
        row = int(np.argmax(wrong))
        shown = " ".join(f"{value:.10g}" for value in table.values[row])
        raise ConfigError(f"{table.path}:{table.lines[row]}: {shown}: {rule}")


def find_oskar_layout(folder: Path) -> Path:
    """Return the one layout file at the top of an OSKAR telescope folder.

    Raises
    ------
    ConfigError
        If there is none, or more than one.
    """
    found = [folder / name for name in _OSKAR_LAYOUTS if (folder / name).is_file()]
    if len(found) != 1:
        names = " and ".join(path.name for path in found) or "no layout"
        raise ConfigError(
            f"{folder}: holds {names}; an OSKAR telescope folder holds exactly one of {', '.join(_OSKAR_LAYOUTS)}"
        )
    return found[0]


def read_oskar_position(folder: Path) -> tuple[float, float, float]:
    """Return longitude [rad], latitude [rad] and height [m] from an OSKAR folder's position.txt.

    Raises
    ------
    ConfigError
        If the file is not there or does not hold one position.
    """
    path = folder / "position.txt"
    if not path.is_file():
        raise ConfigError(
            f"{path}: no such file; an OSKAR telescope folder says where it lies in position.txt: "
            "longitude and latitude in degrees and, optionally, height in metres"
        )
    table = read_degrees(path)
    if len(table.lines) != 1:
        raise ConfigError(f"{path}: holds {len(table.lines)} positions; leave the one of the array's centre")
    longitude, latitude, height = table.values[0].tolist()
    return math.radians(longitude), math.radians(latitude), height


def read_elements(path: Path) -> TextTable:
    """Read a station's elements as east, north and, optionally, up in metres; values (element, 3)."""
    table = read_text_table(path, "east north up", required=2)
    _refuse(
        table,
        np.abs(table.values).max(axis=1) > _FARTHEST_ELEMENT_M,
        f"an element lies within {_FARTHEST_ELEMENT_M / 1e3:g} km of its station's position; give east, north and, "
        "optionally, up in metres from there",
    )
    return table


def find_station_folders(folder: Path) -> list[Path]:
    """Return the folders of single stations in an OSKAR telescope folder, in alphabetical order, as OSKAR does.

    Raises
    ------
    ConfigError
        If there are none.
    """
    found = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not found:
        raise ConfigError(f"{folder}: holds no folders; give one per station, each with a layout.txt, or one for all")
    return found


def read_station_folder(folder: Path) -> Float64:
    """Read the elements of an OSKAR station folder, (element, 3) float64, m: east, north, up.

    Raises
    ------
    ConfigError
        If there is no layout.txt, or the folder holds stations itself or what changes a beam in other ways.
    """
    layout = folder / "layout.txt"
    if not layout.is_file():
        raise ConfigError(f"{layout}: no such file; a station's folder holds its elements as east, north, up in metres")
    others = sorted(path.name for pattern in _OSKAR_NOT_COMPUTED for path in folder.glob(pattern))
    others += sorted(path.name for path in folder.iterdir() if path.is_dir())
    if others:
        raise ConfigError(
            f"{folder}: holds {', '.join(others)}, which OSKAR takes into a station's beam and Dawnstream does not; "
            "remove what the beam is to be computed without"
        )
    return read_elements(layout).values


def read_station_types(folder: Path, n_folders: int) -> npt.NDArray[np.int64] | None:
    """Read which station folder is whose, (station,) int64 counted from zero; None if no file says so.

    Raises
    ------
    ConfigError
        If a number is not that of a folder.
    """
    path = folder / STATION_TYPES
    if not path.is_file():
        return None
    table = read_text_table(path, "type", required=1)
    types = table.values[:, 0]
    _refuse(
        table,
        (types != np.floor(types)) | (types < 0) | (types >= n_folders),
        f"a type is the number of one of the {n_folders} folders in alphabetical order, counted from 0",
    )
    return types.astype(np.int64)
