"""Histograms whose range is not known before: cells double their width whenever something lies outside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FIRST_WIDTH = 2.0**-6  # a power of two: cells that were doubled are exactly pairs of cells


class GrowingAxis:
    """Cells of one width, [k width, (k + 1) width), of which there is a fixed number.

    As widths are powers of two, the last width does not depend on the order in which samples came.

    Attributes
    ----------
    n_cells
        How many there are, a multiple of 4.
    centred
        Cells lie on both sides of zero; else they begin there.
    width
        Of a cell.
    """

    def __init__(self, n_cells: int, centred: bool) -> None:
        self.n_cells, self.centred, self.width = n_cells, centred, _FIRST_WIDTH

    @property
    def first(self) -> int:
        """Number k of the first cell."""
        return -(self.n_cells // 2) if self.centred else 0

    @property
    def edges(self) -> Floats:
        """(cell + 1,) float64."""
        return np.arange(self.first, self.first + self.n_cells + 1, dtype=np.float64) * self.width

    def doublings(self, largest: float) -> int:
        """Widen the cells until values up to +-`largest` have one; return how many times they were doubled."""
        n_doublings = 0
        while largest >= (self.n_cells + self.first) * self.width:
            self.width *= 2
            n_doublings += 1
        return n_doublings

    def index(self, value: Floats) -> NDArray[np.intp]:
        """Return the index of the cell of each value, counted from the first cell."""
        cells: NDArray[np.intp] = np.floor(value / self.width).astype(np.intp) - self.first
        return cells

    def halve(self, counts: Floats, axis: int) -> Floats:
        """Return counts as they are once the cells were doubled, along one axis."""
        moved = np.moveaxis(counts, axis, 0)
        pairs = moved[0::2] + moved[1::2]
        halved = np.zeros_like(moved)
        begin = self.n_cells // 4 if self.centred else 0
        halved[begin : begin + len(pairs)] = pairs
        return np.moveaxis(halved, 0, axis)
