"""The dataset's folder: its manifest, the configuration beside it, and how both begin and end."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.dataset.schema import FORMAT, FORMAT_VERSION
from pipeline.dataset.storage import MANIFEST, OBSERVATION, STREAM, Writing, is_own_name, who_writes
from pipeline.errors import CorruptError, DatasetError, IncompleteError


class BandEntry(BaseModel):
    """What the manifest says of one band.

    Attributes
    ----------
    index : int
        Index of the band.
    path : str
        Name of its ADIOS2 output within the dataset.
    channels : tuple of int
        First and last + 1 of the fine channels it is made of.
    frequency_hz : float, Hz
        Mean of the centres of its channels.
    steps : int
        ADIOS2 steps it has when it is complete.
    complete : bool
        All steps were written and the band was closed.
    stream : str or None
        Name within the dataset of the contact file of its stream, which is there while it is streamed; None if it
        is not streamed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int
    path: str
    channels: tuple[int, int]
    frequency_hz: float
    steps: int
    complete: bool = False
    stream: str | None = None


class Manifest(BaseModel):
    """What a dataset holds, and whether it is all there.

    Attributes
    ----------
    format, version : str, int
        ``"dawnstream"`` and the version of the format.
    software : str
        Name and version of the software that made it.
    created : str
        ISO 8601 date and time, UTC.
    config_sha256 : str
        SHA-256 of the bytes of observation.yaml.
    state : str
        ``"running"`` until every band is complete, then ``"complete"``.
    plan : dict
        The plan of the run, as the plan describes itself.
    files : bool
        Whether the bands are kept in files; if not, they were only streamed.
    bands : tuple of BandEntry
        The bands, in order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str = FORMAT
    version: int = FORMAT_VERSION
    software: str
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    config_sha256: str
    state: Literal["running", "complete"] = "running"
    plan: dict[str, Any]
    files: bool = True
    bands: tuple[BandEntry, ...]


def config_sha256(config_yaml: str) -> str:
    """Return the SHA-256 of the bytes observation.yaml has with this text."""
    return hashlib.sha256(config_yaml.encode()).hexdigest()


def create_dataset(path: Path, config_yaml: str, manifest: Manifest, overwrite: bool) -> None:
    """Make the dataset's folder with its configuration and manifest.

    Parameters
    ----------
    path : Path
        The folder to make, parents included.
    config_yaml : str
        The effective configuration, kept as observation.yaml.
    manifest : Manifest
        Its ``config_sha256`` is that of `config_yaml`, its ``state`` is "running".
    overwrite : bool
        Replace a dataset that is there. Only a folder with a manifest of ours and nothing but files of ours
        is ever deleted.

    Raises
    ------
    DatasetError
        If the path exists and must not, or cannot, be replaced, or if the folder cannot be made.
    """
    if manifest.config_sha256 != config_sha256(config_yaml):
        raise DatasetError("config_sha256 of the manifest is not the SHA-256 of the configuration to be kept beside it")
    path = Path(path)
    try:
        if path.exists() or path.is_symlink():
            if not overwrite:
                raise DatasetError(f"{path} exists already; choose another output.path, or pass --overwrite")
            _check_is_ours_alone(path)
            shutil.rmtree(path)
        path.mkdir(parents=True)
        if any(band.stream is not None for band in manifest.bands):
            (path / STREAM).mkdir()
        (path / OBSERVATION).write_text(config_yaml, encoding="utf-8", newline="")
        write_manifest(path, manifest)
    except OSError as error:
        raise DatasetError(f"{path}: the dataset cannot be made ({error.strerror}: {error.filename})") from error


def finish_dataset(path: Path, bands_complete: Sequence[bool]) -> Manifest:
    """Set which bands are complete, and the state "complete" if all are; return the manifest as written.

    Raises
    ------
    DatasetError
        If there is not one flag for each band, or if the folder holds no manifest of ours.
    """
    manifest = read_manifest(path)
    if len(bands_complete) != len(manifest.bands):
        raise DatasetError(
            f"{path}: {len(bands_complete)} flags for {len(manifest.bands)} bands; one for each is needed"
        )
    bands = tuple(
        band.model_copy(update={"complete": bool(complete)})
        for band, complete in zip(manifest.bands, bands_complete, strict=True)
    )
    state = "complete" if all(bands_complete) else "running"
    finished = manifest.model_copy(update={"bands": bands, "state": state})
    write_manifest(path, finished)
    if state == "complete":
        # Readers that are connected need no contact file; all others now read the files.
        shutil.rmtree(path / STREAM, ignore_errors=True)
    return finished


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Put the manifest into the dataset's folder in one go: readers see the old one or the new one, never a half."""
    beside = path / f".{MANIFEST}.{os.getpid()}"
    with beside.open("w", encoding="utf-8") as file:
        file.write(manifest.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path / MANIFEST)


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of the dataset at `path`.

    Raises
    ------
    DatasetError
        If there is no dataset, or one of another format or another version of ours.
    CorruptError
        If there is a manifest, but not one that was written whole by us.
    """
    file = path / MANIFEST
    if not path.is_dir():
        raise DatasetError(f"{path}: no such folder; a dataset is a folder, usually NAME.dawn")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{path} is not a Dawnstream dataset: it has no {MANIFEST}") from None
    except ValueError as error:
        raise CorruptError(f"{file} is not JSON ({error}); restore it, or run the observation again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DatasetError(f'{path} is not a Dawnstream dataset: {MANIFEST} does not say "format": "{FORMAT}"')
    check_version(str(file), content.get("version"))
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise CorruptError(f"{file}: {where}: {problem['msg']}; restore it, or run the observation again") from error


def check_version(where: str, version: object) -> None:
    """Raise DatasetError unless `version` is the format version that this software reads."""
    if version == FORMAT_VERSION:
        return
    newer = isinstance(version, int) and version > FORMAT_VERSION
    remedy = "update Dawnstream" if newer else "read it with the Dawnstream that wrote it, or run the observation again"
    raise DatasetError(f"{where}: format version {version}; this Dawnstream reads version {FORMAT_VERSION}; {remedy}")


def read_observation(path: Path, manifest: Manifest) -> dict[str, Any]:
    """Return the configuration kept in the dataset, as a dict.

    Raises
    ------
    IncompleteError
        If observation.yaml is not there.
    CorruptError
        If its bytes are not those the manifest has the SHA-256 of.
    """
    import yaml

    file = path / OBSERVATION
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise IncompleteError(f"{path}: {OBSERVATION} is missing; copy the dataset again with all its files") from None
    found = hashlib.sha256(content).hexdigest()
    if found != manifest.config_sha256:
        raise CorruptError(
            f"{file} was changed: its SHA-256 is {found}, the manifest has {manifest.config_sha256}; restore it"
        )
    observation: dict[str, Any] = yaml.safe_load(content)
    return observation


def _check_is_ours_alone(path: Path) -> None:
    """Raise DatasetError unless all that deleting `path` would delete is a dataset of ours that nobody writes."""
    manifest = path / MANIFEST
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        is_ours = isinstance(content, dict) and content.get("format") == FORMAT
    except (OSError, ValueError):
        is_ours = False
    if path.is_symlink() or not is_ours:
        raise DatasetError(
            f"{path} is not a Dawnstream dataset (a folder with a {MANIFEST} of ours) and is not deleted; "
            "choose another output.path, or move it away"
        )
    stream = path / STREAM
    for entry in sorted([*path.iterdir(), *(stream.iterdir() if stream.is_dir() else ())]):
        if not is_own_name(entry.name):
            raise DatasetError(
                f"{path} holds {entry.name}, which is not part of a dataset, and is not deleted; move {entry.name} away"
            )
        if entry.suffix == ".writer" and who_writes(entry)[0] is Writing.ALIVE:
            raise DatasetError(f"{path} is being written by {who_writes(entry)[1]}; end that run first")
