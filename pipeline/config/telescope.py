"""Section ``telescope``: the array, its stations and the baselines kept."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from pipeline.config.base import Angle, Length, Model, not_negative, positive, resolve
from pipeline.config.station import IsotropicConfig, StationConfig


class BaselinesConfig(Model):
    """The lengths of baseline that are kept."""

    min_m: Annotated[Length, AfterValidator(not_negative)] = Field(0.0, alias="min")
    max_m: Annotated[Length, AfterValidator(positive)] | None = Field(None, alias="max")

    @model_validator(mode="after")
    def _in_order(self) -> BaselinesConfig:
        if self.max_m is not None and self.max_m < self.min_m:
            raise ValueError(f"max ({self.max_m:g} m) is below min ({self.min_m:g} m)")
        return self


class LocationConfig(Model):
    """Where the origin of an east-north-up layout lies (WGS84, geodetic)."""

    longitude_rad: Angle = Field(alias="longitude")
    latitude_rad: Angle = Field(alias="latitude")
    height_m: Length = Field(0.0, alias="height")


class TelescopeConfig(Model):
    """The array: a name Dawnstream knows, or a path to a layout."""

    array: Annotated[str | Path, WithJsonSchema({"type": "string"})]
    format: Literal["enu", "oskar", "geocentric"] | None = None
    location: LocationConfig | None = None
    station: StationConfig = IsotropicConfig()
    baselines: BaselinesConfig = BaselinesConfig()
    autocorrelations: bool = False

    @field_validator("array", mode="before")
    @classmethod
    def _name_or_path(cls, value: Any, info: ValidationInfo) -> Any:
        from pipeline.observation.telescope import NAMED_ARRAYS

        if not isinstance(value, (str, Path)):
            raise ValueError(f"{value!r} is neither the name of an array nor a path")
        if str(value).lower() in NAMED_ARRAYS:
            return str(value).lower()
        path = resolve(value, info)
        if not path.exists():
            near = difflib.get_close_matches(str(value).lower(), NAMED_ARRAYS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"{str(value)!r} is neither a known array nor a path ({path} does not exist); "
                f"{hint}known arrays: {', '.join(NAMED_ARRAYS)}"
            )
        return path
