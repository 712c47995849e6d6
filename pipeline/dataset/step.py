"""From the variables of a step that ADIOS2 has begun to a checked block."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pipeline.dataset.beside import Beside
from pipeline.dataset.pieces import Piece, ask_spans, ask_whole, cut, spans_of_chosen, spans_of_writers, sum_of
from pipeline.dataset.room import Room
from pipeline.dataset.schema import (
    CHECKS,
    VARIABLE_NAMES,
    VARIABLES,
    Array,
    BandHeader,
    Block,
    Variable,
    shape_of,
)
from pipeline.dataset.select import Indices
from pipeline.dataset.storage import checksum
from pipeline.errors import CorruptError

ADIOS_TYPES = {"float": "float32", "double": "float64", "int64_t": "int64", "uint32_t": "uint32"}
"""ADIOS2's names of the dtypes of variables."""


@dataclass(frozen=True)
class Step:
    """A step that was begun, and what of it is always read.

    Attributes
    ----------
    header : BandHeader
        Of the whole band.
    dumps : range
        The dumps it holds.
    small : dict
        Its arrays ``dump``, ``crc32c`` and ``writer_baselines``.
    is_sound : bool
        The writers' parts are all baselines, once each.
    wrong : tuple of str
        A sentence for each thing that is wrong with these arrays.
    where : str
        Begins every message.
    """

    header: BandHeader
    dumps: range
    small: dict[str, Array]
    is_sound: bool
    wrong: tuple[str, ...]
    where: str

    @property
    def sizes(self) -> dict[str, int]:
        """Lengths of all axes in this step."""
        n_writers = len(self.small["crc32c"])
        return {**self.header.sizes, "time": len(self.dumps), "variable": len(VARIABLES), "writer": n_writers}

    @property
    def parts(self) -> list[tuple[int, int]]:
        """First and last + 1 baseline of each writer."""
        return [(first, first + count) for first, count in self.small["writer_baselines"].tolist()]


@dataclass(frozen=True)
class Part:
    """What of a step is read: variables, dumps, baselines (None: all), and whether checksums are compared."""

    variables: frozenset[str]
    dumps: range
    baselines: Indices | None
    verify: bool


def begin_block(io: Any, engine: Any, header: BandHeader, next_dump: int | None, where: str) -> Step:
    """Read of the step that was begun which dumps it holds, and its checksums.

    Parameters
    ----------
    io, engine
        ADIOS2's, within a step.
    header : BandHeader
        Of the whole band.
    next_dump : int or None
        The dump the step must begin with; None: the step itself says so.
    where : str
        Begins every message.

    Raises
    ------
    CorruptError
        If the step breaks the schema or does not begin with `next_dump`.
    """
    where = f"{where}: dump {next_dump}" if next_dump is not None else where
    n_times, n_writers = _length(io, "dump", where), _length(io, "crc32c", where)
    sizes = {**header.sizes, "time": n_times, "variable": len(VARIABLES), "writer": n_writers}
    small = {}
    for variable in (VARIABLES[0], *CHECKS):
        handle, shape = _handle(io, variable, sizes, where)
        small[variable.name] = ask_whole(engine, handle, variable, shape, Room())
    engine.perform_gets()
    parts = sorted((first, first + count) for first, count in small["writer_baselines"].tolist())
    edges = [0, *(edge for part in parts for edge in part), sizes["baseline"]]
    is_sound = edges[::2] == edges[1::2]
    wrong = [] if is_sound else [f"{where}: the writers' baselines {parts} are not all {sizes['baseline']}"]
    wrong += _wrong_sum(where, "dump", 0, small["crc32c"][0, 0], checksum(small["dump"]))
    first = next_dump
    if first is None:
        if wrong:
            raise CorruptError("; ".join(wrong))
        first = int(small["dump"][0])
        where = f"{where}: dump {first}"
    dumps = range(first, first + n_times)
    if not wrong and (dumps.stop > header.n_dumps or not np.array_equal(small["dump"], dumps)):
        raise CorruptError(f"{where}: the step holds dumps {small['dump'].tolist()}; {first} comes next")
    return Step(header, dumps, small, is_sound, tuple(wrong), where)


@dataclass(frozen=True)
class Taken:
    """A part of a step that was read.

    Attributes
    ----------
    block : Block
        The part.
    wrong : tuple of str
        A sentence for each checksum that does not hold, but for those that are not known yet.
    later : Future or None
        The others.
    """

    block: Block
    wrong: tuple[str, ...]
    later: Future[list[str]] | None = None

    def all_wrong(self) -> tuple[str, ...]:
        """Wait for all checksums, and return a sentence for each that does not hold."""
        return self.wrong if self.later is None else (*self.wrong, *self.later.result())


def read_block(io: Any, engine: Any, step: Step, part: Part, room: Room, beside: Beside | None = None) -> Taken:
    """Read a part of the step that was begun.

    Parameters
    ----------
    io, engine
        ADIOS2's, within a step.
    step : Step
        What `begin_block` returned.
    part : Part
        What to read; other variables become empty arrays.
    room : Room
        Where the arrays come from.
    beside : Beside, optional
        Where the checksums of visibilities, most of the bytes, are compared later. None: here and now.

    Raises
    ------
    CorruptError
        If the step breaks the schema.
    """
    times = range(part.dumps.start - step.dumps.start, part.dumps.stop - step.dumps.start)
    chosen = np.arange(step.sizes["baseline"]) if part.baselines is None else part.baselines
    asked = _ask(io, engine, step, part, times, chosen, room)
    engine.perform_gets()
    wrong, within = list(step.wrong), slice(times.start, times.stop)
    later = None
    taken = {"dump": step.small["dump"][within]}
    for column, variable in enumerate(VARIABLES):
        found = asked.get(variable.name)
        if isinstance(found, list):
            if part.verify and step.is_sound:
                if beside is not None and variable.name == "vis":
                    later = beside.begin(partial(_wrong_parts, step, column, found))
                else:
                    wrong += _wrong_parts(step, column, found)
            taken[variable.name] = cut(found, chosen, within if part.verify else slice(None), room)
        elif found is not None:
            wrong += _wrong_sum(step.where, variable.name, 0, step.small["crc32c"][0, column], checksum(found))
            taken[variable.name] = found[within]
        taken.setdefault(variable.name, _nothing(variable))
    return Taken(Block(*(taken[name] for name in VARIABLE_NAMES)), tuple(wrong), later)


def _ask(
    io: Any, engine: Any, step: Step, part: Part, times: range, chosen: Indices, room: Room
) -> dict[str, list[Piece] | Array]:
    """Ask ADIOS2 for the wanted variables: those by baseline in pieces, the others, which are small, whole."""
    sizes, n_all = step.sizes, step.sizes["baseline"]
    if not part.verify:
        spans = spans_of_chosen(chosen, n_all)
    else:
        # Where it is not known which bytes a checksum is of, all are read.
        spans = spans_of_writers(step.parts, chosen, n_all) if step.is_sound else [(0, n_all)]
        times = range(sizes["time"])
    asked: dict[str, list[Piece] | Array] = {}
    for variable in VARIABLES[1:]:
        if variable.name not in part.variables:
            continue
        handle, shape = _handle(io, variable, sizes, step.where)
        if variable.by_baseline:
            asked[variable.name] = ask_spans(engine, handle, variable, sizes, times, spans, room)
        else:
            asked[variable.name] = ask_whole(engine, handle, variable, shape, room)
    return asked


def _handle(io: Any, variable: Variable, sizes: dict[str, int], where: str) -> tuple[Any, tuple[int, ...]]:
    """Return ADIOS2's handle of a variable of the present step, and its shape, which is as it must be."""
    handle = io.inquire_variable(variable.name)
    shape = shape_of(variable.axes, sizes)
    is_right = handle is not None and tuple(handle.shape()) == shape
    if not is_right or ADIOS_TYPES.get(handle.type()) != variable.dtype:
        found = "missing" if handle is None else f"{handle.type()} of shape {tuple(handle.shape())}"
        raise CorruptError(f"{where}: {variable.name} is {found}; it must be {variable.dtype} of shape {shape}")
    return handle, shape


def _length(io: Any, name: str, where: str) -> int:
    handle = io.inquire_variable(name)
    if handle is None or not handle.shape():
        raise CorruptError(f"{where}: the variable {name} is missing from the step")
    return int(handle.shape()[0])


def _nothing(variable: Variable) -> Array:
    """Return what a variable is that was not asked for."""
    n_axes = len(variable.axes) - (variable.name == "vis")
    return np.empty((0,) * n_axes, "complex64" if variable.name == "vis" else variable.dtype)


def _wrong_parts(step: Step, column: int, pieces: list[Piece]) -> list[str]:
    """Return a sentence for each writer's part that was read and whose checksum does not hold."""
    wrong = []
    for writer, part in enumerate(step.parts):
        found = sum_of(pieces, part)
        if found is not None:
            expected = step.small["crc32c"][writer, column]
            wrong += _wrong_sum(step.where, VARIABLE_NAMES[column], writer, expected, found)
    return wrong


def _wrong_sum(where: str, name: str, writer: int, expected: int, found: int) -> list[str]:
    if found == expected:
        return []
    return [f"{where}: CRC-32C of {name} of writer {writer} is {found:#010x}, not {int(expected):#010x}"]
