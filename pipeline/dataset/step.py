"""From the variables of a step that ADIOS2 has begun to a checked block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pipeline.dataset.pieces import CHUNK_BYTES, Piece, ask_whole, cut, read_span, spans_of_chosen, spans_of_writers
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
    wrong += _wrong_sum_of(where, "dump", 0, int(small["crc32c"][0, 0]), checksum(small["dump"]))
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


def read_block(
    io: Any, engine: Any, step: Step, part: Part, room: Room, chunk_bytes: int = CHUNK_BYTES
) -> tuple[Block, tuple[str, ...]]:
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
    chunk_bytes : int
        The bytes to read at a time.

    Returns
    -------
    Block
        The part.
    tuple of str
        A sentence for each checksum that does not hold.

    Raises
    ------
    CorruptError
        If the step breaks the schema.
    """
    times = range(part.dumps.start - step.dumps.start, part.dumps.stop - step.dumps.start)
    within = slice(times.start, times.stop)
    wrong, taken = list(step.wrong), {"dump": step.small["dump"][within]}
    for column, variable in enumerate(VARIABLES):
        if column == 0 or variable.name not in part.variables:
            taken.setdefault(variable.name, _nothing(variable))
            continue
        handle, shape = _handle(io, variable, step.sizes, step.where)
        if variable.by_baseline:
            read = partial(read_span, engine, handle, variable, step.sizes, room=room, chunk_bytes=chunk_bytes)
            taken[variable.name] = _read_pieces(step, part, times, column, read, room, wrong)
            continue
        whole = ask_whole(engine, handle, variable, shape, room)
        engine.perform_gets()
        wrong += _wrong_sum(step, column, 0, checksum(whole))
        taken[variable.name] = whole[within]
    return Block(*(taken[name] for name in VARIABLE_NAMES)), tuple(wrong)


def _read_pieces(
    step: Step, part: Part, times: range, column: int, read: Callable[..., Piece], room: Room, wrong: list[str]
) -> Array:
    """Read what is wanted of a variable by baselines, piece by piece; add to `wrong` the checksums that do not hold."""
    n_all = step.sizes["baseline"]
    chosen = np.arange(n_all) if part.baselines is None else part.baselines
    if not part.verify or not step.is_sound:
        # Where it is not known which bytes a checksum is of, none is compared; what is wrong is known already.
        pieces = [read(times=times, span=span, parts=[]) for span in spans_of_chosen(chosen, n_all)]
        return cut(pieces, chosen, slice(None), room)
    pieces = []
    for span in spans_of_writers(step.parts, chosen, n_all):
        pieces.append(read(times=range(step.sizes["time"]), span=span, parts=step.parts))
        for writer, (first, stop) in enumerate(step.parts):
            if span[0] <= first and stop <= span[1]:
                wrong += _wrong_sum(step, column, writer, pieces[-1].sums[writer])
    return cut(pieces, chosen, slice(times.start, times.stop), room)


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


def _wrong_sum(step: Step, column: int, writer: int, found: int) -> list[str]:
    """Return a sentence if a checksum does not hold."""
    return _wrong_sum_of(step.where, VARIABLE_NAMES[column], writer, int(step.small["crc32c"][writer, column]), found)


def _wrong_sum_of(where: str, name: str, writer: int, expected: int, found: int) -> list[str]:
    if found == expected:
        return []
    return [f"{where}: CRC-32C of {name} of writer {writer} is {found:#010x}, not {expected:#010x}"]
