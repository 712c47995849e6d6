"""Section ``telescope.station``: what one station answers with."""

from __future__ import annotations

from typing import Any, Literal

from pipeline.config.base import Model


class IsotropicConfig(Model):
    """Gain one in all directions, for both polarisations."""

    type: Literal["isotropic"] = "isotropic"


StationConfig = IsotropicConfig


def station_by_name(value: Any) -> Any:
    """Take a bare name for a station of that type with its defaults."""
    return {"type": value} if isinstance(value, str) else value
