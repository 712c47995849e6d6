"""The plan: what a run will do, hold and write, known before it starts."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

from pipeline.config.observation import Config
from pipeline.costs.memory import CELL_BYTES, kept_response_bytes, memory_bytes, transform_bytes
from pipeline.errors import PlanError
from pipeline.layout import Layout, lay_out

SPEED_OF_LIGHT_M_S = 299792458.0
#: A rank works through at least so many blocks, so that its stages overlap and readers get news.
MIN_BLOCKS = 4


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What the observation's inputs hold.

    Attributes
    ----------
    n_stations, n_baselines, n_sources
        Stations, kept baselines, sources.
    longest_m
        Length of the longest kept baseline.
    n_terms, terms_at_once
        Terms of the sum over sources, a source at every node of its smearing: all, and those of one chunk.
    n_epochs
        Moments within a dump at which sources have nodes.
    n_transformed
        Sources that a Fourier transform sums instead.
    n_kinds
        Kinds of station.
    cell_dumps, is_interpolated
        Dumps that share four moments, between which directions are interpolated; whether stations' responses are, too.
    sources_at_once, extended_at_once
        Sources of the largest chunk or transform; terms of the largest chunk of Gaussians.
    n_values, is_unity
        Of a station's response to a source: one number, or the four of a matrix; whether all responses are one.
    grid_bytes
        Of the largest transform's grid.
    screen_bytes
        Of the ionosphere.
    """

    n_stations: int
    n_baselines: int
    n_sources: int
    longest_m: float
    n_terms: int
    terms_at_once: int
    n_epochs: int = 1
    n_transformed: int = 0
    n_kinds: int = 1
    cell_dumps: int = 1
    is_interpolated: bool = False
    sources_at_once: int = 0
    extended_at_once: int = 0
    n_values: int = 1
    is_unity: bool = False
    grid_bytes: int = 0
    screen_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class Plan:
    """A run, laid out.

    Attributes
    ----------
    layout
        Who predicts and averages what.
    sizes
        What the inputs hold.
    n_dumps
        Dumps of the observation.
    block_dumps
        Dumps that travel together: one ADIOS2 step.
    memory_bytes
        What the busiest rank holds in arrays.
    kept_bytes
        What of it is set aside for stations' responses, to be used again by other channels and blocks.
    decorrelation
        Fraction of a source's amplitude lost by averaging a band, on the longest kept baseline for a
        source at the edge of the image.
    """

    layout: Layout
    sizes: Sizes
    n_dumps: int
    block_dumps: int
    memory_bytes: int
    kept_bytes: int
    decorrelation: float

    @property
    def n_blocks(self) -> int:
        """Blocks, and so ADIOS2 steps, of a band."""
        return -(-self.n_dumps // self.block_dumps)

    @property
    def raw_bytes(self) -> int:
        """Visibilities before averaging (four complex64 per sample)."""
        return self.layout.n_channels * self.n_dumps * self.sizes.n_baselines * 32

    @property
    def reduced_bytes(self) -> int:
        """Visibilities and weights as written."""
        return self.layout.n_bands * self.n_dumps * self.sizes.n_baselines * CELL_BYTES

    def blocks(self) -> list[tuple[int, int]]:
        """Return first and last + 1 dump of every block."""
        starts = range(0, self.n_dumps, self.block_dumps)
        return [(start, min(start + self.block_dumps, self.n_dumps)) for start in starts]

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain numbers, for JSON and the manifest."""
        layout = self.layout
        return {
            **dataclasses.asdict(layout),
            "n_machines": layout.n_machines,
            "n_nodes": layout.n_nodes,
            "n_groups": layout.n_groups,
            "n_bands": layout.n_bands,
            "channels_per_band": layout.channels_per_band,
            "channels_per_busiest_rank": layout.busiest_channels,
            "averages_before_exchange": layout.averages_first,
            "efficiency": layout.efficiency,
            **dataclasses.asdict(self.sizes),
            "n_dumps": self.n_dumps,
            "block_dumps": self.block_dumps,
            "n_blocks": self.n_blocks,
            "memory_bytes_per_rank": self.memory_bytes,
            "kept_bytes": self.kept_bytes,
            "raw_bytes": self.raw_bytes,
            "reduced_bytes": self.reduced_bytes,
            "decorrelation": self.decorrelation,
        }


def make_plan(config: Config, sizes: Sizes, n_ranks: int, ranks_per_machine: int, threads: int) -> Plan:
    """Plan a run.

    Parameters
    ----------
    config
        The observation.
    sizes
        What its inputs hold.
    n_ranks, ranks_per_machine, threads
        Ranks, and those of a machine; threads of a rank.

    Raises
    ------
    PlanError
        If the averaging tree cannot be laid out, or one dump does not fit the memory allowed.
    """
    averaging, allowed = config.averaging, config.compute.memory_bytes
    layouts = lay_out(config.spectrum.channels, averaging.node, averaging.group, n_ranks, ranks_per_machine)
    needs = [_memory_needed(config, sizes, way, threads) for way in layouts]
    k = next((k for k, need in enumerate(needs) if need.of_one_dump <= allowed), None)
    if k is None:
        least = min(need.of_one_dump for need in needs)
        raise PlanError(
            f"compute.memory: {allowed / 1e9:.3g} GB per rank is too little: one dump of "
            f"{sizes.n_baselines} baselines needs {least / 1e9:.3g} GB; "
            "raise compute.memory, use more ranks or keep fewer baselines"
        )
    layout, need = layouts[k], needs[k]
    block_dumps = min(int((allowed - need.fixed) // need.per_dump), _most_dumps(config))
    return Plan(
        layout=layout,
        sizes=sizes,
        n_dumps=config.time.dumps,
        block_dumps=block_dumps,
        memory_bytes=need.fixed + block_dumps * need.per_dump,
        kept_bytes=need.kept,
        decorrelation=band_decorrelation(
            config.averaging.node * config.averaging.group,
            config.spectrum.width_hz,
            sizes.longest_m,
            config.image.size * config.image.cell_rad / 2,
        ),
    )


class _Need(NamedTuple):
    """Bytes that the busiest rank holds whatever the block, for every dump of it, and of the first for responses."""

    fixed: int
    per_dump: int
    kept: int

    @property
    def of_one_dump(self) -> int:
        """With a block of one dump."""
        return self.fixed + self.per_dump


def _memory_needed(config: Config, sizes: Sizes, layout: Layout, threads: int) -> _Need:
    """Return the memory that a layout needs."""
    real_bytes = 8 if config.compute.precision == "double" else 4
    allowed, stream = config.compute.memory_bytes, config.output.stream
    kept = kept_response_bytes(layout, sizes, real_bytes, config.time.dumps, allowed)
    fixed, per_dump = memory_bytes(layout, sizes, real_bytes, 0 if stream is None else stream.queue)
    transforms = transform_bytes(sizes, allowed, min(threads, _most_dumps(config)))
    return _Need(fixed + kept + transforms, per_dump, kept)


def _most_dumps(config: Config) -> int:
    """Return the most dumps of a block."""
    return -(-config.time.dumps // MIN_BLOCKS)


def band_decorrelation(n_channels: int, width_hz: float, baseline_m: float, angle_rad: float) -> float:
    """Return the amplitude lost by averaging channels: one less the Dirichlet kernel.

    A source at `angle_rad` from the phase centre turns by 2 pi width b sin(angle) / c from one channel to
    the next on a baseline of length b that lies along the offset, which is the worst case (Thompson,
    Moran & Swenson, Interferometry and Synthesis in Radio Astronomy, 3rd ed., section 6.3).
    """
    half_turn = math.pi * width_hz * baseline_m * math.sin(min(angle_rad, math.pi / 2)) / SPEED_OF_LIGHT_M_S
    if half_turn == 0:
        return 0.0
    if n_channels * half_turn >= math.pi:
        # Past the first null every baseline in between is lost too.
        return 1.0
    return 1.0 - math.sin(n_channels * half_turn) / (n_channels * math.sin(half_turn))
