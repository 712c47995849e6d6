"""UVH5 version 1.2: laid out by h5py, its large arrays filled in place.

Baselines point the other way than in a Measurement Set: uvw is ANTENNA2 minus ANTENNA1, and visibilities are
conjugated. Format: UVH5 memo of pyuvdata [Hazelton et al. 2017, JOSS 2(10), 140; memo of version 1.2].
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.schema import Block
from pipeline.errors import DatasetError
from pipeline.products.export.apparent import ApparentPlaces
from pipeline.products.export.contents import Contents, Float64, uvw_rows, vis_rows, weight_rows
from pipeline.products.export.tiles import TILE_BYTES, BlockWriter, Tiles, put_flags, put_spread, rows_of_a_tile
from pipeline.version import software

AIPS_NUMBERS = {"XX": -5, "YY": -6, "XY": -7, "YX": -8}
"""Of polarisations."""

MJD_ZERO = 2400000.5

BY_BAND = {"visdata": "complex64", "flags": "bool", "nsamples": "float32"}
"""Arrays (row, channel, pol) of group Data, as chunks of one band each."""

BY_ROW = {
    "uvw_array": ("float64", (3,)),
    "time_array": ("float64", ()),
    "lst_array": ("float64", ()),
    "phase_center_app_ra": ("float64", ()),
    "phase_center_app_dec": ("float64", ()),
    "phase_center_frame_pa": ("float64", ()),
    "ant_1_array": ("int32", ()),
    "ant_2_array": ("int32", ()),
}
"""Arrays of group Header with a value for each row; one piece of the file each."""


@dataclass(frozen=True)
class UVH5:
    """A UVH5 file being made.

    Attributes
    ----------
    path
        Where.
    contents
        What it is to hold.
    places
        Works out where the phase centre is.
    """

    path: Path
    contents: Contents
    places: ApparentPlaces

    @cached_property
    def tile_rows(self) -> int:
        """Rows of a chunk."""
        contents = self.contents
        row_bytes = 8 * contents.channels_per_band * contents.n_pols
        return min(rows_of_a_tile(row_bytes, contents.n_rows, len(contents.bands)), contents.n_rows)

    @property
    def n_bytes(self) -> int:
        """Bytes of the arrays filled in place."""
        contents = self.contents
        n_padded = -(-contents.n_rows // self.tile_rows) * self.tile_rows
        samples = n_padded * contents.n_channels * contents.n_pols
        by_band = samples * sum(np.dtype(dtype).itemsize for dtype in BY_BAND.values())
        by_row = sum(np.dtype(dtype).itemsize * int(np.prod(cell)) for dtype, cell in BY_ROW.values())
        return by_band + contents.n_rows * by_row

    def lay_out(self) -> None:
        """Make the file with its header, and room for its arrays, on one rank.

        Raises
        ------
        DatasetError
            If it cannot be made.
        """
        import h5py

        contents = self.contents
        shape = (contents.n_rows, contents.n_channels, contents.n_pols)
        chunk = (self.tile_rows, contents.channels_per_band, contents.n_pols)
        try:
            with h5py.File(self.path, "w") as file:
                header, data = file.create_group("Header"), file.create_group("Data")
                for name, value in header_values(contents).items():
                    _store(header, name, value)
                for name, (dtype, cell) in BY_ROW.items():
                    _make_room(header, name, (contents.n_rows, *cell), dtype, None)
                # One value in all rows: nothing is stored but the value that stands for what is not stored.
                for name, fill in (("integration_time", contents.header.integration_s), ("phase_center_id_array", 0)):
                    header.create_dataset(name, (contents.n_rows,), np.asarray(fill).dtype, chunks=True, fillvalue=fill)
                for name, dtype in BY_BAND.items():
                    _make_room(data, name, shape, dtype, chunk)
        except OSError as error:
            raise DatasetError(f"{self.path}: cannot be made: {error}") from error

    def sinks(self, place: int, rank: int, pool: Executor) -> list[BlockWriter]:
        """Return what takes the blocks of the band at `place`; with the first band's, also what all bands share.

        Parameters
        ----------
        place
            Of the band, among those of this file.
        rank
            Of this process.
        pool
            The thread that writes.
        """
        import h5py

        with h5py.File(self.path, "r") as file:
            data, header = file["Data"], file["Header"]
            tiles = {name: self._chunks(data[name], place) for name in BY_BAND}
            tiles |= {name: self._piece(header[name]) for name in BY_ROW} if place == 0 else {}
        by_band: dict[str, Callable[[Block], Any]] = {
            "visdata": vis_rows,
            "flags": weight_rows,
            "nsamples": weight_rows,
        }
        takes = {**by_band, **(self._row_takes() if place == 0 else {})}
        puts = {"visdata": _put_conjugate, "flags": put_flags, "nsamples": put_spread}
        return [BlockWriter(tiles[name], pool, take, puts.get(name, np.copyto)) for name, take in takes.items()]

    @property
    def files(self) -> list[Path]:
        """The file itself, which blocks are written to."""
        return [self.path]

    def finish(self) -> None:
        """Do nothing: UVH5 has nothing that is known only at the end."""

    def _chunks(self, dataset: Any, place: int) -> Tiles:
        """Return where the chunks of the band at `place` are."""
        n_rows, n_channels = self.tile_rows, self.contents.channels_per_band
        offsets = np.full(-(-self.contents.n_rows // n_rows), -1, np.int64)

        def look(chunk: Any) -> None:
            row, channel, _ = chunk.chunk_offset
            if channel == place * n_channels:
                offsets[row // n_rows] = chunk.byte_offset

        dataset.id.chunk_iter(look)
        if (offsets < 0).any():
            raise DatasetError(f"{self.path}: HDF5 made no room for {dataset.name}; use h5py 3.11 or newer")
        return Tiles(self.path, dataset.dtype, dataset.chunks[1:], n_rows, offsets)

    def _piece(self, dataset: Any) -> Tiles:
        """Return parts of an array that is in one piece."""
        cell, first = dataset.shape[1:], dataset.id.get_offset()
        row_bytes = dataset.dtype.itemsize * int(np.prod(cell))
        n_rows = TILE_BYTES // row_bytes
        n_tiles = -(-self.contents.n_rows // n_rows)
        return Tiles(self.path, dataset.dtype, cell, n_rows, first + np.arange(n_tiles) * n_rows * row_bytes)

    def _row_takes(self) -> dict[str, Callable[[Block], Any]]:
        """Return, for every array with a value for each row, what gets its rows from a block."""
        baselines, time_utc = self.contents.header.baselines, self.contents.time_utc
        place = self.places.at(self.contents.header, time_utc)

        def by_dump(values: Float64) -> Callable[[Block], Float64]:
            return lambda block: np.repeat(values[block.dump], len(baselines))

        def by_baseline(column: int) -> Callable[[Block], NDArray[np.int32]]:
            return lambda block: np.tile(baselines[:, column], len(block.dump))

        return {
            "uvw_array": lambda block: -uvw_rows(block, baselines),
            "time_array": by_dump(MJD_ZERO + time_utc[:, 0] + time_utc[:, 1]),
            "lst_array": by_dump(place.lst_rad),
            "phase_center_app_ra": by_dump(place.ra_rad),
            "phase_center_app_dec": by_dump(place.dec_rad),
            "phase_center_frame_pa": by_dump(place.frame_pa_rad),
            "ant_1_array": by_baseline(0),
            "ant_2_array": by_baseline(1),
        }


def _put_conjugate(out: NDArray[Any], rows: NDArray[Any]) -> None:
    np.conjugate(rows, out=out)


def _make_room(group: Any, name: str, shape: tuple[int, ...], dtype: str, chunk: tuple[int, ...] | None) -> None:
    """Make an array that has its place in the file at once, and is not filled."""
    import h5py

    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    if chunk is not None:
        properties.set_chunk(chunk)
    kind = h5py.h5t.py_create(np.dtype(dtype), logical=True)
    h5py.h5d.create(group.id, name.encode(), kind, h5py.h5s.create_simple(shape), properties)


def _store(group: Any, name: str, value: Any) -> None:
    """Store a value of the header: text as fixed-length bytes, a dict as a group."""
    if isinstance(value, dict):
        inner = group.create_group(name)
        for key, each in value.items():
            _store(inner, key, each)
    else:
        group[name] = np.bytes_(value) if isinstance(value, str) else value


def header_values(contents: Contents) -> dict[str, Any]:
    """Return what group Header holds of a file, all that is not by row."""
    return {**_sizes(contents), **_array(contents), **_axes(contents)}


def _sizes(contents: Contents) -> dict[str, Any]:
    header = contents.header
    return {
        "version": "1.2",
        "Nants_data": len(np.unique(header.baselines)),
        "Nants_telescope": len(header.station_names),
        "Nbls": len(header.baselines),
        "Nblts": contents.n_rows,
        "Nfeeds": 2,
        "Nfreqs": contents.n_channels,
        "Nphase": 1,
        "Npols": contents.n_pols,
        "Nspws": 1,
        "Ntimes": header.n_dumps,
        "blts_are_rectangular": True,
        "time_axis_faster_than_bls": False,
    }


def _array(contents: Contents) -> dict[str, Any]:
    """Return the telescope: X is north, Y is east."""
    import erfa

    header = contents.header
    longitude, latitude, height = header.array_lonlatheight
    n_stations = len(header.station_names)
    mount = "equatorial" if not contents.feeds_turn else "fixed"
    values = {
        "telescope_name": contents.array,
        "instrument": "Dawnstream",
        "telescope_frame": "itrs",
        "latitude": np.degrees(latitude),
        "longitude": np.degrees(longitude),
        "altitude": height,
        "antenna_numbers": np.arange(n_stations),
        "antenna_names": np.array(header.station_names, dtype=np.bytes_),
        "antenna_positions": header.station_m - erfa.gd2gc(1, longitude, latitude, height),
        "feed_array": np.tile(np.array([b"x", b"y"]), (n_stations, 1)),
        "feed_angle": np.tile([0.0, np.pi / 2], (n_stations, 1)),
        "mount_type": np.full(n_stations, mount.encode()),
    }
    return values | ({"antenna_diameters": np.full(n_stations, contents.diameter_m)} if contents.diameter_m else {})


def _axes(contents: Contents) -> dict[str, Any]:
    header = contents.header
    ra, dec = header.phase_centre_rad
    return {
        "vis_units": "Jy",
        "pol_convention": "avg",
        "polarization_array": np.array([AIPS_NUMBERS[pol] for pol in header.polarisations]),
        "freq_array": contents.channel_hz,
        "channel_width": contents.channel_width_hz,
        "spw_array": np.array([0]),
        "phase_center_catalog": {
            "0": {
                "cat_name": contents.name,
                "cat_type": "sidereal",
                "cat_lon": ra,
                "cat_lat": dec,
                "cat_frame": "icrs",
                "info_source": "dawnstream",
            }
        },
        "history": f"simulated by {header.software}, exported by {software()}",
        "extra_keywords": {"CONFSHA": header.config_sha256, "SOFTWARE": header.software},
    }
