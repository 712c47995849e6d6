"""Names of files, room on the disk, who is writing, and what ADIOS2 says when it fails."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import tempfile
import uuid
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError

MANIFEST = "manifest.json"
OBSERVATION = "observation.yaml"
STREAM = "stream"


def band_name(band: int) -> str:
    """Return the name of a band's ADIOS2 output within the dataset."""
    return f"band-{band:05d}.bp"


def contact_name(band: int) -> str:
    """Return the name within the dataset of the file through which readers find the stream of a band."""
    return f"{STREAM}/band-{band:05d}.sst"


def new_join(contact: Path) -> Path:
    """Return a name of a file with which a reader asks the writer of a stream to let it in."""
    return contact.with_suffix(f".join-{uuid.uuid4().hex[:12]}")


def joins(contact: Path) -> list[Path]:
    """Return the files of readers that ask to be let in."""
    return sorted(contact.parent.glob(f"{contact.stem}.join-*"))


def writer_mark(band_path: Path) -> Path:
    """Return the path of the file that is there as long as a band is open for writing."""
    return band_path.with_suffix(".writer")


def is_own_name(name: str) -> bool:
    """Tell whether a dataset of ours may hold an entry of this name."""
    ours = rf"{MANIFEST}|{OBSERVATION}|{STREAM}|\.{MANIFEST}\.\d+|band-\d{{5,}}\.(bp|writer|sst|join-\w+)"
    return re.fullmatch(ours, name) is not None


def bytes_on_disk(path: Path) -> int:
    """Return the sum of the sizes of the files in a folder, in bytes; 0 if it is not there."""
    return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())


def check_space(path: Path, bytes_needed: int) -> None:
    """Raise DatasetError if the file system of `path` (which need not exist yet) has less than this free."""
    folder = _existing_parent(path)
    free = shutil.disk_usage(folder).free
    if free < bytes_needed:
        raise DatasetError(
            f"{path}: {bytes_needed:,} bytes are needed and {free:,} are free on the file system of {folder}; "
            "free some, choose another output.path, or plan fewer dumps, channels or baselines"
        )


def check_writable(path: Path) -> None:
    """Raise DatasetError if nothing can be made where `path` is, or is to be."""
    folder = _existing_parent(path)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".dawnstream-"):
            pass
    except OSError as error:
        raise DatasetError(
            f"{path}: {folder} cannot be written ({error.strerror}); choose another output.path or ask for the right to"
        ) from error


def _existing_parent(path: Path) -> Path:
    folder = path.absolute()
    while not folder.is_dir():
        if folder.exists():
            raise DatasetError(f"{path}: {folder} is a file; a folder is needed here, choose another output.path")
        folder = folder.parent
    return folder


class Writing(Enum):
    """What is known about the process that writes a band."""

    NOBODY = "no writer left its mark"
    ALIVE = "the writer is alive"
    ELSEWHERE = "the writer runs, or ran, on another host"
    DEAD = "the writer is gone and did not close the band"


def leave_mark(band_path: Path) -> None:
    """Say beside the band who writes it; readers on the same host can then tell a dead writer from a slow one."""
    pid = os.getpid()
    mark = {"host": _host(), "pid": pid, "started": _started(pid) or "unknown"}
    writer_mark(band_path).write_text(json.dumps(mark) + "\n")


def mark_failed(band_path: Path) -> None:
    """Say beside the band that its writer failed, though its process may live on."""
    mark = {"host": _host(), "pid": os.getpid(), "started": None}
    # On a full disk even this may fail; then readers know when the process is gone.
    with contextlib.suppress(OSError):
        writer_mark(band_path).write_text(json.dumps(mark) + "\n")


def who_writes(band_path: Path) -> tuple[Writing, str]:
    """Return what is known about the writer of a band, and a word for people on who it is."""
    try:
        mark = json.loads(writer_mark(band_path).read_text())
        host, pid, started = str(mark["host"]), int(mark["pid"]), mark["started"]
    except FileNotFoundError:
        return Writing.NOBODY, "no process"
    except (ValueError, KeyError, TypeError):
        return Writing.ELSEWHERE, f"an unreadable {writer_mark(band_path).name}"
    who = f"process {pid} on {host.split('/')[0]}"
    if started is None:
        return Writing.DEAD, who
    if host != _host():
        return Writing.ELSEWHERE, who
    return (Writing.ALIVE if _started(pid) == started else Writing.DEAD), who


def _host() -> str:
    # A process number means something only within its host and its process namespace (containers).
    try:
        return f"{platform.node()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def _started(pid: int) -> str | None:
    # The start time guards against a number that was given away again; a zombie has died already.
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def adios_reason(error: Exception) -> str:
    """Return what ADIOS2 says, without colours, dates and names of its classes."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    plain = re.sub(r"\[[^\]]*\] \[ADIOS2 EXCEPTION\] (<[^>]*> )*:? *", "", plain)
    return " ".join(plain.replace(": iostream error", "").split())


def checksum(array: NDArray[Any], so_far: int = 0) -> int:
    """Return the CRC-32C of the bytes of a C-contiguous array, going on from that of the bytes before."""
    from crc32c import crc32c

    return int(crc32c(array.reshape(-1).view(np.uint8).data, so_far))
