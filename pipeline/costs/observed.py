"""From a configuration and its inputs to the plain numbers a cost is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.costs.memory import N_MOMENTS, dumps_at_once, kept_response_bytes
from pipeline.costs.stages import PANEL, TILE_BYTES, TILE_ROWS, real_bytes
from pipeline.costs.task import Summed, Task

if TYPE_CHECKING:
    from pipeline.config.observation import Config
    from pipeline.inputs import Inputs
    from pipeline.plan import Plan
    from pipeline.prediction.terms import Chunk

Float64 = npt.NDArray[np.float64]

#: Moments of an observation at which its sources are counted.
_N_MOMENTS = 9
_PATTERNS = {"isotropic": "plain", "gaussian": "beam", "airy": "beam", "dipole": "dipole", "uvbeam": "beam"}


def task_of(config: Config, inputs: Inputs, plan: Plan) -> Task:
    """Say what predicting one channel of one dump is, on average over the dumps.

    Parameters
    ----------
    config, inputs, plan
        The observation. Blocks, and what is kept of responses, are the plan's.
    """
    up = _shares_up(config, inputs)
    routes, sizes = inputs.routes, inputs.sizes
    chunks = {kind: [one for one in routes.chunks if one.is_extended == kind] for kind in (False, True)}
    station = config.telescope.station
    pattern = station.element.type if station.type == "aperture-array" else station.type
    transform, real = _transform(inputs, up), real_bytes(config.compute.precision)
    backend = "cuda" if config.compute.backend == "cuda" else "cpu"

    def at_once(n_terms: int, n_sources: int) -> int:
        return min(plan.block_dumps, dumps_at_once(sizes, backend, real, n_terms, n_sources))

    return Task(
        n_stations=sizes.n_stations,
        n_baselines=sizes.n_baselines,
        n_cells=cells_of(inputs.baselines, TILE_BYTES // real),
        n_packed=packed_of(inputs.baselines, sizes.n_stations),
        n_sources=sizes.n_sources,
        n_epochs=sizes.n_epochs,
        points=_summed(chunks[False], up, at_once),
        extended=_summed(chunks[True], up, at_once),
        n_kinds=sizes.n_kinds,
        is_scalar=inputs.response.is_scalar,
        is_intensity=inputs.response.is_scalar and inputs.sky.is_unpolarised,
        pattern=_PATTERNS[pattern],
        n_elements=inputs.response.n_elements,
        evaluations=_evaluations(inputs, plan, _is_all_kept(plan, real)),
        moments=evaluations(sizes.cell_dumps, plan.n_dumps, plan.block_dumps, is_kept=True),
        is_interpolated=sizes.is_interpolated,
        transform_sources=transform[0],
        transform_cells=transform[1],
        transform_points=transform[2],
        has_screen=inputs.instrument.ionosphere is not None,
        has_gains=inputs.instrument.gains is not None,
        has_noise=inputs.instrument.noise is not None,
        channels_per_item=plan.layout.channels_per_item,
        channels_per_sum=plan.layout.node if plan.layout.sums_twice else None,
        block_dumps=plan.block_dumps,
    )


def cells_of(baselines: npt.NDArray[np.int32], columns: int) -> int:
    """Count the pairs of stations in the tiles, of 8 rows by `columns`, that hold a kept baseline."""
    return len(_tiles_of(baselines, TILE_ROWS, columns)) * TILE_ROWS * columns


def packed_of(baselines: npt.NDArray[np.int32], n_stations: int) -> int:
    """Count what a product packs on one thread: the rows and columns of macro tiles that hold a kept baseline."""
    # As kernels/cpu/tiles.py has them.
    rows = min(PANEL, max(2 * TILE_ROWS, n_stations**2 // (4 * PANEL) // TILE_ROWS * TILE_ROWS))
    sides = np.array([rows, PANEL])
    return int(np.minimum(sides, n_stations - _tiles_of(baselines, rows, PANEL) * sides).sum())


def _tiles_of(baselines: npt.NDArray[np.int32], rows: int, columns: int) -> npt.NDArray[np.int64]:
    """Return row and column of the tiles, of so many rows and columns, that hold a kept baseline, (tile, 2)."""
    row, column = baselines[:, 0].astype(np.int64) // rows, baselines[:, 1].astype(np.int64) // columns
    n_across = column.max(initial=0) + 1
    return np.stack(np.divmod(np.unique(row * n_across + column), n_across), axis=1)


def _evaluations(inputs: Inputs, plan: Plan, is_kept: bool) -> float:
    """Return how often a response is worked out, per channel and dump; `is_kept`: not again for every block."""
    if inputs.response.is_unity:
        return 0.0
    if not inputs.sizes.is_interpolated:
        return 1.0
    return evaluations(inputs.sizes.cell_dumps, plan.n_dumps, plan.block_dumps, is_kept)


def evaluations(cell_dumps: int, n_dumps: int, block_dumps: int, is_kept: bool) -> float:
    """Return how often a response that is interpolated is worked out, per channel and dump.

    Parameters
    ----------
    cell_dumps
        Dumps that share four moments.
    n_dumps, block_dumps
        Dumps of the observation and of a block.
    is_kept
        Whether what one block worked out is there for the next.
    """
    n_cells = -(-n_dumps // cell_dumps)
    if is_kept:
        return N_MOMENTS * n_cells / n_dumps
    starts = range(0, n_dumps, block_dumps)
    visits = sum((min(start + block_dumps, n_dumps) - 1) // cell_dumps - start // cell_dumps + 1 for start in starts)
    return N_MOMENTS * visits / n_dumps


def _is_all_kept(plan: Plan, real: int) -> bool:
    """Whether the responses of all of a band's channels find room, from one block to the next."""
    return plan.kept_bytes >= kept_response_bytes(plan.layout, plan.sizes, real, plan.n_dumps, math.inf)


def _summed(chunks: list[Chunk], up: Float64, at_once: Callable[[int, int], int]) -> Summed:
    sources = terms = calls = 0.0
    for chunk in chunks:
        calls += 1 / at_once(chunk.nodes.n_terms, len(chunk.sources))
        share = up[chunk.sources]
        sources += float(share.sum())
        terms += float((share * chunk.nodes.in_channel * chunk.nodes.in_dump).sum())
    return Summed(sources, terms, len(chunks), calls)


def _transform(inputs: Inputs, up: Float64) -> tuple[float, float, float]:
    """Return sources, cells and points of Fourier transforms, a node and polarisation each."""
    sources = cells = points = 0.0
    n_products = 1 if inputs.response.is_scalar and inputs.sky.is_unpolarised else 4
    for part in inputs.routes.transformed:
        n_sums = part.in_channel * part.in_dump * n_products
        seen = float(up[part.sources].sum())
        sources += seen
        cells += n_sums * part.n_cells
        points += n_sums * (seen + inputs.sizes.n_baselines)
    return sources, cells, points


def _shares_up(config: Config, inputs: Inputs) -> Float64:
    """Return the share of the dumps in which each source is above the horizon, (source,) float64, about.

    Mean sidereal time and ICRS directions: half a degree is near enough here, and loads no astrometry. Greenwich mean
    sidereal time is 280.46062 deg + 360.98564736629 deg a day since JD 2451545.0 [Explanatory Supplement, 1992, 2.24].
    """
    day, fraction = config.time.start_utc
    elapsed = np.linspace(0, config.time.dumps * config.time.integration_s / 86400, _N_MOMENTS)
    turned = 280.46062 + 360.98564736629 * (day + fraction - 51544.5 + elapsed)
    sky, telescope = inputs.sky, inputs.telescope
    hour_angle = np.radians(turned)[:, np.newaxis] + telescope.longitude_rad - sky.ra_rad
    cosines = np.cos(sky.dec_rad) * math.cos(telescope.latitude_rad) * np.cos(hour_angle)
    share: Float64 = (cosines + np.sin(sky.dec_rad) * math.sin(telescope.latitude_rad) > 0).mean(axis=0)
    return share
