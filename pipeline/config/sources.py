"""Entries of the sky that list sources: catalogues, and sources written in the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from pipeline.config.base import Angle, ExistingPath, FluxDensity, Frequency, Model, declination, positive


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
    reference_hz: Annotated[Frequency, AfterValidator(positive)] = Field(150e6, alias="reference")

    @field_validator("dec_rad")
    @classmethod
    def _within_poles(cls, value: float) -> float:
        return declination(value)


class SourcesEntry(Model):
    """Sources written in the configuration itself."""

    sources: tuple[SourceConfig, ...]
