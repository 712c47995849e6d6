"""Cells: consecutive dumps that share four moments, between which directions and responses are interpolated.

In axes that do not turn with the Earth directions change by aberration alone. A station follows the phase centre, so
its response changes slowly, too. Cells depend on the observation alone, not on who predicts what.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipeline.costs.memory import N_MOMENTS
from pipeline.observation.geometry import Geometry, Moment
from pipeline.observation.smearing import EARTH_RAD_S

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

MOST_DUMPS, MOST_S = 128, 600.0
"""Of a cell. In 600 s the diurnal aberration, 1.5e-6 rad, leaves directions an error of 2e-15 rad: `dumps_per_cell`."""

_NODES = np.cos((2 * np.arange(N_MOMENTS) + 1) * math.pi / (2 * N_MOMENTS))


def dumps_per_cell(change_per_rad: float, integration_s: float, n_dumps: int, accuracy: float) -> tuple[int, bool]:
    """Return how many dumps a cell has, and whether responses are interpolated in it.

    Parameters
    ----------
    change_per_rad
        Bound of the response's change while the sky turns, relative to its largest value, 1/rad.
    integration_s, n_dumps
        Length of a dump; dumps of the observation.
    accuracy
        Largest error, relative to the response's largest value.

    Returns
    -------
    cell_dumps : int
    is_interpolated : bool
        False where four moments would have to serve fewer than eight dumps, which does not pay.

    Notes
    -----
    A function whose derivatives are bounded as those of exp(i B t) is interpolated through n Chebyshev nodes over
    a range of half-length h with an error below (B h)^n / (2^(n-1) n!) [Abramowitz & Stegun 1964, 25.2.1 with the
    nodes of 22.16.4]. B is the bound above times the Earth's rotation.
    """
    most = max(1, min(n_dumps, MOST_DUMPS, int(MOST_S / integration_s)))
    reach = (accuracy * 2.0 ** (N_MOMENTS - 1) * math.factorial(N_MOMENTS)) ** (1 / N_MOMENTS)
    turn_per_dump = change_per_rad * EARTH_RAD_S * integration_s
    fitting = most if turn_per_dump * most <= 2 * reach else int(2 * reach / turn_per_dump)
    return (fitting, True) if fitting >= 2 * N_MOMENTS else (most, False)


@dataclasses.dataclass(frozen=True)
class Cells:
    """The cells of an observation.

    Attributes
    ----------
    n_dumps, cell_dumps
        Dumps of the observation, and of a cell; the last may be shorter.
    """

    n_dumps: int
    cell_dumps: int

    def bounds(self, cell: int) -> tuple[int, int]:
        """Return the first and last + 1 dump of a cell."""
        first = cell * self.cell_dumps
        return first, min(first + self.cell_dumps, self.n_dumps)

    def stretches(self, first: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield cell, first and last + 1 dump of the stretches of some dumps that are in one cell."""
        while first < stop:
            cell = first // self.cell_dumps
            end = min(stop, self.bounds(cell)[1])
            yield cell, first, end
            first = end

    def moments(self, cell: int) -> Float64:
        """Return a cell's moments, (moment,) float64, in dumps since the start."""
        first, stop = self.bounds(cell)
        return (first + stop) / 2 + (stop - first) / 2 * _NODES

    def weights(self, cell: int, elapsed: Float64) -> Float64:
        """Return the weight of each of a cell's moments at a time in it (Lagrange's polynomials).

        Parameters
        ----------
        cell
            The cell.
        elapsed
            (…) float64: dumps since the start.

        Returns
        -------
        (…, moment) float64
        """
        first, stop = self.bounds(cell)
        x = (elapsed[..., np.newaxis] - (first + stop) / 2) / ((stop - first) / 2)
        others = [np.delete(_NODES, k) for k in range(N_MOMENTS)]
        parts = [np.prod((x - rest) / (node - rest), axis=-1) for node, rest in zip(_NODES, others, strict=True)]
        return np.stack(parts, axis=-1)


class Cell:
    """The sky over one cell.

    Parameters
    ----------
    geometry, cells
        The observation.
    index, integration_s
        Which cell; length of a dump.

    Attributes
    ----------
    index, first, stop
        Which cell; its first and last + 1 dump.
    moments
        The cell's moments.
    vectors
        (moment, source of the sky, 3) float64: unit vectors in axes that do not turn with the Earth.
    is_up, is_present
        (source of the sky,) bool: above the horizon at all moments; and at any time at all, or nearly.
    """

    def __init__(self, geometry: Geometry, cells: Cells, index: int, integration_s: float) -> None:
        self.index, self._cells, self._geometry = index, cells, geometry
        self.first, self.stop = cells.bounds(index)
        self.moments = geometry.moments(cells.moments(index))
        self.vectors = np.stack([moment.apparent() for moment in self.moments])
        height = np.stack(
            [here @ moment.horizon_axes[2] for here, moment in zip(self.vectors, self.moments, strict=True)]
        )
        # Nothing rises faster than the Earth turns, and no dump is farther from a moment than the cell is half long.
        margin = EARTH_RAD_S * integration_s * (self.stop - self.first) / 2
        self.is_up: Bool = np.all(height > 0, axis=0)
        self.is_present: Bool = np.any(height > -margin, axis=0)
        self._dumps: list[tuple[Moment, Float64]] = []

    def weights(self, elapsed: Float64) -> Float64:
        """Return the moments' weights at a time in the cell; see `Cells.weights`."""
        return self._cells.weights(self.index, elapsed)

    def enu_at(self, weights: Float64, moment: Moment, sources: Int64) -> Float64:
        """Return unit vectors, (source, 3) float64, in east, north, up.

        Parameters
        ----------
        weights
            (moment,) float64: of the cell's moments.
        moment
            When that is.
        sources
            Indices in the sky.
        """
        return between(weights, self.vectors[:, sources], moment)

    def dumps(self) -> list[tuple[Moment, Float64]]:
        """Return the middle of every dump of the cell, and the moments' weights there."""
        if not self._dumps:
            elapsed = np.arange(self.first, self.stop, dtype=np.float64) + 0.5
            self._dumps = list(zip(self._geometry.moments(elapsed), self.weights(elapsed), strict=True))
        return self._dumps


def between(weights: Float64, vectors: Float64, moment: Moment) -> Float64:
    """Return vectors, (source, 3) float64, in east, north, up, from those at a cell's moments, (moment, source, 3)."""
    found: Float64 = np.tensordot(weights, vectors, axes=1) @ moment.horizon_axes.T
    return found
