"""Section ``image``: the cube or the continuum image made of a dataset."""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PositiveInt,
    WithJsonSchema,
    model_validator,
)

from pipeline.config.base import Angle, Bytes, Model, positive
from pipeline.units import UNITS, format_quantity, parse_quantity

_WAVELENGTHS = re.compile(r"(\S+?)\s*(k?)lambda")


@dataclasses.dataclass(frozen=True)
class UVDistance:
    """The length of a baseline as seen from the source, sqrt(u^2 + v^2).

    Attributes
    ----------
    value
        m, or wavelengths.
    in_wavelengths
        Which of the two.
    """

    value: float
    in_wavelengths: bool

    def __str__(self) -> str:
        return f"{self.value!r} lambda" if self.in_wavelengths else format_quantity(self.value, "length", "m")


def _uv_distance(value: Any) -> UVDistance:
    """Read ``"30 m"``, ``"2 km"``, ``"50 lambda"`` or ``"2 klambda"``."""
    if isinstance(value, UVDistance):
        return value
    match = _WAVELENGTHS.fullmatch(str(value).strip())
    try:
        distance = (
            UVDistance(float(match[1]) * (1000 if match[2] else 1), True)
            if match
            else UVDistance(parse_quantity(value, "length", "m"), False)
        )
    except ValueError as error:
        raise ValueError(f"{error}; lengths may also be in lambda or klambda, such as '50 lambda'") from None
    if not 0 <= distance.value < float("inf"):
        raise ValueError(f"{value!r} must not be below zero, and finite")
    return distance


_UVDistance = Annotated[
    UVDistance,
    BeforeValidator(_uv_distance),
    PlainSerializer(str, when_used="unless-none"),
    WithJsonSchema(
        {
            "type": "string",
            "description": "a length: a number and one of m, km, cm, mm, lambda, klambda",
            "examples": ["30 m", "50 lambda"],
        }
    ),
]


class UVRangeConfig(Model):
    """The samples that are imaged, by sqrt(u^2 + v^2); either end may be in metres or in wavelengths."""

    min: _UVDistance | None = None
    max: _UVDistance | None = None

    @model_validator(mode="after")
    def _in_order(self) -> UVRangeConfig:
        low, high = self.min, self.max
        if low and high and low.in_wavelengths == high.in_wavelengths and high.value < low.value:
            raise ValueError(f"max ({high}) is below min ({low})")
        return self


def evenly_spaced_stokes(value: str) -> str:
    """Refuse Stokes parameters that a FITS axis cannot hold."""
    indices = ["IQUV".find(letter) for letter in value]
    even = all(b - a == indices[1] - indices[0] > 0 for a, b in itertools.pairwise(indices))
    if not indices or -1 in indices or not even:
        raise ValueError(
            f"{value!r} cannot be imaged; use one or several of I, Q, U, V, in that order and evenly spaced, "
            "as a FITS axis wants, such as I, IV or IQUV"
        )
    return value


class ImageConfig(Model):
    """The images made of the dataset; stations are names or patterns such as ``"C*"``."""

    size: PositiveInt = 512
    cell_rad: Annotated[Angle, AfterValidator(positive)] = Field(60 * UNITS["angle"]["arcsec"], alias="cell")
    weight: Literal["natural", "uniform", "briggs"] = "natural"
    robust: Annotated[float, Field(ge=-2, le=2)] = 0.0
    taper_rad: Annotated[Angle, AfterValidator(positive)] | None = Field(None, alias="taper")
    uv_range: UVRangeConfig = UVRangeConfig()
    stations: tuple[str, ...] = ()
    without_stations: tuple[str, ...] = ()
    stokes: Annotated[str, AfterValidator(evenly_spaced_stokes)] = "I"
    continuum: bool = False
    primary_beam: bool = False
    primary_beam_cut: Annotated[float, Field(ge=0, lt=1)] = 0.1
    memory_bytes: Annotated[Bytes, AfterValidator(positive)] | None = Field(None, alias="memory")
