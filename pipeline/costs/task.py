"""What is to be done for one channel and dump, as plain numbers, and how often every unit of work comes in it."""

from __future__ import annotations

import dataclasses

from pipeline.costs.stages import Counts, product_of


@dataclasses.dataclass(frozen=True)
class Summed:
    """Sources that kernels sum, on average over the dumps.

    Attributes
    ----------
    sources, terms
        Those above the horizon, and their terms: nodes of smearing.
    chunks
        Pieces in which they go through the kernels.
    calls
        Of kernels that take pieces of several dumps together, for each dump.
    """

    sources: float = 0
    terms: float = 0
    chunks: int = 0
    calls: float = 0


@dataclasses.dataclass(frozen=True)
class Task:
    """What predicting one channel of one dump is.

    Attributes
    ----------
    n_stations, n_baselines
        Stations, kept baselines.
    n_cells
        Pairs of stations in the tiles that hold a kept baseline, which are summed whole.
    n_packed
        Stations that are packed for such tiles, again for each larger one that holds some.
    n_sources
        Sources of the sky, wherever they are.
    n_epochs
        Moments of a dump.
    points, extended
        Points, and Gaussians, that kernels sum.
    n_kinds, is_scalar, is_intensity
        Kinds of station; whether they answer with numbers; whether, besides, no source is polarised.
    pattern
        What works a response out: "plain" is one; "beam", the host; "dipole", a kernel.
    n_elements
        Elements of all kinds of station.
    evaluations
        How often the response to a source is worked out, per channel and dump: one, less where it is interpolated, none
        where all are one.
    moments
        Moments at which directions are worked out, for each dump.
    is_interpolated
        Whether it is.
    transform_sources, transform_cells, transform_points
        Of Fourier transforms, nodes and polarisations counted: sources up, cells of grids, sources and baselines.
    has_screen, has_gains, has_noise
        What is done to visibilities.
    channels_per_item, channels_per_sum, block_dumps
        Channels summed before they are handed on; channels of a first average where that is several of them; dumps
        worked on together.
    """

    n_stations: int
    n_baselines: int
    n_cells: int
    n_packed: int
    n_sources: int
    n_epochs: int
    points: Summed
    extended: Summed
    n_kinds: int = 1
    is_scalar: bool = True
    is_intensity: bool = True
    pattern: str = "plain"
    n_elements: int = 0
    evaluations: float = 1.0
    moments: float = 1.0
    is_interpolated: bool = False
    transform_sources: float = 0.0
    transform_cells: float = 0.0
    transform_points: float = 0.0
    has_screen: bool = False
    has_gains: bool = False
    has_noise: bool = False
    channels_per_item: int = 1
    channels_per_sum: int | None = None
    block_dumps: int = 1

    @property
    def product(self) -> str:
        """The product that sums points."""
        return product_of(self.n_kinds, self.n_stations, self.is_scalar, self.is_intensity)

    @property
    def has_matrices(self) -> bool:
        """Whether kernels are given a matrix for every kind of station."""
        return self.n_kinds > 1 and not self.is_scalar


def count_channel(task: Task) -> Counts:
    """Count the work of one channel and dump."""
    return {key: number for key, number in {**_kernels(task), **_host(task)}.items() if number}


def count_directions(task: Task) -> Counts:
    """Count the work of one dump that all channels of a block share."""
    both = (task.points, task.extended)
    chunks, sources = sum(one.chunks for one in both), sum(one.sources for one in both) + task.transform_sources
    return {
        ("directions", "block"): 1 / task.block_dumps,
        ("directions", "dump"): 1.0,
        ("directions", "epoch"): task.n_epochs,
        ("directions", "source"): task.n_sources * task.moments,
        ("directions", "north"): sources * task.moments * (task.is_interpolated and not task.is_scalar),
        ("directions", "gaussian"): task.extended.sources,
        ("directions", "chunk"): chunks * task.moments,
        ("directions", "call"): sum(one.calls for one in both),
        ("lmn", "term"): sum(one.terms for one in both) + sources,
        ("lmn", "call"): 2 * sum(one.calls for one in both) + (task.transform_sources > 0),
    }


def _kernels(task: Task) -> Counts:
    points, extended = task.points, task.extended
    chunks, terms = points.chunks + extended.chunks, points.terms + extended.terms
    calls = points.calls + extended.calls
    evaluated = task.evaluations * (points.sources + extended.sources + task.transform_sources)
    counts = {
        **_product(task.product, points, points.calls, task),
        **_product("gaussians, kinds" if task.has_matrices else "gaussians", extended, extended.chunks, task),
        ("along", "term-station"): extended.terms * task.n_stations,
        ("along", "call"): extended.chunks,
        ("phasors", "term-station"): terms * task.n_stations,
        ("phasors", "call"): calls,
        ("brightness", "term"): terms + task.transform_sources,
        ("brightness", "call"): calls + (task.transform_sources > 0),
        ("array factors", "element-source"): task.n_elements * evaluated,
        ("array factors", "call"): task.evaluations * chunks * (task.n_elements > 0),
        ("dipoles", "source"): evaluated * (task.pattern == "dipole"),
        ("dipoles", "call"): task.evaluations * chunks * (task.pattern == "dipole"),
        ("accumulate", "baseline"): task.n_baselines
        * (1 + (1 / task.channels_per_sum if task.channels_per_sum else 0)),
        ("accumulate", "call"): 1 / task.block_dumps,
    }
    if task.evaluations:
        seen = points.sources + extended.sources + task.transform_sources
        counts["interpolate", "value"] = seen * task.n_kinds * (1 if task.is_scalar else 4)
        counts["interpolate", "call"] = calls + (task.transform_sources > 0)
    if task.n_kinds > 1 and task.is_scalar:
        counts["scale", "term-station"], counts["scale", "call"] = terms * task.n_stations, calls
    if task.has_screen:
        counts["screen", "term-station"], counts["screen", "call"] = terms * task.n_stations, chunks
    for stage, is_there in (("gains", task.has_gains), ("noise", task.has_noise)):
        if is_there:
            counts[stage, "baseline"], counts[stage, "call"] = task.n_baselines, 1
    return counts


def _product(stage: str, summed: Summed, calls: float, task: Task) -> Counts:
    return {
        (stage, "term-cell"): summed.terms * task.n_cells,
        (stage, "term-packed"): summed.terms * task.n_packed,
        (stage, "baseline"): summed.chunks * task.n_baselines,
        (stage, "call"): calls,
    }


def _host(task: Task) -> Counts:
    both = (task.points, task.extended)
    seen = sum(one.sources for one in both) + task.transform_sources
    chunks = sum(one.chunks for one in both)
    return {
        ("host", "channel"): 1,
        ("host", "call"): sum(one.calls for one in both),
        ("host", "moment"): task.evaluations * (chunks + (task.transform_sources > 0)),
        ("host", "beam response"): task.evaluations * seen * (task.pattern == "beam"),
        ("host", "flux"): task.n_sources / task.block_dumps,
        ("host", "corrupted"): task.has_gains + task.has_noise,
        ("host", "baseline"): task.n_baselines,
        ("host", "item-baseline"): task.n_baselines / task.channels_per_item,
        ("transform", "grid cell"): task.transform_cells,
        ("transform", "point"): task.transform_points,
    }
