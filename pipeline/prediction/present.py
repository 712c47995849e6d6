"""The sources of one chunk that are there in one cell, with their terms on the device and how stations see them."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.observation.stations.base import DeviceDirections, Directions
from pipeline.parallel.device import Device
from pipeline.prediction.cells import Cell
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
class Looks:
    """From where stations look at the sources of a chunk in some dumps, one direction after another.

    Attributes
    ----------
    directions
        First those at the cell's moments of the sources between whose responses is interpolated, moment after moment;
        then those in the middle of every dump of the others while they are up, dump after dump.
    n_between
        Number of sources of the first kind, which come first.
    look
        On the device: (dump, other) int32, which of the directions is whose; -1 while it is down.
    """

    directions: DeviceDirections
    n_between: int
    look: Any

    def of_dumps(self, first: int, stop: int) -> Any:
        """Return `look` of some of the dumps."""
        return self.look[first:stop] if self.look.size else self.look  # Numba cuts no empty array


class Present:
    """The sources of one chunk that are above the horizon at some time of a cell.

    Those that rise or set there count in every dump, with no brightness while they are down: so kernels take dumps
    together whatever rises or sets.

    Parameters
    ----------
    device
        Where looks go.
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

    def __init__(self, device: Device, cell: Cell, number: int, chunk: Chunk, needs_north: bool) -> None:
        self._device, self.cell, self.number = device, cell, number
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
        return np.stack([moment.apparent_north(self.sources) for moment in self.cell.moments])

    @functools.cached_property
    def looks(self) -> Looks:
        """Looks of all the cell's dumps, interpolated for the sources that are up at all of its moments."""
        up, moments = slice(self.n_up), self.cell.moments
        vectors = self.cell.vectors[:, self.sources[up]]
        enu = [vectors[k] @ moment.horizon_axes.T for k, moment in enumerate(moments)]
        north = [np.full((self.n_up, 3), np.nan) for _ in moments]
        if self._needs_north:
            north = [self.north[k, up] @ moment.horizon_axes.T for k, moment in enumerate(moments)]
        pointing = [np.broadcast_to(moment.uvw_axes[2], here.shape) for here, moment in zip(enu, moments, strict=True)]
        others, look = self._at_dumps(self.cell.first, self.cell.stop, self.n_up)
        look[look >= 0] += len(moments) * self.n_up
        arrays = ([*enu, others.enu], [*north, others.north], [*pointing, others.pointing])
        return self._looks(Directions(*map(np.concatenate, arrays)), self.n_up, look)

    def looks_at_dumps(self, first: int, stop: int) -> Looks:
        """Return looks in dumps ``first <= dump < stop``, dump by dump for all sources."""
        directions, look = self._at_dumps(first, stop, 0)
        return self._looks(directions, 0, look)

    def _looks(self, directions: Directions, n_between: int, look: npt.NDArray[np.int32]) -> Looks:
        return Looks(DeviceDirections(directions, self._device), n_between, self._device.upload(look))

    def _at_dumps(self, first: int, stop: int, since: int) -> tuple[Directions, npt.NDArray[np.int32]]:
        """Say where sources from one on are in the middle of dumps while they are up, and which look is whose.

        Every number is worked out by itself, whatever the other dumps.
        """
        some = self.sources[since:]
        moments, weights = zip(*self.cell.dumps()[first - self.cell.first : stop - self.cell.first], strict=True)
        horizon_axes = np.stack([moment.horizon_axes for moment in moments])

        def at_dumps(vectors: Float64) -> Float64:
            """Interpolate vectors, (moment, source, 3), and turn them to east, north, up: (dump, source, 3)."""
            between = np.zeros((len(moments), *vectors.shape[1:]))
            for moment, weight in zip(vectors, np.transpose(weights), strict=True):
                between += weight[:, np.newaxis, np.newaxis] * moment
            axes = horizon_axes[:, np.newaxis]
            return np.stack([(between * axes[:, :, k]).sum(axis=-1) for k in range(3)], axis=-1)

        enu = at_dumps(self.cell.vectors[:, some])
        is_up = enu[:, :, 2] > 0
        look = np.full(is_up.shape, -1, np.int32)
        look[is_up] = np.arange(is_up.sum())
        north = at_dumps(self.north[:, since:])[is_up] if self._needs_north else np.full((is_up.sum(), 3), np.nan)
        pointing = np.stack([moment.uvw_axes[2] for moment in moments])[np.nonzero(is_up)[0]]
        return Directions(enu[is_up], north, pointing), look
