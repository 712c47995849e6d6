"""Entries of the sky that list sources: catalogues, sources in the configuration, and synthetic populations."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from pipeline.config.base import (
    Angle,
    DirectionConfig,
    ExistingPath,
    FluxDensity,
    Frequency,
    Model,
    declination,
    not_negative,
    positive,
)

#: Flux densities at 154 MHz, in Jy, for which Franzen et al. (2019, PASA 36, e004, eq. 11) give their fitted counts.
COUNTS_RANGE_JY: Final = (1e-3, 75.0)

Interpolation = Literal["linear", "log", "cubic"]

_ROTATION_MEASURE = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*rad/m2")


def _rotation_measure(value: Any) -> float:
    """Read ``12.5 rad/m2``."""
    match = _ROTATION_MEASURE.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(f"{value!r} is not a rotation measure; write a number with its unit, such as '12.5 rad/m2'")
    return float(match.group(1))


RotationMeasure = Annotated[
    float,
    BeforeValidator(_rotation_measure),
    PlainSerializer(lambda value: f"{value!r} rad/m2", return_type=str),
    WithJsonSchema({"type": "string", "description": "a rotation measure in rad/m2", "examples": ["12.5 rad/m2"]}),
]


def _terms(value: Any) -> Any:
    """Take one number as a list of one."""
    return value if isinstance(value, (list, tuple)) else (value,)


#: One number, or the terms of a polynomial; outside as it was written.
Terms = Annotated[
    tuple[float, ...],
    BeforeValidator(_terms),
    PlainSerializer(lambda terms: terms[0] if len(terms) == 1 else list(terms)),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}, "minItems": 1}]}),
]


class CatalogueEntry(Model):
    """Sources from a file."""

    catalogue: ExistingPath
    format: Literal["gleam", "table", "oskar", "skyh5", "wsclean"]
    missing_fit: Literal["omit", "band-flux"] = "omit"
    band: str | None = None
    spectrum: Literal["fit", "subbands"] = "fit"
    shapes: bool = False
    interpolation: Interpolation = "linear"

    @model_validator(mode="after")
    def _options_go_with_their_format(self) -> CatalogueEntry:
        if (self.missing_fit == "band-flux") != (self.band is not None):
            raise ValueError("missing_fit: band-flux needs band: the column to take, such as Fint151, and only it does")
        for key in ("missing_fit", "spectrum", "shapes"):
            if self.format != "gleam" and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key} goes with format: gleam only; remove it, or set format: gleam")
        if self.band is not None and self.spectrum == "subbands":
            raise ValueError("spectrum: subbands uses no fit, so missing_fit and band do not go with it; remove them")
        if self.interpolation != "linear" and self.format != "skyh5" and self.spectrum != "subbands":
            raise ValueError("interpolation goes with format: skyh5 or spectrum: subbands only; remove it")
        return self


class ShapeConfig(Model):
    """An elliptical Gaussian: full widths at half maximum, and the major axis's angle, north through east."""

    major_rad: Annotated[Angle, AfterValidator(positive)] = Field(alias="major")
    minor_rad: Annotated[Angle, AfterValidator(not_negative)] = Field(alias="minor")
    position_angle_rad: Angle = Field(0.0, alias="position_angle")

    @model_validator(mode="after")
    def _minor_is_smaller(self) -> ShapeConfig:
        if self.minor_rad > self.major_rad:
            raise ValueError("minor is larger than major; swap them, and turn position_angle by 90 deg")
        return self


class SpectrumTable(Model):
    """Flux densities at given frequencies, and how to get from one to the next."""

    frequencies_hz: tuple[Annotated[Frequency, AfterValidator(positive)], ...] = Field(alias="frequencies")
    i_jy: tuple[FluxDensity, ...] = Field(alias="i")
    q_jy: tuple[FluxDensity, ...] = Field((), alias="q")
    u_jy: tuple[FluxDensity, ...] = Field((), alias="u")
    v_jy: tuple[FluxDensity, ...] = Field((), alias="v")
    interpolation: Interpolation = "linear"

    @model_validator(mode="after")
    def _as_many_of_each(self) -> SpectrumTable:
        count = len(self.frequencies_hz)
        for key in "iquv":
            values = getattr(self, f"{key}_jy")
            if len(values) != count and (values or key == "i"):
                raise ValueError(f"{key} has {len(values)} values for {count} frequencies; give one for each")
        return self


class SourceConfig(Model):
    """One source; flux densities at the reference frequency, or in a table."""

    name: str | None = None
    ra_rad: Angle = Field(alias="ra")
    dec_rad: Angle = Field(alias="dec")
    i_jy: FluxDensity | None = Field(None, alias="i")
    q_jy: FluxDensity = Field(0.0, alias="q")
    u_jy: FluxDensity = Field(0.0, alias="u")
    v_jy: FluxDensity = Field(0.0, alias="v")
    spectral_index: Terms = (0.0,)
    curvature: float = 0.0
    reference_hz: Annotated[Frequency, AfterValidator(positive)] = Field(150e6, alias="reference")
    rotation_measure: RotationMeasure = 0.0
    shape: ShapeConfig | None = None
    spectrum: SpectrumTable | None = None

    @field_validator("dec_rad")
    @classmethod
    def _within_poles(cls, value: float) -> float:
        return declination(value)

    @field_validator("spectral_index")
    @classmethod
    def _has_a_term(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value:
            raise ValueError("is an empty list; give a number, or a list of at least one")
        return value

    @model_validator(mode="after")
    def _says_one_thing(self) -> SourceConfig:
        if self.spectrum is None:
            if self.i_jy is None:
                raise ValueError("i is missing; give Stokes I at the reference frequency, or a spectrum")
            if self.curvature and len(self.spectral_index) > 1:
                raise ValueError("curvature is the second term of spectral_index; give one of the two")
            return self
        alone = {"i", "q", "u", "v", "spectral_index", "curvature", "reference", "rotation_measure"}
        fields = type(self).model_fields
        for name, field in fields.items():
            if (field.alias or name) in alone and getattr(self, name) != field.default:
                raise ValueError(f"{field.alias or name} does not go with spectrum, which says it all; remove one")
        return self


class SourcesEntry(Model):
    """Sources written in the configuration itself."""

    sources: tuple[SourceConfig, ...]


class FluxRange(Model):
    """The flux densities at 154 MHz that a population holds."""

    min_jy: FluxDensity = Field(alias="min")
    max_jy: FluxDensity = Field(alias="max")

    @model_validator(mode="after")
    def _where_counts_are_known(self) -> FluxRange:
        lowest, highest = COUNTS_RANGE_JY
        if not lowest <= self.min_jy < self.max_jy <= highest:
            raise ValueError(
                f"{self.min_jy:g} Jy to {self.max_jy:g} Jy; the counts are known from 1 mJy to 75 Jy at 154 MHz: "
                "choose min below max in this range"
            )
        return self


class IndexDistribution(Model):
    """Spectral indices: normally distributed."""

    mean: float = -0.8
    scatter: Annotated[float, AfterValidator(not_negative)] = 0.2


class PopulationConfig(Model):
    """Synthetic sources that follow the counts of Franzen et al. (2019) at 154 MHz."""

    seed: Annotated[int, Field(ge=0, lt=2**64)]
    flux: FluxRange
    radius_rad: Annotated[Angle, AfterValidator(positive)] = Field(math.pi, alias="radius")
    centre: DirectionConfig | None = None
    number: Literal["poisson", "expected"] = "poisson"
    spectral_index: IndexDistribution = IndexDistribution()

    @field_validator("radius_rad")
    @classmethod
    def _at_most_the_sphere(cls, value: float) -> float:
        if value > math.pi:
            raise ValueError("a radius ends at 180 deg, the whole sky")
        return value


class PopulationEntry(Model):
    """A synthetic population."""

    population: PopulationConfig
