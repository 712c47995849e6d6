"""One band of a dataset into an image and its point-spread function, block by block.

Images are sums over blocks, divided once, at the end, by the sum of the imaging weights: memory does not
grow with the length of an observation. Gridding, with the w term in full, is ducc0's.
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
from pipeline.products.samples import DENSITY_VARIABLES, IMAGE_VARIABLES, OpenBand, Samples, Selection
from pipeline.products.settings import ImageSettings, grid_pixels, samples_at_once
from pipeline.products.weighting import UVDensity, imaging_weight

if TYPE_CHECKING:
    from pipeline.dataset.schema import BandHeader

Floats = NDArray[np.float64]


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
    beam
        The Gaussian of the psf's main lobe; None where it has none.
    sum_weights
        Sum of the imaging weights.
    fraction_left_out
        Share of the natural weights that lies outside the uv range of the image (|u| or |v| above half a
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
    beam: Beam | None
    sum_weights: float
    fraction_left_out: float
    frequency_hz: float
    width_hz: float
    start_utc: tuple[float, float]
    header: BandHeader


def image_band(open_band: OpenBand, settings: ImageSettings, progress: Callable[[], None] | None = None) -> BandImage:
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

    Returns
    -------
    BandImage

    Raises
    ------
    DatasetError
        If no visibility with a weight lies in the image's uv range, or the band cannot be read.
    """
    density = None if settings.weight == "natural" else _measure_density(open_band, settings, progress)
    with open_band(IMAGE_VARIABLES) as band:
        header = band.header
        selection = Selection(header, settings)
        sums = _Sums(selection, density, settings)
        start_utc: tuple[float, float] | None = None
        for block in band:
            if start_utc is None:
                day, fraction = (float(part) for part in block.time_utc[0])
                start_utc = (day, fraction - header.integration_s / 2 / 86400)
            for samples in selection.samples(block):
                sums.add(samples)
            if progress is not None:
                progress()
    if start_utc is None or not sums.finish():
        raise DatasetError(
            f"band {header.band}: no visibility has a weight and lies in the uv range of "
            f"{math.degrees(settings.cell_rad) * 3600:g} arcsec pixels, so there is nothing to image; "
            f"use a smaller image.cell, or look at the weights of the dataset"
        )
    return _band_image(sums, start_utc)


def _band_image(sums: _Sums, start_utc: tuple[float, float]) -> BandImage:
    """Divide the sums by the sum of weights and put down what belongs to them."""
    header, selection = sums.selection.header, sums.selection
    images = sums.images / sums.weight
    edges = np.asarray(header.channel_hz) + np.outer([-0.5, 0.5], np.asarray(header.channel_width_hz))
    return BandImage(
        dirty=images[:-2],
        psf=images[-2],
        sampling=images[-1],
        beam=fit_beam(images[-2], sums.settings.cell_rad),
        sum_weights=sums.weight,
        fraction_left_out=1 - selection.weight_kept / selection.weight_seen,
        frequency_hz=float(np.mean(header.channel_hz)),
        width_hz=float(edges.max() - edges.min()),
        start_utc=start_utc,
        header=header,
    )


def _measure_density(open_band: OpenBand, settings: ImageSettings, progress: Callable[[], None] | None) -> UVDensity:
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


class _Sums:
    """The images so far: sums over samples; last the point-spread function with the w term, and without."""

    def __init__(self, selection: Selection, density: UVDensity | None, settings: ImageSettings) -> None:
        self.selection, self.density, self.settings = selection, density, settings
        self.mean_density = 0.0 if density is None else density.mean()
        self.images = np.zeros((len(settings.stokes) + 2, settings.size, settings.size))
        self.weight = 0.0
        self.waiting: list[Samples] = []

    def add(self, samples: Samples) -> None:
        """Take samples, and grid once there are enough."""
        self.waiting.append(samples)
        if sum(held.weight.size for held in self.waiting) >= samples_at_once(self.settings):
            self._flush()

    def finish(self) -> bool:
        """Grid what is left; return whether anything was."""
        self._flush()
        return self.weight > 0

    def _flush(self) -> None:
        """Grid the samples taken so far."""
        held, self.waiting = self.waiting, []
        if not any(samples.weight.size for samples in held):
            return
        uvw = np.concatenate([samples.uvw for samples in held])
        weight = self._imaging_weight(uvw, np.concatenate([samples.weight for samples in held]))
        self.weight += float(weight.sum())
        for index in range(len(self.settings.stokes)):
            vis = np.concatenate([samples.vis[index] for samples in held])
            self._grid(uvw, vis, weight, self.images[index])
        ones = np.ones(weight.shape, np.complex128)
        self._grid(uvw, ones, weight, self.images[-2])
        self._grid(uvw, ones, weight, self.images[-1], w_term=False)

    def _imaging_weight(self, uvw: Floats, weight: Floats) -> Floats:
        if self.density is None:
            return weight
        used, u, v = self.selection.wavelengths(uvw, weight)
        robust = self.settings.robust if self.settings.weight == "briggs" else None
        weight[used] = imaging_weight(weight[used], self.density.at(u, v), self.mean_density, robust)
        return weight

    def _grid(
        self, uvw: Floats, vis: NDArray[np.complex128], weight: Floats, image: Floats, w_term: bool = True
    ) -> None:
        """Add the dirty image of some samples to `image` (y, x)."""
        import ducc0

        settings = self.settings
        n_pixels = grid_pixels(settings.size)
        # ducc0's first axis is l, its second m, growing; its phase is that of the measurement equation with u
        # and v turned over. A FITS image has east on the left, so u is turned over once more.
        partial = ducc0.wgridder.vis2dirty(
            uvw=uvw,
            freq=np.asarray(self.selection.header.channel_hz, np.float64),
            vis=vis,
            wgt=weight,
            npix_x=n_pixels,
            npix_y=n_pixels,
            pixsize_x=settings.cell_rad,
            pixsize_y=settings.cell_rad,
            epsilon=settings.epsilon,
            do_wgridding=w_term,
            flip_u=False,
            flip_v=True,
            divide_by_n=False,
            nthreads=settings.n_threads,
        )
        first = n_pixels // 2 - settings.size // 2
        cut = slice(first, first + settings.size)
        image += partial[cut, cut].T
