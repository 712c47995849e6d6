"""Random access to the steps of a finished band; a stream goes through a band once, this takes any step again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.decode import read_header
from pipeline.dataset.manifest import read_manifest
from pipeline.dataset.room import Room
from pipeline.dataset.schema import CHECKS, VARIABLES, BandHeader, Block
from pipeline.dataset.select import Indices
from pipeline.dataset.source import REMEDY, missing_metadata
from pipeline.dataset.step import Part, begin_block, read_block
from pipeline.dataset.storage import adios_reason
from pipeline.errors import CorruptError, DatasetError, IncompleteError

Result = TypeVar("Result")

CUT_SHORT = ("read size", "could not be found", "couldn't open file", "No such file", "not contained enough data")
"""What ADIOS2 says when bytes are missing; all else it says is about bytes that are wrong."""


class BandAccess:
    """Any step of a band, in any order; for several threads.

    Parameters
    ----------
    path : Path or str
        The dataset's folder.
    index : int
        Index of the band.

    Raises
    ------
    IncompleteError
        If the run did not complete the band, or a file, a step or bytes are missing.
    CorruptError
        If a checksum, the schema or the manifest does not hold.
    DatasetError
        If there is no such dataset, version or band.

    Notes
    -----
    ADIOS2's objects are not made for several threads: one lock keeps them to one thread at a time, and no two
    bands share any. The output is opened with the first look at it, which reads the metadata of all steps, and
    again after `close`: whoever keeps many bands may close any of them at any time.
    """

    def __init__(self, path: Path | str, index: int) -> None:
        manifest = read_manifest(Path(path))
        if not 0 <= index < len(manifest.bands):
            raise DatasetError(f"{path}: no band {index}; it has bands 0 to {len(manifest.bands) - 1}")
        self._entry = manifest.bands[index]
        self._config_sha256 = manifest.config_sha256
        self._path = Path(path) / self._entry.path
        if not self._entry.complete:
            raise IncompleteError(
                f"{self._path}: the run is not over, or ended before the band was complete; wait for it, "
                "leave the band out, or read what there is as a stream"
            )
        self._lock = threading.Lock()
        self._io: Any = None
        self._engine: Any = None
        self._header: BandHeader | None = None
        self._edges: NDArray[np.int64] = np.zeros(1, np.int64)

    def __enter__(self) -> BandAccess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def header(self) -> BandHeader:
        """What is the same for all steps."""
        with self._lock:
            return self._opened()

    @property
    def edges(self) -> NDArray[np.int64]:
        """First dump of every step, and the number of all dumps; (step + 1,)."""
        with self._lock:
            self._opened()
            return self._edges

    def read(
        self,
        step: int,
        variables: tuple[str, ...],
        *,
        dumps: range | None = None,
        baselines: Indices | None = None,
        verify: bool = True,
    ) -> Block:
        """Read variables of a step.

        Parameters
        ----------
        step : int
            Which step, from 0.
        variables : tuple of str
            The variables to read; ``dump`` always is. The others become empty arrays.
        dumps : range, optional
            Dumps of the observation within this step; default: all of the step.
        baselines : (baseline,) int64, optional
            Baselines, ascending, each once; default: all.
        verify : bool
            Compare the checksums of ``vis`` and ``weight``: then all of the step's that the writers of these baselines
            wrote is read, else only what was asked for. Checksums of the others are always compared.
        """
        with self._lock:
            header = self._opened()

            def look() -> tuple[Block, tuple[str, ...]]:
                for variable in (*VARIABLES, *CHECKS):
                    handle = self._io.inquire_variable(variable.name)
                    if handle is not None:
                        handle.set_step_selection([step, 1])
                begun = begin_block(self._io, self._engine, header, int(self._edges[step]), str(self._path))
                part = Part(frozenset({"dump", *variables}), dumps or begun.dumps, baselines, verify)
                return read_block(self._io, self._engine, begun, part, Room())

            block, wrong = self._guarded(look)
        if wrong:
            raise CorruptError(f"{self._path}: {'; '.join(wrong)}; the bytes are not those written; {REMEDY}")
        return block

    def close(self) -> None:
        """Let go of the files; not by closing, which leaves a profile of reading in ``/tmp`` (ADIOS2 2.12)."""
        with self._lock:
            self._engine = self._io = None

    def _opened(self) -> BandHeader:
        """Open the output if it is not; the lock is held."""
        if self._engine is None or self._header is None:
            self._engine = self._header = None
            if not self._path.is_dir():
                raise IncompleteError(f"{self._path}: band {self._entry.index} is missing; {REMEDY}")
            missing = missing_metadata(self._path)
            if missing is not None:
                raise missing
            engine = self._guarded(self._open)
            header = self._guarded(lambda: self._checked_header(engine))
            self._edges = self._guarded(lambda: self._checked_edges(engine, header))
            self._engine, self._header = engine, header
        return self._header

    def _open(self) -> Any:
        import adios2

        self._io = adios2.Adios().declare_io("band")
        self._io.set_engine("BP5")
        # As the stream: ADIOS2's usual way to read files waits for ever for bytes that were cut off.
        self._io.add_transport("File", {"Library": "stdio"})
        # One thread: starting threads for a step's small arrays, each with files of its own, takes longer than reading.
        self._io.set_parameters({"OpenTimeoutSecs": "0", "Threads": "1"})
        return self._io.open(str(self._path), adios2.Mode.ReadRandomAccess)

    def _checked_header(self, engine: Any) -> BandHeader:
        if engine.steps() == 0:
            raise IncompleteError(f"{self._path}: there is no step in it; {REMEDY}")
        header = read_header(self._io, str(self._path))
        for name, found, expected in (
            ("band", header.band, self._entry.index),
            ("channels", header.channels, self._entry.channels),
            ("config_sha256", header.config_sha256, self._config_sha256),
        ):
            if found != expected:
                raise CorruptError(
                    f"{self._path}: {name} is {found}, the manifest says {expected}; "
                    "the band belongs to another dataset, put the right one back"
                )
        return header

    def _checked_edges(self, engine: Any, header: BandHeader) -> NDArray[np.int64]:
        dump = self._io.inquire_variable("dump")
        if dump is None:
            raise CorruptError(f"{self._path}: the variable dump is missing; {REMEDY}")
        edges = np.cumsum([0, *(int(dump.shape(step)[0]) for step in range(engine.steps()))])
        if edges[-1] < header.n_dumps:
            raise IncompleteError(f"{self._path}: the band ends after {edges[-1]} of {header.n_dumps} dumps; {REMEDY}")
        if edges[-1] > header.n_dumps:
            raise CorruptError(f"{self._path}: there are steps after the last dump, {header.n_dumps - 1}")
        return edges

    def _guarded(self, call: Callable[[], Result]) -> Result:
        """Call ADIOS2, and say what its exceptions mean here."""
        try:
            return call()
        except (RuntimeError, ValueError, IndexError) as error:
            reason = adios_reason(error)
            if any(sign in reason for sign in CUT_SHORT):
                raise IncompleteError(f"{self._path}: a file is missing or cut short ({reason}); {REMEDY}") from error
            raise CorruptError(f"{self._path}: ADIOS2 cannot read it ({reason}); {REMEDY}") from error
