"""Sections ``noise``, ``gains``, ``flags`` and ``ionosphere``: what keeps an instrument from being ideal."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from pipeline.config.base import (
    Angle,
    Duration,
    ExistingPath,
    FluxDensity,
    Frequency,
    Length,
    Model,
    not_negative,
    positive,
    resolve,
)
from pipeline.units import Quantity

#: The sensitivities known by name.
SENSITIVITIES = ("ska-low",)

Speed = Annotated[float, Quantity("speed", "m/s")]
Seed = Annotated[int, Field(ge=0, lt=2**64)]
# Beyond that it is a factor or a per cent, not an error.
Fraction = Annotated[float, Field(ge=0, le=1)]


class NoiseConfig(Model):
    """Noise of the receivers and the sky, as the radiometer equation has it."""

    seed: Seed
    sensitivity: Annotated[str | Path, WithJsonSchema({"type": "string"})] | None = None
    sefd_jy: Annotated[FluxDensity, AfterValidator(positive)] | None = Field(None, alias="sefd")
    efficiency: Annotated[float, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="before")
    @classmethod
    def _write_defaults_out(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("sensitivity") is None and data.get("sefd") is None:
            return {**data, "sensitivity": SENSITIVITIES[0]}
        return data

    @field_validator("sensitivity", mode="before")
    @classmethod
    def _name_or_path(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None or value in SENSITIVITIES:
            return value
        path = resolve(value, info)
        if not path.exists():
            near = difflib.get_close_matches(str(value).lower(), SENSITIVITIES, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"{str(value)!r} is neither a known sensitivity nor a path ({path} does not exist); "
                f"{hint}known: {', '.join(SENSITIVITIES)}"
            )
        return path

    @model_validator(mode="after")
    def _one_of_two(self) -> NoiseConfig:
        if self.sensitivity is not None and self.sefd_jy is not None:
            raise ValueError("sensitivity and sefd say the same thing; give one of them")
        return self


class DriftConfig(Model):
    """How fast gains change: the distance in time, and in frequency, between independent values."""

    timescale_s: Annotated[Duration, AfterValidator(positive)] | None = Field(None, alias="timescale")
    bandwidth_hz: Annotated[Frequency, AfterValidator(positive)] | None = Field(None, alias="bandwidth")

    @model_validator(mode="after")
    def _along_something(self) -> DriftConfig:
        if self.timescale_s is None and self.bandwidth_hz is None:
            raise ValueError("give timescale, such as '10 min', or bandwidth, such as '5 MHz', or both")
        return self


class GainsConfig(Model):
    """Gain errors of stations, the same in all directions: at random, or from a file."""

    seed: Seed | None = None
    amplitude: Fraction | None = None
    phase_rad: Annotated[Angle, AfterValidator(not_negative)] | None = Field(None, alias="phase")
    drift: DriftConfig | None = None
    file: ExistingPath | None = None

    @model_validator(mode="before")
    @classmethod
    def _write_defaults_out(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("file") is not None:
            return data
        defaults = {"amplitude": 0.05, "phase": "5 deg"}
        return {**data, **{key: value for key, value in defaults.items() if data.get(key) is None}}

    @model_validator(mode="after")
    def _at_random_or_from_a_file(self) -> GainsConfig:
        if self.file is None and self.seed is None:
            raise ValueError("give seed, such as 1, for errors at random, or file")
        if self.file is not None and any(
            value is not None for value in (self.seed, self.amplitude, self.phase_rad, self.drift)
        ):
            raise ValueError("a file holds the gains themselves; remove it, or seed, amplitude, phase and drift")
        return self


class RandomDeadConfig(Model):
    """Stations that are dead by chance."""

    fraction: Fraction
    seed: Seed


def _first_and_last(value: Any) -> tuple[int, int]:
    """Take an index for the range that holds it alone."""
    pair = value if isinstance(value, (list, tuple)) else (value, value)
    if len(pair) != 2 or not all(isinstance(index, int) and not isinstance(index, bool) for index in pair):
        raise ValueError(f"{value!r} is neither an index, such as 3, nor a range, such as [3, 7]")
    first, last = pair
    if not 0 <= first <= last:
        raise ValueError(f"[{first}, {last}] is not a range; indices count from 0, and the first is not above the last")
    return first, last


IndexRange = Annotated[
    tuple[int, int],
    BeforeValidator(_first_and_last),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2, "maxItems": 2},
            ],
            "description": "an index, or [first, last], both ends included",
        }
    ),
]


def _name_or_index(value: Any) -> str | int:
    """Refuse what names no station."""
    if isinstance(value, bool) or not isinstance(value, (str, int)) or (isinstance(value, int) and value < 0):
        raise ValueError(f"{value!r} is neither the name of a station, such as S003, nor an index from 0 on")
    return value


StationRef = Annotated[
    str | int, BeforeValidator(_name_or_index), WithJsonSchema({"type": ["string", "integer"], "minimum": 0})
]


class FlagsConfig(Model):
    """What gave no data: stations, channels, dumps."""

    dead_stations: tuple[StationRef, ...] = ()
    random_dead: RandomDeadConfig | None = None
    channels: tuple[IndexRange, ...] = ()
    dumps: tuple[IndexRange, ...] = ()


class VelocityConfig(Model):
    """How the ionosphere drifts over the ground."""

    east_m_s: Speed = Field(0.0, alias="east")
    north_m_s: Speed = Field(0.0, alias="north")


class KolmogorovConfig(Model):
    """A screen of Kolmogorov turbulence with an outer scale (von Kármán)."""

    seed: Seed
    r0_m: Annotated[Length, AfterValidator(positive)] = Field(alias="r0")
    outer_scale_m: Annotated[Length, AfterValidator(positive)] = Field(250e3, alias="outer_scale")
    pixel_m: Annotated[Length, AfterValidator(positive)] = Field(1e3, alias="pixel")
    extent_m: Annotated[Length, AfterValidator(positive)] = Field(1024e3, alias="extent")

    @model_validator(mode="after")
    def _the_outer_scale_fits(self) -> KolmogorovConfig:
        if self.extent_m < 2 * self.outer_scale_m:
            raise ValueError(
                f"outer_scale ({self.outer_scale_m / 1e3:g} km) is more than half of extent ({self.extent_m / 1e3:g} "
                "km), which repeats itself; make extent larger, or outer_scale smaller"
            )
        if self.extent_m < 8 * self.pixel_m:
            raise ValueError(f"extent ({self.extent_m / 1e3:g} km) is less than 8 pixels; make pixel smaller")
        return self


class IonosphereConfig(Model):
    """A thin layer of free electrons that drifts over the array."""

    height_m: Annotated[Length, AfterValidator(positive)] = Field(300e3, alias="height")
    velocity: VelocityConfig = VelocityConfig()
    file: ExistingPath | None = None
    kolmogorov: KolmogorovConfig | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> IonosphereConfig:
        if (self.file is None) == (self.kolmogorov is None):
            raise ValueError("give file, or kolmogorov: {seed: 1, r0: 10 km}, and only one of them")
        return self
