"""What a pixel's value means: units of brightness, and solid angles."""

from __future__ import annotations

import dataclasses
import re
from typing import Final, Literal

import numpy as np

from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Float64

_UNIT: Final = re.compile(
    r"([a-zµ]+)(?:\s*/\s*(beam|pixel|pix|sr)|[\s.*]+(beam|pixel|pix|sr)(?:\^|\*\*)?\(?-1\)?)?", re.IGNORECASE
)
_SIZES: Final = {
    **{"Jy": 1.0, "JY": 1.0, "kJy": 1e3, "MJy": 1e6, "mJy": 1e-3, "uJy": 1e-6, "µJy": 1e-6},
    **{"K": 1.0, "mK": 1e-3, "uK": 1e-6, "µK": 1e-6},
}


@dataclasses.dataclass(frozen=True)
class BrightnessUnit:
    """What a pixel's value means.

    Attributes
    ----------
    per
        "pixel", "beam" or "sr" for flux densities over that; "K" for brightness temperatures.
    size
        Jy, or K, of the value one.
    """

    per: Literal["pixel", "beam", "sr", "K"]
    size: float

    @property
    def is_kelvin(self) -> bool:
        """Whether values are brightness temperatures, so that flux densities follow the square of frequency."""
        return self.per == "K"


def brightness_unit(found: str | None, given: str | None, where: str) -> BrightnessUnit:
    """Read a unit of brightness.

    Parameters
    ----------
    found, given
        The unit as the file and the configuration (key ``unit``) have it; None or blank where they have none.
    where
        What to call the place the unit should be in, such as "sky.fits: BUNIT".

    Raises
    ------
    ConfigError
        If there is none, it is not one of brightness, or the two differ.
    """
    rule = (
        "it must be Jy/pixel, Jy/beam, Jy/sr or K, with a prefix (m, u, k, M) where wanted: correct the file, or, "
        "where the file says nothing, set 'unit' in the configuration"
    )
    units = [_parse(text) for text in (found, given) if text is not None and text.strip()]
    if not units:
        raise ConfigError(f"{where}: there is no unit, so values have no meaning; {rule}")
    if None in units:
        raise ConfigError(f"{where}: {found or given!r} is not a unit of brightness; {rule}")
    if units[0] != units[-1]:
        raise ConfigError(f"{where}: the file has {found!r} and the configuration {given!r}; remove 'unit'")
    unit = units[0]
    assert unit is not None
    return unit


def _parse(text: str) -> BrightnessUnit | None:
    match = _UNIT.fullmatch(text.strip())
    if match is None or match.group(1) not in _SIZES:
        return None
    name, per = match.group(1), (match.group(2) or match.group(3) or "").lower()
    if name.endswith("K"):
        return None if per else BrightnessUnit("K", _SIZES[name])
    kinds: dict[str, Literal["pixel", "beam", "sr"]] = {"beam": "beam", "pixel": "pixel", "pix": "pixel", "sr": "sr"}
    return BrightnessUnit(kinds[per], _SIZES[name]) if per else None


def quadrilateral_sr(corners: Float64) -> Float64:
    """Return the solid angles of spherical quadrilaterals, each as two triangles.

    tan(E/2) = a.(b x c) / (1 + a.b + b.c + c.a) (Van Oosterom & Strackee 1983, IEEE Trans. Biomed. Eng. 30, 125,
    eq. 8). The triple product is formed as a.((b - a) x (c - a)), the same number without the loss of digits of small
    triangles.

    Parameters
    ----------
    corners
        (4, ..., 3) float64 unit vectors, in order around each quadrilateral.

    Returns
    -------
    float64
        (...,) sr, never negative; NaN where a corner is.
    """

    def triangle(a: Float64, b: Float64, c: Float64) -> Float64:
        triple = np.sum(a * np.cross(b - a, c - a), axis=-1)
        dots = np.sum(a * b, axis=-1) + np.sum(b * c, axis=-1) + np.sum(c * a, axis=-1)
        return np.asarray(2 * np.arctan2(triple, 1 + dots))

    first, second, third, fourth = corners
    return np.asarray(np.abs(triangle(first, second, third) + triangle(first, third, fourth)))
