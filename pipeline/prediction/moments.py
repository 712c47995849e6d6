"""The geometry of one block of dumps: its epochs, and the terms of every chunk, batch by batch, on the device."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.observation.geometry import GeometryBlock, Moment
from pipeline.observation.smearing import rule
from pipeline.prediction.routes import Transformed
from pipeline.prediction.terms import Terms, epoch_offsets, make_terms
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
    enu
        (source, 3) float64: unit vectors towards all sources in the middle of the dump.
    is_up
        (source,) bool: above the horizon in the middle of the dump.
    """

    dump: int
    middle: Moment
    epochs: list[Moment]
    enu: Float64
    is_up: npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class DeviceTerms:
    """The terms of one chunk, for all dumps in which the same sources are up, and what the device needs of them.

    Attributes
    ----------
    terms
        The terms.
    source, epoch, offset_hz
        On the device: (term,) int32, (term,) int32, (term,) float64, Hz from the middle of the channel.
    """

    terms: Terms
    source: Any
    epoch: Any
    offset_hz: Any


@dataclasses.dataclass(frozen=True)
class Batch:
    """Consecutive dumps of a block in which the terms of a chunk are the same, so that kernels take them together.

    Attributes
    ----------
    first
        The first of them, counted in the block.
    dumps
        The dumps.
    of_chunk
        The terms.
    lmn
        On the device: (dump, term, 3) float64 l, m, n - 1.
    station_uvw
        On the device: (dump, epoch, station, 3) float64, m.
    """

    first: int
    dumps: list[DumpMoments]
    of_chunk: DeviceTerms
    lmn: Any
    station_uvw: Any

    @property
    def terms(self) -> Terms:
        """The terms."""
        return self.of_chunk.terms

    @property
    def of_block(self) -> slice:
        """Where the dumps are in the block."""
        return slice(self.first, self.first + len(self.dumps))


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
    offsets
        (epoch,) float64: dumps from the middle of a dump to its epochs, ascending.
    """

    geometry: GeometryBlock
    dumps: list[DumpMoments]
    batches: list[list[Batch]]
    offsets: Float64

    @property
    def n_dumps(self) -> int:
        """Number of dumps."""
        return len(self.dumps)

    def epochs_of(self, part: Transformed, dump: DumpMoments) -> list[tuple[Moment, float]]:
        """Return the moments, with weights, at which a part that is transformed has its nodes."""
        nodes, weights = rule(part.in_dump)
        return [
            (dump.epochs[int(np.searchsorted(self.offsets, node))], float(weight))
            for node, weight in zip(nodes, weights, strict=True)
        ]


class Moments:
    """Makes the geometry of block after block.

    Terms stay the same, and where they are, while no source of a chunk rises or sets.

    Parameters
    ----------
    prepared
        The observation and the device.
    """

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._offsets = np.union1d(epoch_offsets(prepared.inputs.routes.nodes), [0.0])
        self._middle = int(np.searchsorted(self._offsets, 0.0))
        self._uploaded: dict[int, DeviceTerms] = {}

    def block(self, first: int, stop: int) -> BlockMoments:
        """Make the geometry of dumps ``first <= dump < stop``."""
        geometry, n = self._prepared.geometry, len(self._offsets)
        dump = np.arange(first, stop)
        elapsed = (dump + 0.5)[:, np.newaxis] + self._offsets
        epochs = geometry.moments(elapsed.reshape(-1))
        lmn = [epoch.lmn() for epoch in epochs[self._middle :: n]]
        dumps = [self._dump(int(dump[k]), epochs[k * n : (k + 1) * n], lmn[k]) for k in range(len(dump))]
        station_uvw = np.stack([epoch.station_uvw for epoch in epochs]).reshape(len(dump), n, -1, 3)
        on_device = self._prepared.device.upload(station_uvw)
        chunks = range(len(self._prepared.inputs.routes.chunks))
        batches = [list(self._batches(number, dumps, lmn, on_device)) for number in chunks]
        block = GeometryBlock(dump, geometry.times(dump + 0.5), np.ascontiguousarray(station_uvw[:, self._middle]))
        return BlockMoments(block, dumps, batches, self._offsets)

    def _dump(self, dump: int, epochs: list[Moment], lmn: Float64) -> DumpMoments:
        middle = epochs[self._middle]
        # Finding the sources once more would take longer than all else.
        enu: Float64 = (lmn + np.array([0.0, 0.0, 1.0])) @ middle.uvw_axes
        return DumpMoments(dump, middle, epochs, enu, enu[:, 2] > 0)

    def _batches(self, number: int, dumps: list[DumpMoments], lmn: list[Float64], station_uvw: Any) -> Iterator[Batch]:
        """Yield the batches of one chunk: as many dumps as the device wants at once, while no source rises or sets."""
        device, stop = self._prepared.device, 0
        while stop < len(dumps):
            first, of_chunk = stop, self._terms(number, dumps[stop])
            terms = of_chunk.terms
            most = self._prepared.dumps_at_once(len(terms.source), len(terms.visible))
            stop += 1
            while stop < min(first + most, len(dumps)) and self._terms(number, dumps[stop]) is of_chunk:
                stop += 1
            if not len(terms.source):
                continue
            places = np.empty((stop - first, len(terms.source), 3))
            for k in range(first, stop):
                places[k - first] = terms.lmn(partial(self._lmn_at, dumps[k], lmn[k]))
            yield Batch(first, dumps[first:stop], of_chunk, device.upload(places), station_uvw[first:stop])

    def _lmn_at(self, dump: DumpMoments, lmn: Float64, epoch: int, sources: Int64) -> Float64:
        """Return l, m, n - 1 of sources at an epoch of a dump, those of its middle being known."""
        return lmn[sources] if epoch == self._middle else dump.epochs[epoch].lmn(sources)

    def _terms(self, number: int, dump: DumpMoments) -> DeviceTerms:
        """Return the terms of one chunk in one dump: those of the last dump, if the same sources are up."""
        chunk, device = self._prepared.inputs.routes.chunks[number], self._prepared.device
        up = dump.is_up[chunk.sources]
        last = self._uploaded.get(number)
        if last is None or not np.array_equal(last.terms.visible, chunk.sources[up]):
            terms = make_terms(chunk, up, self._offsets)
            offset_hz = terms.offset * self._prepared.config.spectrum.width_hz
            last = DeviceTerms(terms, *(device.upload(each) for each in (terms.source, terms.epoch, offset_hz)))
            self._uploaded[number] = last
        return last
