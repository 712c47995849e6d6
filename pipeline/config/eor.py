"""Entry of the sky: a Gaussian random field with a given power spectrum of the 21 cm line."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeInt, PlainSerializer, model_validator

from pipeline.config.base import Angle, DirectionConfig, ExistingPath, Model, positive
from pipeline.config.diffuse import CosmologyConfig

_NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
#: Powers of units, which `pipeline.units` has none of: written as astropy writes them.
_SQUARES = {"mK2": 1.0, "K2": 1e6, "uK2": 1e-6}
_WAVENUMBERS = {"Mpc-1": 1.0, "kpc-1": 1e3, "Gpc-1": 1e-3}


def _quantity(value: Any, units: dict[str, float], what: str, example: str) -> float:
    """Read a number with one of some units."""
    match = re.fullmatch(rf"{_NUMBER}\s*([A-Za-z]+-?\d)", str(value).strip())
    if match is None or match.group(2) not in units or not math.isfinite(float(match.group(1))):
        raise ValueError(f"{value!r} is not a {what}; write a number with one of {', '.join(units)}, as in '{example}'")
    return float(match.group(1)) * units[match.group(2)]


SquaredTemperature = Annotated[
    float,
    BeforeValidator(lambda value: _quantity(value, _SQUARES, "squared temperature", "100 mK2")),
    PlainSerializer(lambda value: f"{value!r} mK2", return_type=str),
]
Wavenumber = Annotated[
    float,
    BeforeValidator(lambda value: _quantity(value, _WAVENUMBERS, "wavenumber", "0.1 Mpc-1")),
    PlainSerializer(lambda value: f"{value!r} Mpc-1", return_type=str),
]


class PowerSpectrumConfig(Model):
    """Delta^2(k) = k^3 P(k) / (2 pi^2): a power law through `delta_squared` at `reference`, or a table.

    A table is text or anything astropy reads: k (1/Mpc) and Delta^2 (mK^2) in its first two columns. `beyond` says what
    holds for wavenumbers of the box outside the table.
    """

    delta_squared_mk2: Annotated[SquaredTemperature, AfterValidator(positive)] | None = Field(
        None, alias="delta_squared"
    )
    slope: Annotated[float, Field(allow_inf_nan=False)] | None = None
    reference_per_mpc: Annotated[Wavenumber, AfterValidator(positive)] | None = Field(None, alias="reference")
    table: ExistingPath | None = None
    beyond: Literal["refuse", "zero"] | None = None

    @model_validator(mode="after")
    def _one_or_the_other(self) -> PowerSpectrumConfig:
        law = (self.delta_squared_mk2, self.slope, self.reference_per_mpc)
        if self.table is None:
            good = self.delta_squared_mk2 is not None and self.beyond is None
            good = good and (self.reference_per_mpc is not None or not self.slope)
        else:
            good = not any(value is not None for value in law)
        if not good:
            raise ValueError(
                "a power spectrum is either a power law, as in {delta_squared: 100 mK2, slope: 0.5, reference: 0.1 "
                "Mpc-1}, where a slope other than 0 needs its reference, or {table: PATH, beyond: refuse}"
            )
        return self


class EorFieldConfig(Model):
    """The box: `size` x `size` pixels of `cell` (direction cosines), as deep as the observation's channels."""

    seed: NonNegativeInt
    power_spectrum: PowerSpectrumConfig
    size: Annotated[int, Field(ge=2)]
    cell_rad: Annotated[Angle, AfterValidator(positive)] = Field(alias="cell")
    centre: DirectionConfig | None = None
    cosmology: CosmologyConfig = CosmologyConfig(name="Planck18")

    @model_validator(mode="after")
    def _fits_the_sky(self) -> EorFieldConfig:
        reach = self.size / 2 * self.cell_rad * math.sqrt(2)
        if reach >= 1:
            raise ValueError(
                f"{self.size} pixels of {math.degrees(self.cell_rad) * 60:g} arcmin reach to a direction cosine of "
                f"{reach:.3g} in the corner, which must stay below 1; use fewer pixels or smaller ones"
            )
        return self


class EorFieldEntry(Model):
    """A seeded Gaussian random field."""

    eor_field: EorFieldConfig
