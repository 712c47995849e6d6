"""What all sections of a configuration share: quantities, paths, and models that refuse keys they do not know.

Quantities are text with a unit in YAML and floats in SI units here; attribute names carry the unit
(``integration_s``), YAML keys do not (``integration``).
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pipeline.units import Quantity

Length = Annotated[float, Quantity("length", "m")]
Angle = Annotated[float, Quantity("angle", "deg")]
Frequency = Annotated[float, Quantity("frequency", "Hz")]
Duration = Annotated[float, Quantity("time", "s")]
FluxDensity = Annotated[float, Quantity("flux density", "Jy")]
Bytes = Annotated[float, Quantity("data", "B")]


def positive(value: float) -> float:
    """Refuse a number that is not above zero."""
    if not value > 0:
        raise ValueError(f"{value:g} must be above zero")
    return value


def not_negative(value: float) -> float:
    """Refuse a number below zero."""
    if not value >= 0:
        raise ValueError(f"{value:g} must not be below zero")
    return value


def _existing_path(value: Any, info: ValidationInfo) -> Path:
    """Resolve a path against the configuration's folder; it must be there."""
    path = resolve(value, info)
    if not path.exists():
        raise ValueError(f"no such file: {path}; paths are relative to the configuration's folder")
    return path


def resolve(value: Any, info: ValidationInfo) -> Path:
    """Make a path absolute; it is relative to the configuration's folder."""
    if not isinstance(value, (str, Path)) or not str(value):
        raise ValueError(f"{value!r} is not a path")
    return Path((info.context or {}).get("folder", "."), Path(value).expanduser()).resolve()


_PATH_SCHEMA = WithJsonSchema({"type": "string", "description": "a path, relative to this file"})
ExistingPath = Annotated[Path, BeforeValidator(_existing_path), _PATH_SCHEMA]
OutputPath = Annotated[Path, BeforeValidator(resolve), _PATH_SCHEMA]


class Model(BaseModel):
    """Base of all sections: frozen, and refusing keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    @model_validator(mode="before")
    @classmethod
    def _know_every_key(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in data:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
                raise PydanticCustomError("rule", "unknown key; {hint}", {"at": str(key), "hint": hint})
        return data


def declination(value: float) -> float:
    """Refuse an angle beyond the poles."""
    if abs(value) > 1.5707963267948968:
        raise ValueError("a declination lies between -90 deg and 90 deg")
    return value


class DirectionConfig(Model):
    """A direction (ICRS)."""

    ra_rad: Angle = Field(alias="ra")
    dec_rad: Annotated[Angle, AfterValidator(declination)] = Field(alias="dec")
