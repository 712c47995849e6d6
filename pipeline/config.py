"""The configuration: one YAML file that says what is observed, as frozen, validated models.

Quantities are text with a unit in YAML and floats in SI units here; attribute names carry the unit
(``integration_s``), YAML keys do not (``integration``).
"""

from __future__ import annotations

import datetime
import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PositiveInt,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pipeline.units import UNITS, Quantity

Length = Annotated[float, Quantity("length", "m")]
Angle = Annotated[float, Quantity("angle", "deg")]
Frequency = Annotated[float, Quantity("frequency", "Hz")]
Duration = Annotated[float, Quantity("time", "s")]
FluxDensity = Annotated[float, Quantity("flux density", "Jy")]
Bytes = Annotated[float, Quantity("data", "B")]

_MJD_OF_ORDINAL_ZERO = -678576  # proleptic Gregorian ordinal 678576 is 1858-11-17, MJD 0
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d(?:\.\d*)?))?Z?")


def _positive(value: float) -> float:
    if not value > 0:
        raise ValueError(f"{value:g} must be above zero")
    return value


def _not_negative(value: float) -> float:
    if not value >= 0:
        raise ValueError(f"{value:g} must not be below zero")
    return value


def _existing_path(value: Any, info: ValidationInfo) -> Path:
    """Resolve a path against the configuration's folder; it must be there."""
    path = _resolve(value, info)
    if not path.exists():
        raise ValueError(f"no such file: {path}; paths are relative to the configuration's folder")
    return path


def _resolve(value: Any, info: ValidationInfo) -> Path:
    if not isinstance(value, (str, Path)) or not str(value):
        raise ValueError(f"{value!r} is not a path")
    return Path((info.context or {}).get("folder", "."), Path(value).expanduser()).resolve()


_PATH_SCHEMA = WithJsonSchema({"type": "string", "description": "a path, relative to this file"})
ExistingPath = Annotated[Path, BeforeValidator(_existing_path), _PATH_SCHEMA]
OutputPath = Annotated[Path, BeforeValidator(_resolve), _PATH_SCHEMA]


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


class StationConfig(Model):
    """What one station answers with."""

    type: Literal["isotropic"] = "isotropic"


def _station_by_name(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


class BaselinesConfig(Model):
    """The lengths of baseline that are kept."""

    min_m: Annotated[Length, AfterValidator(_not_negative)] = Field(0.0, alias="min")
    max_m: Annotated[Length, AfterValidator(_positive)] | None = Field(None, alias="max")

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
    station: Annotated[StationConfig, BeforeValidator(_station_by_name)] = StationConfig()
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
        path = _resolve(value, info)
        if not path.exists():
            near = difflib.get_close_matches(str(value).lower(), NAMED_ARRAYS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"{str(value)!r} is neither a known array nor a path ({path} does not exist); "
                f"{hint}known arrays: {', '.join(NAMED_ARRAYS)}"
            )
        return path


class CatalogueEntry(Model):
    """Sources from a file."""

    catalogue: ExistingPath
    format: Literal["gleam", "table"]
    missing_fit: Literal["omit", "band-flux"] = "omit"
    band: str | None = None

    @model_validator(mode="after")
    def _band_goes_with_band_flux(self) -> CatalogueEntry:
        if (self.missing_fit == "band-flux") != (self.band is not None):
            raise ValueError("missing_fit: band-flux needs band: the column to take, such as Fint151, and only it does")
        return self


class SourceConfig(Model):
    """One point source; flux densities at the reference frequency."""

    name: str | None = None
    ra_rad: Angle = Field(alias="ra")
    dec_rad: Angle = Field(alias="dec")
    i_jy: FluxDensity = Field(alias="i")
    q_jy: FluxDensity = Field(0.0, alias="q")
    u_jy: FluxDensity = Field(0.0, alias="u")
    v_jy: FluxDensity = Field(0.0, alias="v")
    spectral_index: float = 0.0
    reference_hz: Annotated[Frequency, AfterValidator(_positive)] = Field(150e6, alias="reference")

    @field_validator("dec_rad")
    @classmethod
    def _within_poles(cls, value: float) -> float:
        return _declination(value)


class SourcesEntry(Model):
    """Sources written in the configuration itself."""

    sources: tuple[SourceConfig, ...]


def _sky_kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return "sources" if "sources" in value else "catalogue"
    if isinstance(value, CatalogueEntry):
        return "catalogue"
    return "sources" if isinstance(value, SourcesEntry) else None


SkyEntry = Annotated[
    Annotated[CatalogueEntry, Tag("catalogue")] | Annotated[SourcesEntry, Tag("sources")],
    Discriminator(
        _sky_kind,
        custom_error_type="sky_entry",
        custom_error_message="an entry is {catalogue: PATH, format: …} or {sources: [{ra, dec, i}, …]}",
    ),
]


def _declination(value: float) -> float:
    if abs(value) > 1.5707963267948968:
        raise ValueError("a declination lies between -90 deg and 90 deg")
    return value


class PhaseCentreConfig(Model):
    """The direction the visibilities are phased to (ICRS)."""

    ra_rad: Angle = Field(alias="ra")
    dec_rad: Annotated[Angle, AfterValidator(_declination)] = Field(alias="dec")


class TimeConfig(Model):
    """The dumps: their number, length and the beginning of the first (UTC)."""

    start: str
    integration_s: Annotated[Duration, AfterValidator(_positive)] = Field(alias="integration")
    dumps: PositiveInt

    @field_validator("start")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        _mjd(value)
        return value

    @property
    def start_utc(self) -> tuple[float, float]:
        """Start of the first dump as MJD (UTC): whole day and fraction."""
        return _mjd(self.start)


def _mjd(text: str) -> tuple[float, float]:
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a time; write UTC as in '2026-11-22T12:00:00'")
    year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
    second = float(match.group(6) or 0)
    try:
        date = datetime.date(year, month, day)
        datetime.time(hour, minute, int(second))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time: {error}") from None
    return float(date.toordinal() + _MJD_OF_ORDINAL_ZERO), (hour * 3600 + minute * 60 + second) / 86400


class SpectrumConfig(Model):
    """The fine channels; `start` is the centre of channel 0."""

    start_hz: Annotated[Frequency, AfterValidator(_positive)] = Field(alias="start")
    width_hz: Annotated[Frequency, AfterValidator(_positive)] = Field(alias="width")
    channels: PositiveInt


class AveragingConfig(Model):
    """Channels per first average (sextet), and first averages per band."""

    node: PositiveInt = 6
    group: PositiveInt = 6


class ComputeConfig(Model):
    """How the visibilities are computed; `memory` is per rank."""

    backend: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["mixed", "double"] = "mixed"
    memory_bytes: Annotated[Bytes, AfterValidator(_positive)] = Field(2e9, alias="memory")


class OutputConfig(Model):
    """Where the dataset goes."""

    path: OutputPath

    @field_validator("path")
    @classmethod
    def _named_dawn(cls, value: Path) -> Path:
        if value.suffix != ".dawn":
            raise ValueError(f"{value.name!r} must end in .dawn, such as '{value.stem or 'observation'}.dawn'")
        return value


class ImageConfig(Model):
    """The image cube made of the dataset."""

    size: PositiveInt = 512
    cell_rad: Annotated[Angle, AfterValidator(_positive)] = Field(60 * UNITS["angle"]["arcsec"], alias="cell")
    weight: Literal["natural", "uniform", "briggs"] = "natural"
    robust: Annotated[float, Field(ge=-2, le=2)] = 0.0


class Config(Model):
    """A whole observation."""

    name: Annotated[str, Field(min_length=1)]
    telescope: TelescopeConfig
    sky: tuple[SkyEntry, ...]
    phase_centre: PhaseCentreConfig
    time: TimeConfig
    spectrum: SpectrumConfig
    averaging: AveragingConfig = AveragingConfig()
    compute: ComputeConfig = ComputeConfig()
    output: OutputConfig
    image: ImageConfig = ImageConfig()

    @field_validator("sky")
    @classmethod
    def _sky_is_not_empty(cls, value: tuple[SkyEntry, ...]) -> tuple[SkyEntry, ...]:
        if not value:
            raise ValueError("the sky is empty; give it at least one catalogue or source")
        return value

    @model_validator(mode="after")
    def _channels_fill_bands(self) -> Config:
        per_band = self.averaging.node * self.averaging.group
        channels = self.spectrum.channels
        if channels % per_band:
            below, above = channels // per_band * per_band, -(-channels // per_band) * per_band
            raise PydanticCustomError(
                "rule",
                "{channels} does not divide into bands of {per_band} (averaging.node {node} x "
                "averaging.group {group}); the nearest that does is {nearest}",
                {
                    "at": "spectrum.channels",
                    "channels": channels,
                    "per_band": per_band,
                    "node": self.averaging.node,
                    "group": self.averaging.group,
                    "nearest": f"{below} or {above}" if below else f"{above}",
                },
            )
        return self

    @property
    def n_bands(self) -> int:
        """Number of bands, the output channels."""
        return self.spectrum.channels // (self.averaging.node * self.averaging.group)

    def to_yaml(self) -> str:
        """Return the effective configuration, defaults written out, as YAML that reads back the same."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
