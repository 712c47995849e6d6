"""The telescope: where its stations are, and which baselines are kept."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import erfa
import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.observation import layout_files

if TYPE_CHECKING:
    from pipeline.config.telescope import TelescopeConfig

Float64 = npt.NDArray[np.float64]
# Longitude [rad], latitude [rad], height [m]: WGS84, geodetic.
Place = tuple[float, float, float]

_FORMATS: Final = "formats: enu and geocentric are text files, oskar is a folder"
_WGS84: Final = 1  # ERFA's number of the ellipsoid
_LAYOUTS: Final = Path(__file__).parent / "layouts"
_SKA_LOW: Final[Place] = (math.radians(116.764448), math.radians(-26.824722), 365.0)


@dataclasses.dataclass(frozen=True)
class NamedArray:
    """An array that comes with Dawnstream: its layout (east, north, up) and the layout's origin."""

    layout: Path
    centre: Place


#: The arrays known by name.
NAMED_ARRAYS: Final[Mapping[str, NamedArray]] = MappingProxyType(
    {
        f"ska-low-{stage.lower()}": NamedArray(_LAYOUTS / f"skalow_{stage}_layout.txt", _SKA_LOW)
        for stage in ("AA0.5", "AA1", "AA2", "AAstar", "AA4")
    }
)


@dataclasses.dataclass(frozen=True)
class Telescope:
    """An array of stations.

    Attributes
    ----------
    name
        What to call it.
    station_names
        (station,) one name each.
    enu_m
        (station, 3) float64, m: east, north, up in the plane that touches the ellipsoid at the centre.
    longitude_rad, latitude_rad, height_m
        The array's centre (WGS84, geodetic).
    """

    name: str
    station_names: tuple[str, ...]
    enu_m: Float64
    longitude_rad: float
    latitude_rad: float
    height_m: float

    @property
    def n_stations(self) -> int:
        """Number of stations."""
        return len(self.station_names)

    @property
    def centre_m(self) -> Float64:
        """Geocentric position of the array's centre, (3,) float64, m."""
        centre: Float64 = erfa.gd2gc(_WGS84, self.longitude_rad, self.latitude_rad, self.height_m)
        return centre

    @property
    def geocentric_m(self) -> Float64:
        """Geocentric (ITRF) positions, (station, 3) float64, m."""
        positions: Float64 = self.centre_m + self.enu_m @ _enu_axes(self.longitude_rad, self.latitude_rad)
        return positions


def load_telescope(config: TelescopeConfig) -> Telescope:
    """Read the array a configuration names.

    Parameters
    ----------
    config
        Section ``telescope`` of the configuration: the name of an array, or the path of an east-north-up
        text, a geocentric text or an OSKAR folder. A folder is taken for OSKAR's and a file for
        east-north-up unless ``format`` says otherwise.

    Raises
    ------
    ConfigError
        If the name is unknown, the file is bad, the location is missing or given twice, or there are fewer
        than two stations or two in one place.
    """
    if isinstance(config.array, str):
        return _load_named(config)
    path = config.array
    kind = config.format or ("oskar" if path.is_dir() else "enu")
    if not path.exists():
        raise ConfigError(f"telescope.array: {path} does not exist; give the path of a layout")
    if path.is_dir() != (kind == "oskar"):
        wanted = "a folder" if kind == "oskar" else "a text file"
        raise ConfigError(f"telescope.array: {path} is not {wanted}, which format {kind!r} asks for; {_FORMATS}")
    if kind == "enu":
        return _from_enu(path.stem, layout_files.read_enu(path), _location(config, path.name))
    _refuse_location(config, path.name)
    if kind == "oskar":
        return _load_oskar(path)
    table = layout_files.read_geocentric(path)
    # The mean lies below the ground by the bulge of the Earth, which does no harm: it is an origin.
    return _from_geocentric(path.stem, table, table.values, _geodetic(table.values.mean(axis=0)))


def _load_named(config: TelescopeConfig) -> Telescope:
    name = str(config.array).lower()
    if name not in NAMED_ARRAYS:
        near = difflib.get_close_matches(name, NAMED_ARRAYS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(
            f"telescope.array: no array is called {config.array!r}; {hint}known arrays: {', '.join(NAMED_ARRAYS)}"
        )
    if config.format is not None:
        raise ConfigError(f"telescope.format: {config.format!r} goes with a path, not with {name!r}; remove it")
    _refuse_location(config, name)
    array = NAMED_ARRAYS[name]
    return _from_enu(name, layout_files.read_enu(array.layout), array.centre)


def _location(config: TelescopeConfig, what: str) -> Place:
    """Return where the configuration says the origin of an east-north-up layout lies."""
    location = config.location
    if location is None:
        raise ConfigError(
            f"telescope.location: is missing; {what} holds east, north, up and does not say where. "
            "Add to telescope: location: {longitude: 116.76 deg, latitude: -26.82 deg, height: 365 m}"
        )
    return location.longitude_rad, location.latitude_rad, location.height_m


def _refuse_location(config: TelescopeConfig, what: str) -> None:
    """Refuse a location that would otherwise be ignored without a word."""
    if config.location is not None:
        raise ConfigError(
            f"telescope.location: {what} already says where it lies; remove location, which only an "
            "east-north-up file needs"
        )


def _load_oskar(folder: Path) -> Telescope:
    """Read the top level of an OSKAR telescope folder; folders of single stations are not looked at."""
    name = folder.resolve().name
    centre = layout_files.read_oskar_position(folder)
    layout = layout_files.find_oskar_layout(folder)
    if layout.name == "layout.txt":
        return _from_enu(name, layout_files.read_enu(layout), centre)
    if layout.name == "layout_ecef.txt":
        table = layout_files.read_geocentric(layout)
        return _from_geocentric(name, table, table.values, centre)
    table = layout_files.read_degrees(layout)
    longitude, latitude, height = table.values.T
    geocentric = erfa.gd2gc(_WGS84, np.radians(longitude), np.radians(latitude), height)
    return _from_geocentric(name, table, geocentric, centre)


def _from_geocentric(name: str, table: layout_files.TextTable, geocentric_m: Float64, centre: Place) -> Telescope:
    """Make a telescope of (station, 3) geocentric metres."""
    longitude, latitude, height = centre
    offset = geocentric_m - erfa.gd2gc(_WGS84, longitude, latitude, height)
    return _from_enu(name, dataclasses.replace(table, values=offset @ _enu_axes(longitude, latitude).T), centre)


def _from_enu(name: str, table: layout_files.TextTable, centre: Place) -> Telescope:
    """Make a telescope of (station, 3) metres, after the checks that are common to all formats."""
    n_stations = len(table.lines)
    if n_stations < 2:
        raise ConfigError(f"{table.path}: holds {n_stations} station; an interferometer needs two or more")
    # To the millimetre: what comes out of a change of coordinates differs in the last digits.
    _, first, inverse = np.unique(np.round(table.values, 3), axis=0, return_index=True, return_inverse=True)
    repeated = np.flatnonzero(first[inverse.reshape(-1)] != np.arange(n_stations))
    if repeated.size:
        again, once = repeated[0], first[inverse.reshape(-1)[repeated[0]]]
        raise ConfigError(
            f"{table.path}:{table.lines[again]}: the station is where the one of line {table.lines[once]} "
            "is; stations stand in different places, remove one of them"
        )
    width = max(3, len(str(n_stations - 1)))
    names = tuple(f"S{station:0{width}d}" for station in range(n_stations))
    return Telescope(name, names, table.values, *centre)


def _enu_axes(longitude_rad: float, latitude_rad: float) -> Float64:
    """Return the geocentric unit vectors towards east, north and up as rows, (3, 3)."""
    sin_lon, cos_lon = math.sin(longitude_rad), math.cos(longitude_rad)
    sin_lat, cos_lat = math.sin(latitude_rad), math.cos(latitude_rad)
    return np.array(
        [
            [-sin_lon, cos_lon, 0.0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        ]
    )


def _geodetic(geocentric_m: Float64) -> Place:
    longitude, latitude, height = erfa.gc2gd(_WGS84, geocentric_m)
    return float(longitude), float(latitude), float(height)


def select_baselines(
    telescope: Telescope, min_m: float, max_m: float | None, autocorrelations: bool
) -> npt.NDArray[np.int32]:
    """Return the pairs of stations to correlate.

    Parameters
    ----------
    telescope
        The array.
    min_m, max_m
        The range of lengths (in three dimensions) that are kept, both ends included; `max_m` None keeps
        all from `min_m` on. Autocorrelations are not asked for their length.
    autocorrelations
        Whether to keep the correlations of stations with themselves.

    Returns
    -------
    (baseline, 2) int32
        Station indices p <= q, ordered (0,0), (0,1), …, (1,1), (1,2), …

    Raises
    ------
    ConfigError
        If no baseline is kept.
    """
    p, q = np.triu_indices(telescope.n_stations)
    length_m = np.linalg.norm(telescope.enu_m[p] - telescope.enu_m[q], axis=1)
    cross = p != q
    keep = cross & (length_m >= min_m) & (length_m <= (math.inf if max_m is None else max_m))
    if not (keep.any() or autocorrelations):
        asked = f"from {min_m:g} m on" if max_m is None else f"from {min_m:g} m to {max_m:g} m"
        raise ConfigError(
            f"telescope.baselines: {telescope.name} has none {asked}; its baselines are "
            f"{length_m[cross].min():.6g} m to {length_m[cross].max():.6g} m long; "
            "choose min and max among them"
        )
    if autocorrelations:
        keep |= ~cross
    return np.stack([p[keep], q[keep]], axis=1).astype(np.int32)
