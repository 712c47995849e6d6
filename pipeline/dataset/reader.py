"""Reading of datasets: bands as a stream of checked blocks; every way to end has an error of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from pipeline.dataset.decode import read_block, read_header
from pipeline.dataset.manifest import BandEntry, Manifest, read_manifest, read_observation
from pipeline.dataset.schema import VARIABLE_NAMES, BandHeader, Block
from pipeline.dataset.storage import Writing, adios_reason, who_writes
from pipeline.errors import CorruptError, DatasetError, IncompleteError, TimedOutError, WriterDiedError

POLL_S = 0.05
"""Seconds between two looks for a new step; short beside a step, long beside the look."""

LEAST_BYTES = {"md.idx": 64, "md.0": 0, "mmd.0": 0}
"""What BP5 makes when it opens an output; ADIOS2 waits 10 s for one that is missing."""

REMEDY = "copy the dataset again with all its files, or run the observation again"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Dataset:
    """A dataset that was opened: its manifest and configuration, and readers for its bands.

    Attributes
    ----------
    path : Path
        Its folder.
    manifest : Manifest
        As it was when the dataset was opened.
    observation : dict
        The effective configuration, observation.yaml.
    """

    path: Path
    manifest: Manifest
    observation: dict[str, Any]

    @property
    def n_bands(self) -> int:
        """Number of bands."""
        return len(self.manifest.bands)

    def band(self, index: int, *, variables: tuple[str, ...] = VARIABLE_NAMES, timeout_s: float = 0.0) -> BandReader:
        """Return a reader of one band; one reader goes through the band once.

        Parameters
        ----------
        index : int
            Index of the band.
        variables : tuple of str
            The variables to read; ``dump`` and ``time_utc`` always are.
        timeout_s : float, s
            How long to wait for each step of a band that is still being written. 0: do not wait.
        """
        if not 0 <= index < self.n_bands:
            raise DatasetError(f"{self.path}: no band {index}; it has bands 0 to {self.n_bands - 1}")
        return BandReader(self.path, self.manifest, self.manifest.bands[index], variables, timeout_s)


def open_dataset(path: Path) -> Dataset:
    """Open a dataset.

    Raises
    ------
    DatasetError
        If `path` is no dataset, or one of another version of the format.
    IncompleteError, CorruptError
        If the manifest or the configuration is not whole.
    """
    path = Path(path)
    manifest = read_manifest(path)
    return Dataset(path, manifest, read_observation(path, manifest))


class BandReader:
    """A stream of the blocks of one band; made by `Dataset.band`, used as a context manager.

    Iterating yields each `Block` in order, with its checksums verified. It ends normally only after the last
    dump.

    Raises
    ------
    IncompleteError
        The band is missing, was cut short, or ends before the last dump.
    CorruptError
        A checksum, the schema or the manifest does not hold.
    TimedOutError
        The writer may be alive, but no step came in time.
    WriterDiedError
        The writer went away without closing the band.
    """

    def __init__(
        self, path: Path, manifest: Manifest, entry: BandEntry, variables: tuple[str, ...], timeout_s: float
    ) -> None:
        for name in variables:
            if name not in VARIABLE_NAMES:
                raise DatasetError(f"no variable {name!r}; there are {', '.join(VARIABLE_NAMES)}")
        self._path = path / entry.path
        self._manifest = manifest
        self._entry = entry
        self._wanted = {"dump", "time_utc", *variables}
        self._timeout_s = timeout_s
        self._io: Any = None
        self._engine: Any = None
        self._header: BandHeader | None = None
        self._next_dump = 0
        self._in_step = False

    def __enter__(self) -> BandReader:
        try:
            self._open()
            # ADIOS2 has the attributes only once a step was begun.
            self._in_step = self._begin_step()
            if not self._in_step:
                raise self._ended()
            self._header = self._read_header()
        except BaseException:
            self._drop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._close()
        else:
            self._drop()

    @property
    def header(self) -> BandHeader:
        """What is the same for all steps; there once the reader was entered."""
        if self._header is None:
            raise DatasetError(f"{self._path}: the reader is not open; use it in a `with` statement")
        return self._header

    def __iter__(self) -> Iterator[Block]:
        for block, wrong in self.checked_blocks():
            if wrong:
                raise CorruptError(f"{self._path}: {'; '.join(wrong)}; the bytes are not those written; {REMEDY}")
            yield block

    def checked_blocks(self) -> Iterator[tuple[Block, tuple[str, ...]]]:
        """Yield each block and a sentence for each of its checksums that does not hold; go on after those."""
        header = self.header
        while self._next_dump < header.n_dumps:
            if not self._in_step and not self._begin_step():
                raise self._ended()
            block, wrong = self._guarded(
                lambda: read_block(self._io, self._engine, header, self._wanted, self._next_dump, str(self._path))
            )
            self._engine.end_step()
            self._in_step = False
            self._next_dump += len(block.dump)
            yield block, wrong
        if self._begin_step():
            raise CorruptError(f"{self._path}: there are steps after the last dump, {header.n_dumps - 1}")

    def _open(self) -> None:
        import adios2

        self._poll(lambda: None if self._missing_files() else True)
        self._io = adios2.Adios().declare_io("band")
        self._io.set_engine("BP5")
        # ADIOS2's usual way to read files waits for ever for bytes that were cut off; this one fails.
        self._io.add_transport("File", {"Library": "stdio"})
        self._io.set_parameters({"OpenTimeoutSecs": "0"})
        self._engine = self._guarded(lambda: self._io.open(str(self._path), adios2.Mode.Read))

    def _close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _missing_files(self) -> list[str]:
        return [name for name, least in LEAST_BYTES.items() if _size(self._path / name) < least]

    def _drop(self) -> None:
        # Closing after an error would try again what failed.
        self._engine = self._io = None

    def _begin_step(self) -> bool:
        """Begin the next step and return True, or return False at the end; wait as long as there is hope."""
        import adios2

        def look() -> bool | None:
            status = self._guarded(lambda: self._engine.begin_step(adios2.StepMode.Read, 0.0))
            if status == adios2.StepStatus.OtherError:
                raise WriterDiedError(f"{self._path}: ADIOS2 lost the writer after {self._next_dump} dumps")
            return None if status == adios2.StepStatus.NotReady else status == adios2.StepStatus.OK

        return self._poll(look)

    def _poll(self, look: Callable[[], bool | None]) -> bool:
        """Return what `look` finds other than None; raise when that takes too long or nobody can bring it."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            # Asked before the look: what a writer that is gone has left is all there will be.
            writing, who = who_writes(self._path)
            found = look()
            if found is not None:
                return found
            if writing is Writing.DEAD or (writing is Writing.NOBODY and not self._may_come()):
                raise self._never(writing, who)
            if time.monotonic() >= deadline:
                raise TimedOutError(
                    f"{self._path}: dump {self._next_dump} did not come within {self._timeout_s:g} s; "
                    f"{writing.value} ({who}); wait for the run to end, or allow a longer time"
                )
            time.sleep(POLL_S)

    def _may_come(self) -> bool:
        # Before the run comes to a band nobody writes it: then only the manifest tells that somebody will.
        return self._timeout_s > 0 and self._manifest.state == "running" and not self._path.exists()

    def _never(self, writing: Writing, who: str) -> DatasetError:
        """Return the error for a step that nobody will write, or an index that is not there."""
        if writing is Writing.DEAD:
            return WriterDiedError(
                f"{self._path}: {who} failed or ended without closing the band; {self._next_dump} dumps are whole; "
                "run the observation again"
            )
        if not self._path.is_dir():
            return IncompleteError(f"{self._path}: band {self._entry.index} is missing; {REMEDY}")
        if self._missing_files():
            return IncompleteError(
                f"{self._path}: {' and '.join(self._missing_files())} missing or cut short; {REMEDY}"
            )
        return IncompleteError(
            f"{self._path}: after {self._next_dump} dumps it stops without an end: the copy or the run was cut "
            f"short; {REMEDY}"
        )

    def _ended(self) -> DatasetError:
        """Return the error for an end before the last dump."""
        writing, who = who_writes(self._path)
        expected = f" of {self._header.n_dumps}" if self._header is not None else ""
        where = f"{self._path}: the band ends after {self._next_dump}{expected} dumps"
        if writing is not Writing.NOBODY:
            return WriterDiedError(f"{where}: {who} failed or ended without closing it; run the observation again")
        return IncompleteError(f"{where}; {REMEDY}")

    def _guarded(self, call: Callable[[], Result]) -> Result:
        """Call ADIOS2, and say what its exceptions mean here."""
        try:
            return call()
        except (RuntimeError, ValueError, IndexError) as error:
            reason = adios_reason(error)
            if any(sign in reason for sign in ("read size", "could not be found", "No such file")):
                raise IncompleteError(
                    f"{self._path}: a file is missing or cut short ({reason}) after {self._next_dump} dumps; {REMEDY}"
                ) from error
            raise CorruptError(f"{self._path}: ADIOS2 cannot read it ({reason}); {REMEDY}") from error

    def _read_header(self) -> BandHeader:
        header = self._guarded(lambda: read_header(self._io, str(self._path)))
        for name, found, expected in (
            ("band", header.band, self._entry.index),
            ("channels", header.channels, self._entry.channels),
            ("config_sha256", header.config_sha256, self._manifest.config_sha256),
        ):
            if found != expected:
                raise CorruptError(
                    f"{self._path}: {name} is {found}, the manifest says {expected}; "
                    "the band belongs to another dataset, put the right one back"
                )
        return header


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1
