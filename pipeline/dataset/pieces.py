"""Pieces of a variable: which baselines are read together, how ADIOS2 is asked for them, and their putting together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.dataset.room import Room
from pipeline.dataset.schema import Array, Variable, float32_pairs, shape_of
from pipeline.dataset.select import Indices
from pipeline.dataset.storage import checksum

MERGED_GAP = 128
"""Baselines not wanted that are read along: 4 KiB of visibilities, which cost less than another request."""

Span = tuple[int, int]
"""First and last + 1 baseline."""


@dataclass(frozen=True)
class Piece:
    """Some baselines of a variable, of some dumps of a step.

    Attributes
    ----------
    span : tuple of int
        First and last + 1 baseline.
    array : (time, channel, baseline, ...)
        What ADIOS2 fills in ``perform_gets``.
    """

    span: Span
    array: Array


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


def ask_spans(
    engine: Any, handle: Any, variable: Variable, sizes: dict[str, int], times: range, spans: list[Span], room: Room
) -> list[Piece]:
    """Ask for spans of baselines of some dumps of a step; the arrays are filled by ``perform_gets``."""
    import adios2

    pieces = []
    for first, stop in spans:
        shape = shape_of(variable.axes, {**sizes, "time": len(times), "baseline": stop - first})
        array = _empty(variable, shape, room)
        pieces.append(Piece((first, stop), array))
        if (first, stop) == (0, sizes["baseline"]):
            handle.set_selection([[times.start, *[0] * (len(shape) - 1)], list(shape)])
            engine.get(handle, _as_kept(variable, array), adios2.Mode.Deferred)
            continue
        # Row by row: of a box ADIOS2 would read all bytes from its first to its last.
        for row, time in enumerate(times):
            for channel in range(sizes["channel"]):
                start = [time, channel, first, *[0] * (len(shape) - 3)]
                handle.set_selection([start, [1, 1, *shape[2:]]])
                engine.get(handle, _as_kept(variable, array[row, channel]), adios2.Mode.Deferred)
    return pieces


def sum_of(pieces: list[Piece], part: Span) -> int | None:
    """Return the CRC-32C of a writer's part of a variable; None if it was not read whole."""
    if part[0] == part[1]:
        return 0
    for piece in pieces:
        first, stop = piece.span
        if piece.span == part:
            return checksum(piece.array)
        if first <= part[0] and part[1] <= stop:
            found = 0
            for row in piece.array.reshape(-1, *piece.array.shape[2:]):
                found = checksum(row[part[0] - first : part[1] - first], found)
            return found
    return None


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
