"""Reading of datasets: bands as a stream of checked blocks; every way to end has an error of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from pipeline.dataset.manifest import BandEntry, Manifest, check_version, read_manifest, read_observation
from pipeline.dataset.schema import (
    ATTRIBUTES,
    CHECKS,
    FORMAT,
    VARIABLE_NAMES,
    VARIABLES,
    Array,
    Attribute,
    BandHeader,
    Block,
    Variable,
    float32_pairs,
    shape_of,
)
from pipeline.dataset.storage import Writing, adios_reason, who_writes
from pipeline.dataset.writer import checksum
from pipeline.errors import CorruptError, DatasetError, IncompleteError, TimedOutError, WriterDiedError

POLL_S = 0.05
"""Seconds between two looks for a new step; short beside a step, long beside the look."""

INDEX_HEADER_BYTES = 64
"""BP5 writes this much of md.idx when it opens an output; before that ADIOS2 cannot open it."""


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

    def band(
        self, index: int, *, variables: tuple[str, ...] = VARIABLE_NAMES, timeout_s: float = 0.0
    ) -> BandReader:
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

    Iterating yields each `Block` in order, every byte of it checked. It ends normally only after the last dump.

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
        self._engine: Any = None
        self._header: BandHeader | None = None
        self._next_dump = 0
        self._in_step = False

    def __enter__(self) -> BandReader:
        self._open()
        self._in_step = self._begin_step()
        if not self._in_step:
            raise self._ended()
        self._header = self._read_header()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    @property
    def header(self) -> BandHeader:
        """What is the same for all steps; there once the reader was entered."""
        if self._header is None:
            raise DatasetError(f"{self._path}: the reader is not open; use it in a `with` statement")
        return self._header

    def __iter__(self) -> Iterator[Block]:
        for block, wrong in self.checked_blocks():
            if wrong:
                raise CorruptError(
                    f"{self._path}: {'; '.join(wrong)}; the bytes on disk are not those written"
                )
            yield block

    def checked_blocks(self) -> Iterator[tuple[Block, tuple[str, ...]]]:
        """Yield each block with one sentence for each checksum that does not hold, without stopping at those."""
        n_dumps = self.header.n_dumps
        while self._next_dump < n_dumps:
            if not self._in_step and not self._begin_step():
                raise self._ended()
            block, wrong = self._guarded(self._read_block)
            self._engine.end_step()
            self._in_step = False
            self._next_dump += len(block.dump)
            yield block, wrong
        if self._begin_step():
            raise CorruptError(
                f"{self._path}: there are steps after dump {n_dumps - 1}, which should be the last"
            )

    def _open(self) -> None:
        import adios2

        index = self._path / "md.idx"
        self._poll(lambda: True if _size(index) >= INDEX_HEADER_BYTES else None, self._not_there)
        io = adios2.Adios().declare_io("band")
        io.set_engine("BP5")
        # ADIOS2's usual way to read files waits for ever for bytes that were cut off; this one gives an error.
        io.add_transport("File", {"Library": "stdio"})
        io.set_parameters({"OpenTimeoutSecs": "0"})
        self._io = io
        self._engine = self._guarded(lambda: io.open(str(self._path), adios2.Mode.Read))

    def _begin_step(self) -> bool:
        """Begin the next step and return True, or return False at the end; wait as long as there is hope."""
        import adios2

        def look() -> bool | None:
            status = self._guarded(lambda: self._engine.begin_step(adios2.StepMode.Read, 0.0))
            if status == adios2.StepStatus.OtherError:
                raise WriterDiedError(
                    f"{self._path}: ADIOS2 lost the writer after dump {self._next_dump - 1}"
                )
            if status == adios2.StepStatus.NotReady:
                return None
            return bool(status == adios2.StepStatus.OK)

        return self._poll(look, self._not_closed)

    def _poll(self, look: Callable[[], bool | None], none_ever: Callable[[], DatasetError]) -> bool:
        """Return what `look` finds; raise TimedOutError, or `none_ever` when no process is there to wait for."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            # Asked before the look: what a writer that is gone has left is all there will be.
            writing, who = who_writes(self._path)
            found = look()
            if found is not None:
                return found
            # Before the run comes to this band, nobody writes it; only a manifest can tell.
            not_begun = not self._path.exists() and self._manifest.state == "running" and self._timeout_s > 0
            if writing in (Writing.DEAD, Writing.NOBODY) and not not_begun:
                raise none_ever()
            if time.monotonic() >= deadline:
                raise TimedOutError(
                    f"{self._path}: dump {self._next_dump} did not come within {self._timeout_s:g} s; {writing.value} "
                    f"({who}); wait for the run to end, or allow a longer time"
                )
            time.sleep(POLL_S)

    def _not_there(self) -> DatasetError:
        writing, who = who_writes(self._path)
        if writing is Writing.DEAD:
            return WriterDiedError(
                f"{self._path}: {who} ended before it wrote a step; run the observation again"
            )
        missing = self._path / "md.idx" if self._path.is_dir() else self._path
        return IncompleteError(
            f"{missing} is missing or cut short, band {self._entry.index} cannot be read; "
            "copy the dataset again with all its files, or run the observation again"
        )

    def _not_closed(self) -> DatasetError:
        writing, who = who_writes(self._path)
        where = f"{self._path}: {self._next_dump} dumps are whole"
        if writing is Writing.DEAD:
            return WriterDiedError(
                f"{where}, then {who} ended without closing the band; run the observation again"
            )
        return IncompleteError(
            f"{where}, then it stops without an end: the copy or the run was cut short; "
            "copy the dataset again with all its files, or run the observation again"
        )

    def _ended(self) -> DatasetError:
        writing, who = who_writes(self._path)
        expected = f" of {self._header.n_dumps}" if self._header is not None else ""
        where = f"{self._path}: the band ends after {self._next_dump}{expected} dumps"
        if writing is not Writing.NOBODY:
            return WriterDiedError(
                f"{where}: {who} failed while it wrote; see its log, and run the observation again"
            )
        return IncompleteError(f"{where}; run the observation again")

    def _guarded(self, call: Callable[[], Any]) -> Any:
        """Call ADIOS2, and say what its exceptions mean here."""
        try:
            return call()
        except (RuntimeError, ValueError, IndexError) as error:
            reason = adios_reason(error)
            if any(
                sign in reason for sign in ("read size", "past end", "could not be found", "No such file")
            ):
                raise IncompleteError(
                    f"{self._path}: a file is missing or cut short after dump {self._next_dump - 1} ({reason}); "
                    "copy the dataset again with all its files, or run the observation again"
                ) from error
            raise CorruptError(f"{self._path}: ADIOS2 cannot read it: {reason}") from error

    def _read_header(self) -> BandHeader:
        values: dict[str, Any] = {}
        for attribute in ATTRIBUTES:
            found = self._guarded(lambda name=attribute.name: self._io.inquire_attribute(name))
            if attribute.name == "format_version" and found is not None:
                check_version(str(self._path), int(np.asarray(found.data()).reshape(-1)[0]))
            if found is None:
                raise CorruptError(f"{self._path}: the attribute {attribute.name} is missing")
            values[attribute.name] = _flat_value(attribute, found)
        if values.pop("format") != FORMAT:
            raise DatasetError(f"{self._path}: not a band of ours: its attribute format is not {FORMAT!r}")
        values.pop("format_version")
        sizes = {"xyz": 3, "channel": len(values["channel_hz"]), "station": len(values["station_names"])}
        sizes |= {"pol": len(values["polarisations"]), "baseline": len(values["baselines"]) // 2}
        for attribute in ATTRIBUTES:
            if isinstance(values.get(attribute.name), np.ndarray):
                values[attribute.name] = self._shaped(attribute, values[attribute.name], sizes)
        header = BandHeader(**values)
        self._compare("band", header.band, self._entry.index)
        self._compare("channels", header.channels, self._entry.channels)
        self._compare("config_sha256", header.config_sha256, self._manifest.config_sha256)
        return header

    def _shaped(self, attribute: Attribute, flat: Array, sizes: dict[str, int]) -> Any:
        shape = shape_of(attribute.axes, sizes)
        if flat.dtype != np.dtype(attribute.dtype) or flat.size != np.prod(shape):
            raise CorruptError(
                f"{self._path}: attribute {attribute.name} is {flat.dtype} × {flat.size}; "
                f"it must be {attribute.dtype} of shape {shape}"
            )
        return flat.reshape(shape) if attribute.name in _ARRAYS else tuple(flat.tolist())

    def _compare(self, name: str, found: object, expected: object) -> None:
        if found != expected:
            raise CorruptError(
                f"{self._path}: {name} is {found}, the manifest says {expected}; this band belongs to another dataset"
            )

    def _read_block(self) -> tuple[Block, tuple[str, ...]]:
        dump_variable = self._io.inquire_variable("dump")
        n_times = int(np.prod(dump_variable.shape())) if dump_variable is not None else 0
        sizes = {**self.header.sizes, "time": n_times, "variable": len(VARIABLES)}
        sums_variable = self._io.inquire_variable("crc32c")
        sizes["writer"] = sums_variable.shape()[0] if sums_variable is not None else 0
        arrays = {
            variable.name: self._get(variable, sizes)
            for variable in (*VARIABLES, *CHECKS)
            if variable in CHECKS or variable.name in self._wanted
        }
        self._engine.perform_gets()
        last = self._next_dump + n_times
        if n_times == 0 or not np.array_equal(arrays["dump"], np.arange(self._next_dump, last)):
            raise CorruptError(
                f"{self._path}: a step holds dumps {arrays['dump']}; {self._next_dump} comes next"
            )
        wrong = tuple(self._wrong_checksums(arrays))
        none = {"vis": np.empty((0,) * 4, np.complex64), "weight": np.empty((0,) * 3, np.float32)}
        none["station_uvw"] = np.empty((0,) * 3)
        return Block(**{name: arrays.get(name, none.get(name)) for name in VARIABLE_NAMES}), wrong

    def _get(self, variable: Variable, sizes: dict[str, int]) -> Array:
        """Ask for a variable of the present step; the array is filled by `perform_gets`."""
        import adios2

        handle = self._io.inquire_variable(variable.name)
        shape = shape_of(variable.axes, sizes)
        kind = {"float": "float32", "double": "float64", "int64_t": "int64", "uint32_t": "uint32"}
        if handle is None or tuple(handle.shape()) != shape or kind.get(handle.type()) != variable.dtype:
            found = "missing" if handle is None else f"{handle.type()} of shape {tuple(handle.shape())}"
            raise CorruptError(
                f"{self._path}: dump {self._next_dump}: {variable.name} is {found}; "
                f"it must be {variable.dtype} of shape {shape}"
            )
        if variable.name == "vis":
            array: Array = np.empty(shape[:-1], np.complex64)
            self._engine.get(handle, float32_pairs(array), adios2.Mode.Deferred)
        else:
            array = np.empty(shape, variable.dtype)
            self._engine.get(handle, array, adios2.Mode.Deferred)
        return array

    def _wrong_checksums(self, arrays: dict[str, Array]) -> Iterator[str]:
        where = f"dump {self._next_dump}"
        edges = [0, *np.cumsum(arrays["writer_baselines"][:, 1]).tolist()]
        firsts = arrays["writer_baselines"][:, 0].tolist()
        if firsts != edges[:-1] or edges[-1] != len(self.header.baselines):
            yield f"{where}: writer_baselines {arrays['writer_baselines'].tolist()} are not all baselines in order"
            return
        for column, variable in enumerate(VARIABLES):
            if variable.name not in self._wanted:
                continue
            array = arrays[variable.name]
            for writer, (first, stop) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
                expected = int(arrays["crc32c"][writer, column])
                found = 0
                if variable.by_baseline:
                    for row in array.reshape(-1, *array.shape[2:]):
                        found = checksum(row[first:stop], found)
                elif writer == 0:
                    found = checksum(array)
                if found != expected:
                    yield f"{where}: CRC-32C of {variable.name} of writer {writer} is {found:#x}, not {expected:#x}"


_ARRAYS = ("channel_hz", "channel_width_hz", "station_m", "baselines")


def _flat_value(attribute: Attribute, found: Any) -> Any:
    """Return an attribute as str, tuple of str, number, or flat array."""
    if attribute.dtype == "string":
        value = found.data_string()
        return tuple(np.atleast_1d(value).tolist()) if attribute.axes else str(value)
    flat = np.asarray(found.data()).reshape(-1)
    return flat if attribute.axes else flat[0].item()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1
