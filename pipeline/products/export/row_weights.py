"""Weights of whole rows of a Measurement Set: sums over bands that several ranks make, each in a file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.schema import Block
from pipeline.errors import DatasetError
from pipeline.products.export.contents import weight_rows

Float32 = NDArray[np.float32]
ROWS_AT_ONCE = 1 << 20


class RowWeights:
    """Adds a band's weights to a file that has a float32 for each row; used as a context manager, once for each band.

    Parameters
    ----------
    path
        The file; made if it is not there. It is no part of the Measurement Set.

    Raises
    ------
    DatasetError
        If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("r+b" if self._path.exists() else "w+b")
        except OSError as error:
            raise self._failed(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError as failure:
            raise self._failed(failure) from failure

    def add(self, block: Block) -> None:
        """Add the rows that come next."""
        total: Float32 = weight_rows(block).sum(axis=1, dtype=np.float32)
        where = self._file.tell()
        before = np.frombuffer(self._file.read(total.nbytes), np.float32)
        try:
            self._file.seek(where)
            (total + before if before.size else total).tofile(self._file)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> DatasetError:
        return DatasetError(f"{self._path}: cannot be written: {error.strerror}; make room, or choose another output")


def summed_rows(files: list[Path], n_rows: int) -> Iterator[Float32]:
    """Yield the sums over files of `RowWeights`, (row,) float32, some rows at a time.

    Sums of whole numbers: exact, in whatever order, up to 2^24.
    """
    for first in range(0, n_rows, ROWS_AT_ONCE):
        n_now = min(ROWS_AT_ONCE, n_rows - first)
        parts = [np.fromfile(file, np.float32, n_now, offset=4 * first) for file in files]
        yield np.sum(parts, axis=0, dtype=np.float32)
