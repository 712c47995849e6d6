"""Section ``telescope.station``: what one station answers with."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeInt,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    field_validator,
    model_validator,
)

from pipeline.config.base import Angle, ExistingPath, Frequency, Length, Model, positive, resolve

Pointing = Literal["phase-centre", "zenith"]


class IsotropicConfig(Model):
    """Gain one in all directions, for both polarisations."""

    type: Literal["isotropic"] = "isotropic"


class GaussianConfig(Model):
    """A Gaussian beam: power has the given full width at half maximum, which goes as one over the frequency."""

    type: Literal["gaussian"] = "gaussian"
    fwhm_rad: Annotated[Angle, AfterValidator(positive)] = Field(alias="fwhm")
    reference_hz: Annotated[Frequency, AfterValidator(positive)] = Field(alias="reference")
    pointing: Pointing = "phase-centre"


class AiryConfig(Model):
    """A uniformly lit, unblocked circular aperture."""

    type: Literal["airy"] = "airy"
    diameter_m: Annotated[Length, AfterValidator(positive)] = Field(alias="diameter")
    pointing: Pointing = "phase-centre"


class DipoleConfig(Model):
    """Crossed horizontal dipoles, above a perfectly conducting ground plane if `height` is given."""

    type: Literal["dipole"] = "dipole"
    height_m: Annotated[Length, AfterValidator(positive)] | None = Field(None, alias="height")
    length_m: Annotated[Length, AfterValidator(positive)] | None = Field(None, alias="length")
    rotation_rad: Angle = Field(0.0, alias="rotation")


class UVBeamConfig(Model):
    """A tabulated beam, read and interpolated by pyuvdata."""

    type: Literal["uvbeam"] = "uvbeam"
    file: ExistingPath
    frequency_interpolation: Literal["cubic", "linear"] = "cubic"


class RotationConfig(Model):
    """How station layouts are turned: by one angle, by one per station from a file, or at random."""

    angle_rad: Angle | None = Field(None, alias="angle")
    file: ExistingPath | None = None
    seed: NonNegativeInt | None = None

    @model_validator(mode="before")
    @classmethod
    def _angle_alone(cls, value: Any) -> Any:
        return value if isinstance(value, (dict, Model)) else {"angle": value}

    @model_validator(mode="after")
    def _one_of_three(self) -> RotationConfig:
        if sum(value is not None for value in (self.angle_rad, self.file, self.seed)) != 1:
            raise ValueError("give an angle such as '30 deg', or {file: PATH}, or {seed: 1}, and only one of them")
        return self


def _by_type(types: Mapping[str, type[Model]], what: str) -> WrapValidator:
    """Make a validator that takes the model named by key ``type``; a bare name is that type with its defaults.

    Parameters
    ----------
    types
        The models by the names of their types.
    what
        What the messages call them.
    """

    def validate(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        if isinstance(value, Model):
            return handler(value)
        data = {"type": value} if isinstance(value, str) else value
        name = data.get("type") if isinstance(data, dict) else None
        if not isinstance(name, str) or name not in types:
            near = difflib.get_close_matches(str(name), types, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            found = repr(value) if name is None else repr(name)
            raise ValueError(f"{found} is not the type of {what}; {hint}write type: and one of {', '.join(types)}")
        # Not through the union, whose tag would stand between the keys that messages name.
        return types[name].model_validate(data, context=info.context)

    return WrapValidator(validate)


_ELEMENTS: Mapping[str, type[Model]] = {
    "isotropic": IsotropicConfig,
    "gaussian": GaussianConfig,
    "airy": AiryConfig,
    "dipole": DipoleConfig,
    "uvbeam": UVBeamConfig,
}

ElementConfig = Annotated[
    Annotated[IsotropicConfig | GaussianConfig | AiryConfig | DipoleConfig | UVBeamConfig, Field(discriminator="type")],
    _by_type(_ELEMENTS, "an element"),
]


def _layout(value: Any, info: ValidationInfo) -> Any:
    """Take the name of a layout, or resolve a path."""
    if value == SKA_LOW:
        return value
    path = resolve(value, info)
    if not path.exists():
        raise ValueError(
            f"{str(value)!r} is neither {SKA_LOW!r} nor a path ({path} does not exist); give a text file of "
            "east, north and, optionally, up in metres, or a folder with one folder per station"
        )
    return path


#: The layout that comes with Dawnstream.
SKA_LOW = "ska-low"


class ApertureArrayConfig(Model):
    """Elements added up with the phases that steer the station to the phase centre."""

    type: Literal["aperture-array"] = "aperture-array"
    layout: Annotated[str | Path, BeforeValidator(_layout), WithJsonSchema({"type": "string"})] = SKA_LOW
    element: ElementConfig = IsotropicConfig()
    rotation: RotationConfig = RotationConfig.model_validate("0 deg")
    pointing: Literal["phase-centre"] = "phase-centre"

    @field_validator("element")
    @classmethod
    def _elements_do_not_move(cls, value: Any) -> Any:
        if getattr(value, "pointing", "zenith") != "zenith":
            raise ValueError(f"the {value.type} elements of a station do not move; write pointing: zenith")
        return value


StationConfig = Annotated[
    Annotated[
        IsotropicConfig | GaussianConfig | AiryConfig | DipoleConfig | ApertureArrayConfig | UVBeamConfig,
        Field(discriminator="type"),
    ],
    _by_type({**_ELEMENTS, "aperture-array": ApertureArrayConfig}, "a station"),
]
