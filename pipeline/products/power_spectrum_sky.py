"""The sky behind a dirty image: what the array's sampling did to it is undone by least squares.

A dirty image is the sky convolved with the point-spread function, D = A s. Over a field half as wide as the image, all
elements of A are pixels of the point-spread function, so s is found without knowing a single visibility; where
visibilities lie between the cells of the Fourier transform, or some cells hold more than others, needs no
approximation. A dirty image of natural weights holds all that the visibilities say of the field (Tegmark 1997, ApJ 480,
L87; Dillon et al. 2015, Phys. Rev. D 91, 023002).

The point-spread function is the one without w term. That of the phase centre grows its w term with the square of the
distance from there, and would be wrong between two directions on one side of it, between which w hardly matters.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]

#: Added to the diagonal of A, in units of its largest eigenvalue: modes sampled less than that are left near zero
#: rather than amplified. Modes sampled a tenth as well as the best lose 0.2 % of their power.
REGULARISATION: Final = 1e-4

_TOLERANCE: Final = 1e-4  # of the residual, relative to the dirty image
_ITERATIONS: Final = 2000


class Sampling:
    """The matrix A of a field: convolution with the point-spread function, cut at the field's edges.

    Parameters
    ----------
    psf
        (y, x) float64, without w term, 2 `size` - 1 pixels along a side, its peak of 1 in the middle; east as in the
        field.
    size
        Pixels along a side of the field.
    n_threads
        Of the Fourier transforms.
    """

    def __init__(self, psf: Floats, size: int, n_threads: int = 1) -> None:
        self.size, self.n_threads = size, n_threads
        offset = np.arange(1 - size, size)
        kernel = np.zeros((2 * size, 2 * size))
        kernel[np.ix_(offset, offset)] = psf
        self._transfer = self._forward(kernel).real  # such a function is even
        # The diagonal of A between plane waves of the field: the density of samples around each of them, seen through
        # the field's own window (sinc^2). Also T. Chan's circulant (1988, SIAM J. Sci. Stat. Comput. 9, 766).
        triangle = 1 - np.abs(offset) / size
        folded = np.zeros((size, size))
        np.add.at(folded, np.ix_(offset % size, offset % size), psf * np.outer(triangle, triangle))
        self.density = np.maximum(np.fft.fft2(folded).real, 0.0)
        self._ridge = REGULARISATION * self.density.max()
        self._inverse = 1 / (self._half(self.density) + self._ridge)

    def _half(self, values: Floats) -> Floats:
        return values[:, : self.size // 2 + 1]

    def _forward(self, image: Floats) -> Complex:
        import ducc0

        return np.asarray(ducc0.fft.r2c(image, axes=(-2, -1), nthreads=self.n_threads))

    def _backward(self, modes: Complex, size: int) -> Floats:
        import ducc0

        return np.asarray(
            ducc0.fft.c2r(modes, axes=(-2, -1), lastsize=size, forward=False, inorm=2, nthreads=self.n_threads)
        )

    def dirty(self, sky: Floats) -> Floats:
        """Return A s: the dirty images, over the field, of skies (..., y, x)."""
        n = self.size
        padded = np.zeros((*sky.shape[:-2], 2 * n, 2 * n))
        padded[..., :n, :n] = sky
        return self._backward(self._forward(padded) * self._transfer, 2 * n)[..., :n, :n]

    def solve(self, dirty: Floats) -> Floats:
        """Return (A + ridge)^-1 D by conjugate gradients, for dirty images (..., y, x).

        Raises
        ------
        DatasetError
            If it does not converge, as when the image and the point-spread function do not belong together.

        Notes
        -----
        Preconditioned conjugate gradients (Hestenes & Stiefel 1952; Chan 1988).
        """
        scale = _dot(dirty, dirty)
        sky, residual = np.zeros_like(dirty), dirty.copy()
        search = self._precondition(residual)
        product = _dot(residual, search)
        for _ in range(_ITERATIONS):
            if (_dot(residual, residual) <= _TOLERANCE**2 * scale).all():
                return sky
            image = self.dirty(search) + self._ridge * search
            step = _ratio(product, _dot(search, image))
            sky += step * search
            residual -= step * image
            better = self._precondition(residual)
            before, product = product, _dot(residual, better)
            search = better + _ratio(product, before) * search
        raise DatasetError(
            f"the sky behind a plane was not found in {_ITERATIONS} iterations: image and point-spread function do not "
            "belong together, or the field is larger than the array can see; image anew, or name a smaller --field"
        )

    def _precondition(self, residual: Floats) -> Floats:
        return self._backward(self._forward(residual) * self._inverse, self.size)


def _dot(one: Floats, other: Floats) -> Floats:
    """Return scalar products over the last two axes, which are kept."""
    return np.asarray((one * other).sum(axis=(-2, -1), keepdims=True))


def _ratio(above: Floats, below: Floats) -> Floats:
    """Return a ratio that is zero where an all-zero image has nothing left to find."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def cut_field(image: Floats, size: int) -> Floats:
    """Return the middle `size` x `size` pixels of an image, turned so that east is towards larger x.

    Parameters
    ----------
    image
        (y, x), east left, the phase centre in pixel (n // 2, n // 2).
    size
        Pixels along a side; the phase centre is in pixel (size // 2, size // 2) of what is returned.
    """
    offset = np.arange(size) - size // 2
    middle = image.shape[0] // 2
    return image[np.ix_(middle + offset, middle - offset)]
