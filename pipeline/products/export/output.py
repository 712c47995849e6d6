"""Where an export goes: made beside its name, hidden, and given the name once it is whole."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DatasetError

TABLE_FILE = "table.dat"
"""What every casacore table has."""

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class Output:
    """An export's name.

    Attributes
    ----------
    path
        A Measurement Set (a folder), a UVH5 file, or a folder with one of these for each band.
    """

    path: Path

    @property
    def partial(self) -> Path:
        """The hidden name; every rank knows it."""
        return self.path.with_name(f".{self.path.name}.partial")

    @property
    def _replaced(self) -> Path:
        """Where what is replaced waits to be deleted."""
        return self.path.with_name(f".{self.path.name}.replaced")

    def refuse_existing(self, overwrite: bool) -> None:
        """Leave alone what is there, unless told otherwise; and even then what no export made.

        Raises
        ------
        DatasetError
            If the name is taken and must not be replaced, or nothing can be written beside it.
        """
        if not self.path.name:
            raise DatasetError(f"{self.path} is not a name for an export; name a file or folder that is to be made")
        if not (self.path.exists() or self.path.is_symlink()):
            return
        if not overwrite:
            raise DatasetError(f"{self.path} exists; choose another output, or pass --overwrite")
        if self.path.is_symlink() or not is_export(self.path):
            raise DatasetError(
                f"{self.path} is neither a Measurement Set, nor a UVH5 file, nor a folder of these for each band, and "
                "is not deleted; choose another output, or move it away"
            )

    def prepare(self, as_folder: bool) -> None:
        """Make the folder it goes to; remove what an earlier export left unfinished.

        Raises
        ------
        DatasetError
            If that cannot be done.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _remove(self.partial)
            if as_folder:
                self.partial.mkdir()
        except OSError as error:
            raise DatasetError(f"{self.path}: cannot be written there: {error.strerror}: {error.filename}") from error

    def publish(self) -> None:
        """Give it its name; what had it before is deleted after that.

        Raises
        ------
        DatasetError
            If it cannot be renamed.
        """
        try:
            _remove(self._replaced)
            if self.path.exists():
                self.path.rename(self._replaced)
            self.partial.rename(self.path)
            _remove(self._replaced)
        except OSError as error:
            raise DatasetError(f"{self.path}: cannot get its name: {error.strerror}: {error.filename}") from error

    def discard(self) -> None:
        """Leave nothing half-made behind."""
        with contextlib.suppress(OSError):
            _remove(self.partial)


def band_file(band: int, suffix: str) -> str:
    """Return the name of a band's file within a folder of all: ``band-00000.ms``."""
    return f"band-{band:05d}{suffix}"


def to_disk(files: Iterable[Path]) -> None:
    """Wait until files are on the disk.

    Raises
    ------
    DatasetError
        If they cannot be.
    """
    for file in files:
        try:
            descriptor = os.open(file, os.O_WRONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DatasetError(f"{file}: cannot be written: {error.strerror}; make room") from error


def is_export(path: Path) -> bool:
    """Tell whether all that deleting `path` would delete is a Measurement Set, a UVH5 file, or a folder of bands."""
    if path.is_file():
        with path.open("rb") as file:
            return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    if (path / TABLE_FILE).is_file():
        return True
    entries = list(path.iterdir())
    return bool(entries) and all(
        re.fullmatch(r"band-\d{5,}\.(ms|uvh5)", entry.name) and is_export(entry) for entry in entries
    )


def _remove(path: Path) -> None:
    """Delete a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
