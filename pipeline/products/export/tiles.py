"""Arrays that libraries lay out in a file and that are then filled in place, tile by tile, by one or many ranks.

casacore and HDF5 both keep a large array as tiles whose places in the file are known once it is laid out. Each
band owns tiles of its own, so ranks write theirs at the same time, straight from memory and without locks; the
libraries are asked again only to read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.schema import Block
from pipeline.errors import DatasetError

Array = NDArray[Any]
Put = Callable[[Array, Array], None]

TILE_BYTES = 1 << 20
"""Of the visibilities of one band in a tile: large enough for the disk's full rate."""

LEAST_TILE_BYTES = 1 << 15
ROW_OF_TILES_BYTES = 1 << 26
"""A reader that goes row by row holds one tile of every band; together they are to fit into this."""


@dataclass(frozen=True)
class Tiles:
    """Where the rows of an array lie.

    Attributes
    ----------
    path
        The file.
    dtype
        Of the values; bool with `bits` means one bit each, the lowest first.
    row
        Shape of a row within a tile.
    n_rows
        Rows of a tile; a multiple of 8.
    offsets
        (tile,) int64: where each tile begins, in bytes.
    bits
        Whether the values are packed.
    """

    path: Path
    dtype: np.dtype[Any]
    row: tuple[int, ...]
    n_rows: int
    offsets: NDArray[np.int64]
    bits: bool = False

    @property
    def n_bytes(self) -> int:
        """Bytes of a tile."""
        values = self.n_rows * int(np.prod(self.row, dtype=np.int64))
        return values // 8 if self.bits else values * self.dtype.itemsize


def rows_of_a_tile(row_bytes: int, n_rows: int, n_bands: int) -> int:
    """Return how many rows a tile has: a multiple of 8, so that bits fill bytes.

    Parameters
    ----------
    row_bytes
        Bytes of the visibilities of one band in a row.
    n_rows
        Rows there are.
    n_bands
        Bands whose tiles stand side by side.
    """
    tile_bytes = min(TILE_BYTES, max(LEAST_TILE_BYTES, ROW_OF_TILES_BYTES // n_bands))
    return max(8, min(tile_bytes // row_bytes, n_rows + 7) // 8 * 8)


def put_spread(out: Array, rows: Array) -> None:
    """Fill the last axis, polarisation, with the same value."""
    for pol in range(out.shape[-1]):
        out[..., pol] = rows


def put_flags(out: Array, rows: Array) -> None:
    """Flag what has no weight, in all polarisations."""
    for pol in range(out.shape[-1]):
        np.equal(rows, 0, out=out[..., pol])


class TileWriter:
    """Writes rows that come in order, while the next tile is filled; used as a context manager.

    Parameters
    ----------
    tiles
        Where they go.
    pool
        The thread that writes; several writers may share it.
    put
        Writes rows into a part of a tile.

    Raises
    ------
    DatasetError
        If the file cannot be written.
    """

    def __init__(self, tiles: Tiles, pool: Executor, put: Put = np.copyto) -> None:
        self._tiles, self._pool, self._put = tiles, pool, put
        shape = (tiles.n_rows, *tiles.row)
        self._tile, self._other = np.empty(shape, tiles.dtype), np.empty(shape, tiles.dtype)
        self._index = self._n_filled = 0
        self._writing: Future[None] | None = None
        self._file = -1

    def __enter__(self) -> Self:
        try:
            self._file = os.open(self._tiles.path, os.O_WRONLY)
        except OSError as error:
            raise self._failed(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
                self._wait()
        finally:
            if self._writing is not None:
                wait([self._writing])
            os.close(self._file)

    def write(self, rows: Array) -> None:
        """Write some rows."""
        done = 0
        while done < len(rows):
            n_taken = min(len(rows) - done, self._tiles.n_rows - self._n_filled)
            part = self._tile[self._n_filled : self._n_filled + n_taken]
            self._put(part, rows[done : done + n_taken])
            self._n_filled += n_taken
            done += n_taken
            if self._n_filled == self._tiles.n_rows:
                self._flush()

    def _flush(self) -> None:
        """Hand over what is filled, once the tile before is written, and go on with that one's memory."""
        if not self._n_filled:
            return
        self._wait()
        filled, offset = self._tile[: self._n_filled], int(self._tiles.offsets[self._index])
        self._writing = self._pool.submit(self._write_tile, filled, offset)
        self._tile, self._other = self._other, self._tile
        self._index, self._n_filled = self._index + 1, 0

    def _wait(self) -> None:
        """Wait for the tile that is being written."""
        if self._writing is not None:
            try:
                self._writing.result()
            except OSError as error:
                raise self._failed(error) from error

    def _write_tile(self, filled: Array, offset: int) -> None:
        values = np.packbits(filled, bitorder="little") if self._tiles.bits else filled
        left = memoryview(values.data).cast("B")
        while left:
            n_written = os.pwrite(self._file, left, offset)
            left, offset = left[n_written:], offset + n_written

    def _failed(self, error: OSError) -> DatasetError:
        return DatasetError(
            f"{self._tiles.path}: cannot be written: {error.strerror}; make room, or choose another output"
        )


class BlockWriter(TileWriter):
    """Writes what it takes from blocks.

    Parameters
    ----------
    tiles, pool, put
        As for a `TileWriter`.
    take
        Gets rows from a block.
    """

    def __init__(self, tiles: Tiles, pool: Executor, take: Callable[[Block], Array], put: Put = np.copyto) -> None:
        super().__init__(tiles, pool, put)
        self._take = take

    def add(self, block: Block) -> None:
        """Write the rows of a block."""
        self.write(self._take(block))
