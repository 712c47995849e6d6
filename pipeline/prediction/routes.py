"""Which way the sum over sources goes: how many terms a source has, and what adds them up cheapest."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.costs.machine import Machine, default_machine
from pipeline.costs.memory import TRANSFORM_SHARE
from pipeline.costs.observed import packed_of
from pipeline.costs.stages import Counts, product_of
from pipeline.errors import ConfigError
from pipeline.observation.smearing import MAX_NODES, Nodes, half_turns, nodes_within
from pipeline.prediction.terms import Chunk, split
from pipeline.prediction.transform import Grid, grid

if TYPE_CHECKING:
    from pipeline.config.observation import Config
    from pipeline.observation.sky import Sky
    from pipeline.observation.stations.base import StationResponse

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Transformed:
    """A part of the sky whose sources are summed by a non-uniform Fourier transform.

    Attributes
    ----------
    sources
        (source,) int64: their indices in the sky.
    in_channel, in_dump
        Nodes over a channel's width and a dump's length.
    n_cells, memory_bytes
        Of the grid of one transform, and what it holds.
    """

    sources: Int64
    in_channel: int
    in_dump: int
    n_cells: float
    memory_bytes: int


@dataclasses.dataclass(frozen=True)
class Routes:
    """How the sources are summed.

    Attributes
    ----------
    nodes
        Of every source of the sky.
    chunks
        The sources that go through the product, or are Gaussians.
    transformed
        The parts that go through a transform.
    notes
        Lines for people: what goes which way, and why.
    """

    nodes: Nodes
    chunks: tuple[Chunk, ...]
    transformed: tuple[Transformed, ...]
    notes: tuple[str, ...]

    @property
    def n_terms(self) -> int:
        """Terms that go through the product, or are Gaussians'."""
        return sum(chunk.nodes.n_terms for chunk in self.chunks)

    @property
    def terms_at_once(self) -> int:
        """Terms of the largest chunk."""
        return max((chunk.nodes.n_terms for chunk in self.chunks), default=0)

    @property
    def sources_at_once(self) -> int:
        """Sources of the largest chunk or transformed part."""
        pieces = [*(chunk.sources for chunk in self.chunks), *(part.sources for part in self.transformed)]
        return max((len(sources) for sources in pieces), default=0)


def count_nodes(config: Config, sky: Sky, longest_m: float) -> Nodes:
    """Return how many nodes every source needs to smear it as a correlator does, within compute.accuracy.

    Raises
    ------
    ConfigError
        If a source turns by more within a channel or a dump than there are nodes for.
    """
    spectrum, centre = config.spectrum, config.phase_centre
    turns = half_turns(
        sky.ra_rad,
        sky.dec_rad,
        (centre.ra_rad, centre.dec_rad),
        longest_m,
        spectrum.start_hz + (spectrum.channels - 0.5) * spectrum.width_hz,
        spectrum.width_hz,
        config.time.integration_s,
    )
    smearing = config.compute.smearing
    counts = []
    for over, remedy, half_turn in zip(("channel", "dump"), ("spectrum.width", "time.integration"), turns, strict=True):
        if smearing not in (over, "both"):
            counts.append(np.ones(sky.n_sources, np.int64))
            continue
        needed = nodes_within(half_turn, config.compute.accuracy / 2)
        if sky.n_sources and needed.max() > MAX_NODES:
            worst = int(half_turn.argmax())
            raise ConfigError(
                f"{remedy}: {sky.label(worst)} turns by {2 * half_turn[worst]:.3g} rad within a {over} on the longest "
                f"baseline ({longest_m:,.0f} m), which {MAX_NODES} nodes do not follow to compute.accuracy "
                f"{config.compute.accuracy:g}; lower {remedy}, keep shorter baselines with telescope.baselines.max, or "
                "set compute.smearing to leave it out"
            )
        counts.append(needed)
    return Nodes(*counts)


def choose_routes(config: Config, sky: Sky, response: StationResponse, n_baselines: int, longest_m: float) -> Routes:
    """Choose how the sources are summed.

    Parameters
    ----------
    config, sky, response
        The observation.
    n_baselines, longest_m
        Kept baselines; the longest of them.

    Raises
    ------
    ConfigError
        If a source cannot be smeared as asked, or a transform is asked for where there can be none.
    """
    nodes = count_nodes(config, sky, longest_m)
    asked = config.compute.route
    obstacle = _obstacle(config, response)
    if asked == "nufft" and obstacle:
        raise ConfigError(f"compute.route: nufft cannot be had: {obstacle}; set it to auto or product")
    points: list[Int64] = []
    extended: list[Int64] = []
    transformed: list[Transformed] = []
    notes: list[str] = []
    first = 0
    for index, part in enumerate(sky.parts):
        sources = np.arange(first, first + part.n_sources, dtype=np.int64)
        first += part.n_sources
        wide = np.zeros(part.n_sources, bool) if part.shape_rad is None else part.shape_rad[:, 0] > 0
        extended.append(sources[wide])
        some = sources[~wide]
        if asked == "product" or obstacle or not len(some):
            points.append(some)
            continue
        one = _grid(config, sky, some, longest_m)
        in_channel, in_dump = int(nodes.in_channel[some].max()), int(nodes.in_dump[some].max())
        way = Transformed(some, in_channel, in_dump, one.n_cells, one.memory_bytes)
        n_terms = int((nodes.in_channel[some] * nodes.in_dump[some]).sum())
        is_intensity = response.is_scalar and sky.is_unpolarised
        by_transform, by_product = _seconds(config, way, n_terms, len(response.kind), n_baselines, is_intensity)
        fits = one.memory_bytes <= TRANSFORM_SHARE * config.compute.memory_bytes
        if asked == "nufft" and not fits:
            raise ConfigError(
                f"compute.route: nufft needs {one.memory_bytes / 1e9:.3g} GB for sky[{index}], {TRANSFORM_SHARE:g} of "
                f"compute.memory may be taken: set that to {one.memory_bytes / TRANSFORM_SHARE / 1e9:.3g} GB, keep "
                "shorter baselines or a smaller field, or set compute.route to auto"
            )
        if asked == "nufft" or (by_transform < by_product and fits):
            transformed.append(way)
            notes.append(_note(index, len(some), "Fourier transform", by_transform, "product", by_product))
        else:
            points.append(some)
            if len(some) > 1000:
                why = "Fourier transform" if fits else f"Fourier transform with {one.memory_bytes / 1e9:.3g} GB"
                notes.append(_note(index, len(some), "product", by_product, why, by_transform))
    chunks = [*split(_joined(points), nodes, False), *split(_joined(extended), nodes, True)]
    return Routes(nodes, tuple(chunks), tuple(transformed), tuple(notes))


def _obstacle(config: Config, response: StationResponse) -> str:
    """Say why there can be no transform; empty if there can."""
    if response.n_kinds > 1:
        return f"stations answer in {response.n_kinds} different ways, and a transform needs one for all"
    if config.ionosphere is not None:
        return "the ionosphere delays every station differently, and a transform needs one sky for all"
    return ""


def _seconds(
    config: Config, way: Transformed, n_terms: int, n_stations: int, n_baselines: int, is_intensity: bool
) -> tuple[float, float]:
    """Return the seconds of a channel and dump by transform and by product, by the cost model (docs/costs.md)."""
    p, q = np.triu_indices(n_stations)
    n_packed = packed_of(np.stack([p, q], axis=1), n_stations)
    kernels, host = _deciding(config.compute.backend)
    product = product_of(1, n_stations, True, is_intensity)
    counts: Counts = {
        ("phasors", "term-station"): n_terms * n_stations,
        (product, "term-cell"): n_terms * n_baselines,
        (product, "term-packed"): n_terms * n_packed,
    }
    n_sums = way.in_channel * way.in_dump * (1 if is_intensity else 4)
    transforms: Counts = {
        ("transform", "grid cell"): n_sums * way.n_cells,
        ("transform", "point"): n_sums * (len(way.sources) + n_baselines),
    }
    by_product = kernels.time(counts, config.compute.precision, kernels.threads)
    # Each takes one thread, and as many dumps as there are threads are transformed at once.
    by_transform = host.time(transforms, config.compute.precision, host.threads)
    return sum(by_transform.values()) / host.threads, sum(by_product.values())


def _deciding(backend: str) -> tuple[Machine, Machine]:
    """Return the machines whose figures decide for kernels and for the host.

    They are those that come with Dawnstream, whatever the run has: the way of a sum decides its bits, and those must
    not depend on where it ran or on what was measured there. A transform stays on the host.
    """
    return default_machine(backend), default_machine("cpu")


def _grid(config: Config, sky: Sky, sources: Int64, longest_m: float) -> Grid:
    centre, spectrum = config.phase_centre, config.spectrum
    lmn = _about_lmn(sky.ra_rad[sources], sky.dec_rad[sources], centre.ra_rad, centre.dec_rad)
    return grid(lmn, longest_m, spectrum.start_hz + spectrum.channels * spectrum.width_hz)


def _about_lmn(ra_rad: Float64, dec_rad: Float64, ra0_rad: float, dec0_rad: float) -> Float64:
    """Return l, m, n - 1 as if nothing moved, (source, 3) float64: their extent is all that counts."""
    turn = ra_rad - ra0_rad
    n = np.sin(dec_rad) * math.sin(dec0_rad) + np.cos(dec_rad) * math.cos(dec0_rad) * np.cos(turn)
    m = np.sin(dec_rad) * math.cos(dec0_rad) - np.cos(dec_rad) * math.sin(dec0_rad) * np.cos(turn)
    return np.stack([np.cos(dec_rad) * np.sin(turn), m, n - 1], axis=-1)


def _note(index: int, n_sources: int, way: str, seconds: float, other: str, other_seconds: float) -> str:
    return (
        f"sky[{index}]: {n_sources:,} sources summed by {way}, about {seconds:.2g} s a channel and dump; "
        f"by {other} about {other_seconds:.2g} s"
    )


def _joined(parts: list[Int64]) -> Int64:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
