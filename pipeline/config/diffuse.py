"""Entries of the sky that are diffuse: images, HEALPix maps and light-cones; and the cosmology of the 21 cm line."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline.config.base import Angle, DirectionConfig, ExistingPath, Frequency, Model, positive

#: Parameter sets that astropy.cosmology knows by name.
CosmologyName = Literal["Planck18", "Planck15", "Planck13", "WMAP9", "WMAP7", "WMAP5"]


class CosmologyConfig(Model):
    """A published parameter set, or a flat Lambda-CDM universe of given `h0` (km/s/Mpc) and `om0`."""

    name: CosmologyName | None = None
    h0: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    om0: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _one_or_the_other(self) -> CosmologyConfig:
        numbers = (self.h0 is not None, self.om0 is not None)
        if (self.name is None and not all(numbers)) or (self.name is not None and any(numbers)):
            raise ValueError(
                "a cosmology is either a name, as in {name: Planck18}, or both numbers, as in {h0: 67.7, om0: 0.31}"
            )
        return self


class RegionConfig(Model):
    """A disc around the phase centre."""

    radius_rad: Annotated[Angle, AfterValidator(positive)] = Field(alias="radius")


class _PixelsEntry(Model):
    """What images and HEALPix maps have in common."""

    unit: str | None = None
    spectral_index: Annotated[float, Field(allow_inf_nan=False)] | None = None
    reference_hz: Annotated[Frequency, AfterValidator(positive)] | None = Field(None, alias="reference")
    blank: Literal["error", "zero"] = "error"
    zeros: Literal["drop", "keep"] = "drop"


class ImageEntry(_PixelsEntry):
    """A FITS image or cube."""

    image: ExistingPath


class HealpixEntry(_PixelsEntry):
    """A HEALPix map in a FITS table."""

    healpix: ExistingPath
    column: str | None = None
    frame: Literal["galactic", "icrs"] | None = None
    region: RegionConfig | None = None


class LightconeEntry(Model):
    """A light-cone of the 21 cm brightness temperature, as 21cmFAST writes it."""

    lightcone: ExistingPath
    field: str = "brightness_temp"
    centre: DirectionConfig | None = None
    size: Annotated[int, Field(ge=2)] | None = None
    cell_rad: Annotated[Angle, AfterValidator(positive)] | None = Field(None, alias="cell")
    tile: bool = False
    mean: Literal["keep", "remove"] = "keep"
    cosmology: CosmologyConfig | None = None
