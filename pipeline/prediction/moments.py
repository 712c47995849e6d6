"""The geometry of one block of dumps: its epochs, and the terms of every chunk on the device."""

from __future__ import annotations

import dataclasses
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
    """The terms of one chunk in one dump, and what of them the device needs, uploaded once."""

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
    is_up
        (source,) bool: above the horizon in the middle of the dump.
    """

    dump: int
    middle: Moment
    epochs: list[Moment]
    station_uvw: Any
    chunks: list[ChunkTerms]
    is_up: npt.NDArray[np.bool_]


class BlockMoments:
    """The geometry of consecutive dumps.

    Parameters
    ----------
    prepared
        The observation and the device.
    first, stop
        First and last + 1 dump.

    Attributes
    ----------
    geometry
        What is written.
    dumps
        One for every dump.
    """

    def __init__(self, prepared: Prepared, first: int, stop: int) -> None:
        self._prepared = prepared
        self._offsets = epoch_offsets(prepared.inputs.routes.nodes)
        dump = np.arange(first, stop)
        middles = prepared.geometry.moments(dump + 0.5)
        elapsed = (dump + 0.5)[:, np.newaxis] + self._offsets
        epochs = prepared.geometry.moments(elapsed.reshape(-1))
        n = len(self._offsets)
        self.dumps = [self._dump(int(dump[k]), middles[k], epochs[k * n : (k + 1) * n]) for k in range(len(dump))]
        times = prepared.geometry.times(dump + 0.5)
        self.geometry = GeometryBlock(dump, times, np.stack([middle.station_uvw for middle in middles]))

    @property
    def n_dumps(self) -> int:
        """Number of dumps."""
        return len(self.dumps)

    def _dump(self, dump: int, middle: Moment, epochs: list[Moment]) -> DumpMoments:
        device = self._prepared.device
        is_up = middle.enu()[:, 2] > 0
        chunks = []
        for chunk in self._prepared.inputs.routes.chunks:
            terms = make_terms(chunk, is_up, self._offsets, epochs)
            uploaded = (device.upload(array) for array in (terms.source, terms.epoch, terms.lmn))
            chunks.append(ChunkTerms(terms, *uploaded))
        station_uvw = device.upload(np.stack([epoch.station_uvw for epoch in epochs]))
        return DumpMoments(dump, middle, epochs, station_uvw, chunks, is_up)

    def epochs_of(self, part: Transformed, dump: DumpMoments) -> list[tuple[Moment, float]]:
        """Return the moments, with weights, at which a part that is transformed has its nodes."""
        nodes, weights = rule(part.in_dump)
        return [
            (dump.epochs[int(np.searchsorted(self._offsets, node))], float(weight))
            for node, weight in zip(nodes, weights, strict=True)
        ]
