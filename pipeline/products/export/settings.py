"""What to export, and what was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError, IncompleteError
from pipeline.products.export.selection import Format
from pipeline.telemetry.describe import human_bytes


@dataclass(frozen=True)
class ExportSettings:
    """What to export, and as what.

    Attributes
    ----------
    format
        Of the files.
    split
        One file for each band, in a folder; else one, whose channels are the bands.
    bands
        Such as ``0-3,7``; None for all.
    skip_incomplete
        Read all bands through first, and leave out those that are not whole.
    """

    format: Format
    split: bool = False
    bands: str | None = None
    skip_incomplete: bool = False


@dataclass(frozen=True)
class ExportReport:
    """What was made.

    Attributes
    ----------
    path
        The file or folder.
    bands
        Those in it.
    left_out
        Those that are not whole, and why.
    n_bytes
        Bytes of the arrays written.
    """

    path: Path
    bands: tuple[int, ...]
    left_out: dict[int, DatasetError]
    n_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        left_out = {str(band): str(error) for band, error in self.left_out.items()}
        return {"path": str(self.path), "bands": list(self.bands), "left_out": left_out, "bytes": self.n_bytes}

    def describe(self) -> str:
        """Say it to people."""
        return f"{self.path}: {len(self.bands)} bands, {human_bytes(self.n_bytes)}"

    def incomplete(self) -> IncompleteError:
        """Return the error that a partial export ends with."""
        n_all = len(self.bands) + len(self.left_out)
        return IncompleteError(f"{self.path} holds {len(self.bands)} of {n_all} bands: the others are not whole")
