"""A whole dataset into one image cube or one continuum image, with all that belongs to it beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import DatasetError
from pipeline.parallel.threads import blas_on_one_thread
from pipeline.products.continuum import image_continuum
from pipeline.products.cubeheader import BandSummary
from pipeline.products.cubeset import CubeSet, corrected_path, primary_beam_path, psf_path, sampling_path
from pipeline.products.image import BandImage, BandSums, grid_band, image_band
from pipeline.products.imagereport import CubeReport
from pipeline.products.live import check_streamed, image_streams
from pipeline.products.ranks import Alone, Communicator, agree, rounds
from pipeline.products.samples import Band, OpenBand, wanted_baselines
from pipeline.products.settings import ImageSettings
from pipeline.products.weighting import UVDensity

if TYPE_CHECKING:
    from pipeline.dataset.reader import Dataset
    from pipeline.products.follow import Follower
    from pipeline.products.primary_beam import PrimaryBeam

__all__ = ["CubeReport", "image_dataset", "psf_path", "sampling_path"]

Progress = Callable[[int, int], None]


def image_dataset(
    path: Path,
    output: Path,
    settings: ImageSettings,
    comm: Communicator | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
    follower: Follower | None = None,
) -> CubeReport:
    """Image every band of a dataset.

    Parameters
    ----------
    path
        The dataset.
    output
        The image; what belongs to it goes to `psf_path`, `sampling_path`, … of it. All appear only once they are
        whole.
    settings
        How to image.
    comm
        The ranks that share the bands, each of which makes this call; None for this one alone.
    progress
        Called with the blocks read so far and the blocks to read, on this rank.
    overwrite
        Replace files that exist.
    follower
        Waits for bands that are still being written and shows the image so far; None: what is not there is missing.

    Returns
    -------
    CubeReport
        The same on every rank.

    Raises
    ------
    DatasetError
        If no band can be imaged, or the files exist or cannot be written. All ranks raise the
        error of the first that failed, and nothing is left behind.
    """
    ranks = Alone() if comm is None else comm
    job = agree(lambda: _Job.open(path, output, settings, ranks, progress, follower), ranks)
    agree(lambda: job.files.refuse_existing(overwrite, looks=ranks.rank == 0), ranks)
    agree(lambda: None if follower is None else follower.refuse_existing(overwrite), ranks)
    try:
        agree(job.create, ranks)
        # How BLAS shares work among threads shows in the last bits of beams.
        with blas_on_one_thread():
            summaries, missing = job.continuum() if settings.continuum else job.cube()
        agree(lambda: job.finish(summaries), ranks)
    except BaseException:
        job.discard()
        raise
    if follower is not None:
        follower.finish()
    with_beam = settings.primary_beam_cut is not None
    return CubeReport(
        image=output,
        psf=psf_path(output),
        sampling=sampling_path(output),
        primary_beam=primary_beam_path(output) if with_beam else None,
        corrected=corrected_path(output) if with_beam else None,
        stokes=settings.stokes,
        bands=tuple(summaries),
        missing={index: str(error) for index, error in missing.items()},
    )


@dataclass(frozen=True)
class _Job:
    """The image of one dataset, as one rank sees it."""

    dataset: Dataset
    settings: ImageSettings
    files: CubeSet
    ranks: Communicator
    primary_beam: PrimaryBeam | None
    follower: Follower | None
    step: Callable[[], None]

    @classmethod
    def open(
        cls,
        path: Path,
        output: Path,
        settings: ImageSettings,
        ranks: Communicator,
        progress: Progress | None,
        follower: Follower | None,
    ) -> _Job:
        """Look at the dataset."""
        from pipeline.dataset.reader import open_dataset

        dataset = open_dataset(path)
        if follower is not None and follower.streams:
            check_streamed(dataset.manifest, settings)
        beam = None
        if settings.primary_beam_cut is not None:
            from pipeline.products.primary_beam import PrimaryBeam

            beam = PrimaryBeam.of_observation(dataset.observation, path)
        files = CubeSet(output, settings, 1 if settings.continuum else dataset.n_bands)
        own = [index for index in rounds(dataset.n_bands, ranks) if index is not None]
        readings = 1 if settings.weight == "natural" else 2
        n_blocks = readings * sum(dataset.manifest.bands[index].steps for index in own)
        return cls(dataset, settings, files, ranks, beam, follower, _Counter(n_blocks, progress).step)

    def create(self) -> None:
        """Make room for the files."""
        if self.ranks.rank == 0:
            self.files.create()

    def bands(self, index: int) -> OpenBand:
        """Return what opens a band; it waits for it if bands are followed."""
        chosen = wanted_baselines(self.settings)

        def open_band(variables: tuple[str, ...]) -> AbstractContextManager[Band]:
            if self.follower is not None:
                return self.follower.open_band(self.dataset, index, variables, chosen)
            return self.dataset.band(index, variables=variables, baselines=chosen)

        return open_band

    def cube(self) -> tuple[list[BandSummary], dict[int, DatasetError]]:
        """Image this rank's share of the bands, and write their planes; return all ranks' summaries and errors."""
        own = agree(self._image_own, self.ranks)
        everyone = {index: found for share in self.ranks.allgather(own) for index, found in share.items()}
        missing = {index: found for index, found in sorted(everyone.items()) if isinstance(found, DatasetError)}
        imaged = [found for _, found in sorted(everyone.items()) if isinstance(found, BandSummary)]
        if not imaged:
            raise missing[min(missing)]
        entries = self.dataset.manifest.bands
        summaries = [
            found
            if isinstance(found, BandSummary)
            else dataclasses.replace(
                imaged[0],
                frequency_hz=entries[index].frequency_hz,
                beam=None,
                fraction_left_out=0.0,
                missing=str(found),
            )
            for index, found in sorted(everyone.items())
        ]
        return summaries, missing

    def _image_own(self) -> dict[int, BandSummary | DatasetError]:
        own = [index for index in rounds(self.dataset.n_bands, self.ranks) if index is not None]
        found = self._image_streamed(own) if self.follower is not None and self.follower.streams else {}
        return found | {index: self._image_one(index) for index in own if index not in found}

    def _image_streamed(self, own: list[int]) -> dict[int, BandSummary | DatasetError]:
        """Image bands from their streams; return those that files cannot, or need not, bring."""
        assert self.follower is not None
        live = dataclasses.replace(self.dataset, live=True)
        found: dict[int, BandSummary | DatasetError] = {}
        is_final = self.settings.weight == "natural"
        for index, result in image_streams(
            live, own, self.settings, self.follower.timeout_s, self.primary_beam, self.step, self.follower.shows
        ):
            if isinstance(result, BandImage) and is_final:
                self.files.write(index, result)
                found[index] = _summary(result)
            elif isinstance(result, DatasetError) and not self.dataset.manifest.files:
                self.files.write_blank(index)
                found[index] = result
        return found

    def _image_one(self, index: int) -> BandSummary | DatasetError:
        """Image a band and write its planes; planes of a band that cannot be imaged are blank."""
        try:
            band = self._image_band(index)
        except DatasetError as error:
            self.files.write_blank(index)
            return error
        self.files.write(index, band)
        return _summary(band)

    def _image_band(self, index: int) -> BandImage:
        open_band = self.bands(index)
        watch = None if self.follower is None else self.follower.watch(open_band, self.settings)
        return image_band(open_band, self.settings, self.step, self.primary_beam, watch)

    def continuum(self) -> tuple[list[BandSummary], dict[int, DatasetError]]:
        """Image all bands together and write the planes."""

        def grid(index: int, density: UVDensity | None) -> BandSums:
            watch = None if self.follower is None or density is not None else self.follower.shows
            return grid_band(self.bands(index), self.settings, density, self.step, self.primary_beam, watch)

        n_bands = self.dataset.n_bands
        found, missing = image_continuum(n_bands, self.bands, self.settings, self.ranks, grid, self.step)
        agree(lambda: self.files.write(0, found.image) if self.ranks.rank == 0 else None, self.ranks)
        summary = dataclasses.replace(
            _summary(found.image),
            frequency_hz=found.image.frequency_hz,
            width_hz=found.image.width_hz,
            fine_channels=found.fine_channels,
            effective_hz=found.effective_hz,
            n_bands=len(found.bands),
        )
        return [summary], missing

    def finish(self, summaries: list[BandSummary]) -> None:
        """Write the headers and give the files their names."""
        if self.ranks.rank == 0:
            self.files.finish(summaries, header_names(self.dataset.observation))

    def discard(self) -> None:
        """Leave nothing half-made behind."""
        if self.ranks.rank == 0:
            self.files.discard()


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


def _summary(band: BandImage) -> BandSummary:
    """Keep of an imaged band what the header needs."""
    return BandSummary.of_band(band.header, band.start_utc, band.beam, band.fraction_left_out)


def header_names(observation: dict[str, Any]) -> dict[str, str]:
    """Return the header's names from the configuration the dataset was made with."""
    array = Path(str(observation["telescope"]["array"])).name
    return {"OBJECT": str(observation["name"]), "TELESCOP": array}
