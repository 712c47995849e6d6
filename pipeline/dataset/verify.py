"""Looking a dataset through: every step, shape and checksum; and what it holds, in short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.dataset.reader import Dataset, open_dataset
from pipeline.dataset.schema import BandHeader
from pipeline.dataset.storage import bytes_on_disk
from pipeline.errors import CorruptError, DatasetError, IncompleteError


@dataclass(frozen=True)
class BandVerification:
    """What was found in one band.

    Attributes
    ----------
    index, path : int, str
        Of the band.
    steps_expected, steps_found : int
        Steps the manifest promises; steps that could be read whole, whatever their checksums.
    n_dumps : int
        Dumps in those steps.
    n_bytes : int
        Size of the band's files.
    bad_checksums : tuple of str
        A sentence for each checksum that does not hold.
    error : DatasetError or None
        The first thing that is wrong; None if nothing is.
    """

    index: int
    path: str
    steps_expected: int
    steps_found: int
    n_dumps: int
    n_bytes: int
    bad_checksums: tuple[str, ...]
    error: DatasetError | None


@dataclass(frozen=True)
class VerifyReport:
    """What was found in a dataset.

    Attributes
    ----------
    path : Path
        Its folder.
    state : str
        What the manifest says: "running" or "complete".
    bands : tuple of BandVerification
        Every band, in order.
    """

    path: Path
    state: str
    bands: tuple[BandVerification, ...]

    @property
    def first_error(self) -> DatasetError | None:
        """The first error of the first band that has one; None for a dataset that is whole."""
        return next((band.error for band in self.bands if band.error is not None), None)

    @property
    def is_whole(self) -> bool:
        """Whether every byte that the manifest promises is there and is what was written."""
        return self.first_error is None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        bands = [
            {**vars(band), "error": None if band.error is None else f"{type(band.error).__name__}: {band.error}"}
            for band in self.bands
        ]
        return {"path": str(self.path), "state": self.state, "is_whole": self.is_whole, "bands": bands}


def verify_dataset(path: Path, progress: Callable[[int, int], None] | None = None) -> VerifyReport:
    """Read every byte of a dataset and compare it with what its writers and its manifest say.

    Parameters
    ----------
    path : Path
        The dataset's folder.
    progress : callable, optional
        Called with the number of steps done and the number of all steps after every step.

    Raises
    ------
    DatasetError
        If it cannot be opened; what is wrong with single bands is in the report instead.
    """
    dataset = open_dataset(path)
    total = sum(entry.steps for entry in dataset.manifest.bands)
    done, bands = 0, []
    for index in range(dataset.n_bands):
        before = done

        def one_step(n_found: int, before: int = before) -> None:
            if progress is not None:
                progress(min(before + n_found, total), total)

        bands.append(_verify_band(dataset, index, one_step))
        done += dataset.manifest.bands[index].steps
    return VerifyReport(dataset.path, dataset.manifest.state, tuple(bands))


def _verify_band(dataset: Dataset, index: int, step_done: Callable[[int], None]) -> BandVerification:
    entry = dataset.manifest.bands[index]
    path = dataset.path / entry.path
    error: DatasetError | None = None
    bad: list[str] = []
    n_steps = n_dumps = 0
    try:
        with dataset.band(index) as reader:
            for block, wrong in reader.checked_blocks():
                bad.extend(wrong)
                n_steps += 1
                n_dumps += len(block.dump)
                step_done(n_steps)
        if n_steps != entry.steps:
            raise CorruptError(f"{path}: {n_steps} steps; the manifest says {entry.steps}")
        if not entry.complete:
            raise IncompleteError(f"{path}: whole, but the run ended before it said so in the manifest")
    except DatasetError as problem:
        error = problem
    if bad and not isinstance(error, CorruptError):
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        error = CorruptError(f"{bad[0]}{more}; the bytes are not those written; copy the dataset again")
    return BandVerification(index, entry.path, entry.steps, n_steps, n_dumps, bytes_on_disk(path), tuple(bad), error)


def describe_dataset(path: Path) -> dict[str, Any]:
    """Return what a dataset holds as plain values, from its manifest, configuration and first readable band.

    Raises
    ------
    DatasetError
        If it cannot be opened.

    Notes
    -----
    What only a band tells (``stations``, ``baselines``, ``dumps`` and so on) is None as long as none can be read.
    """
    dataset = open_dataset(path)
    manifest, observation = dataset.manifest, dataset.observation
    header = _first_header(dataset)
    start = observation.get("time", {}).get("start")
    bands = [
        {**entry.model_dump(mode="json"), "bytes": bytes_on_disk(dataset.path / entry.path)} for entry in manifest.bands
    ]
    return {
        "path": str(dataset.path),
        "name": observation.get("name"),
        "array": observation.get("telescope", {}).get("array"),
        "start": start.isoformat() if isinstance(start, datetime) else start,
        "stations": None if header is None else len(header.station_names),
        "baselines": None if header is None else len(header.baselines),
        "polarisations": None if header is None else list(header.polarisations),
        "dumps": None if header is None else header.n_dumps,
        "integration_s": None if header is None else header.integration_s,
        "phase_centre_rad": None if header is None else list(header.phase_centre_rad),
        "bands": bands,
        "bands_complete": sum(entry.complete for entry in manifest.bands),
        "bytes": bytes_on_disk(dataset.path),
        "state": manifest.state,
        "format_version": manifest.version,
        "software": manifest.software,
        "created": manifest.created,
        "config_sha256": manifest.config_sha256,
    }


def _first_header(dataset: Dataset) -> BandHeader | None:
    for index in range(dataset.n_bands):
        try:
            with dataset.band(index) as reader:
                return reader.header
        except DatasetError:
            continue
    return None
