"""A smooth function of direction, summed on a grid as coarse as it may be, and brought to the pixels at the end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Called with direction cosines l and m, (direction,) float64 each; returns a value for each.
Power = Callable[[Floats, Floats], Floats]

_COARSEST = 9  # nodes along a side
_ERROR = 1e-4  # of the largest value: what interpolation may add
_N_CHECKS = 500  # pixels where it is checked
_DEGREE = 5  # of the splines


class BeamGrid:
    """Sums of functions on a grid that spans the pixels of an image.

    Parameters
    ----------
    size, cell_rad
        Pixels along a side of the image, and their width, rad.
    n_nodes
        Nodes along a side, at most `size`: then they are the pixels.
    """

    def __init__(self, size: int, cell_rad: float, n_nodes: int) -> None:
        self._offset = (np.arange(size) - size // 2) * cell_rad
        self._nodes = self._offset if n_nodes == size else np.linspace(self._offset[0], self._offset[-1], n_nodes)
        self._sum = np.zeros((n_nodes, n_nodes))

    @classmethod
    def fine_enough(cls, power: Power, size: int, cell_rad: float) -> BeamGrid:
        """Return an empty grid on which `power` is interpolated to 1e-4 of its largest value.

        The nodes along a side are doubled until it is, at 500 pixels drawn at random, the same ones always.
        """
        offset = (np.arange(size) - size // 2) * cell_rad
        x, y = np.random.default_rng(1).integers(0, size, (2, _N_CHECKS))
        expected = power(-offset[x], offset[y])
        n_nodes = _COARSEST
        while n_nodes < size:
            tried = cls(size, cell_rad, n_nodes)
            tried.add(power)
            if np.abs(tried.image()[y, x] - expected).max() <= _ERROR * np.abs(expected).max():
                return cls(size, cell_rad, n_nodes)
            n_nodes = 2 * n_nodes - 1
        return cls(size, cell_rad, size)

    def add(self, power: Power) -> None:
        """Add a function."""
        m_north, l_east = np.meshgrid(self._nodes, -self._nodes, indexing="ij")
        self._sum += power(l_east.ravel(), m_north.ravel()).reshape(self._sum.shape)

    def image(self) -> Floats:
        """Return the sum at the pixels, (y, x) float64, north up and east left."""
        if len(self._nodes) == len(self._offset):
            return self._sum
        from scipy.interpolate import RectBivariateSpline

        spline = RectBivariateSpline(self._nodes, self._nodes, self._sum, kx=_DEGREE, ky=_DEGREE, s=0)
        image: Floats = spline(self._offset, self._offset)
        return image
