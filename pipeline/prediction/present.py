"""The sources of one chunk that are there in one cell, with their terms on the device and how stations see them."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.observation.stations.base import Directions
from pipeline.parallel.device import Device
from pipeline.prediction.cells import Cell, between
from pipeline.prediction.terms import Chunk, Terms, make_terms

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class DeviceTerms:
    """Terms, and what the device needs of them.

    Attributes
    ----------
    sources
        (source,) int64: their sources in the sky.
    terms
        The terms.
    source, row, epoch, offset_hz, weight
        On the device: (term,) int32, which of the sources, and which of the sky's; int32; float64, Hz from the
        middle of the channel; float64.
    source_row, middle_epoch
        On the device: (source,) int32: which of the sky's; the epoch in the middle of the dump where there is but that.
    """

    sources: Int64
    terms: Terms
    source: Any
    row: Any
    epoch: Any
    offset_hz: Any
    weight: Any
    source_row: Any
    middle_epoch: Any

    @classmethod
    def make(cls, device: Device, sources: Int64, terms: Terms, width_hz: float) -> DeviceTerms:
        """Put terms on the device."""
        arrays = (
            terms.source,
            sources[terms.source].astype(np.int32),
            terms.epoch,
            terms.offset * width_hz,
            terms.weight,
            sources.astype(np.int32),
            np.zeros(len(sources), np.int32),
        )
        return cls(sources, terms, *(device.upload(array) for array in arrays))


@dataclasses.dataclass(frozen=True)
class SeenAt:
    """How stations see sources dump by dump.

    Attributes
    ----------
    directions
        The sources that are up, dump after dump.
    look
        (dump, source) int32: which of these a source is in a dump; -1 while it is down.
    """

    directions: Directions
    look: npt.NDArray[np.int32]


class Present:
    """The sources of one chunk that are above the horizon at some time of a cell.

    Those that rise or set there count in every dump, with no brightness while they are down: so kernels take dumps
    together whatever rises or sets.

    Parameters
    ----------
    cell
        The cell.
    number, chunk
        Which chunk of the observation, and the chunk.
    needs_north
        Whether stations look at polarisation.

    Attributes
    ----------
    cell, number
        As given.
    sources
        (source,) int64: indices in the sky: first those that are up at all of the cell's moments.
    n_up
        Number of these.
    """

    def __init__(self, cell: Cell, number: int, chunk: Chunk, needs_north: bool) -> None:
        self.cell, self.number = cell, number
        is_up, is_present = cell.is_up[chunk.sources], cell.is_present[chunk.sources]
        order = np.concatenate([np.flatnonzero(is_up), np.flatnonzero(is_present & ~is_up)])
        self.sources, self.n_up = chunk.sources[order], int(is_up.sum())
        self._nodes, self._needs_north = chunk.nodes.of(order), needs_north

    def make_terms(self, offsets: Float64) -> Terms:
        """Make the terms of the sources; see `pipeline.prediction.terms.make_terms`."""
        return make_terms(self._nodes, offsets)

    @functools.cached_property
    def north(self) -> Float64:
        """Unit vectors to the north along the sky, (moment, source, 3) float64, in the axes of `Cell.vectors`."""
        return np.stack([moment.north(self.sources) @ moment.horizon_axes for moment in self.cell.moments])

    @functools.cached_property
    def at_moments(self) -> Directions:
        """How stations see the sources that are up at all of the cell's moments, one moment after another."""
        up, shape = slice(self.n_up), (-1, 3)
        vectors, moments = self.cell.vectors[:, self.sources[up]], self.cell.moments
        enu = np.stack([vectors[k] @ moment.horizon_axes.T for k, moment in enumerate(moments)])
        north = np.full_like(enu, np.nan)
        if self._needs_north:
            north = np.stack([self.north[k, up] @ moment.horizon_axes.T for k, moment in enumerate(moments)])
        pointing = np.repeat(np.stack([moment.uvw_axes[2] for moment in moments]), self.n_up, axis=0)
        return Directions(enu.reshape(shape), north.reshape(shape), pointing)

    @functools.cached_property
    def others_at_dumps(self) -> SeenAt:
        """How stations see the others in all of the cell's dumps."""
        return self.at_dumps(self.cell.first, self.cell.stop, self.n_up)

    def at_dumps(self, first: int, stop: int, since: int = 0) -> SeenAt:
        """Say how stations see the sources, in the middle of dumps, while they are up.

        Parameters
        ----------
        first, stop
            First and last + 1 dump.
        since
            The first of the sources.
        """
        some = self.sources[since:]
        look = np.full((stop - first, len(some)), -1, np.int32)
        none = np.empty((0, 3))
        parts, n_looks = [(none, none, none)], 0
        for dump in range(first, stop if len(some) else first):
            *part, column = self._at_dump(dump, some, since)
            look[dump - first, column] = n_looks + np.arange(len(column))
            n_looks += len(column)
            parts.append((part[0], part[1], part[2]))
        return SeenAt(Directions(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True))), look)

    def _at_dump(self, dump: int, some: Int64, since: int) -> tuple[Float64, Float64, Float64, Int64]:
        """Return directions, north and pointing of the sources that are up in a dump, and which they are."""
        moment, weights = self.cell.dumps()[dump - self.cell.first]
        enu = self.cell.enu_at(weights, moment, some)
        column = np.flatnonzero(enu[:, 2] > 0)
        enu = enu[column]
        north = np.full_like(enu, np.nan)
        if self._needs_north:
            north = between(weights, self.north[:, since + column], moment)
        return enu, north, np.broadcast_to(moment.uvw_axes[2], enu.shape), column
