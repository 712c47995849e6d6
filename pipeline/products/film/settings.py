"""How a film is made."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError
from pipeline.products.film.colours import COLOUR_MAPS

if TYPE_CHECKING:
    from pipeline.products.film.colours import ColourMap, Scale
    from pipeline.products.film.imagecube import ImageCube

#: Largest page without being told otherwise, bytes.
PAGE_BYTES = 64_000_000


@dataclasses.dataclass(frozen=True)
class FilmSettings:
    """How a film is made.

    Attributes
    ----------
    stokes
        Which polarisation.
    planes
        Which planes, as a Python slice: "", "10:20", "::2".
    fps
        Planes a second.
    colours
        One of `COLOUR_MAPS`.
    scale
        "asinh", linear near zero and logarithmic beyond, or "linear".
    ends
        Lowest and highest value with a colour of its own; None to choose from the pixels.
    per_plane
        Choose the range anew for each plane instead of once for the cube.
    stride
        Keep every so many-th pixel; pages only.
    max_bytes
        Refuse a page that would become larger.

    Raises
    ------
    ConfigError
        If a value is out of its range.
    """

    stokes: str = "I"
    planes: str = ""
    fps: float = 5.0
    colours: ColourMap = "inferno"
    scale: Scale = "asinh"
    ends: tuple[float, float] | None = None
    per_plane: bool = False
    stride: int = 1
    max_bytes: float = PAGE_BYTES

    def __post_init__(self) -> None:
        if self.colours not in COLOUR_MAPS:
            raise ConfigError(f"--colours: {self.colours!r} is not known; use one of {', '.join(COLOUR_MAPS)}")
        if not 0.2 <= self.fps <= 60:
            raise ConfigError(f"--fps: {self.fps:g} lies outside 0.2 to 60 planes a second")
        if self.stride < 1:
            raise ConfigError(f"--stride: {self.stride} is no number of pixels; give at least 1")
        if self.per_plane and self.ends is not None:
            raise ConfigError("--range and --per-plane exclude each other: give one of them")


def chosen(text: str, number: int, what: str) -> range:
    """Return the planes or bands that a slice names.

    Parameters
    ----------
    text
        As in Python: ``FIRST:END:STEP``, each of which may be left out; END itself is not meant. A number
        alone is that one. Nothing: all.
    number
        How many there are.
    what
        "planes" or "bands", also the name of the option.

    Raises
    ------
    ConfigError
        If it is no slice, or names none that is there.
    """
    parts = text.split(":") if text else ["", ""]
    try:
        numbers = [int(part) if part.strip() else None for part in parts]
        if len(numbers) == 1 and numbers[0] is not None:
            numbers = [numbers[0], numbers[0] + 1 or None]  # -1 is the last
        found = range(number)[slice(*numbers)]
    except (ValueError, TypeError):
        raise ConfigError(f"--{what}: {text!r} is no slice; write FIRST:END:STEP, such as 0:10 or ::2") from None
    if not found:
        raise ConfigError(f"--{what}: {text!r} holds none of the {what} 0 to {number - 1}; END is left out")
    return found


def title_of(cube: ImageCube, stokes: str) -> tuple[str, str]:
    """Return the name of a cube's object, and what else a title says of it."""
    header = cube.header
    name = str(header.get("OBJECT", "")).strip() or cube.path.stem
    about = [f"Stokes {stokes}", str(header.get("TELESCOP", "")).strip()]
    date = str(header.get("DATE-OBS", ""))[:19]
    about.append(f"{date} {header.get('TIMESYS', 'UTC')}" if date else "")
    return name, ", ".join(part for part in about if part)
