"""Imaging while the data arrive: waiting for bands that are being written, and a quick look at the image so far."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.products.beam import fit_beam
from pipeline.products.cubefile import CubeFile
from pipeline.products.cubeheader import BandSummary, cube_header
from pipeline.products.image import BandGridder, Watch, grid_band
from pipeline.products.samples import OpenBand
from pipeline.products.settings import ImageSettings

if TYPE_CHECKING:
    from pipeline.dataset.reader import BandReader, Dataset
    from pipeline.dataset.select import BaselineRule

Floats = NDArray[np.float64]

POLL_S = 0.05
_SHARE = 0.2  # of the time, at most, that quick looks may take: following comes first


class QuickLook:
    """A picture of the band that is being read, replaced in one go each time.

    Parameters
    ----------
    path
        A FITS file.
    names
        Values of OBJECT and TELESCOP.
    draw
        Called with `path` after it was replaced, to draw it; None: no picture.
    every_s
        Seconds between two quick looks, at least; they also take no more than a fifth of the time.
    """

    def __init__(self, path: Path, names: dict[str, str], draw: Callable[[Path], None] | None, every_s: float) -> None:
        self._path, self._names, self._draw, self._every_s = path, names, draw, every_s
        self._due = 0.0

    def look(self, band: BandGridder) -> None:
        """Show the image of what of a band has come, if it is time to."""
        began = time.monotonic()
        if began < self._due:
            return
        seen = band.sums.preview()
        if seen is not None:
            self._write(*seen, band)
        now = time.monotonic()
        self._due = now + max(self._every_s, (now - began) * (1 / _SHARE - 1))

    def refuse_existing(self, overwrite: bool) -> None:
        """Leave alone what is there, unless told otherwise.

        Raises
        ------
        DatasetError
            If the file exists and must not be replaced.
        """
        if self._path.exists() and not overwrite:
            raise DatasetError(f"{self._path} exists; choose another output, or pass --overwrite")

    def remove(self) -> None:
        """Take the file away: the image is there."""
        self._path.unlink(missing_ok=True)

    def _write(self, image: Floats, psf: Floats, gridder: BandGridder) -> None:
        """Replace the file, and draw it."""
        sums = gridder.sums
        header, settings = sums.selection.header, dataclasses.replace(sums.settings, stokes=sums.settings.stokes[0])
        beam = fit_beam(psf, settings.cell_rad)
        assert gridder.start_utc is not None
        band = BandSummary.of_band(header, gridder.start_utc, beam, sums.selection.fraction_left_out)
        file = CubeFile(self._path, (1, 1, settings.size, settings.size))
        file.create()
        file.write_plane(0, 0, image)
        cards = cube_header([band], settings, settings.stokes, self._names, "quick-look")
        cards["BAND"] = (header.band, "index of the band")
        cards["DUMPS"] = (gridder.n_dumps, f"so far, of {header.n_dumps}")
        file.finish(cards, None if beam is None else [beam])
        if self._draw is not None:
            self._draw(self._path)


class Follower:
    """Follows a dataset that is being written.

    Parameters
    ----------
    timeout_s
        How long to wait for a step, or, for a band that has not been begun, for any sign of life of the dataset.
    quick_look
        Shows the image so far; None on ranks that show nothing.
    streams
        Follow the bands' streams rather than their files.
    """

    def __init__(self, timeout_s: float, quick_look: QuickLook | None = None, streams: bool = False) -> None:
        self.timeout_s, self._quick_look, self.streams = timeout_s, quick_look, streams

    @contextmanager
    def open_band(
        self, dataset: Dataset, index: int, variables: tuple[str, ...], baselines: BaselineRule | None
    ) -> Iterator[BandReader]:
        """Open a band once its first step is there.

        Raises
        ------
        TimedOutError, WriterDiedError
            If it does not come.
        """
        reader = dataset.band(index, variables=variables, baselines=baselines, timeout_s=self.timeout_s)
        try:
            self._await(reader, dataset.path)
        except BaseException:
            reader.close()
            raise
        with reader as band:
            yield band

    def _await(self, reader: BandReader, path: Path) -> None:
        """Wait for the first step as long as anything of the dataset grows."""
        sign, since = sign_of_life(path), time.monotonic()
        while not reader.ready():
            now, latest = time.monotonic(), sign_of_life(path)
            if latest != sign:
                sign, since = latest, now
            elif now - since >= self.timeout_s:
                raise reader.late()
            time.sleep(POLL_S)

    def watch(self, open_band: OpenBand, settings: ImageSettings) -> Watch | None:
        """Return what shows the image of a band so far while it is imaged.

        Uniform and Briggs weights are known only once the band has ended: until then the band is followed here, and
        shown, with natural weights, to be read once more.
        """
        if self._quick_look is None or self.streams or settings.weight == "natural":
            return self.shows
        shown = dataclasses.replace(settings, weight="natural", stokes=settings.stokes[0], primary_beam_cut=None)
        grid_band(open_band, shown, None, watch=self.shows)
        return None

    @property
    def shows(self) -> Watch | None:
        """What shows the image of a band so far, if this rank shows any."""
        return None if self._quick_look is None else self._quick_look.look

    def refuse_existing(self, overwrite: bool) -> None:
        """Leave alone a quick look that is there, unless told otherwise; it raises DatasetError."""
        if self._quick_look is not None:
            self._quick_look.refuse_existing(overwrite)

    def finish(self) -> None:
        """End the quick looks: the image is there."""
        if self._quick_look is not None:
            self._quick_look.remove()


def quick_look_path(output: Path) -> Path:
    """Return where the quick look goes: ``cube-quicklook.fits`` beside ``cube.fits``."""
    return output.with_name(f"{output.stem}-quicklook{output.suffix}")


def sign_of_life(path: Path) -> int:
    """Return a number that changes whenever a step of any band of a dataset is written, or a stream begins or ends."""
    latest = 0
    for file in (*path.glob("band-*/md.idx"), path / "stream"):
        with suppress(OSError):
            latest = max(latest, file.stat().st_mtime_ns)
    return latest
