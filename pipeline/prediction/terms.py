"""The terms of the sum over sources: every source at every node of the quadrature over channel and dump.

Sources are worked through in chunks, so that what is held does not grow with the sky. Chunks and the order of terms
depend on the observation alone, so that sums are the same bits on any machine.
"""

from __future__ import annotations

import dataclasses

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
class Terms:
    """The terms of some sources: the same in every dump.

    Attributes
    ----------
    source, epoch
        (term,) int32: which of the sources, and which of the dump's epochs.
    offset
        (term,) float64: distance from the middle of the channel, in channel widths.
    weight
        (term,) float64: of the quadrature; they add up to one for every source.
    """

    source: Int32
    epoch: Int32
    offset: Float64
    weight: Float64


def split(sources: Int64, nodes: Nodes, is_extended: bool) -> list[Chunk]:
    """Split sources, in order, into chunks of a bounded number of terms, or of one source."""
    most = EXTENDED_PER_CHUNK if is_extended else TERMS_PER_CHUNK
    per_source = nodes.in_channel[sources] * nodes.in_dump[sources]
    chunks, start = [], 0
    while start < len(sources):
        fitting = np.searchsorted(np.cumsum(per_source[start:]), most, side="right")
        stop = start + max(1, int(fitting))
        some = sources[start:stop]
        chunks.append(Chunk(some, nodes.of(some), is_extended))
        start = stop
    return chunks


def epoch_offsets(nodes: Nodes) -> Float64:
    """Return the moments at which any source has nodes, (epoch,) float64: dumps from the middle of a dump."""
    return np.unique(np.concatenate([rule(int(n))[0] for n in np.unique(nodes.in_dump)]))


def make_terms(nodes: Nodes, offsets: Float64) -> Terms:
    """Make the terms of sources.

    Parameters
    ----------
    nodes
        Of the sources.
    offsets
        (epoch,) float64: the moments at which sources have nodes, ascending, in dumps from the middle of a dump.
    """
    parts: list[tuple[Int64, int, float, float]] = []
    for n_dump in np.unique(nodes.in_dump):
        of_class = np.flatnonzero(nodes.in_dump == n_dump)
        in_channel = nodes.in_channel[of_class]
        channels = [(int(n), of_class[in_channel == n]) for n in np.unique(in_channel)]
        for time, time_weight in zip(*rule(int(n_dump)), strict=True):
            epoch = int(np.searchsorted(offsets, time))
            for n_channel, alike in channels:
                for offset, weight in zip(*rule(n_channel), strict=True):
                    parts.append((alike, epoch, offset, time_weight * weight))
    lengths = [len(part[0]) for part in parts]
    return Terms(
        source=np.concatenate([np.empty(0, np.int32), *(part[0] for part in parts)]).astype(np.int32),
        epoch=np.repeat(np.array([part[1] for part in parts], np.int32), lengths),
        offset=np.repeat(np.array([part[2] for part in parts], np.float64), lengths),
        weight=np.repeat(np.array([part[3] for part in parts], np.float64), lengths),
    )
