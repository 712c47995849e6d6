"""Where the steps of a band come from: a BP5 output, whole or still being written, opened and looked at by ADIOS2."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pipeline.dataset.storage import Writing, adios_reason, who_writes
from pipeline.errors import CorruptError, DatasetError, IncompleteError, TimedOutError, WriterDiedError

_LEAST_BYTES = {"md.idx": 64, "md.0": 0, "mmd.0": 1}
"""What BP5 has written when the first step is whole."""

REMEDY = "copy the dataset again with all its files, or run the observation again"

Result = TypeVar("Result")


class Source(ABC):
    """The steps of one band, looked for without waiting.

    Parameters
    ----------
    path : Path
        Of the band or its contact file; begins every message.

    Attributes
    ----------
    io, engine
        ADIOS2's, once `look` has opened the band.
    next_dump : int
        The dump that comes next; kept by the reader, for messages.
    n_dumps : int or None
        Dumps of the observation; kept by the reader, for messages.
    """

    is_live = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.io: Any = None
        self.engine: Any = None
        self.next_dump = 0
        self.n_dumps: int | None = None

    def look(self) -> bool | None:
        """Begin the next step and return True; return False at the end, None if nothing has come yet.

        Raises
        ------
        WriterDiedError, IncompleteError, CorruptError
            If nothing can come any more.
        """
        # Asked before the look: what a writer that is gone has left is all there will be.
        writing, who = self.who()
        found = None if self.engine is None and not self._open() else self._begin_step()
        if found is None:
            never = self._never(writing, who)
            if never is not None:
                raise never
        return found

    def close(self) -> None:
        """Close the band."""
        if self.engine is not None:
            self.engine.close()
        self.drop()

    def drop(self) -> None:
        """Let go of the band without closing it: after an error that would try again what failed."""
        self.engine = self.io = None

    def late(self, timeout_s: float) -> TimedOutError:
        """Return the error for a step that did not come in time."""
        writing, who = self.who()
        return TimedOutError(
            f"{self.path}: dump {self.next_dump} did not come within {timeout_s:g} s; {writing.value} ({who}); "
            "wait for the run to end, or allow a longer time"
        )

    def ended(self) -> DatasetError:
        """Return the error for an end before the last dump."""
        writing, who = self.who()
        expected = f" of {self.n_dumps}" if self.n_dumps is not None else ""
        where = f"{self.path}: the band ends after {self.next_dump}{expected} dumps"
        if writing is not Writing.NOBODY:
            return WriterDiedError(f"{where}: {who} failed or ended without closing it; run the observation again")
        return IncompleteError(f"{where}; {REMEDY}")

    def who(self) -> tuple[Writing, str]:
        """Return what is known about the writer."""
        return who_writes(self.path)

    def guarded(self, call: Callable[[], Result]) -> Result:
        """Call ADIOS2, and say what its exceptions mean here."""
        try:
            return call()
        except (RuntimeError, ValueError, IndexError) as error:
            raise self._meaning(adios_reason(error)) from error

    def _meaning(self, reason: str) -> DatasetError:
        """Return the error for what ADIOS2 says when it fails."""
        if any(sign in reason for sign in ("read size", "could not be found", "No such file")):
            return IncompleteError(
                f"{self.path}: a file is missing or cut short ({reason}) after {self.next_dump} dumps; {REMEDY}"
            )
        return CorruptError(f"{self.path}: ADIOS2 cannot read it ({reason}); {REMEDY}")

    def _begin_step(self) -> bool | None:
        import adios2

        status = self.guarded(lambda: self.engine.begin_step(adios2.StepMode.Read, 0.0))
        if status == adios2.StepStatus.OtherError:
            raise WriterDiedError(f"{self.path}: ADIOS2 lost the writer after {self.next_dump} dumps")
        return None if status == adios2.StepStatus.NotReady else bool(status == adios2.StepStatus.OK)

    @abstractmethod
    def _open(self) -> bool:
        """Open the band if it is there."""

    @abstractmethod
    def _never(self, writing: Writing, who: str) -> DatasetError | None:
        """Return the error for a step that nobody will write; None while there is hope."""


class FileSource(Source):
    """A BP5 output of a dataset.

    Parameters
    ----------
    path : Path
        Of the band.
    index : int
        Of the band.
    may_come : bool
        The reader would wait for a band that nobody has begun, and the manifest tells that somebody will.
    """

    def __init__(self, path: Path, index: int, may_come: bool) -> None:
        super().__init__(path)
        self._index = index
        self._may_come = may_come

    def close(self) -> None:
        """Let go of the files: closed, ADIOS2 2.12 leaves a profile of reading in ``/tmp``, whatever it is told."""
        self.drop()

    def _open(self) -> bool:
        import adios2

        if missing_metadata(self.path) is not None:
            return False
        self.io = adios2.Adios().declare_io("band")
        self.io.set_engine("BP5")
        # ADIOS2's usual way to read files waits for ever for bytes that were cut off; this one fails.
        self.io.add_transport("File", {"Library": "stdio"})
        # One thread: the bytes are then in the cache of the core that compares their checksums.
        self.io.set_parameters({"OpenTimeoutSecs": "0", "Threads": "1"})
        self.engine = self.guarded(lambda: self.io.open(str(self.path), adios2.Mode.Read))
        return True

    def _never(self, writing: Writing, who: str) -> DatasetError | None:
        if writing is Writing.DEAD:
            return WriterDiedError(
                f"{self.path}: {who} failed or ended without closing the band; {self.next_dump} dumps are whole; "
                "run the observation again"
            )
        if writing is not Writing.NOBODY:
            return None
        if not self.path.exists():
            if self._may_come:
                return run_died(self.path, self.path.parent)
            return IncompleteError(f"{self.path}: band {self._index} is missing; {REMEDY}")
        return missing_metadata(self.path) or IncompleteError(
            f"{self.path}: after {self.next_dump} dumps it stops without an end: the copy or the run was cut "
            f"short; {REMEDY}"
        )


def run_died(path: Path, folder: Path) -> WriterDiedError | None:
    """Return the error for a band, or its stream, that was not begun when a writer died; a run dies whole.

    Parameters
    ----------
    path : Path
        Of the band or its stream; begins the message.
    folder : Path
        The dataset's, where the writers' marks are.
    """
    for mark in folder.glob("*.writer"):
        writing, who = who_writes(mark)
        if writing is Writing.DEAD:
            return WriterDiedError(
                f"{path}: it was not begun when {who}, which wrote {mark.stem}, failed or ended; "
                "run the observation again"
            )
    return None


def missing_metadata(band: Path) -> IncompleteError | None:
    """Return the error for metadata that are missing or cut short, for which ADIOS2 would wait, or crash.

    Parameters
    ----------
    band : Path
        A BP5 output.
    """
    short = [name for name, least in _LEAST_BYTES.items() if _size(band / name) < least]
    if not short and not _ends_with_a_record(band / "mmd.0"):
        short = ["mmd.0"]
    return IncompleteError(f"{band}: {' and '.join(short)} missing or cut short; {REMEDY}") if short else None


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1


def _ends_with_a_record(file: Path) -> bool:
    """Tell whether a list of records is whole: two uint64, the lengths of a name and of a description, and these."""
    content, at = file.read_bytes(), 0
    while at + 16 <= len(content):
        at += 16 + sum(struct.unpack_from("<QQ", content, at))
    return at == len(content)
