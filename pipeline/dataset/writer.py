"""Writing of one band: one ADIOS2 BP5 output, by one process or by all ranks of a communicator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from pipeline.dataset.putting import BlockSums, Putter, block_sums
from pipeline.dataset.schema import (
    VARIABLES,
    BandHeader,
    Block,
    check_array,
    shape_of,
)
from pipeline.dataset.storage import adios_reason, leave_mark, mark_failed, writer_mark
from pipeline.errors import DatasetError, DawnstreamError

ENGINE_PARAMETERS = {
    # Of BP5's ways the two that end with an error when the disk is full; the default hangs. This one lets
    # the writers of a band take turns, so the file is written front to back.
    "AggregationType": "EveryoneWritesSerial",
    # Minima and maxima, which nobody reads, would cost more time than the writing.
    "StatsLevel": "0",
}

ALL = slice(None)

_VIS_AXES = ("time", "channel", "baseline", "pol")


class WriterComm(Protocol):
    """What the writer wants of a communicator beyond what ADIOS2 itself does with it."""

    @property
    def rank(self) -> int:
        """Number of this process in the communicator."""

    @property
    def size(self) -> int:
        """Number of processes in the communicator."""

    def allgather(self, sendobj: Any) -> list[Any]:
        """Return the objects of all ranks, in order."""


def is_mpi_build() -> bool:
    """Tell whether the ADIOS2 installed here can write one output from several ranks."""
    import adios2

    return bool(adios2.is_built_with_mpi)


class BandWriter:
    """The one writer of a band, or one of several that share a communicator.

    Parameters
    ----------
    path : Path
        Where the band goes: the dataset's folder and ``band_name(header.band)``. Must not exist.
    header : BandHeader
        The same on all ranks; the first rank writes it.
    comm : communicator, optional
        All its ranks make a writer and call `write` and `close` together, from one thread each. It must be used
        for nothing else, and MPI must have been started with ``MPI_THREAD_MULTIPLE`` if other threads use MPI.
    n_block_dumps : int
        The most dumps in a block.

    Raises
    ------
    DatasetError
        If the path exists or cannot be written, if the header breaks the schema, or if `comm` has several ranks
        and ADIOS2 was built without MPI.

    Notes
    -----
    As a context manager it closes at the end only if nothing was raised: closing in the middle of a step would
    commit that step with zeros for what is missing. After an error of `write` with a communicator, other
    ranks may be waiting within ADIOS2: the caller ends the job.
    """

    def __init__(self, path: Path, header: BandHeader, comm: WriterComm | None = None, *, n_block_dumps: int) -> None:
        self._path = Path(path)
        self._header = header
        self._comm = comm if comm is not None and comm.size > 1 else None
        self._is_first = self._comm is None or self._comm.rank == 0
        self._n_block_dumps = n_block_dumps
        self._next_dump = 0
        self._engine: Any = None
        self._together(self._prepare)
        try:
            self._open()
        except (RuntimeError, ValueError, OSError) as error:
            raise self._explained(error) from error

    def __enter__(self) -> BandWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._engine = None
            mark_failed(self._path)

    def write(self, block: Block, baselines: slice = ALL) -> BlockSums:
        """Write a block as one step; return when its arrays may be used again.

        Parameters
        ----------
        block : Block
            The dumps that follow those written. The baseline axis of ``vis`` and ``weight`` has the length of
            `baselines`; all else is whole, and is taken from the first rank.
        baselines : slice
            The part of the band's baselines that is this rank's. The ranks' slices follow each other
            without gaps and make up all baselines; a slice may be empty.

        Returns
        -------
        (variable,) uint32
            The checksums of this rank's part.

        Raises
        ------
        DatasetError
            On all ranks, if the block of one does not fit. On at least one, if ADIOS2 fails (a full disk).
        """
        if self._engine is None:
            raise DatasetError(f"{self._path}: the writer was closed, or failed before; nothing more can be written")
        first, stop, _ = baselines.indices(len(self._header.baselines))
        parts = self._together(lambda: self._check(block, first, stop), (first, stop))
        self._check_parts(parts)
        engine, self._engine = self._engine, None
        try:
            sums = block_sums(block, self._is_first)
            engine.begin_step()
            self._putter.put(engine, block, sums, first)
            engine.end_step()
        except (RuntimeError, ValueError, OSError) as error:
            raise self._explained(error) from error
        # Only a whole step gives the engine back: `close` in the middle of one would commit it with zeros.
        self._engine = engine
        self._next_dump += len(block.dump)
        return sums

    def close(self) -> None:
        """Close the band, after which its readers see the end; all ranks together. Does nothing a second time."""
        if self._engine is None:
            return
        self._together(lambda: None)
        engine, self._engine = self._engine, None
        try:
            engine.close()
        except (RuntimeError, ValueError, OSError) as error:
            raise self._explained(error) from error
        if self._is_first:
            writer_mark(self._path).unlink(missing_ok=True)

    def _prepare(self) -> None:
        self._header.check()
        if self._n_block_dumps < 1:
            raise DatasetError(f"n_block_dumps is {self._n_block_dumps}; a block holds at least one dump")
        if self._comm is not None and not is_mpi_build():
            raise DatasetError(
                f"{self._path}: {self._comm.size} ranks are to write one band, but the ADIOS2 installed here was built "
                "without MPI; build one with `make adios2-mpi`, or let one rank write each band"
            )
        if not self._is_first:
            return
        if self._path.exists():
            raise DatasetError(f"{self._path} exists already; a band is written once, start from a new dataset")
        try:
            leave_mark(self._path)
        except OSError as error:
            raise DatasetError(f"{self._path}: the folder cannot be written ({error.strerror})") from error

    def _open(self) -> None:
        import adios2

        self._adios = adios2.Adios(comm=self._comm)
        self._io = self._adios.declare_io("band")
        self._io.set_engine("BP5")
        self._io.set_parameters(ENGINE_PARAMETERS)
        n_writers, rank = (self._comm.size, self._comm.rank) if self._comm is not None else (1, 0)
        self._putter = Putter(self._io, self._header, self._n_block_dumps, n_writers, rank)
        if self._is_first:
            self._putter.define_attributes()
        self._engine = self._io.open(str(self._path), adios2.Mode.Write)

    def _check(self, block: Block, first: int, stop: int) -> None:
        n_times = len(block.dump)
        if not 1 <= n_times <= self._n_block_dumps:
            raise DatasetError(f"{self._path}: a block of {n_times} dumps; it must hold 1 to {self._n_block_dumps}")
        expected = np.arange(self._next_dump, self._next_dump + n_times)
        if not np.array_equal(block.dump, expected) or expected[-1] >= self._header.n_dumps:
            raise DatasetError(
                f"{self._path}: the block holds dumps {block.dump[0]} to {block.dump[-1]}; the next one must begin at "
                f"{self._next_dump}, and the last dump is {self._header.n_dumps - 1}"
            )
        sizes = {**self._putter.sizes, "time": n_times, "baseline": max(stop - first, 0)}
        check_array("vis", block.vis, "complex64", shape_of(_VIS_AXES, sizes))
        for variable in VARIABLES:
            if variable.name != "vis" and (variable.by_baseline or self._is_first):
                array = getattr(block, variable.name)
                check_array(variable.name, array, variable.dtype, shape_of(variable.axes, sizes))

    def _together(self, check: Callable[[], None], mine: Any = None) -> list[Any]:
        """Run a check and raise on all ranks what the first failing one found; return every rank's `mine`.

        The exchange is also a barrier that waits without the interpreter's lock, which ADIOS2's own calls keep.
        """
        failure = ""
        try:
            check()
        except DawnstreamError as error:
            if self._comm is None:
                raise
            failure = str(error)
        if self._comm is None:
            return [mine]
        answers = self._comm.allgather((failure, mine))
        for rank, (message, _) in enumerate(answers):
            if message:
                raise DatasetError(f"writer {rank} of {len(answers)}: {message}")
        return [part for _, part in answers]

    def _check_parts(self, parts: list[tuple[int, int]]) -> None:
        n_baselines = len(self._header.baselines)
        edges = [0, *(edge for part in sorted(parts) for edge in part), n_baselines]
        if edges[::2] != edges[1::2]:
            raise DatasetError(f"{self._path}: slices of baselines {parts} are not all {n_baselines}, once each")

    def _explained(self, error: Exception) -> DatasetError:
        """Tell readers that writing failed, and return the error to raise for `error`."""
        mark_failed(self._path)
        reason = adios_reason(error)
        remedy = (
            "free some space, or choose another output.path, and start again"
            if "No space left" in reason
            else "see that the path can be written"
        )
        return DatasetError(f"{self._path}: writing failed after dump {self._next_dump - 1}: {reason}; {remedy}")
