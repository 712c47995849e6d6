"""Imaging bands from their live streams: all of a rank's own at once, for a stream does not wait for its turn."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, DatasetError
from pipeline.products.follow import POLL_S, sign_of_life
from pipeline.products.image import BandGridder, BandImage, Watch, divided
from pipeline.products.samples import IMAGE_VARIABLES, wanted_baselines
from pipeline.products.settings import ImageSettings

if TYPE_CHECKING:
    from pipeline.dataset.manifest import Manifest
    from pipeline.dataset.reader import BandReader, Dataset
    from pipeline.products.primary_beam import PrimaryBeam


def check_streamed(manifest: Manifest, settings: ImageSettings) -> None:
    """Refuse what cannot be imaged from streams.

    Raises
    ------
    ConfigError
        If bands are not streamed, must be read twice and have no files, or are to be imaged together.
    """
    if any(band.stream is None for band in manifest.bands):
        raise ConfigError("--stream: the bands are not streamed (output.stream); follow their files")
    if settings.continuum:
        raise ConfigError("image.continuum: is added up band by band, and streams come as they come; follow the files")
    if settings.weight != "natural" and not manifest.files:
        raise ConfigError(
            f"image.weight: {settings.weight!r} needs the bands twice, and they are streamed only "
            "(output.stream.files: false); use natural"
        )


def image_streams(
    dataset: Dataset,
    bands: list[int],
    settings: ImageSettings,
    timeout_s: float,
    primary_beam: PrimaryBeam | None = None,
    progress: Callable[[], None] | None = None,
    watch: Watch | None = None,
) -> Iterator[tuple[int, BandImage | DatasetError]]:
    """Image bands with natural weights from their streams, as their blocks come.

    Parameters
    ----------
    dataset
        Opened live.
    bands
        Their indices.
    settings
        How to image.
    timeout_s
        How long to wait while nothing comes and the dataset shows no sign of life.
    primary_beam, progress, watch
        As for `image_band`.

    Yields
    ------
    int, BandImage or DatasetError
        A band, once it has ended, with its image, or why there is none: of a stream that was joined late or dropped
        steps, of a writer that died, or of one that sent nothing for too long.
    """
    settings = dataclasses.replace(settings, weight="natural")
    chosen = wanted_baselines(settings)

    def reader(index: int) -> BandReader:
        return dataset.band(index, variables=IMAGE_VARIABLES, baselines=chosen, timeout_s=timeout_s)

    running = {index: _Stream(reader(index), settings, primary_beam) for index in bands}
    sign, since = sign_of_life(dataset.path), time.monotonic()
    try:
        while running:
            came = False
            for index, stream in list(running.items()):
                try:
                    came |= stream.take(progress, watch)
                    result: BandImage | DatasetError | None = stream.image() if stream.reader.done else None
                except DatasetError as error:
                    result = error
                if result is not None:
                    running.pop(index).reader.close()
                    came = True
                    yield index, result
            latest, now = sign_of_life(dataset.path), time.monotonic()
            if came or latest != sign:
                sign, since = latest, now
            elif now - since >= timeout_s:
                for index in list(running):
                    late = running.pop(index).reader
                    late.close()
                    yield index, late.late()
            if not came:
                time.sleep(POLL_S)
    finally:
        for stream in running.values():
            stream.reader.close()


class _Stream:
    """A band on its way; it takes memory from its first block on."""

    def __init__(self, reader: BandReader, settings: ImageSettings, primary_beam: PrimaryBeam | None) -> None:
        self.reader = reader
        self._settings, self._primary_beam = settings, primary_beam
        self._gridder: BandGridder | None = None

    def take(self, progress: Callable[[], None] | None, watch: Watch | None) -> bool:
        """Take the next block, if it is there, and tell whether it was."""
        block = self.reader.poll()
        if block is None:
            return False
        if self._gridder is None:
            self._gridder = BandGridder(self.reader.header, self._settings, None, self._primary_beam)
        self._gridder.add(block)
        if watch is not None:
            watch(self._gridder)
        if progress is not None:
            progress()
        return True

    def image(self) -> BandImage:
        """Return the image of the band, which has ended."""
        assert self._gridder is not None
        return divided(self._gridder.finish(), self._settings)
