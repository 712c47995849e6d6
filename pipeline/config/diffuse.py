"""The cosmology that turns distances along the line of sight into frequencies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.base import Model

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
