"""What a rank holds in arrays: pure functions of plain numbers, counted where the arrays are made."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.layout import Layout
    from pipeline.plan import Sizes

#: Bytes of one visibility sample in flight: four complex64 and the float32 weight.
CELL_BYTES = 4 * 8 + 4
#: Buffers of predicted items, and of bands to write, that circulate on a rank.
N_BUFFERS = 2
#: Part of compute.memory that Fourier transforms may take.
TRANSFORM_SHARE = 0.25
#: Moments at which a response that is interpolated is worked out, and the part of compute.memory to keep them.
N_MOMENTS, KEPT_SHARE = 4, 0.1
#: Phasors and responses of the dumps that kernels take together, at most, if there are several: on a CPU they stay in
#: its cache, a GPU they fill (docs/kernels.md).
BATCH_BYTES = {"cpu": 2_000_000, "cuda": 1_000_000_000}
_COMPLEX_BYTES = 16
#: l, m, n - 1, or a unit vector.
_VECTOR_BYTES = 3 * 8
#: A term: its source and epoch, offset, weight, and its place among the sources of its epoch.
_TERM_BYTES = 4 + 4 + 8 + 8 + 8


def memory_bytes(layout: Layout, sizes: Sizes, real_bytes: int, n_queued: int = 0) -> tuple[int, int]:
    """Return what the busiest rank holds: bytes whatever the block, and bytes per dump of a block.

    The busiest rank is one that gathers a band and writes it. What libraries hold beside is not counted; it is some
    tens of MB.

    Parameters
    ----------
    layout, sizes
        The run.
    real_bytes
        Of a real number of the phasors.
    n_queued
        Blocks that a stream keeps for slow readers.
    """
    baselines = sizes.n_baselines * CELL_BYTES
    # One more than circulate, as ADIOS2 keeps a copy of a step until it is on disk.
    written = (N_BUFFERS + 1 + n_queued) * baselines
    # Sums of an item, and of a first average where an item is a band of several.
    sums = 1 + layout.sums_twice
    predicted = (N_BUFFERS * max(layout.items_per_rank()) + sums) * baselines + sizes.n_baselines * 8 * real_bytes
    per_dump = predicted + written + averages_bytes(layout, sizes.n_baselines) + _geometry_bytes(sizes)
    if sizes.n_transformed:
        per_dump += _transformed_bytes(sizes, real_bytes)
    return _kernel_bytes(sizes, real_bytes) + _response_bytes(sizes, real_bytes) + sizes.screen_bytes, per_dump


def dumps_at_once(sizes: Sizes, backend: str, real_bytes: int, n_terms: int, n_sources: int) -> int:
    """Return how many dumps of a chunk of sources kernels take together.

    Parameters
    ----------
    sizes
        What the inputs hold.
    backend
        "cpu" or "cuda".
    real_bytes
        Of a real number of the phasors.
    n_terms, n_sources
        Of the chunk, in one dump.
    """
    responses = sizes.n_kinds * n_sources * sizes.n_values if sizes.n_kinds > 1 else 0
    one = 2 * real_bytes * (n_terms * sizes.n_stations + responses)
    return max(1, BATCH_BYTES[backend] // max(1, one))


def averages_bytes(layout: Layout, n_baselines: int) -> int:
    """Return what a dump takes in the two averaging steps: what is received, and the sums (pipeline/parallel)."""
    slice_1 = -(-n_baselines // layout.ranks_per_node)
    slice_2 = -(-slice_1 // layout.nodes_per_group)
    items = sum(layout.items_per_rank())
    on_node, across = layout.runs
    received = items * slice_1 * (layout.ranks_per_node > 1) + layout.group * slice_2 * (layout.nodes_per_group > 1)
    summed = items // on_node * slice_1 * (on_node > 1) + slice_2 * (across > 1)
    return (received + summed) * CELL_BYTES


def transform_bytes(sizes: Sizes, allowed: float, at_once: int) -> int:
    """Return what Fourier transforms that go on at the same time hold, within their room.

    A transform's grid, and for every baseline its coordinates and sums in complex128, made in steps.

    Parameters
    ----------
    sizes
        What the inputs hold.
    allowed
        Section ``compute.memory``, bytes.
    at_once
        Dumps that are transformed at the same time if there is room: of a block, a thread each.
    """
    if not sizes.n_transformed:
        return 0
    one = sizes.grid_bytes + sizes.n_baselines * (4 * 3 * 8 + 3 * 4 * _COMPLEX_BYTES) + sizes.n_transformed * 3 * 8
    return int(min(TRANSFORM_SHARE * allowed, one * at_once))


def kept_response_bytes(layout: Layout, sizes: Sizes, real_bytes: int, n_dumps: int, allowed: float) -> int:
    """Return what to set aside for responses that are interpolated: all of a rank's, or a tenth of what is allowed.

    Four moments; the channels of a band, the cells of a run.
    """
    if not sizes.is_interpolated:
        return 0
    cells = -(-n_dumps // sizes.cell_dumps)
    channels = -(-layout.channels_per_node // layout.ranks_per_node)
    values = sizes.n_kinds * sizes.n_sources * sizes.n_values
    all_of_them = N_MOMENTS * _value_bytes(sizes, real_bytes) * values * cells * channels
    return all_of_them if math.isinf(allowed) else int(min(all_of_them, KEPT_SHARE * allowed))


def _geometry_bytes(sizes: Sizes) -> int:
    """Stations, terms and sources of a dump, twice: the next block's are made while the last one's are still there."""
    stations = (sizes.n_epochs + 1) * sizes.n_stations * _VECTOR_BYTES * 2
    return 2 * (stations + sizes.n_terms * _VECTOR_BYTES + sizes.n_sources * (_VECTOR_BYTES + 1))


def _transformed_bytes(sizes: Sizes, real_bytes: int) -> int:
    """Apparent brightness of a dump's sources, and its visibilities, that wait for their turn."""
    return sizes.n_transformed * 4 * _COMPLEX_BYTES + sizes.n_baselines * 8 * real_bytes


def _kernel_bytes(sizes: Sizes, real_bytes: int) -> int:
    """Phasors and brightness, the index of baselines, flux densities of a channel, directions, stations of Gaussians.

    What a batch of small dumps holds beyond one, 2 MB at most, is left to what libraries take.
    """
    phasors = sizes.terms_at_once * (2 * sizes.n_stations + 4) * real_bytes
    # At a cell's moments: unit vectors and what they are turned from. Flux densities, and what these are made of.
    sources = sizes.n_sources * (N_MOMENTS * (2 * _VECTOR_BYTES + 8) + 10 * 8)
    # From where stations look at the sources: towards them, the same less the pointing, to the north, to where stations
    # point; for matrices also what north is made from.
    seen = sizes.n_sources * N_MOMENTS * (4 + (sizes.n_values > 1)) * _VECTOR_BYTES * sizes.is_interpolated
    terms = sizes.n_terms * _TERM_BYTES
    # Stations along the axes of every Gaussian.
    gaussians = sizes.extended_at_once * sizes.n_stations * _VECTOR_BYTES
    return phasors + sizes.n_stations**2 * 4 + sources + seen + terms + gaussians


def _response_bytes(sizes: Sizes, real_bytes: int) -> int:
    """Responses to a chunk: as they are worked out, at a cell's moments or in a dump, and as they are used."""
    if sizes.is_unity:
        return 0
    used = _value_bytes(sizes, real_bytes) * sizes.n_values
    moments = N_MOMENTS if sizes.is_interpolated else 1
    # One element's, in complex128 and as it is used.
    made = sizes.sources_at_once * moments * (_COMPLEX_BYTES * sizes.n_values + used)
    return sizes.n_kinds * sizes.sources_at_once * (moments + 1) * used + made


def _value_bytes(sizes: Sizes, real_bytes: int) -> int:
    """Bytes of a number of a response that is used: where stations differ it is one of the kernels'."""
    return _COMPLEX_BYTES if sizes.n_kinds == 1 else 2 * real_bytes
