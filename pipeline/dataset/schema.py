"""The one table of what a band holds: it drives the writer, the reader's checks and docs/dataset.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError

FORMAT = "dawnstream"
FORMAT_VERSION = 1
"""Raised whenever a reader of the version before would go wrong; a reader takes its own version only."""

POLARISATIONS = ("XX", "XY", "YX", "YY")

Array = NDArray[Any]
"""An array whose dtype is checked at run time against a table below."""


@dataclass(frozen=True)
class Variable:
    """One variable of every step: its name, dtype as ADIOS2 keeps it, axes, unit and meaning."""

    name: str
    dtype: str
    axes: tuple[str, ...]
    unit: str
    meaning: str
    by_baseline: bool = False
    """Every writer puts its own slice of baselines; else the first writer puts the whole."""

    def n_bytes(self, sizes: Mapping[str, int]) -> int:
        """Return its size in a step with axes of these lengths, bytes."""
        return int(np.prod(shape_of(self.axes, sizes))) * np.dtype(self.dtype).itemsize


VARIABLES = (
    Variable("dump", "int64", ("time",), "", "index of the dump, from 0"),
    Variable("time_utc", "float64", ("time", "2"), "d", "UTC of the mid-point: MJD day, fraction of a day"),
    Variable(
        "station_uvw",
        "float64",
        ("time", "station", "uvw"),
        "m",
        "stations towards the apparent phase centre; a baseline's uvw is ANTENNA1 minus ANTENNA2",
    ),
    Variable(
        "vis",
        "float32",
        ("time", "channel", "baseline", "pol", "2"),
        "Jy",
        "visibilities, the last axis (re, im): the bytes are those of complex64",
        by_baseline=True,
    ),
    Variable(
        "weight",
        "float32",
        ("time", "channel", "baseline"),
        "",
        "fine channels times dumps that contributed; 0: flagged",
        by_baseline=True,
    ),
)
"""The data proper. Their order is the order of the columns of ``crc32c``."""

CHECKS = (
    Variable(
        "crc32c",
        "uint32",
        ("writer", "variable"),
        "",
        "CRC-32C of the bytes each writer put, in the order of the variables above; 0 where it put none",
    ),
    Variable("writer_baselines", "int64", ("writer", "2"), "", "first baseline of each writer, number of baselines"),
)

VARIABLE_NAMES = tuple(variable.name for variable in VARIABLES)


@dataclass(frozen=True)
class Attribute:
    """One attribute of a band; several axes are kept flattened, in C order, as ADIOS2 has only lists."""

    name: str
    dtype: str
    axes: tuple[str, ...]
    unit: str
    meaning: str


ATTRIBUTES = (
    Attribute("format", "string", (), "", f'"{FORMAT}"'),
    Attribute("format_version", "int64", (), "", "version of this format"),
    Attribute("band", "int64", (), "", "index of the band"),
    Attribute("n_dumps", "int64", (), "", "dumps of the whole observation"),
    Attribute("channels", "int64", ("2",), "", "fine channels averaged into the band: first, last + 1"),
    Attribute("channel_hz", "float64", ("channel",), "Hz", "centres of the band's channels"),
    Attribute("channel_width_hz", "float64", ("channel",), "Hz", "widths of the band's channels"),
    Attribute("polarisations", "string", ("pol",), "", "XX, XY, YX, YY; X is north, Y is east"),
    Attribute("station_names", "string", ("station",), "", "names of the stations"),
    Attribute("station_m", "float64", ("station", "xyz"), "m", "positions, geocentric (ITRF)"),
    Attribute("baselines", "int32", ("baseline", "2"), "", "stations of each baseline: ANTENNA1, ANTENNA2"),
    Attribute("phase_centre_rad", "float64", ("2",), "rad", "ICRS right ascension, declination"),
    Attribute("array_lonlatheight", "float64", ("3",), "rad, rad, m", "WGS84 longitude, latitude, height"),
    Attribute("integration_s", "float64", (), "s", "length of a dump"),
    Attribute("software", "string", (), "", "name and version of the software that wrote the band"),
    Attribute("config_sha256", "string", (), "", "SHA-256 of the bytes of observation.yaml"),
)


@dataclass(frozen=True, eq=False)
class BandHeader:
    """What is the same for all steps of a band; written once, as attributes.

    Attributes
    ----------
    band : int
        Index of the band.
    n_dumps : int
        Dumps of the whole observation.
    channel_hz, channel_width_hz : (channel,) float64, Hz
        Centres and widths of the band's channels.
    channels : tuple of int
        First and last + 1 of the fine channels the band was made of.
    station_names : tuple of str
        One name for each station.
    station_m : (station, 3) float64, m
        Geocentric positions.
    baselines : (baseline, 2) int32
        Station indices of each baseline.
    phase_centre_rad : tuple of float, rad
        ICRS right ascension and declination.
    array_lonlatheight : tuple of float, rad, rad, m
        WGS84 longitude, latitude and height of the array's centre.
    integration_s : float, s
        Length of a dump.
    software, config_sha256 : str
        Who wrote it, and the SHA-256 of the bytes of observation.yaml.
    """

    band: int
    n_dumps: int
    channel_hz: NDArray[np.float64]
    channel_width_hz: NDArray[np.float64]
    channels: tuple[int, int]
    station_names: tuple[str, ...]
    station_m: NDArray[np.float64]
    baselines: NDArray[np.int32]
    phase_centre_rad: tuple[float, float]
    array_lonlatheight: tuple[float, float, float]
    integration_s: float
    software: str
    config_sha256: str
    polarisations: tuple[str, ...] = POLARISATIONS

    @property
    def sizes(self) -> dict[str, int]:
        """Lengths of the named axes that are the same in every step."""
        return {
            "channel": len(self.channel_hz),
            "pol": len(self.polarisations),
            "station": len(self.station_names),
            "baseline": len(self.baselines),
            "uvw": 3,
            "xyz": 3,
        }

    def check(self) -> None:
        """Raise DatasetError if an attribute does not have the dtype and shape of the table."""
        for attribute in ATTRIBUTES:
            value = getattr(self, attribute.name, None)
            if isinstance(value, np.ndarray):
                check_array(attribute.name, value, attribute.dtype, shape_of(attribute.axes, self.sizes))


@dataclass(frozen=True, eq=False)
class Block:
    """The dumps that travel together in one step.

    Attributes
    ----------
    dump : (time,) int64
        Indices of the dumps.
    time_utc : (time, 2) float64, d
        UTC of the mid-points, MJD day and fraction.
    station_uvw : (time, station, 3) float64, m
        Stations towards the apparent phase centre.
    vis : (time, channel, baseline, pol) complex64, Jy
        Visibilities.
    weight : (time, channel, baseline) float32
        Fine channels times dumps that contributed; 0 is flagged.

    Notes
    -----
    A variable that a reader was not asked for is an array all of whose axes have length 0,
    so that an index into it raises.
    """

    dump: NDArray[np.int64]
    time_utc: NDArray[np.float64]
    station_uvw: NDArray[np.float64]
    vis: NDArray[np.complex64]
    weight: NDArray[np.float32]


def shape_of(axes: tuple[str, ...], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """Return the lengths of `axes`; an axis named by a number has that length."""
    return tuple(int(axis) if axis.isdigit() else sizes[axis] for axis in axes)


def float32_pairs(vis: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Return the (re, im) pairs of C-contiguous visibilities as a last axis; the memory is the same."""
    return vis.view(np.float32).reshape(*vis.shape, 2)


def check_array(name: str, array: Array, dtype: str, shape: tuple[int, ...]) -> None:
    """Raise DatasetError unless `array` has this dtype and shape and is C-contiguous."""
    if array.dtype != np.dtype(dtype) or array.shape != shape:
        raise DatasetError(f"{name} is {array.dtype} of shape {array.shape}; it must be {dtype} of shape {shape}")
    if not array.flags.c_contiguous:
        raise DatasetError(f"{name} is not C-contiguous; copy it with numpy.ascontiguousarray first")


def attribute_values(header: BandHeader) -> dict[str, Any]:
    """Return the attributes of a band as ADIOS2 takes them: strings, lists of strings and flat arrays."""
    fixed: dict[str, Any] = {"format": FORMAT, "format_version": FORMAT_VERSION}
    values: dict[str, Any] = {}
    for attribute in ATTRIBUTES:
        value = fixed[attribute.name] if attribute.name in fixed else getattr(header, attribute.name)
        if attribute.dtype == "string":
            values[attribute.name] = list(value) if attribute.axes else value
        else:
            values[attribute.name] = np.asarray(value, attribute.dtype).reshape(-1)
    return values
