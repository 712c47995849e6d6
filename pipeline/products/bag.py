"""Folders of checksummed files, laid out as BagIt 1.0 (RFC 8493) says: made, taken up again, checked."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import CorruptError, DatasetError, IncompleteError

PAYLOAD_LIST, TAG_LIST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
CHUNK_BYTES = 4 << 20

Advance = Callable[[float], None]
"""Told how many bytes more were read."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Payload:
    """A file to put into a bag: where it is, and its name within, such as ``data/images/cube.fits``."""

    source: Path
    name: str


@dataclass(frozen=True)
class BagReport:
    """What was found in a bag.

    Attributes
    ----------
    path : Path
        Its folder.
    n_files, n_bytes : int
        Of the payload, as listed; sizes of those that are there.
    missing, changed, unlisted : tuple of str
        Names of files that are listed and not there, whose checksum does not hold, and that are in the payload and
        not listed.
    """

    path: Path
    n_files: int
    n_bytes: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    unlisted: tuple[str, ...]

    @property
    def error(self) -> DatasetError | None:
        """What is wrong; None if nothing is."""
        if self.changed:
            remedy = "copy them again; rsync sees by --checksum which"
            return CorruptError(f"{self.path}: {_some(self.changed)} changed; {remedy}")
        if self.missing:
            remedy = "copy again, tools like rsync take up where they ended"
            return IncompleteError(f"{self.path}: {_some(self.missing)} missing; {remedy}")
        if self.unlisted:
            return CorruptError(f"{self.path}: {_some(self.unlisted)} not in {PAYLOAD_LIST}; move them away")
        return None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {**vars(self), "path": str(self.path), "is_whole": self.error is None}


def fill_bag(folder: Path, payloads: Sequence[Payload], tags: dict[str, str], copy: bool, advance: Advance) -> None:
    """Put files into a folder and list them; a file that is there already, and the same, stays.

    Parameters
    ----------
    folder : Path
        The bag; what else is in it is removed.
    payloads : sequence of Payload
        The files.
    tags : dict
        Names and texts of files that describe the bag.
    copy : bool
        Copy files; if not, they get a second name where the file system can do that (hard links).
    advance : callable
        Told of every byte read.

    Raises
    ------
    DatasetError
        If two files would have one name, a name is not plain, or a file cannot be read or written.
    """
    names = [payload.name for payload in payloads]
    for name, times in Counter(names).items():
        if times > 1:
            raise DatasetError(f"{times} files would be {name} in the bundle; rename all but one")
        if re.search(r"[\r\n%\\]", name):
            raise DatasetError(f"{name!r}: line ends, % and \\ do not travel well; rename the file")
    try:
        _remove_others(folder, {*names})
        sums = in_threads(lambda payload: _place(payload.source, folder / payload.name, copy, advance), payloads)
        texts = {"bagit.txt": DECLARATION, **tags, PAYLOAD_LIST: _list(zip(names, sums, strict=True))}
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
        tag_sums = [(name, hashlib.sha256(text.encode()).hexdigest()) for name, text in texts.items()]
        (folder / TAG_LIST).write_text(_list(tag_sums), encoding="utf-8", newline="")
    except OSError as error:
        raise DatasetError(
            f"{folder}: the bundle cannot be made ({error.strerror}: {error.filename}); "
            "the same command takes it up where it ended"
        ) from error


def check_bag(folder: Path, advance: Advance) -> BagReport:
    """Compare every file of a bag with its checksum.

    Raises
    ------
    DatasetError
        If it is no bag of a version known.
    CorruptError
        If its lists cannot be read.
    """
    listed = {**read_list(folder, TAG_LIST), **read_list(folder, PAYLOAD_LIST)}
    there = {name for name in listed if (folder / name).is_file()}
    names = sorted(there)
    sums = in_threads(lambda name: sha256_of(folder / name, advance), names)
    found = {path.relative_to(folder).as_posix() for path in (folder / "data").rglob("*") if path.is_file()}
    payload = [name for name in listed if name.startswith("data/")]
    return BagReport(
        path=folder,
        n_files=len(payload),
        n_bytes=sum((folder / name).stat().st_size for name in payload if name in there),
        missing=tuple(sorted(set(listed) - there)),
        changed=tuple(name for name, found_sum in zip(names, sums, strict=True) if found_sum != listed[name]),
        unlisted=tuple(sorted(found - set(listed))),
    )


def read_list(folder: Path, name: str) -> dict[str, str]:
    """Return the names in a list of a bag, with their checksums."""
    declaration = folder / "bagit.txt"
    if not declaration.is_file() or not re.match(
        r"BagIt-Version: (0\.97|1\.0)\s", declaration.read_text("utf-8", "replace")
    ):
        raise DatasetError(f"{folder} is not a bundle: it has no bagit.txt of version 1.0 (RFC 8493)")
    try:
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise IncompleteError(f"{folder}: {name} is missing; copy the bundle again") from None
    listed = {}
    for number, line in enumerate(lines, 1):
        match = re.fullmatch(r"([0-9a-fA-F]{64})\s+\*?(\S.*)", line)
        # A list must not make anybody read what is outside of the folder.
        if not match or ".." in Path(match[2]).parts or Path(match[2]).is_absolute():
            raise CorruptError(f"{folder / name}, line {number}: it must be a SHA-256 and a name, and is {line!r}")
        listed[match[2]] = match[1].lower()
    return listed


def bytes_of(folder: Path) -> int:
    """Return the size of all files in a folder, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def sha256_of(file: Path, advance: Advance, copy_to: Path | None = None) -> str:
    """Return the SHA-256 of a file, which is copied on the way if there is a `copy_to`."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(CHUNK_BYTES))
    with file.open("rb", buffering=0) as source, copy_to.open("wb") if copy_to else nullcontext() as copy:
        while n_bytes := source.readinto(buffer):
            digest.update(buffer[:n_bytes])
            if copy is not None:
                copy.write(buffer[:n_bytes])
            advance(n_bytes)
    return digest.hexdigest()


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Do the work for all items, some at a time; SHA-256 and the disk leave the interpreter free meanwhile."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def counted(advance: Advance) -> Advance:
    """Return an `advance` that several threads may call."""
    lock = threading.Lock()

    def one_at_a_time(n_bytes: float) -> None:
        with lock:
            advance(n_bytes)

    return one_at_a_time


def _place(source: Path, target: Path, copy: bool, advance: Advance) -> str:
    """Have `source` at `target`, and return its checksum."""
    source = source.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        if source.samefile(target) and not copy:
            return sha256_of(source, advance)
        if source.stat().st_size == target.stat().st_size and not source.samefile(target):
            found = sha256_of(source, advance)
            if sha256_of(target, _silent) == found:
                return found
            advance = _silent
        target.unlink()
    if not copy:
        try:
            os.link(source, target)
            return sha256_of(source, advance)
        except OSError:
            # Another file system, or one that knows no links: a copy does as well, and fails if this was not why.
            target.unlink(missing_ok=True)
    found = sha256_of(source, advance, target)
    # With the times of the original, tools that look at these find it unchanged.
    shutil.copystat(source, target)
    return found


def _silent(n_bytes: float) -> None:
    """Tell nobody."""


def _remove_others(folder: Path, names: set[str]) -> None:
    """Remove what an earlier attempt left that is not wanted now."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in names:
            path.unlink()


def _list(sums: Iterable[tuple[str, str]]) -> str:
    # As `sha256sum -c` wants it, too.
    return "".join(f"{found}  {name}\n" for name, found in sorted(sums))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more are" if len(names) > 1 else " is"
    return f"{names[0]}{more}"
