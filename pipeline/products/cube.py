"""A whole dataset into one image cube, and cubes of its point-spread functions and of its sampling beside it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pipeline.errors import DatasetError, DawnstreamError, IncompleteError
from pipeline.products.cubefile import CubeFile
from pipeline.products.cubeheader import BandSummary, cube_header
from pipeline.products.image import BandImage, image_band
from pipeline.products.samples import Band
from pipeline.products.settings import ImageSettings

if TYPE_CHECKING:
    from pipeline.dataset.reader import Dataset

Progress = Callable[[int, int], None]
Result = TypeVar("Result")


class Communicator(Protocol):
    """What is needed of the ranks that share the bands."""

    @property
    def rank(self) -> int:
        """Of this process."""

    @property
    def size(self) -> int:
        """How many there are."""

    def allgather(self, sendobj: Any) -> list[Any]:
        """Exchange an object of each rank, in order of rank."""


class _Alone:
    """One rank, no MPI."""

    rank, size = 0, 1

    def allgather(self, sendobj: Any) -> list[Any]:
        return [sendobj]


@dataclass(frozen=True)
class CubeReport:
    """What was made.

    Attributes
    ----------
    image, psf, sampling
        The three files.
    bands
        One summary for each plane along the frequency axis.
    """

    image: Path
    psf: Path
    sampling: Path
    bands: tuple[BandSummary, ...]


def psf_path(output: Path) -> Path:
    """Return where the point-spread functions of a cube go: ``cube-psf.fits`` beside ``cube.fits``."""
    return output.with_name(f"{output.stem}-psf{output.suffix}")


def sampling_path(output: Path) -> Path:
    """Return where the point-spread functions without w term go: ``cube-sampling.fits`` beside ``cube.fits``."""
    return output.with_name(f"{output.stem}-sampling{output.suffix}")


def image_dataset(
    path: Path,
    output: Path,
    settings: ImageSettings,
    comm: Communicator | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> CubeReport:
    """Image every band of a dataset.

    Parameters
    ----------
    path
        The dataset.
    output
        The cube; its point-spread functions go to `psf_path` and `sampling_path` of it. All appear only once they are
        whole.
    settings
        How to image.
    comm
        The ranks that share the bands, each of which makes this call; None for this one alone.
    progress
        Called with the blocks read so far and the blocks to read, on this rank.
    overwrite
        Replace cubes that exist.

    Returns
    -------
    CubeReport
        The same on every rank.

    Raises
    ------
    DatasetError
        If the dataset is incomplete or damaged, or the cube exists or cannot be written. All ranks raise the
        error of the first that failed, and nothing is left behind.
    """
    ranks = _Alone() if comm is None else comm
    job = _agree(lambda: _Job.open(path, output, settings, ranks), ranks)
    _agree(lambda: job.refuse_existing(overwrite), ranks)
    try:
        _agree(job.create, ranks)
        own = _agree(lambda: job.image_own_bands(progress), ranks)
        summaries = [summary for share in ranks.allgather(own) for summary in share]
        _agree(lambda: job.finish(summaries), ranks)
    except BaseException:
        job.discard()
        raise
    return CubeReport(output, psf_path(output), sampling_path(output), tuple(summaries))


def _agree(work: Callable[[], Result], ranks: Communicator) -> Result:
    """Do something on every rank; if any fails, raise the error of the first that did on all of them."""
    try:
        result, error = work(), None
    except DawnstreamError as raised:
        error = raised
    for failure in ranks.allgather(error):
        if failure is not None:
            raise failure
    return result


@dataclass(frozen=True)
class _Job:
    """The cubes of one dataset, as one rank sees them."""

    dataset: Dataset
    settings: ImageSettings
    image: CubeFile
    psf: CubeFile
    sampling: CubeFile
    ranks: Communicator

    @classmethod
    def open(cls, path: Path, output: Path, settings: ImageSettings, ranks: Communicator) -> _Job:
        """Look at the dataset."""
        from pipeline.dataset.reader import open_dataset

        dataset = open_dataset(path)
        _check_complete(path, dataset)
        pixels = (settings.size, settings.size)
        image = CubeFile(output, (len(settings.stokes), dataset.n_bands, *pixels))
        psf, sampling = (
            CubeFile(beside(output), (1, dataset.n_bands, *pixels)) for beside in (psf_path, sampling_path)
        )
        return cls(dataset, settings, image, psf, sampling, ranks)

    @property
    def cubes(self) -> tuple[CubeFile, ...]:
        """All files, the image last."""
        return self.sampling, self.psf, self.image

    def refuse_existing(self, overwrite: bool) -> None:
        """Leave alone what is there, unless told otherwise."""
        for cube in reversed(self.cubes):
            if cube.path.is_dir():
                raise DatasetError(f"{cube.path} is a folder; name a file for the image, such as cube.fits")
            if self.ranks.rank == 0 and cube.path.exists() and not overwrite:
                raise DatasetError(f"{cube.path} exists; choose another output, or pass --overwrite")

    def create(self) -> None:
        """Make room for the cubes."""
        if self.ranks.rank == 0:
            for cube in self.cubes:
                cube.create()

    def image_own_bands(self, progress: Progress | None) -> list[BandSummary]:
        """Image this rank's share of the bands and write their planes."""
        n_bands, n_ranks, rank = self.dataset.n_bands, self.ranks.size, self.ranks.rank
        own = range(n_bands * rank // n_ranks, n_bands * (rank + 1) // n_ranks)
        n_readings = 1 if self.settings.weight == "natural" else 2
        n_blocks = n_readings * sum(self.dataset.manifest.bands[index].steps for index in own)
        counter = _Counter(n_blocks, progress)
        return [self._image_one(index, counter) for index in own]

    def _image_one(self, index: int, counter: _Counter) -> BandSummary:
        def open_band(variables: tuple[str, ...]) -> AbstractContextManager[Band]:
            return self.dataset.band(index, variables=variables)

        band = image_band(open_band, self.settings, counter.step)
        for stokes, plane in enumerate(band.dirty):
            self.image.write_plane(stokes, index, plane)
        self.psf.write_plane(0, index, band.psf)
        self.sampling.write_plane(0, index, band.sampling)
        return _summary(band)

    def finish(self, summaries: list[BandSummary]) -> None:
        """Write the headers and give the cubes their names."""
        if self.ranks.rank != 0:
            return
        names = _names(self.dataset.observation)
        beams = [summary.beam for summary in summaries if summary.beam is not None]
        for cube in self.cubes:
            stokes = self.settings.stokes if cube is self.image else "I"
            header = cube_header(summaries, self.settings, stokes, names)
            cube.finish(header, beams if len(beams) == len(summaries) else None)

    def discard(self) -> None:
        """Leave nothing half-made behind."""
        if self.ranks.rank == 0:
            for cube in self.cubes:
                cube.discard()


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


def _check_complete(path: Path, dataset: Dataset) -> None:
    """Refuse a dataset that lacks bands: no plane is invented."""
    manifest = dataset.manifest
    missing = [band.index for band in manifest.bands if not band.complete]
    if missing or manifest.state != "complete":
        raise IncompleteError(
            f"{path}: {len(missing)} of {len(manifest.bands)} bands are not complete"
            f"{f' (the first is band {missing[0]})' if missing else ''} and the run is marked "
            f"{manifest.state!r}; an image needs all of them: let the run finish, or run it anew"
        )


def _summary(band: BandImage) -> BandSummary:
    """Keep of an imaged band what the header needs."""
    header = band.header
    return BandSummary(
        frequency_hz=band.frequency_hz,
        width_hz=band.width_hz,
        fine_channels=header.channels[1] - header.channels[0],
        beam=band.beam,
        fraction_left_out=band.fraction_left_out,
        start_utc=band.start_utc,
        phase_centre_rad=header.phase_centre_rad,
        array_lonlatheight=header.array_lonlatheight,
        software=header.software,
    )


def _names(observation: dict[str, Any]) -> dict[str, str]:
    """Return the header's names from the configuration the dataset was made with."""
    array = Path(str(observation["telescope"]["array"])).name
    return {"OBJECT": str(observation["name"]), "TELESCOP": array}
