"""A Measurement Set, version 2: laid out by casacore, its large columns filled in place.

casacore writes every tile twice, once with zeros when rows are added, and lets one process at a time write a
table. So it makes the table and all that is small; the columns that grow with the data are written as tiles,
whose places follow from what casacore says of its hypercubes. Format: Kemball & Wieringa 2000, CASA memo 229;
storage: casacore note 260, Tiled Storage Manager.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.products.export.contents import Contents, uvw_rows, vis_rows, weight_rows
from pipeline.products.export.row_weights import RowWeights, summed_rows
from pipeline.products.export.subtables import fill_subtables
from pipeline.products.export.tiles import BlockWriter, Tiles, TileWriter, put_flags, put_spread, rows_of_a_tile

CONSTANT = {
    "ARRAY_ID": 0,
    "DATA_DESC_ID": 0,
    "FEED1": 0,
    "FEED2": 0,
    "FIELD_ID": 0,
    "OBSERVATION_ID": 0,
    "PROCESSOR_ID": 0,
    "SCAN_NUMBER": 1,
    "STATE_ID": 0,
}
"""Columns with one value in all rows."""

INCREMENTAL = (*CONSTANT, "TIME", "TIME_CENTROID", "INTERVAL", "EXPOSURE")
"""Columns whose values seldom change from row to row: casacore's incremental storage keeps the changes."""

SCRATCH = ".row-weights-"
"""Begin of the names of files of `RowWeights`, which are gone in the end."""

NO_SIGMA = -1.0
"""SIGMA of a row without weight, as CASA writes it."""


@dataclass(frozen=True)
class Column:
    """One of the columns filled in place: its values' type, and the shape of its cells."""

    name: str
    casa_type: str
    dtype: str
    cell: tuple[int, ...]
    by_band: bool = False


@dataclass(frozen=True)
class MeasurementSet:
    """A Measurement Set being made.

    Attributes
    ----------
    path
        Where, a folder.
    contents
        What it is to hold.
    """

    path: Path
    contents: Contents

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns filled in place; cells as NumPy sees them, (channel, pol)."""
        cell = (self.contents.n_channels, self.contents.n_pols)
        pols = cell[1:]
        return (
            Column("DATA", "complex", "complex64", cell, by_band=True),
            Column("WEIGHT_SPECTRUM", "float", "float32", cell, by_band=True),
            Column("FLAG", "boolean", "bool", cell, by_band=True),
            Column("UVW", "double", "float64", (3,)),
            Column("ANTENNA1", "int", "int32", ()),
            Column("ANTENNA2", "int", "int32", ()),
            Column("WEIGHT", "float", "float32", pols),
            Column("SIGMA", "float", "float32", pols),
            Column("FLAG_ROW", "boolean", "bool", ()),
        )

    @cached_property
    def tile_rows(self) -> int:
        """Rows of a tile."""
        contents = self.contents
        row_bytes = 8 * contents.channels_per_band * contents.n_pols
        return rows_of_a_tile(row_bytes, contents.n_rows, len(contents.bands))

    def tiles(self, name: str, place: int = 0) -> Tiles:
        """Return where the rows of a column, of the band at `place`, lie."""
        index = next(index for index, column in enumerate(self.columns) if column.name == name)
        column = self.columns[index]
        n_side_by_side = len(self.contents.bands) if column.by_band else 1
        row = (self.contents.channels_per_band, column.cell[1]) if column.by_band else column.cell
        dtype, n_tiles = np.dtype(column.dtype), -(-self.contents.n_rows // self.tile_rows)
        bits = column.dtype == "bool"
        one = Tiles(
            self.path / f"table.f{index}_TSM0", dtype, row, self.tile_rows, np.zeros(n_tiles, np.int64), bits=bits
        )
        return replace(one, offsets=(np.arange(n_tiles, dtype=np.int64) * n_side_by_side + place) * one.n_bytes)

    @property
    def n_bytes(self) -> int:
        """Bytes of the columns filled in place."""
        return sum(self._size(column.name) for column in self.columns)

    def _size(self, name: str) -> int:
        last = self.tiles(name, len(self.contents.bands) - 1 if self._column(name).by_band else 0)
        return int(last.offsets[-1]) + last.n_bytes

    def _column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def lay_out(self) -> None:
        """Make the table with all its rows and nothing in them, on one rank.

        Raises
        ------
        DatasetError
            If it cannot be made.
        """
        from casacore.tables import default_ms, table

        with _casacore(self.path):
            description, managers = self._description()
            default_ms(str(self.path), description, managers).close()
            for file in self.files:
                # casacore would write zeros where the data will be, as many bytes again: nobody needs them.
                file.unlink()
                file.symlink_to(os.devnull)
            with table(str(self.path), readonly=False, ack=False) as main:
                main.putinfo({"type": "Measurement Set", "subType": "", "readme": ""})
                main.addrows(self.contents.n_rows)
                self._check_layout(main.getdminfo())
                self._fill_incremental(main)
            for column, file in zip(self.columns, self.files, strict=True):
                file.unlink()
                with file.open("wb") as empty:
                    empty.truncate(self._size(column.name))
            fill_subtables(self.path, self.contents)

    def _description(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return casacore's description of the main table, and of its storage managers."""
        from casacore.tables import makearrcoldesc, makescacoldesc, required_ms_desc

        description = required_ms_desc()
        managers: dict[str, Any] = {}
        for index, column in enumerate(self.columns):
            cell = column.cell
            made = (
                makearrcoldesc(column.name, 0, valuetype=column.casa_type, shape=list(cell), ndim=len(cell), options=5)
                if cell
                else makescacoldesc(column.name, 0, valuetype=column.casa_type)
            )
            keywords = description.get(column.name, {}).get("keywords", {})
            description[column.name] = {**made["desc"], "keywords": keywords}
            group = f"Tiled{column.name}"
            if not cell:
                names = np.array([column.name])
                description["_define_hypercolumn_"][group] = {"HCdatanames": names, "HCndim": 1}
            managers[f"*{index + 1}"] = {
                "TYPE": "TiledColumnStMan",
                "NAME": group,
                "SEQNR": index,
                "SPEC": {"DEFAULTTILESHAPE": self._tile_shape(column)},
                "COLUMNS": [column.name],
            }
        description["UVW"]["keywords"] = {
            "QuantumUnits": ["m", "m", "m"],
            "MEASINFO": {"type": "uvw", "Ref": "ICRS"},
        }
        index = len(managers)
        managers[f"*{index + 1}"] = {
            "TYPE": "IncrementalStMan",
            "NAME": "Incremental",
            "SEQNR": index,
            "SPEC": {},
            "COLUMNS": list(INCREMENTAL),
        }
        return description, managers

    def _tile_shape(self, column: Column) -> NDArray[np.int32]:
        cell = (self.contents.channels_per_band, *column.cell[1:]) if column.by_band else column.cell
        return np.array([*cell[::-1], self.tile_rows], np.int32)

    def _check_layout(self, managers: dict[str, Any]) -> None:
        """Compare with what casacore says of its files: the tiles are where they will be written."""
        by_column = {manager["COLUMNS"][0]: manager for manager in managers.values() if manager["COLUMNS"]}
        for index, column in enumerate(self.columns):
            manager = by_column[column.name]
            cube = manager["SPEC"]["HYPERCUBES"]["*1"]
            expected = (index, [*column.cell[::-1], self.contents.n_rows], self.tiles(column.name).n_bytes)
            found = (manager["SEQNR"], cube["CubeShape"].tolist(), cube["BucketSize"])
            tile = self._tile_shape(column).tolist()
            if found != expected or cube["TileShape"].tolist() != tile:
                raise DatasetError(
                    f"{self.path}: this casacore lays out {column.name} as {found} in tiles {cube['TileShape']}, not "
                    f"as {expected} in {tile}; use the python-casacore of the export extra"
                )

    @property
    def files(self) -> list[Path]:
        """The files of the columns filled in place."""
        return [self.tiles(column.name).path for column in self.columns]

    def sinks(self, place: int, rank: int, pool: Executor) -> list[BlockWriter | RowWeights]:
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
        sinks: list[BlockWriter | RowWeights] = [
            BlockWriter(self.tiles("DATA", place), pool, vis_rows),
            BlockWriter(self.tiles("WEIGHT_SPECTRUM", place), pool, weight_rows, put_spread),
            BlockWriter(self.tiles("FLAG", place), pool, weight_rows, put_flags),
            RowWeights(self.path / f"{SCRATCH}{rank}"),
        ]
        if place == 0:
            baselines = self.contents.header.baselines
            sinks += [
                BlockWriter(self.tiles("UVW"), pool, lambda block: uvw_rows(block, baselines)),
                BlockWriter(self.tiles("ANTENNA1"), pool, lambda block: np.tile(baselines[:, 0], len(block.dump))),
                BlockWriter(self.tiles("ANTENNA2"), pool, lambda block: np.tile(baselines[:, 1], len(block.dump))),
            ]
        return sinks

    def _fill_incremental(self, main: Any) -> None:
        """Fill the columns that seldom change; a value holds until the next, if written as the rows are added."""
        contents = self.contents
        length_s = contents.header.integration_s
        for name, value in {**CONSTANT, "INTERVAL": length_s, "EXPOSURE": length_s}.items():
            main.putcell(name, 0, value)
        for dump, seconds in enumerate(contents.time_s.tolist()):
            for name in ("TIME", "TIME_CENTROID"):
                main.putcell(name, dump * len(contents.header.baselines), seconds)

    def finish(self) -> None:
        """Write WEIGHT, the mean of WEIGHT_SPECTRUM over channels; SIGMA; FLAG_ROW: on one rank, after all bands.

        Raises
        ------
        DatasetError
            If it cannot be written.
        """
        files = sorted(self.path.glob(f"{SCRATCH}*"))
        with (
            ThreadPoolExecutor(1) as pool,
            TileWriter(self.tiles("WEIGHT"), pool, put_spread) as weight,
            TileWriter(self.tiles("SIGMA"), pool, put_spread) as sigma,
            TileWriter(self.tiles("FLAG_ROW"), pool) as flag_row,
        ):
            for total in summed_rows(files, self.contents.n_rows):
                mean = total / np.float32(self.contents.n_channels)
                weight.write(mean)
                with np.errstate(divide="ignore"):
                    sigma.write(np.where(mean > 0, 1 / np.sqrt(mean), np.float32(NO_SIGMA)))
                flag_row.write(mean == 0)
        for file in files:
            file.unlink()


@contextmanager
def _casacore(path: Path) -> Iterator[None]:
    """Say what casacore's errors mean here."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        raise DatasetError(f"{path}: the Measurement Set cannot be written: {error}") from error
