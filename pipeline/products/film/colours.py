"""Which values get which colours, the same in pictures, films and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError

Scale = Literal["asinh", "linear"]
ColourMap = Literal["inferno", "viridis", "cividis", "gray", "RdBu_r"]

#: All that there are; inferno, viridis and cividis are even in lightness, also to the colour-blind.
COLOUR_MAPS: tuple[str, ...] = get_args(ColourMap)

_NOISE_RANGE = 4.0  # the colours are linear up to so many times the scatter, logarithmic beyond


@dataclass(frozen=True)
class PlaneStatistics:
    """What a range of colours is chosen from; in the unit of the pixels.

    Attributes
    ----------
    least, largest
        Of the pixels that are not blank.
    scatter
        1.4826 times the median deviation from the median: the standard deviation, were the scatter normal.
    """

    least: float
    largest: float
    scatter: float


@dataclass(frozen=True)
class ColourRange:
    """A range of values.

    Attributes
    ----------
    low, high
        Its ends, low < high.
    width
        An asinh scale is linear up to here, logarithmic beyond.
    """

    low: float
    high: float
    width: float


def plane_statistics(plane: NDArray[np.float64]) -> PlaneStatistics | None:
    """Measure a plane (y, x); None if all of it is blank."""
    values = plane[np.isfinite(plane)]
    if values.size == 0:
        return None
    middle = float(np.median(values))
    scatter = 1.4826 * float(np.median(np.abs(values - middle)))
    return PlaneStatistics(float(values.min()), float(values.max()), scatter)


def colour_range(planes: Sequence[PlaneStatistics | None]) -> ColourRange:
    """Choose a range for some planes: from the scatter below zero up to the brightest pixel.

    A plane whose deepest pixel lies further from zero than its brightest gets a range even about zero.
    """
    measured = [plane for plane in planes if plane is not None]
    if not measured:
        return ColourRange(-1.0, 1.0, 1.0)  # nothing but blank pixels, which have a colour of their own
    scatter = float(np.median([plane.scatter for plane in measured]))
    least, largest = min(plane.least for plane in measured), max(plane.largest for plane in measured)
    peak = max(abs(least), abs(largest)) or 1.0
    # An image that is empty but for a few pixels has no scatter.
    width = _NOISE_RANGE * scatter or peak / 100
    peak = max(peak, width)
    return ColourRange(-peak if -least > largest else -width, peak, width)


def given_range(text: str | None) -> tuple[float, float] | None:
    """Read a range as the command line has it, ``LOW,HIGH``; None stays None.

    Raises
    ------
    ConfigError
        If it is not two numbers, the lower first.
    """
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--range: {text!r} is not two numbers; write LOW,HIGH, such as -0.01,0.5") from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise ConfigError(f"--range: {text!r}: the first must be below the second, and both finite")
    return low, high


def with_ends(chosen: ColourRange, ends: tuple[float, float] | None) -> ColourRange:
    """Replace the ends of a range by those given, if any are."""
    return chosen if ends is None else ColourRange(*ends, min(chosen.width, max(abs(ends[0]), abs(ends[1]))))
