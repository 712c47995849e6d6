"""From ADIOS2's attributes and variables to a checked header and checked blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.dataset.manifest import check_version
from pipeline.dataset.schema import (
    ATTRIBUTES,
    CHECKS,
    FORMAT,
    VARIABLE_NAMES,
    VARIABLES,
    Array,
    Attribute,
    BandHeader,
    Block,
    Variable,
    float32_pairs,
    shape_of,
)
from pipeline.dataset.storage import checksum
from pipeline.errors import CorruptError, DatasetError

ADIOS_TYPES = {"float": "float32", "double": "float64", "int64_t": "int64", "uint32_t": "uint32"}
"""ADIOS2's names of the dtypes of variables."""

ARRAYS = ("channel_hz", "channel_width_hz", "station_m", "baselines")
"""The attributes that are arrays in a header; other lists are tuples there."""


def read_header(io: Any, where: str) -> BandHeader:
    """Return the header of the band whose first step was begun with `io`; `where` begins every message.

    Raises
    ------
    DatasetError
        If it is no band of ours, or one of another version of the format.
    CorruptError
        If an attribute is missing or breaks the schema.
    """
    found = {attribute.name: _flat(io, attribute, where) for attribute in ATTRIBUTES[:2]}
    if found["format"] != FORMAT:
        raise DatasetError(f"{where}: not a band of ours: its format is {found['format']!r}, not {FORMAT!r}")
    check_version(where, found["format_version"])
    values = {attribute.name: _flat(io, attribute, where) for attribute in ATTRIBUTES[2:]}
    sizes = {
        "xyz": 3,
        "channel": len(values["channel_hz"]),
        "station": len(values["station_names"]),
        "pol": len(values["polarisations"]),
        "baseline": len(values["baselines"]) // 2,
    }
    for attribute in ATTRIBUTES[2:]:
        flat = values[attribute.name]
        if isinstance(flat, np.ndarray):
            shape = shape_of(attribute.axes, sizes)
            if flat.dtype != np.dtype(attribute.dtype) or flat.size != np.prod(shape):
                raise CorruptError(
                    f"{where}: attribute {attribute.name} is {flat.size} values of {flat.dtype}; "
                    f"it must be {attribute.dtype} of shape {shape}"
                )
            is_array = attribute.name in ARRAYS
            values[attribute.name] = flat.reshape(shape) if is_array else tuple(flat.tolist())
    return BandHeader(**values)


def _flat(io: Any, attribute: Attribute, where: str) -> Any:
    """Return an attribute as str, tuple of str, number, or flat array."""
    found = io.inquire_attribute(attribute.name)
    if found is None:
        raise CorruptError(f"{where}: the attribute {attribute.name} is missing; is it a band of Dawnstream?")
    if attribute.dtype == "string":
        text = found.data_string()
        return tuple(np.atleast_1d(text).tolist()) if attribute.axes else str(text)
    flat = np.asarray(found.data()).reshape(-1)
    return flat if attribute.axes else flat[0].item()


def read_block(
    io: Any, engine: Any, header: BandHeader, wanted: set[str], next_dump: int, where: str
) -> tuple[Block, tuple[str, ...]]:
    """Read the step that was begun.

    Parameters
    ----------
    io, engine
        ADIOS2's, within a step.
    header : BandHeader
        Of the band.
    wanted : set of str
        Variables to read; the others become empty arrays.
    next_dump : int
        The dump the step must begin with.
    where : str
        Begins every message.

    Returns
    -------
    Block
        The step's dumps.
    tuple of str
        A sentence for each checksum that does not hold.

    Raises
    ------
    CorruptError
        If the step breaks the schema or does not begin with `next_dump`.
    """
    where = f"{where}: dump {next_dump}"
    n_times, n_writers = _length(io, "dump", where), _length(io, "crc32c", where)
    sizes = {**header.sizes, "time": n_times, "variable": len(VARIABLES), "writer": n_writers}
    arrays = {
        variable.name: _get(io, engine, variable, sizes, where)
        for variable in (*VARIABLES, *CHECKS)
        if variable in CHECKS or variable.name in wanted
    }
    engine.perform_gets()
    wrong = tuple(_wrong_checksums(arrays, len(header.baselines), where))
    if not wrong and not np.array_equal(arrays["dump"], np.arange(next_dump, next_dump + n_times)):
        raise CorruptError(f"{where}: the step holds dumps {arrays['dump'].tolist()}; {next_dump} comes next")
    for variable in VARIABLES:
        dtype = "complex64" if variable.name == "vis" else variable.dtype
        n_axes = len(variable.axes) - (variable.name == "vis")
        arrays.setdefault(variable.name, np.empty((0,) * n_axes, dtype))
    return Block(*(arrays[name] for name in VARIABLE_NAMES)), wrong


def _length(io: Any, name: str, where: str) -> int:
    handle = io.inquire_variable(name)
    if handle is None or not handle.shape():
        raise CorruptError(f"{where}: the variable {name} is missing from the step")
    return int(handle.shape()[0])


def _get(io: Any, engine: Any, variable: Variable, sizes: dict[str, int], where: str) -> Array:
    """Ask for a variable of the present step; the array is filled by ``perform_gets``."""
    import adios2

    handle = io.inquire_variable(variable.name)
    shape = shape_of(variable.axes, sizes)
    is_right = handle is not None and tuple(handle.shape()) == shape
    if not is_right or ADIOS_TYPES.get(handle.type()) != variable.dtype:
        found = "missing" if handle is None else f"{handle.type()} of shape {tuple(handle.shape())}"
        raise CorruptError(f"{where}: {variable.name} is {found}; it must be {variable.dtype} of shape {shape}")
    if variable.name == "vis":
        vis = np.empty(shape[:-1], np.complex64)
        engine.get(handle, float32_pairs(vis), adios2.Mode.Deferred)
        return vis
    array: Array = np.empty(shape, variable.dtype)
    engine.get(handle, array, adios2.Mode.Deferred)
    return array


def _wrong_checksums(arrays: dict[str, Array], n_baselines: int, where: str) -> Iterator[str]:
    parts = [(first, first + count) for first, count in arrays["writer_baselines"].tolist()]
    edges = [0, *(edge for part in sorted(parts) for edge in part), n_baselines]
    if edges[::2] != edges[1::2]:
        yield f"{where}: the writers' baselines {parts} are not all {n_baselines}"
        return
    for column, variable in enumerate(VARIABLES):
        array = arrays.get(variable.name)
        if array is None:
            continue
        for writer, (first, stop) in enumerate(parts):
            expected = int(arrays["crc32c"][writer, column])
            found = 0
            if variable.by_baseline:
                for row in array.reshape(-1, *array.shape[2:]):
                    found = checksum(row[first:stop], found)
            elif writer == 0:
                found = checksum(array)
            if found != expected:
                yield (f"{where}: CRC-32C of {variable.name} of writer {writer} is {found:#010x}, not {expected:#010x}")
