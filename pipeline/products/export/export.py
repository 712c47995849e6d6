"""The export of a dataset: bands shared among ranks, each a stream of blocks into a place of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from pipeline.dataset.reader import Dataset, open_dataset
from pipeline.dataset.schema import BandHeader, Block
from pipeline.dataset.storage import check_space
from pipeline.errors import CorruptError, DatasetError
from pipeline.parallel.topology import World, together
from pipeline.products.export.apparent import ApparentPlaces
from pipeline.products.export.contents import Contents, Float64
from pipeline.products.export.measurement_set import MeasurementSet
from pipeline.products.export.output import Output, band_file, to_disk
from pipeline.products.export.selection import broken_bands, check_complete, chosen_bands
from pipeline.products.export.settings import ExportReport, ExportSettings
from pipeline.products.export.uvh5 import UVH5

Progress = Callable[[int, int], None]


class Sink(AbstractContextManager["Sink"], Protocol):
    """Takes the blocks of a band, and writes something of them."""

    def add(self, block: Block) -> None:
        """Take the next block."""


class Target(Protocol):
    """A file of one of the formats."""

    @property
    def contents(self) -> Contents:
        """What it holds."""

    @property
    def n_bytes(self) -> int:
        """Bytes of its arrays."""

    @property
    def files(self) -> list[Path]:
        """What blocks are written to."""

    def lay_out(self) -> None:
        """Make the file, on one rank."""

    def sinks(self, place: int, rank: int, pool: Executor) -> Sequence[Sink]:
        """Return what takes the blocks of a band."""

    def finish(self) -> None:
        """Write what is known only after all bands are, on one rank."""


def export_dataset(
    path: Path,
    output: Path,
    settings: ExportSettings,
    world: World,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> ExportReport:
    """Export a dataset; memory depends on the length of its blocks, not on that of the observation.

    Parameters
    ----------
    path
        The dataset.
    output
        Where to; it appears only once it is whole.
    settings
        What, and as what.
    world
        The ranks, each of which makes this call.
    progress
        Called with the blocks done and the blocks to do, on this rank.
    overwrite
        Replace an export that is there.

    Returns
    -------
    ExportReport
        The same on every rank.

    Raises
    ------
    DatasetError
        If the dataset is incomplete or damaged, or the output exists or cannot be written. All ranks raise the error
        of the first that failed, and nothing is left behind.
    """
    target = Output(output)
    job = together(world.comm, lambda: _Job.open(path, target, settings, world))
    together(world.comm, lambda: target.refuse_existing(overwrite) if world.rank == 0 else None)
    left_out = job.find_broken() if settings.skip_incomplete else {}
    bands = tuple(band for band in job.bands if band not in left_out)
    if not bands:
        raise next(iter(left_out.values()))
    contents = job.read_headers(bands)
    together(world.comm, lambda: job.prepare(contents) if world.rank == 0 else None)
    try:
        n_bytes = job.write_split(contents, progress) if settings.split else job.write_one(contents[0], progress)
        together(world.comm, lambda: target.publish() if world.rank == 0 else None)
    except BaseException:
        if world.rank == 0:
            target.discard()
        raise
    return ExportReport(output, bands, left_out, n_bytes)


@dataclass(frozen=True)
class _Job:
    """An export, as one rank sees it."""

    path: Path
    dataset: Dataset
    output: Output
    settings: ExportSettings
    world: World
    bands: tuple[int, ...]
    places: ApparentPlaces

    @classmethod
    def open(cls, path: Path, output: Output, settings: ExportSettings, world: World) -> _Job:
        """Look at the dataset."""
        dataset = open_dataset(path)
        bands = chosen_bands(settings.bands, dataset.n_bands)
        if not settings.skip_incomplete:
            check_complete(path, dataset, bands)
        return cls(path, dataset, output, settings, world, bands, ApparentPlaces())

    def share(self, items: Sequence[int]) -> Sequence[int]:
        """Return this rank's part of a list."""
        rank, size = self.world.rank, self.world.size
        return items[len(items) * rank // size : len(items) * (rank + 1) // size]

    def find_broken(self) -> dict[int, DatasetError]:
        """Return the bands that are not whole, and why."""
        own = together(self.world.comm, lambda: broken_bands(self.dataset, self.share(self.bands)))
        return {band: error for part in self.world.comm.allgather(own) for band, error in part.items()}

    def read_headers(self, bands: tuple[int, ...]) -> list[Contents]:
        """Return what each file is to hold; the same on every rank."""

        def read() -> list[tuple[BandHeader, Float64]]:
            return [self._look(index, self.settings.split or index == bands[0]) for index in self.share(bands)]

        comm = self.world.comm
        found = [each for part in comm.allgather(together(comm, read)) for each in part]
        files = [[each] for each in found] if self.settings.split else [found]
        observation = self.dataset.observation
        return together(
            comm, lambda: [Contents.of([header for header, _ in file], file[0][1], observation) for file in files]
        )

    def _look(self, index: int, with_times: bool) -> tuple[BandHeader, Float64]:
        """Return a band's header and, if asked, its times, (dump, 2); nothing large is read."""
        with self.dataset.band(index, variables=()) as band:
            times = [block.time_utc for block in band] if with_times else []
            return band.header, np.concatenate(times) if times else np.zeros((0, 2))

    def prepare(self, contents: list[Contents]) -> None:
        """See that there is room, and make it, on one rank."""
        n_bytes = sum(self._target(self.output.partial, each).n_bytes for each in contents)
        check_space(self.output.path.parent, n_bytes)
        self.output.prepare(as_folder=self.settings.split)

    def _target(self, path: Path, contents: Contents) -> Target:
        if self.settings.format == "ms":
            return MeasurementSet(path, contents)
        return UVH5(path, contents, self.places)

    def write_split(self, contents: list[Contents], progress: Progress | None) -> int:
        """Write a file for each of this rank's bands; return the bytes of all ranks'."""
        own = [contents[index] for index in self.share(range(len(contents)))]
        counter = self._counter([each.bands[0] for each in own], progress)

        def write() -> int:
            n_bytes = 0
            for each in own:
                path = self.output.partial / band_file(each.bands[0], f".{self.settings.format}")
                target = self._target(path, each)
                target.lay_out()
                self._stream(target, 0, counter)
                target.finish()
                to_disk(target.files)
                n_bytes += target.n_bytes
            return n_bytes

        return sum(self.world.comm.allgather(together(self.world.comm, write)))

    def write_one(self, contents: Contents, progress: Progress | None) -> int:
        """Write this rank's bands into the one file; return its bytes."""
        comm, first_rank = self.world.comm, self.world.rank == 0
        target = self._target(self.output.partial, contents)
        together(comm, lambda: target.lay_out() if first_rank else None)
        places = self.share(range(len(contents.bands)))
        counter = self._counter([contents.bands[place] for place in places], progress)

        def write() -> list[str]:
            digests = [self._stream(target, place, counter) for place in places]
            to_disk(target.files)
            return digests

        digests = [each for part in comm.allgather(together(comm, write)) for each in part]

        def finish() -> None:
            _check_alike(contents.bands, digests)
            target.finish()
            to_disk(target.files)

        together(comm, lambda: finish() if first_rank else None)
        return target.n_bytes

    def _counter(self, bands: list[int], progress: Progress | None) -> _Counter:
        return _Counter(sum(self.dataset.manifest.bands[band].steps for band in bands), progress)

    def _stream(self, target: Target, place: int, counter: _Counter) -> str:
        """Write one band, block by block; return a digest of its times and uvw."""
        index, digest = target.contents.bands[place], hashlib.sha256()
        with ExitStack() as stack:
            band = stack.enter_context(self.dataset.band(index))
            pool = stack.enter_context(ThreadPoolExecutor(1))
            sinks = [stack.enter_context(sink) for sink in target.sinks(place, self.world.rank, pool)]
            for block in band:
                for sink in sinks:
                    sink.add(block)
                digest.update(block.time_utc.tobytes())
                digest.update(block.station_uvw.tobytes())
                counter.step()
        return digest.hexdigest()


@dataclass
class _Counter:
    """Counts blocks for a progress bar."""

    n_blocks: int
    progress: Progress | None
    n_done: int = 0

    def step(self) -> None:
        self.n_done += 1
        if self.progress is not None:
            self.progress(self.n_done, self.n_blocks)


def _check_alike(bands: tuple[int, ...], digests: list[str]) -> None:
    """Raise unless all bands have the same times and uvw: the rows of one file have one."""
    for band, digest in zip(bands, digests, strict=True):
        if digest != digests[0]:
            raise CorruptError(
                f"band {band}: its times or uvw differ from band {bands[0]}'s, so they cannot be channels of one file; "
                "export with --split, and look at how the dataset was made"
            )
