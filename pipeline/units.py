"""Quantities as people write them: a number and a unit, as astropy reads them.

A table of the units an observation needs stands in for :mod:`astropy.units`, whose import takes longer
than ``dawnstream plan`` should; a test holds the table against astropy.
"""

from __future__ import annotations

import dataclasses
import math
import re
from decimal import Decimal
from typing import Any

from pydantic_core import CoreSchema, core_schema

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_QUANTITY = re.compile(rf"({_NUMBER})\s*([A-Za-zµ]+(?:/[a-z]+)?)")
_SEXAGESIMAL = re.compile(r"([+-]?)(\d+(?:\.\d*)?)([dh])(?:(\d+(?:\.\d*)?)m)?(?:(\d+(?:\.\d*)?)s)?")

#: Units per physical dimension, each with its size in the first (SI) unit of the dimension.
UNITS: dict[str, dict[str, float]] = {
    "length": {"m": 1.0, "km": 1e3, "cm": 1e-2, "mm": 1e-3},
    "time": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0, "h": 3600.0, "d": 86400.0},
    "speed": {"m/s": 1.0, "km/s": 1e3, "km/h": 1 / 3.6},
    "frequency": {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9},
    "angle": {
        "rad": 1.0,
        "deg": math.pi / 180,
        "arcmin": math.pi / 10800,
        "arcsec": math.pi / 648000,
        "mas": math.pi / 648e6,
    },
    "flux density": {"Jy": 1.0, "mJy": 1e-3, "uJy": 1e-6, "kJy": 1e3},
    "data": {
        "B": 1.0,
        "kB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "TB": 1e12,
        "KiB": 2.0**10,
        "MiB": 2.0**20,
        "GiB": 2.0**30,
        "TiB": 2.0**40,
    },
}


def parse_quantity(value: Any, dimension: str, example: str) -> float:
    """Read a quantity.

    Parameters
    ----------
    value
        What the configuration holds: text such as ``"150 MHz"``.
    dimension
        A key of `UNITS`.
    example
        The unit to show in messages.

    Returns
    -------
    float
        The value in the SI unit of the dimension.

    Raises
    ------
    ValueError
        If there is no number, no unit, or a unit of another dimension.
    """
    kind = f"an {dimension}" if dimension[0] in "aeiou" else f"a {dimension}"
    if isinstance(value, bool) or value is None:
        raise ValueError(f"{value!r} is not {kind}; write a number with a unit, such as '1 {example}'")
    if isinstance(value, (int, float)):
        raise ValueError(f"{value!r} has no unit; {kind} needs one, such as '{value} {example}'")
    text = str(value).strip()
    if dimension == "angle" and (match := _SEXAGESIMAL.fullmatch(text)):
        return _sexagesimal(match)
    if re.fullmatch(_NUMBER, text):
        raise ValueError(f"{text!r} has no unit; {kind} needs one, such as '{text} {example}'")
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not {kind}; write a number with a unit, such as '1 {example}'")
    number, unit = match.groups()
    known = UNITS[dimension]
    if unit not in known:
        raise ValueError(
            f"{text!r}: {unit!r} is not a unit of {dimension}; use one of {', '.join(known)}, "
            f"such as '{number} {example}'"
        )
    # In decimal, as 5.425347 kHz is 5425.347 Hz and float64 says 5425.347000000001.
    si = float(Decimal(number) * Decimal(repr(known[unit])))
    if not math.isfinite(si):
        raise ValueError(f"{text!r} is no finite {dimension}")
    return si


def _sexagesimal(match: re.Match[str]) -> float:
    """Turn ``12h30m45.5s`` or ``-27d12m`` into radians."""
    sign, whole, kind, minutes, seconds = match.groups()
    minutes, seconds = float(minutes or 0), float(seconds or 0)
    if minutes >= 60 or seconds >= 60:
        raise ValueError(f"{match.group()!r}: minutes and seconds of an angle are below 60")
    degrees = (float(whole) + minutes / 60 + seconds / 3600) * (15.0 if kind == "h" else 1.0)
    return math.radians(-degrees if sign == "-" else degrees)


def format_quantity(value: float, dimension: str, unit: str) -> str:
    """Write a quantity so that reading it gives the same float64 again."""
    for candidate in (unit, next(iter(UNITS[dimension]))):
        text = f"{value / UNITS[dimension][candidate]!r} {candidate}"
        if parse_quantity(text, dimension, candidate) == value:
            break
    return text


@dataclasses.dataclass(frozen=True)
class Quantity:
    """Makes a float field a quantity: text with a unit outside, a float in SI units inside.

    Used as ``Annotated[float, Quantity("length", "m")]``.

    Parameters
    ----------
    dimension
        A key of `UNITS`.
    unit
        The unit the effective configuration is written in, and that messages show.
    """

    dimension: str
    unit: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        """Read text with a unit, and write it."""
        return core_schema.no_info_before_validator_function(
            lambda value: parse_quantity(value, self.dimension, self.unit),
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: format_quantity(value, self.dimension, self.unit),
                return_schema=core_schema.str_schema(),
                when_used="unless-none",
            ),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        """Tell editors what the text looks like."""
        units = ", ".join(UNITS[self.dimension])
        return {
            "type": "string",
            "description": f"a {self.dimension}: a number and one of {units}",
            "examples": [f"1 {self.unit}"],
        }
