"""The terms of the sum over sources: every source at every node of the quadrature over channel and dump.

Sources are worked through in chunks, so that what is held does not grow with the sky. Chunks and the order of terms
depend on the observation alone, so that sums are the same bits on any machine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipeline.observation.smearing import Nodes, rule

Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

TERMS_PER_CHUNK = 4096
"""Phasors of one chunk are 17 MB for 512 stations in float32: small beside a block, large beside what a call costs."""

EXTENDED_PER_CHUNK = 512
"""Of Gaussians, which need the stations along axes of their own: 6 MB for 512 stations."""


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Sources that are summed together.

    Attributes
    ----------
    sources
        (source,) int64: their indices in the sky, ascending.
    nodes
        The nodes of each.
    is_extended
        Whether they are Gaussians, or else points.
    """

    sources: Int64
    nodes: Nodes
    is_extended: bool


@dataclasses.dataclass(frozen=True)
class Place:
    """Terms that follow one another and are at one moment.

    Attributes
    ----------
    epoch
        Which of the dump's epochs.
    sources
        Indices in the sky of their sources, each once.
    of_term
        (term,) int64: which of `sources` each term has.
    """

    epoch: int
    sources: Int64
    of_term: Int64


@dataclasses.dataclass(frozen=True)
class Terms:
    """The terms of one chunk: the same in all dumps in which the same sources are up.

    Attributes
    ----------
    visible
        (visible source,) int64: indices in the sky of the chunk's sources that are up.
    source, epoch
        (term,) int32: which of `visible`, and which of the dump's epochs.
    offset
        (term,) float64: distance from the middle of the channel, in channel widths.
    weight
        (term,) float64: of the quadrature; they add up to one for every source.
    places
        Where to find the directions of the terms, in order.
    """

    visible: Int64
    source: Int32
    epoch: Int32
    offset: Float64
    weight: Float64
    places: tuple[Place, ...]

    def lmn(self, lmn_at: Callable[[int, Int64], Float64]) -> Float64:
        """Return l, m, n - 1 of the terms, (term, 3) float64.

        Parameters
        ----------
        lmn_at
            Gives them, (source, 3), at an epoch for sources given by their indices in the sky.
        """
        parts = [lmn_at(place.epoch, place.sources)[place.of_term] for place in self.places]
        return np.concatenate(parts) if parts else np.empty((0, 3))


def split(sources: Int64, nodes: Nodes, is_extended: bool) -> list[Chunk]:
    """Split sources, in order, into chunks of a bounded number of terms, or of one source."""
    most = EXTENDED_PER_CHUNK if is_extended else TERMS_PER_CHUNK
    per_source = nodes.in_channel[sources] * nodes.in_dump[sources]
    chunks, start = [], 0
    while start < len(sources):
        fitting = np.searchsorted(np.cumsum(per_source[start:]), most, side="right")
        stop = start + max(1, int(fitting))
        some = sources[start:stop]
        chunks.append(Chunk(some, Nodes(nodes.in_channel[some], nodes.in_dump[some]), is_extended))
        start = stop
    return chunks


def epoch_offsets(nodes: Nodes) -> Float64:
    """Return the moments at which any source has nodes, (epoch,) float64: dumps from the middle of a dump."""
    return np.unique(np.concatenate([rule(int(n))[0] for n in np.unique(nodes.in_dump)]))


def make_terms(chunk: Chunk, is_up: npt.NDArray[np.bool_], offsets: Float64) -> Terms:
    """Make the terms of a chunk.

    Parameters
    ----------
    chunk
        The sources.
    is_up
        (source of the chunk,) bool: above the horizon in the middle of the dump.
    offsets
        (epoch,) float64: the moments at which sources have nodes, ascending, in dumps from the middle of a dump.
    """
    visible = chunk.sources[is_up]
    in_channel, in_dump = chunk.nodes.in_channel[is_up], chunk.nodes.in_dump[is_up]
    places: list[Place] = []
    parts: list[tuple[Int64, int, float, float]] = []
    for n_dump in np.unique(in_dump):
        of_class = np.flatnonzero(in_dump == n_dump)
        channels = [(int(n), np.flatnonzero(in_channel[of_class] == n)) for n in np.unique(in_channel[of_class])]
        of_term = np.concatenate([np.tile(alike, n_channel) for n_channel, alike in channels])
        for time, time_weight in zip(*rule(int(n_dump)), strict=True):
            epoch = int(np.searchsorted(offsets, time))
            places.append(Place(epoch, visible[of_class], of_term))
            for n_channel, alike in channels:
                for offset, weight in zip(*rule(n_channel), strict=True):
                    parts.append((of_class[alike], epoch, offset, time_weight * weight))
    lengths = [len(part[0]) for part in parts]
    return Terms(
        visible=visible,
        source=np.concatenate([np.empty(0, np.int32), *(part[0] for part in parts)]).astype(np.int32),
        epoch=np.repeat(np.array([part[1] for part in parts], np.int32), lengths),
        offset=np.repeat(np.array([part[2] for part in parts], np.float64), lengths),
        weight=np.repeat(np.array([part[3] for part in parts], np.float64), lengths),
        places=tuple(places),
    )
