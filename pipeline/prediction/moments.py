"""The geometry of one block of dumps: its epochs, and the sources of every chunk, batch by batch, on the device."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.observation.geometry import GeometryBlock, Moment
from pipeline.observation.smearing import Nodes, rule
from pipeline.prediction.apparent import envelope_axes
from pipeline.prediction.cells import Cell, Cells, between
from pipeline.prediction.present import DeviceTerms, Present
from pipeline.prediction.routes import Transformed
from pipeline.prediction.terms import Chunk, epoch_offsets
from pipeline.prepare import Prepared

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class DumpMoments:
    """One dump.

    Attributes
    ----------
    dump
        Its index.
    middle
        The moment in its middle.
    epochs
        The moments of the quadrature's nodes.
    weights
        (epoch, moment) float64: of the cell's moments, at these.
    middle_weights
        (moment,) float64: the same in the middle.
    """

    dump: int
    middle: Moment
    epochs: list[Moment]
    weights: Float64
    middle_weights: Float64


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Dumps of a block that are in one cell: arrays on the device.

    Attributes
    ----------
    first, stop
        First and last + 1 of them, counted in the block.
    station_uvw
        (dump, epoch, station, 3) float64, m.
    weights, middle_weights
        (dump, epoch, moment), (dump, 1, moment) float64: of the cell's moments.
    axes, middle_axes
        (dump, epoch, 3, 3), (dump, 1, 3, 3) float64: unit vectors of u, v, w as rows, in the axes of `Cell.vectors`.
    response_weights
        (dump, moment) in the precision of responses: the same in the middle.
    zenith
        (dump, 3) float64: unit vector to the zenith, in u, v, w.
    """

    first: int
    stop: int
    station_uvw: Any
    weights: Any
    middle_weights: Any
    axes: Any
    middle_axes: Any
    response_weights: Any
    zenith: Any

    def parts(self, most: int) -> list[Stretch]:
        """Cut it into parts of so many dumps at most."""
        if most >= self.stop - self.first:
            return [self]
        arrays = [getattr(self, field.name) for field in dataclasses.fields(self)[2:]]
        parts = []
        for first in range(self.first, self.stop, most):
            stop = min(first + most, self.stop)
            here = slice(first - self.first, stop - self.first)
            parts.append(Stretch(first, stop, *(array[here] for array in arrays)))
        return parts


@dataclasses.dataclass(frozen=True)
class Batch:
    """Consecutive dumps of a cell and the sources of a chunk, which kernels take together.

    Attributes
    ----------
    stretch, dumps
        The dumps.
    present, of_terms
        The sources and their terms.
    lmn, middle_lmn
        On the device: (dump, term, 3) and (dump, source, 3) float64 l, m, n - 1, in the middle of the dump.
    axes
        Of Gaussians, on the device: (dump, source, 2, 3) float64, 1/(m Hz), as `envelope_axes` gives them.
    """

    stretch: Stretch
    dumps: list[DumpMoments]
    present: Present
    of_terms: DeviceTerms
    lmn: Any
    middle_lmn: Any
    axes: Any

    @property
    def of_block(self) -> slice:
        """Where the dumps are in the block."""
        return slice(self.stretch.first, self.stretch.stop)


@dataclasses.dataclass(frozen=True)
class BlockMoments:
    """The geometry of consecutive dumps.

    Attributes
    ----------
    geometry
        What is written.
    dumps
        One for every dump.
    batches
        Of every chunk of sources, those with terms, in order.
    transformed
        Of every part that is transformed, the same, dump by dump.
    offsets
        (epoch,) float64: dumps from the middle of a dump to its epochs, ascending.
    """

    geometry: GeometryBlock
    dumps: list[DumpMoments]
    batches: list[list[Batch]]
    transformed: list[list[Batch]]
    offsets: Float64

    @property
    def n_dumps(self) -> int:
        """Number of dumps."""
        return len(self.dumps)

    def epochs_of(self, part: Transformed) -> Iterator[tuple[int, float]]:
        """Yield the epochs, with weights, at which a part that is transformed has its nodes."""
        nodes, weights = rule(part.in_dump)
        for node, weight in zip(nodes, weights, strict=True):
            yield int(np.searchsorted(self.offsets, node)), float(weight)


class Moments:
    """Makes the geometry of block after block.

    Cells last as long as blocks are in them. Terms stay the same, and where they are, from cell to cell while no source
    of a chunk rises or sets.

    Parameters
    ----------
    prepared
        The observation and the device.
    """

    def __init__(self, prepared: Prepared) -> None:
        inputs, plan = prepared.inputs, prepared.plan
        self._prepared, self._device, self._response = prepared, prepared.device, inputs.response
        self._offsets = np.union1d(epoch_offsets(inputs.routes.nodes), [0.0])
        self._middle = int(np.searchsorted(self._offsets, 0.0))
        self._cells = Cells(plan.n_dumps, plan.sizes.cell_dumps)
        self._chunks = list(inputs.routes.chunks)
        for part in inputs.routes.transformed:
            once = np.ones(len(part.sources), np.int64)
            self._chunks.append(Chunk(part.sources, Nodes(once, once), False))
        self._cell: tuple[Cell, Any, dict[int, Present]] | None = None
        self._terms: dict[int, DeviceTerms] = {}
        self._real = np.zeros(0, prepared.response_dtype).real.dtype

    def block(self, first: int, stop: int) -> BlockMoments:
        """Make the geometry of dumps ``first <= dump < stop``."""
        geometry, n = self._prepared.geometry, len(self._offsets)
        dump = np.arange(first, stop)
        elapsed = (dump + 0.5)[:, np.newaxis] + self._offsets
        epochs = geometry.moments(elapsed.reshape(-1))
        station_uvw = np.stack([epoch.station_uvw for epoch in epochs]).reshape(len(dump), n, -1, 3)
        on_device = self._device.upload(station_uvw)
        dumps: list[DumpMoments] = []
        batches: list[list[Batch]] = [[] for _ in self._chunks]
        for cell, start, end in self._cells.stretches(first, stop):
            some = slice(start - first, end - first)
            weights = self._cells.weights(cell, elapsed[some])
            for k in range(some.start, some.stop):
                of_dump = weights[k - some.start]
                moments = epochs[k * n : (k + 1) * n]
                dumps.append(DumpMoments(int(dump[k]), moments[self._middle], moments, of_dump, of_dump[self._middle]))
            stretch = self._stretch(some, weights, dumps[some], on_device)
            parts: dict[int, list[Stretch]] = {}  # most chunks want the same number of dumps at once
            for number in range(len(self._chunks)):
                batches[number] += self._batches(number, cell, stretch, parts, dumps)
        n_chunks = len(self._prepared.inputs.routes.chunks)
        block = GeometryBlock(dump, geometry.times(dump + 0.5), np.ascontiguousarray(station_uvw[:, self._middle]))
        return BlockMoments(block, dumps, batches[:n_chunks], batches[n_chunks:], self._offsets)

    def _stretch(self, some: slice, weights: Float64, dumps: list[DumpMoments], station_uvw: Any) -> Stretch:
        """Put what all chunks share of a stretch on the device."""
        middle = weights[:, self._middle]
        axes = np.array([[epoch.uvw_axes @ epoch.horizon_axes for epoch in each.epochs] for each in dumps])
        middle_axes = np.ascontiguousarray(axes[:, self._middle : self._middle + 1])
        zenith = np.stack([each.middle.uvw_axes[:, 2] for each in dumps])
        arrays = (weights, middle[:, np.newaxis], axes, middle_axes, middle.astype(self._real), zenith)
        return Stretch(some.start, some.stop, station_uvw[some], *(self._device.upload(array) for array in arrays))

    def _batches(
        self, number: int, cell: int, stretch: Stretch, parts: dict[int, list[Stretch]], dumps: list[DumpMoments]
    ) -> Iterator[Batch]:
        """Yield the batches of one chunk in a stretch: as many dumps as the device wants at once."""
        device, kernels = self._device, self._device.kernels
        nodes, present = self._present(number, cell)
        if not len(present.sources):
            return
        mine = self._on_device(present)
        n_terms, n_sources = len(mine.terms.source), len(present.sources)
        is_transformed = number >= len(self._prepared.inputs.routes.chunks)
        most = 1 if is_transformed else self._prepared.dumps_at_once(n_terms, n_sources)
        if most not in parts:
            parts[most] = stretch.parts(most)
        for part in parts[most]:
            n_dumps, of_part = part.stop - part.first, dumps[part.first : part.stop]
            middle_lmn = device.empty((n_dumps, n_sources, 3), np.float64)
            middle = part.middle_weights, part.middle_axes, mine.source_row, mine.middle_epoch
            kernels.directions(nodes, *middle, middle_lmn)
            lmn = middle_lmn  # a transform makes its own
            if not is_transformed:
                lmn = device.empty((n_dumps, n_terms, 3), np.float64)
                kernels.directions(nodes, part.weights, part.axes, mine.row, mine.epoch, lmn)
            axes = self._axes(present, of_part) if self._chunks[number].is_extended else None
            yield Batch(part, of_part, present, mine, lmn, middle_lmn, axes)

    def _axes(self, present: Present, dumps: list[DumpMoments]) -> Any:
        """Return what describes the Gaussians of a chunk in some dumps, on the device."""
        shape_rad, found = self._prepared.inputs.sky.shape_rad[present.sources], []
        for each in dumps:
            north = between(each.middle_weights, present.north, each.middle)
            towards = present.cell.enu_at(each.middle_weights, each.middle, present.sources)
            found.append(envelope_axes(shape_rad, *(enu @ each.middle.uvw_axes.T for enu in (north, towards))))
        return self._device.upload(np.stack(found))

    def _present(self, number: int, index: int) -> tuple[Any, Present]:
        """Return the directions at a cell's moments, on the device, and the sources of a chunk there."""
        if self._cell is None or self._cell[0].index != index:
            config = self._prepared.config
            cell = Cell(self._prepared.geometry, self._cells, index, config.time.integration_s)
            self._cell = cell, self._device.upload(cell.vectors), {}
        cell, nodes, chunks = self._cell
        if number not in chunks:
            chunks[number] = Present(self._device, cell, number, self._chunks[number], not self._response.is_scalar)
        return nodes, chunks[number]

    def _on_device(self, present: Present) -> DeviceTerms:
        """Return the terms of some sources: those of the last cell, if the same sources are there."""
        last = self._terms.get(present.number)
        if last is None or not np.array_equal(last.sources, present.sources):
            terms = present.make_terms(self._offsets)
            last = DeviceTerms.make(self._device, present.sources, terms, self._prepared.config.spectrum.width_hz)
            self._terms[present.number] = last
        return last
