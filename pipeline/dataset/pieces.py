"""Pieces of a variable: which baselines are read together, how ADIOS2 is asked for them, and their checksums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.dataset.room import Room
from pipeline.dataset.schema import Array, Variable, float32_pairs, shape_of
from pipeline.dataset.select import Indices
from pipeline.dataset.storage import checksum

CHUNK_BYTES = 1_000_000
"""Bytes that are read, and their checksums compared, at a time: they are still in the processor's cache then."""

MERGED_GAP = 128
"""Baselines not wanted that are read along: 4 KiB of visibilities, which cost less than another request."""

Span = tuple[int, int]
"""First and last + 1 baseline."""

Box = tuple[slice, slice, slice]
"""Times, channels and baselines within an array."""


@dataclass(frozen=True)
class Piece:
    """Some baselines of a variable, of some dumps of a step.

    Attributes
    ----------
    span : tuple of int
        First and last + 1 baseline.
    array : (time, channel, baseline, ...)
        What was read.
    sums : tuple of int
        CRC-32C of what of each writer's part was read.
    """

    span: Span
    array: Array
    sums: tuple[int, ...]


def spans_of_writers(parts: list[Span], chosen: Indices, n_all: int) -> list[Span]:
    """Return the spans that hold whole the parts of all writers of a chosen baseline: what checksums are of."""
    needed = sorted(part for part in parts if part[0] < part[1] and _any_within(chosen, part))
    everything = sum(stop - first for first, stop in needed) == n_all
    return [(0, n_all)] if everything or not needed else needed


def spans_of_chosen(chosen: Indices, n_all: int) -> list[Span]:
    """Return the shortest spans that hold all chosen baselines, without more requests than they are worth."""
    if len(chosen) > n_all // 2:
        return [(0, n_all)]
    breaks = np.flatnonzero(np.diff(chosen) > MERGED_GAP)
    firsts = chosen[np.concatenate([[0], breaks + 1])]
    lasts = chosen[np.concatenate([breaks, [len(chosen) - 1]])]
    return [(int(first), int(last) + 1) for first, last in zip(firsts, lasts, strict=True)]


def ask_whole(engine: Any, handle: Any, variable: Variable, shape: tuple[int, ...], room: Room) -> Array:
    """Ask for all of a variable of the present step; the array is filled by ``perform_gets``."""
    import adios2

    array = _empty(variable, shape, room)
    handle.set_selection([[0] * len(shape), list(shape)])
    engine.get(handle, _as_kept(variable, array), adios2.Mode.Deferred)
    return array


def read_span(
    engine: Any,
    handle: Any,
    variable: Variable,
    sizes: dict[str, int],
    times: range,
    span: Span,
    parts: list[Span],
    room: Room,
    chunk_bytes: int,
) -> Piece:
    """Read a span of baselines of some dumps of a step.

    Parameters
    ----------
    engine, handle
        ADIOS2's, within a step; the variable's.
    variable, sizes
        What is read, and the lengths of its axes.
    times : range
        The dumps, of those of the step.
    span : tuple of int
        The baselines.
    parts : list of tuple of int
        The baselines of each writer, for the checksums; empty: none are wanted.
    room : Room
        Where the array comes from.
    chunk_bytes : int
        The bytes to read at a time.
    """
    import adios2

    shape = shape_of(variable.axes, {**sizes, "time": len(times), "baseline": span[1] - span[0]})
    array = _empty(variable, shape, room)
    sums = [0] * len(parts)
    asked: list[tuple[Box, Array]] = []
    # Of a box that is narrower than what its writer wrote ADIOS2 would read all bytes from its first to its last.
    by_row = not parts and span != (0, sizes["baseline"])
    for box in boxes(array, chunk_bytes, by_row):
        some = array[box]
        starts = (times.start + box[0].start, box[1].start, span[0] + box[2].start)
        handle.set_selection([[*starts, *[0] * (len(shape) - 3)], [*some.shape[:3], *shape[3:]]])
        engine.get(handle, _as_kept(variable, some), adios2.Mode.Deferred)
        asked.append((box, some))
        if sum(array.nbytes for _, array in asked) >= chunk_bytes:
            _take(engine, asked, sums, parts, span[0])
    _take(engine, asked, sums, parts, span[0])
    return Piece(span, array, tuple(sums))


def boxes(array: Array, most_bytes: int, by_row: bool) -> Iterator[Box]:
    """Yield boxes that are contiguous and make up an array (time, channel, baseline, ...), in the order of its bytes.

    Parameters
    ----------
    array : (time, channel, baseline, ...)
        The array.
    most_bytes : int
        Of a box, if it holds more than one baseline.
    by_row : bool
        No box holds more than one dump and channel.
    """
    n_times, n_channels, n_baselines = array.shape[:3]
    row_bytes = array[:1, :1].nbytes
    at_once = [1, 1, n_baselines]
    if row_bytes > most_bytes:
        at_once[2] = max(1, most_bytes * n_baselines // row_bytes)
    elif not by_row and row_bytes * n_channels > most_bytes:
        at_once[1] = most_bytes // row_bytes
    elif not by_row:
        at_once[:2] = most_bytes // (row_bytes * n_channels), n_channels
    for time in range(0, n_times, at_once[0]):
        for channel in range(0, n_channels, at_once[1]):
            for baseline in range(0, n_baselines, at_once[2]):
                yield (
                    slice(time, min(time + at_once[0], n_times)),
                    slice(channel, min(channel + at_once[1], n_channels)),
                    slice(baseline, min(baseline + at_once[2], n_baselines)),
                )


def _take(engine: Any, asked: list[tuple[Box, Array]], sums: list[int], parts: list[Span], first: int) -> None:
    """Read the boxes that were asked for, and go on with the checksums; `first` is the baseline where boxes begin."""
    engine.perform_gets()
    for (_, _, baselines), array in asked:
        start, stop = first + baselines.start, first + baselines.stop
        for writer, part in enumerate(parts):
            if part == (start, stop):
                sums[writer] = checksum(array, sums[writer])
                continue
            low, high = max(start, part[0]), min(stop, part[1])
            if low < high:
                for row in array.reshape(-1, *array.shape[2:]):
                    sums[writer] = checksum(row[low - start : high - start], sums[writer])
    asked.clear()


def cut(pieces: list[Piece], chosen: Indices, times: slice, room: Room) -> Array:
    """Return the chosen baselines of some dumps of the pieces as one array, (time, channel, baseline, ...)."""
    if len(pieces) == 1 and pieces[0].span[1] - pieces[0].span[0] == len(chosen):
        return pieces[0].array[times]
    some = pieces[0].array[times]
    whole = room.empty((*some.shape[:2], len(chosen), *some.shape[3:]), some.dtype)
    for piece in pieces:
        first, stop = piece.span
        low, high = np.searchsorted(chosen, [first, stop])
        whole[:, :, low:high] = piece.array[times][:, :, chosen[low:high] - first]
    return whole


def _any_within(chosen: Indices, span: Span) -> bool:
    low, high = np.searchsorted(chosen, span)
    return bool(low < high)


def _empty(variable: Variable, shape: tuple[int, ...], room: Room) -> Array:
    return room.empty(shape[:-1], np.complex64) if variable.name == "vis" else room.empty(shape, variable.dtype)


def _as_kept(variable: Variable, array: Array) -> Array:
    return float32_pairs(array) if variable.name == "vis" else array
