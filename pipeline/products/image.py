"""One band of a dataset into an image and its point-spread function, block by block.

Images are sums over blocks, divided once, at the end, by the sum of the imaging weights: memory does not
grow with the length of an observation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.products.beam import Beam, fit_beam
from pipeline.products.cubeheader import edges_hz
from pipeline.products.gridding import ImageSums
from pipeline.products.samples import DENSITY_VARIABLES, IMAGE_VARIABLES, OpenBand, Selection
from pipeline.products.settings import ImageSettings
from pipeline.products.weighting import UVDensity

if TYPE_CHECKING:
    from pipeline.dataset.schema import BandHeader, Block
    from pipeline.products.primary_beam import BeamSum, PrimaryBeam

Floats = NDArray[np.float64]
Progress = Callable[[], None]
#: Told after every block how far a band is.
Watch = Callable[["BandGridder"], None]


@dataclass(frozen=True)
class BandSums:
    """One band, gridded, and not yet divided.

    Attributes
    ----------
    images
        (stokes + 2, y, x) float64: sums over samples of weight times visibility, of the weights, and of the weights
        without w term.
    beam
        (y, x) float64: sum of weight times power response of the stations; None if it was not asked for.
    weight
        Sum of the imaging weights.
    weight_seen, weight_kept
        Sums of the natural weights asked for, and of those within the uv range of the image.
    start_utc
        Begin of the first dump: MJD day, fraction.
    header
        The band's.
    """

    images: Floats
    beam: Floats | None
    weight: float
    weight_seen: float
    weight_kept: float
    start_utc: tuple[float, float]
    header: BandHeader


@dataclass(frozen=True)
class BandImage:
    """One band, imaged.

    Attributes
    ----------
    dirty
        (stokes, y, x) float64, Jy/beam. North is up, east is left, the phase centre in pixel
        (size // 2, size // 2). The pixels are even in the direction cosines l and m (the SIN projection).
    psf
        (y, x) float64, 1 at the phase centre.
    sampling
        (y, x) float64: the psf with the w term left out, so that it is the transform of where in uv there are samples,
        and holds between any two directions of a narrow field rather than towards the phase centre.
    primary_beam
        (y, x) float64: weighted mean of the stations' power response; None if it was not asked for.
    beam
        The Gaussian of the psf's main lobe; None where it has none.
    sum_weights
        Sum of the imaging weights.
    fraction_left_out
        Share of the natural weights asked for that lies outside the uv range of the image (|u| or |v| above half a
        wavelength a cell) and was left out.
    frequency_hz, width_hz
        Middle and width of the band.
    start_utc
        Begin of the first dump: MJD day, fraction.
    header
        The band's.
    """

    dirty: Floats
    psf: Floats
    sampling: Floats
    primary_beam: Floats | None
    beam: Beam | None
    sum_weights: float
    fraction_left_out: float
    frequency_hz: float
    width_hz: float
    start_utc: tuple[float, float]
    header: BandHeader


def image_band(
    open_band: OpenBand,
    settings: ImageSettings,
    progress: Progress | None = None,
    primary_beam: PrimaryBeam | None = None,
    watch: Watch | None = None,
) -> BandImage:
    """Image one band.

    Parameters
    ----------
    open_band
        Opens the band: called with the names of the variables to read, it gives a context manager of a
        `Band`. Opened twice for uniform and Briggs weights, which must be known before the
        first visibility is gridded.
    settings
        How to image.
    progress
        Called after every block, in each reading.
    primary_beam
        What the stations answer with, if their mean power response is wanted.
    watch
        Told the sums so far after every block of the last reading.

    Returns
    -------
    BandImage

    Raises
    ------
    DatasetError
        If no visibility with a weight lies in the image's uv range, or the band cannot be read.
    """
    density = None if settings.weight == "natural" else measure_density(open_band, settings, progress)
    return divided(grid_band(open_band, settings, density, progress, primary_beam, watch), settings)


def divided(sums: BandSums, settings: ImageSettings) -> BandImage:
    """Divide the sums by the sum of weights, and put down what belongs to them."""
    images = sums.images / sums.weight
    low_hz, high_hz = edges_hz(sums.header)
    return BandImage(
        dirty=images[:-2],
        psf=images[-2],
        sampling=images[-1],
        primary_beam=None if sums.beam is None else sums.beam / sums.weight,
        beam=fit_beam(images[-2], settings.cell_rad),
        sum_weights=sums.weight,
        fraction_left_out=1 - sums.weight_kept / sums.weight_seen,
        frequency_hz=float(np.mean(sums.header.channel_hz)),
        width_hz=high_hz - low_hz,
        start_utc=sums.start_utc,
        header=sums.header,
    )


def measure_density(open_band: OpenBand, settings: ImageSettings, progress: Progress | None = None) -> UVDensity:
    """Read the uvw and weights of a band, and return the density of its samples in uv."""
    density = UVDensity.empty(settings.size, settings.cell_rad)
    with open_band(DENSITY_VARIABLES) as band:
        selection = Selection(band.header, settings)
        for block in band:
            for _, _, uvw, weight in selection.geometry(block):
                used, u, v = selection.wavelengths(uvw, weight)
                density.add(u, v, weight[used])
            if progress is not None:
                progress()
    return density


def grid_band(
    open_band: OpenBand,
    settings: ImageSettings,
    density: UVDensity | None,
    progress: Progress | None = None,
    primary_beam: PrimaryBeam | None = None,
    watch: Watch | None = None,
) -> BandSums:
    """Read a band and grid its samples; parameters and errors as for `image_band`, the density None if natural."""
    with open_band(IMAGE_VARIABLES) as band:
        gridder = BandGridder(band.header, settings, density, primary_beam)
        for block in band:
            gridder.add(block)
            if watch is not None:
                watch(gridder)
            if progress is not None:
                progress()
    return gridder.finish()


class BandGridder:
    """Grids the blocks of a band as they come.

    Parameters
    ----------
    header
        The band's.
    settings, density, primary_beam
        As for `grid_band`.

    Attributes
    ----------
    sums
        So far.
    n_dumps
        Dumps so far.
    start_utc
        Begin of the first dump: MJD day, fraction; None before the first block.
    """

    def __init__(
        self,
        header: BandHeader,
        settings: ImageSettings,
        density: UVDensity | None,
        primary_beam: PrimaryBeam | None = None,
    ) -> None:
        self._header, self._settings = header, settings
        self._selection = Selection(header, settings)
        self._beam: BeamSum | None = None if primary_beam is None else primary_beam.of_band(header, settings)
        self.sums = ImageSums(self._selection, density, settings, self._beam)
        self.n_dumps = 0
        self.start_utc: tuple[float, float] | None = None

    def add(self, block: Block) -> None:
        """Take a block."""
        if self.start_utc is None:
            day, fraction = (float(part) for part in block.time_utc[0])
            self.start_utc = (day, fraction - self._header.integration_s / 2 / 86400)
        for samples in self._selection.samples(block):
            self.sums.add(samples)
        self.n_dumps += len(block.dump)

    def finish(self) -> BandSums:
        """Grid what is left.

        Raises
        ------
        DatasetError
            If there is nothing to image.
        """
        if not self.sums.finish() or self.start_utc is None:
            raise DatasetError(
                f"band {self._header.band}: no visibility asked for has a weight and lies in the uv range of "
                f"{math.degrees(self._settings.cell_rad) * 3600:g} arcsec pixels, so there is nothing to image; use a "
                f"smaller image.cell or a wider image.uv_range, or look at the weights of the dataset"
            )
        return BandSums(
            images=self.sums.images,
            beam=None if self._beam is None else self._beam.finish(),
            weight=self.sums.weight,
            weight_seen=self._selection.weight_seen,
            weight_kept=self._selection.weight_kept,
            start_utc=self.start_utc,
            header=self._header,
        )
