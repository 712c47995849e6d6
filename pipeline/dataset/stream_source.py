"""A live stream of a band, over ADIOS2's SST, as a source of steps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.dataset.manifest import read_manifest
from pipeline.dataset.source import Source, run_died
from pipeline.dataset.storage import MANIFEST, Writing, new_join, who_writes
from pipeline.errors import DatasetError, IncompleteError, WriterDiedError

GRACE_S = 0.5
"""Seconds for a process to be gone once its connection is lost."""


class StreamSource(Source):
    """The stream of a band.

    Parameters
    ----------
    contact : Path
        The file through which its writer is found.
    folder : Path or None
        The dataset's folder, if there is one: it tells whether the stream is over.
    band_path : Path or None
        The band's files, if they are written as well.
    """

    is_live = True

    def __init__(self, contact: Path, folder: Path | None, band_path: Path | None) -> None:
        super().__init__(contact)
        self._folder, self._band_path = folder, band_path

    def _open(self) -> bool:
        import adios2

        writing, who = self.who()
        if not self.path.exists():
            return False
        if writing is Writing.DEAD:
            raise self._stale(who)
        io = adios2.Adios().declare_io("stream")
        io.set_engine("SST")
        io.set_parameters({"OpenTimeoutSecs": "1"})
        try:
            with self._asking():
                self.engine = io.open(str(self.path.with_suffix("")), adios2.Mode.Read)
        except RuntimeError as error:
            # The stream may just have ended in good order: then the file is gone.
            if not self.path.exists():
                return False
            raise self._stale(who) from error
        self.io = io
        return True

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Ask the writer to let this reader in; without, it comes in with the next block."""
        join = new_join(self.path)
        # Who may not write there waits for the next block.
        with contextlib.suppress(OSError):
            join.touch()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                join.unlink(missing_ok=True)

    def _begin_step(self) -> bool | None:
        # Steps without a dump are those that let other readers in.
        while (found := super()._begin_step()) and self.io.inquire_variable("dump") is None:
            self.guarded(self.engine.end_step)
        return found

    def _meaning(self, reason: str) -> DatasetError:
        deadline = time.monotonic() + GRACE_S
        while self.who()[0] is Writing.ALIVE and time.monotonic() < deadline:
            time.sleep(GRACE_S / 20)
        if self.who()[0] is Writing.ALIVE:
            return super()._meaning(reason)
        return WriterDiedError(
            f"{self.path}: the writer ended within a step, after {self.next_dump} dumps ({reason}); "
            "read the files, or run the observation again"
        )

    def _stale(self, who: str) -> WriterDiedError:
        return WriterDiedError(
            f"{self.path}: a stale contact file: {who}, which streamed the band, is gone or gave the stream up; "
            "read the files, or run the observation again"
        )

    def _never(self, writing: Writing, who: str) -> DatasetError | None:
        if self.engine is not None or writing in (Writing.ALIVE, Writing.ELSEWHERE):
            # A writer that dies is told by SST itself, after the steps it has sent.
            return None
        if writing is Writing.DEAD:
            return self._stale(who)
        if self._is_over():
            return IncompleteError(f"{self.path}: the stream is over; read the files of the band instead")
        return None if self._folder is None else run_died(self.path, self._folder)

    def _is_over(self) -> bool:
        """Tell whether the band, or the run, has ended in good order."""
        if self._folder is None:
            return not self.path.exists()
        if self._band_path is not None and self._band_path.exists():
            return who_writes(self._band_path)[0] is Writing.NOBODY
        return read_manifest(self._folder).state == "complete"

    @classmethod
    def of_contact(cls, contact: Path) -> StreamSource:
        """Return the source for a contact file, within a dataset or anywhere."""
        folder = contact.absolute().parent.parent
        if not (folder / MANIFEST).is_file():
            return cls(contact, None, None)
        for entry in (manifest := read_manifest(folder)).bands:
            if entry.stream is not None and Path(entry.stream).name == contact.name:
                return cls(contact, folder, folder / entry.path if manifest.files else None)
        raise DatasetError(f"{contact}: no band of {folder} is streamed there; give the file its name back")
