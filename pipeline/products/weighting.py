"""Imaging weights: natural, uniform and Briggs.

A visibility sample and its complex conjugate count alike: a sample at (u, v) adds its weight to the uv cell
there and to the one at (-u, -v). The grid holds the half of the plane with v >= 0, onto which the other is
folded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scheme = Literal["natural", "uniform", "briggs"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class UVDensity:
    """The sum of the natural weights in each cell of an image's uv grid.

    A cell is 1 / (`size` x `cell_rad`) wavelengths wide, the resolution in uv that an image of that extent
    has, and is centred on a multiple of its width.

    Attributes
    ----------
    size
        Pixels along a side of the image.
    cell_rad
        Width of a pixel, rad.
    sums
        (v, u) float64: v from 0 upwards, u from the most negative, both in cells.
    """

    size: int
    cell_rad: float
    sums: Floats

    @classmethod
    def empty(cls, size: int, cell_rad: float) -> UVDensity:
        """Return the density of no sample."""
        half = size // 2 + 1
        return cls(size, cell_rad, np.zeros((half + 1, 2 * half + 1)))

    def _flat_cell(self, u: Floats, v: Floats) -> NDArray[np.intp]:
        """Return the index into the flattened grid of samples within the image's uv range, in wavelengths."""
        width = 1 / (self.size * self.cell_rad)
        column = np.rint(u / width).astype(np.intp)
        row = np.rint(v / width).astype(np.intp)
        mirrored = (row < 0) | ((row == 0) & (column < 0))
        sign = np.where(mirrored, -1, 1)
        n_columns = self.sums.shape[1]
        flat: NDArray[np.intp] = sign * (row * n_columns + column) + n_columns // 2
        return flat

    def add(self, u: Floats, v: Floats, weight: Floats) -> None:
        """Add samples.

        Parameters
        ----------
        u, v
            (sample,) float64, wavelengths, within +-1 / (2 `cell_rad`).
        weight
            (sample,) float64, natural weights.
        """
        flat = np.bincount(self._flat_cell(u, v), weights=weight, minlength=self.sums.size)
        self.sums[...] += flat.reshape(self.sums.shape)

    def at(self, u: Floats, v: Floats) -> Floats:
        """Return the density in the cell of each sample, its conjugates included.

        Parameters
        ----------
        u, v
            (sample,) float64, wavelengths, within +-1 / (2 `cell_rad`).
        """
        origin = self.sums.shape[1] // 2
        flat = self._flat_cell(u, v)
        # The cell at the origin is its own mirror image: it holds the conjugates besides the samples.
        return np.where(flat == origin, 2.0, 1.0) * self.sums.reshape(-1)[flat]

    def mean(self) -> float:
        """Return the density that the weights find themselves in on average: the sum of D^2 / sum of w."""
        total = float(self.sums.sum())
        at_origin = float(self.sums[0, self.sums.shape[1] // 2])
        return (float(np.square(self.sums).sum()) + at_origin**2) / total if total else 0.0


def imaging_weight(weight: Floats, density: Floats, mean_density: float, robust: float | None) -> Floats:
    """Turn natural weights into uniform or Briggs ones.

    Parameters
    ----------
    weight
        (sample,) float64, natural weights.
    density
        (sample,) float64, D: the sum of weights in the uv cell of each sample, from `UVDensity.at`.
    mean_density
        The sum over cells of D^2 over the sum of weights, from `UVDensity.mean`.
    robust
        Briggs' robustness R, from -2 (almost uniform) to 2 (almost natural); None for uniform.

    Returns
    -------
    (sample,) float64
        w / D for uniform; w / (1 + f^2 D) with f^2 = (5 x 10^-R)^2 / `mean_density` for Briggs.

    Notes
    -----
    D. S. Briggs, High fidelity deconvolution of moderately resolved sources, PhD thesis, New Mexico
    Institute of Mining and Technology, 1995, section 3.1.
    """
    if robust is None:
        return weight / density
    f_squared = (5 * 10**-robust) ** 2 / mean_density
    return weight / (1 + f_squared * density)
