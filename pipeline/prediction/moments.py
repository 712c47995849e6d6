"""The geometry of one block of dumps: its epochs, and the terms of every chunk on the device."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
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
class ChunkTerms:
    """The terms of one chunk in one dump, and what of them the device needs.

    Attributes
    ----------
    terms
        The terms.
    source, epoch, lmn
        On the device: (term,) int32, (term,) int32, (term, 3) float64 l, m, n - 1.
    """

    terms: Terms
    source: Any
    epoch: Any
    lmn: Any


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
    station_uvw
        On the device: (epoch, station, 3) float64, m.
    chunks
        The terms of every chunk.
    enu
        (source, 3) float64: unit vectors towards all sources in the middle of the dump.
    is_up
        (source,) bool: above the horizon in the middle of the dump.
    """

    dump: int
    middle: Moment
    epochs: list[Moment]
    station_uvw: Any
    chunks: list[ChunkTerms]
    enu: Float64
    is_up: npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class BlockMoments:
    """The geometry of consecutive dumps.

    Attributes
    ----------
    geometry
        What is written.
    dumps
        One for every dump.
    offsets
        (epoch,) float64: dumps from the middle of a dump to its epochs, ascending.
    """

    geometry: GeometryBlock
    dumps: list[DumpMoments]
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
        self._uploaded: dict[int, ChunkTerms] = {}

    def block(self, first: int, stop: int) -> BlockMoments:
        """Make the geometry of dumps ``first <= dump < stop``."""
        geometry, n = self._prepared.geometry, len(self._offsets)
        dump = np.arange(first, stop)
        elapsed = (dump + 0.5)[:, np.newaxis] + self._offsets
        epochs = geometry.moments(elapsed.reshape(-1))
        dumps = [self._dump(int(dump[k]), epochs[k * n : (k + 1) * n]) for k in range(len(dump))]
        station_uvw = np.stack([each.middle.station_uvw for each in dumps])
        return BlockMoments(GeometryBlock(dump, geometry.times(dump + 0.5), station_uvw), dumps, self._offsets)

    def _dump(self, dump: int, epochs: list[Moment]) -> DumpMoments:
        device, middle = self._prepared.device, epochs[self._middle]
        lmn = middle.lmn()
        # Finding the sources once more would take longer than all else.
        enu: Float64 = (lmn + np.array([0.0, 0.0, 1.0])) @ middle.uvw_axes
        is_up = enu[:, 2] > 0

        def lmn_at(epoch: int, sources: Int64) -> Float64:
            return lmn[sources] if epoch == self._middle else epochs[epoch].lmn(sources)

        chunks = [self._chunk(number, is_up, lmn_at) for number in range(len(self._prepared.inputs.routes.chunks))]
        station_uvw = device.upload(np.stack([epoch.station_uvw for epoch in epochs]))
        return DumpMoments(dump, middle, epochs, station_uvw, chunks, enu, is_up)

    def _chunk(self, number: int, is_up: npt.NDArray[np.bool_], lmn_at: Callable[[int, Int64], Float64]) -> ChunkTerms:
        chunk, device = self._prepared.inputs.routes.chunks[number], self._prepared.device
        up = is_up[chunk.sources]
        last = self._uploaded.get(number)
        if last is None or not np.array_equal(last.terms.visible, chunk.sources[up]):
            terms = make_terms(chunk, up, self._offsets)
            last = ChunkTerms(terms, device.upload(terms.source), device.upload(terms.epoch), None)
            self._uploaded[number] = last
        return dataclasses.replace(last, lmn=device.upload(last.terms.lmn(lmn_at)))
