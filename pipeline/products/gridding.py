"""Sums over samples, gridded: what the images of a band are before they are divided by the sum of weights.

Gridding, with the w term in full, is ducc0's, on one thread for each image: with several threads it adds in no fixed
order, and images would not be the same bits each time. So all images of a band are gridded at the same time instead.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.products.samples import Samples, Selection
from pipeline.products.settings import ImageSettings, grid_pixels, images_at_once, samples_at_once
from pipeline.products.weighting import UVDensity, imaging_weight

if TYPE_CHECKING:
    from pipeline.products.primary_beam import BeamSum

Floats = NDArray[np.float64]


class ImageSums:
    """The images of a band so far: sums over samples.

    Parameters
    ----------
    selection
        Which samples.
    density
        Of the samples in uv; None for natural weights.
    settings
        How to image.
    beam
        Told the imaging weight of every baseline and dump, if the primary beam is wanted.

    Attributes
    ----------
    images
        (stokes + 2, y, x) float64: last the point-spread function with the w term, and without.
    weight
        Sum of the imaging weights.
    """

    def __init__(
        self, selection: Selection, density: UVDensity | None, settings: ImageSettings, beam: BeamSum | None = None
    ) -> None:
        self.selection, self.settings = selection, settings
        self.images = np.zeros((len(settings.stokes) + 2, settings.size, settings.size))
        self.weight = 0.0
        self._density, self._beam = density, beam
        self._mean_density = 0.0 if density is None else density.mean()
        self._waiting: list[Samples] = []

    def add(self, samples: Samples) -> None:
        """Take samples, and grid once there are enough."""
        self._waiting.append(samples)
        if sum(held.weight.size for held in self._waiting) >= samples_at_once(self.settings):
            self._flush()

    def finish(self) -> bool:
        """Grid what is left; return whether anything was."""
        self._flush()
        return self.weight > 0

    def preview(self) -> tuple[Floats, Floats] | None:
        """Return the first Stokes parameter's image and the point-spread function so far, (y, x) each.

        Nothing changes: what waits to be gridded goes on waiting, so that the end comes out the same. None if there is
        nothing yet.
        """
        weight = self.weight
        first, psf = self.images[0].copy(), self.images[-2].copy()
        if self._any_waiting():
            uvw, weights = self._joined(self._waiting)
            weight += float(weights.sum())
            first += self._gridded(self._waiting, uvw, weights, 0)
            psf += self._gridded(self._waiting, uvw, weights, len(self.images) - 2)
        return (first / weight, psf / weight) if weight > 0 else None

    def _any_waiting(self) -> bool:
        return any(samples.weight.size for samples in self._waiting)

    def _flush(self) -> None:
        """Grid the samples taken so far."""
        if not self._any_waiting():
            self._waiting = []
            return
        held, self._waiting = self._waiting, []
        uvw, weight = self._joined(held)
        self.weight += float(weight.sum())
        if self._beam is not None:
            self._tell_beam(held, weight.sum(axis=1))

        def grid(index: int) -> None:
            self.images[index] += self._gridded(held, uvw, weight, index)

        with ThreadPoolExecutor(images_at_once(self.settings)) as threads:
            list(threads.map(grid, range(len(self.images))))

    def _tell_beam(self, held: list[Samples], weight: Floats) -> None:
        """Pass on the imaging weights (row,) dump by dump."""
        assert self._beam is not None
        first = 0
        for samples in held:
            stop = first + len(samples.baseline)
            self._beam.add(samples.dump, samples.baseline, weight[first:stop])
            first = stop

    def _joined(self, held: list[Samples]) -> tuple[Floats, Floats]:
        """Return uvw (row, 3) in m and the imaging weights (row, channel) of samples."""
        uvw = np.concatenate([samples.uvw for samples in held])
        weight = np.concatenate([samples.weight for samples in held])
        taper_rad = self.settings.taper_rad
        if self._density is None and taper_rad is None:
            return uvw, weight
        used, u, v = self.selection.wavelengths(uvw, weight)
        wanted = weight[used]
        if self._density is not None:
            robust = self.settings.robust if self.settings.weight == "briggs" else None
            wanted = imaging_weight(wanted, self._density.at(u, v), self._mean_density, robust)
        if taper_rad is not None:
            wanted = wanted * gaussian_taper(u, v, taper_rad)
        weight[used] = wanted
        return uvw, weight

    def _gridded(self, held: list[Samples], uvw: Floats, weight: Floats, index: int) -> Floats:
        """Return the sum over samples of one of the images, (y, x)."""
        n_stokes = len(self.settings.stokes)
        if index < n_stokes:
            return self._grid(uvw, np.concatenate([samples.vis[index] for samples in held]), weight)
        return self._grid(uvw, np.ones(weight.shape, np.complex128), weight, w_term=index == n_stokes)

    def _grid(self, uvw: Floats, vis: NDArray[np.complex128], weight: Floats, w_term: bool = True) -> Floats:
        """Return the sum of some samples as an image (y, x)."""
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
            nthreads=1,
        )
        first = n_pixels // 2 - settings.size // 2
        cut = slice(first, first + settings.size)
        image: Floats = partial[cut, cut].T
        return image


def gaussian_taper(u: Floats, v: Floats, fwhm_rad: float) -> Floats:
    """Return the factors of weights that convolve an image with a Gaussian.

    Parameters
    ----------
    u, v
        (sample,) float64, wavelengths.
    fwhm_rad
        Full width at half maximum of the Gaussian, rad.

    Returns
    -------
    (sample,) float64
        exp(-pi^2 (u^2 + v^2) fwhm^2 / (4 ln 2)): the Fourier transform of exp(-4 ln 2 r^2 / fwhm^2), one at the origin
        [Bracewell, The Fourier Transform and Its Applications, 3rd edition, chapter 6: similarity theorem].
    """
    return np.exp(-((math.pi * fwhm_rad) ** 2) / (4 * math.log(2)) * (u * u + v * v)).astype(np.float64)
