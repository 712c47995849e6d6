"""From ADIOS2's attributes to a checked header."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.dataset.manifest import check_version
from pipeline.dataset.schema import (
    ATTRIBUTES,
    FORMAT,
    Attribute,
    BandHeader,
    shape_of,
)
from pipeline.errors import CorruptError, DatasetError

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
        if not attribute.axes:
            return str(text)
        # Streams carry a list of texts as one text, a line for each.
        return tuple(text.split("\n")) if isinstance(text, str) else tuple(np.atleast_1d(text).tolist())
    flat = np.asarray(found.data()).reshape(-1)
    return flat if attribute.axes else flat[0].item()
