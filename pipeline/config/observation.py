"""The configuration: one YAML file that says what is observed, as frozen, validated models."""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field, PositiveInt, field_validator, model_validator
from pydantic_core import PydanticCustomError

from pipeline.config.base import (
    Bytes,
    DirectionConfig,
    Duration,
    Frequency,
    Model,
    positive,
)
from pipeline.config.corruptions import FlagsConfig, GainsConfig, IonosphereConfig, NoiseConfig
from pipeline.config.image import ImageConfig
from pipeline.config.output import OutputConfig
from pipeline.config.sky import SkyEntry
from pipeline.config.telescope import TelescopeConfig

_MJD_OF_ORDINAL_ZERO = -678576  # proleptic Gregorian ordinal 678576 is 1858-11-17, MJD 0
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d(?:\.\d*)?))?Z?")


class TimeConfig(Model):
    """The dumps: their number, length and the beginning of the first (UTC)."""

    start: str
    integration_s: Annotated[Duration, AfterValidator(positive)] = Field(alias="integration")
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

    start_hz: Annotated[Frequency, AfterValidator(positive)] = Field(alias="start")
    width_hz: Annotated[Frequency, AfterValidator(positive)] = Field(alias="width")
    channels: PositiveInt


class AveragingConfig(Model):
    """Channels per first average (sextet), and first averages per band."""

    node: PositiveInt = 6
    group: PositiveInt = 6


class ComputeConfig(Model):
    """How the visibilities are computed; `memory` is per rank, `accuracy` relative to the flux of each source."""

    backend: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["mixed", "double"] = "mixed"
    tensor_cores: Literal["off", "auto", "on"] = "off"
    accuracy: Annotated[float, Field(ge=1e-12, le=1e-2)] = 1e-6
    smearing: Literal["both", "channel", "dump", "none"] = "both"
    route: Literal["auto", "product", "nufft"] = "auto"
    memory_bytes: Annotated[Bytes, AfterValidator(positive)] = Field(2e9, alias="memory")


class Config(Model):
    """A whole observation."""

    name: Annotated[str, Field(min_length=1)]
    telescope: TelescopeConfig
    sky: tuple[SkyEntry, ...]
    phase_centre: DirectionConfig
    time: TimeConfig
    spectrum: SpectrumConfig
    ionosphere: IonosphereConfig | None = None
    gains: GainsConfig | None = None
    noise: NoiseConfig | None = None
    flags: FlagsConfig | None = None
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
