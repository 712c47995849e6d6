"""A cube as one self-contained HTML page: nothing is loaded from elsewhere, now or later.

The pixels travel as 16-bit levels, value = offset + level x step with an offset and a step of each plane, in
base64; level 65535 is blank. So a value is off by half a step at most, 1 / 131,068 of its plane's range.
"""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError, DatasetError
from pipeline.products.film.colours import (
    COLOUR_MAPS,
    ColourRange,
    PlaneStatistics,
    colour_range,
    plane_statistics,
    with_ends,
)
from pipeline.products.film.imagecube import ImageCube
from pipeline.products.film.settings import FilmSettings, title_of

if TYPE_CHECKING:
    from pipeline.products.beam import Beam

Floats = NDArray[np.float64]

#: The level of a blank pixel; the others are 0 to 65534.
BLANK = 65535

_SCRIPTS = ("sky.js", "planes.js", "colours.js", "grid.js", "picture.js", "spectrum.js", "main.js")
_ROOM = 200_000  # bytes for all but the pixels; what a plane adds to the data is below 500 bytes
_PER_PLANE = 500


@dataclass(frozen=True)
class Levels:
    """A plane as it travels: levels (y, x) uint16, and value = offset + level x step."""

    levels: NDArray[np.uint16]
    offset: float
    step: float


def quantise(plane: Floats) -> Levels:
    """Turn the pixels of a plane (y, x) into levels; those that are not finite become `BLANK`."""
    finite = np.isfinite(plane)
    levels = np.full(plane.shape, BLANK, np.uint16)
    if not finite.any():
        return Levels(levels, 0.0, 0.0)
    least, largest = float(plane[finite].min()), float(plane[finite].max())
    step = (largest - least) / (BLANK - 1)
    levels[finite] = np.rint((plane[finite] - least) / step) if step > 0 else 0
    return Levels(levels, least, step)


def page_bytes(n_planes: int, shape: tuple[int, int], stride: int) -> int:
    """Return how large a page becomes at most: base64 makes 4 bytes of 3."""
    pixels = math.prod(-(-length // stride) for length in shape)
    return n_planes * (-(-2 * pixels // 3) * 4 + _PER_PLANE) + _ROOM


def write_page(
    cube: ImageCube,
    planes: Sequence[int],
    settings: FilmSettings,
    file: TextIO,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the page, a plane at a time.

    Parameters
    ----------
    cube
        What to show.
    planes
        Which planes, in order.
    settings
        How; `stride` and `max_bytes` hold here.
    file
        Where the page goes.
    progress
        Called with the planes written and all there are.

    Raises
    ------
    ConfigError
        If the page would become larger than allowed.
    DatasetError
        If the cube cannot be read, or is in another projection than SIN.
    """
    _check_projection(cube)
    _check_size(cube, planes, settings)
    head, tail = _template(cube, settings)
    file.write(head)
    told: list[dict[str, Any]] = []
    statistics: list[PlaneStatistics | None] = []
    columns, rows = (slice(first, None, settings.stride) for first in _first(cube, settings.stride))
    brightest: tuple[int, int] | None = None
    for count, index in enumerate(planes):
        plane = cube.plane(index, settings.stokes)[rows, columns]
        statistics.append(plane_statistics(plane))
        brightest = brightest or _brightest(plane)
        levels = quantise(plane)
        told.append(_told(float(cube.frequency_hz[index]), levels, statistics[-1], cube.beams[index]))
        text = base64.b64encode(levels.levels.astype("<u2").tobytes()).decode("ascii")
        file.write(f'<script id="plane-{count}" type="application/octet-stream">{text}</script>\n')
        if progress is not None:
            progress(count + 1, len(planes))
    data = _about(cube, settings) | {
        "planes": told,
        "start": next((i for i, measured in enumerate(statistics) if measured is not None), 0),
        "brightest": brightest or (plane.shape[1] // 2, plane.shape[0] // 2),
        "range": _range(with_ends(colour_range(statistics), settings.ends)),
    }
    # "<" could end the script early, were it in a name.
    file.write(tail.replace("@data@", json.dumps(data, allow_nan=False).replace("<", "\\u003c")))


def _about(cube: ImageCube, settings: FilmSettings) -> dict[str, Any]:
    """Return what the page is told of the whole cube."""
    first, wcs = _first(cube, settings.stride), _wcs(cube, settings.stride)
    height, width = (len(range(start, n, settings.stride)) for start, n in zip(first[::-1], cube.shape, strict=True))
    return {
        "width": width,
        "height": height,
        "stride": settings.stride,
        "first": first,
        "unit": cube.unit or "unit not given",
        "wcs": wcs,
        # A hundredth of a pixel shows in the coordinates.
        "digits": max(0, math.ceil(-math.log10(_cell_arcsec(wcs) / 100))),
        "colours": dict(_colour_tables()),
        "settings": _page_settings(settings),
    }


def _brightest(plane: Floats) -> tuple[int, int] | None:
    """Return the brightest pixel (x, y) of a plane; None if all of it is blank."""
    finite = np.isfinite(plane)
    if not finite.any():
        return None
    row, column = np.unravel_index(int(np.argmax(np.where(finite, plane, -np.inf))), plane.shape)
    return int(column), int(row)


def _check_size(cube: ImageCube, planes: Sequence[int], settings: FilmSettings) -> None:
    """Refuse a page that would be too large, and say what makes it smaller."""
    size = page_bytes(len(planes), cube.shape, settings.stride)
    if size <= settings.max_bytes:
        return
    stride = settings.stride + 1
    while page_bytes(len(planes), cube.shape, stride) > settings.max_bytes and stride < max(cube.shape):
        stride += 1
    raise ConfigError(
        f"{cube.path}: its page would be {size / 1e6:.1f} MB, above --max-size of {settings.max_bytes / 1e6:g} MB: "
        f"keep one of every {stride} pixels along both axes with --stride {stride} (kept values stay as they are; what "
        f"is narrower than {stride} pixels may fall between them), or fewer planes with --planes, or allow more with "
        f"--max-size '{math.ceil(size / 1e6)} MB' (browsers become slow above some 200 MB), or make a film, .mp4"
    )


def _first(cube: ImageCube, stride: int) -> tuple[int, int]:
    """Return the first pixel (x, y) to keep, such that the reference pixel is among those kept."""
    x, y = (round(float(pixel) - 1) % stride for pixel in cube.sky.wcs.crpix)
    return min(x, cube.shape[1] - 1), min(y, cube.shape[0] - 1)


def _wcs(cube: ImageCube, stride: int) -> dict[str, Any]:
    """Return what the page's projection needs: for every `stride`-th pixel, counted from 0."""
    wcs = cube.sky.wcs
    first = _first(cube, stride)
    matrix = np.asarray(cube.sky.pixel_scale_matrix, np.float64) * stride
    if not np.linalg.det(matrix):
        raise DatasetError(f"{cube.path}: its pixels have no width: CDELT and PC or CD cannot be inverted")
    return {
        "reference": [(float(pixel) - 1 - start) / stride for pixel, start in zip(wcs.crpix, first, strict=True)],
        "matrix": matrix.tolist(),
        "centre": [float(angle) for angle in wcs.crval],
        "lonpole": float(wcs.lonpole),
    }


def _check_projection(cube: ImageCube) -> None:
    """Refuse what the page's coordinates would be wrong for."""
    wcs = cube.sky.wcs
    kinds = [str(kind) for kind in wcs.ctype]
    slant = [value for _, number, value in wcs.get_pv() if number in (1, 2) and value != 0]
    if any(not kind.upper().endswith("-SIN") for kind in kinds) or slant:
        raise DatasetError(
            f"{cube.path}: its projection is {' and '.join(kinds)}{' with PV terms' if slant else ''}; a page shows "
            f"coordinates in plain SIN only, the projection of interferometers; make a film of it, .mp4 or .gif"
        )


def _cell_arcsec(wcs: dict[str, Any]) -> float:
    return float(np.sqrt(abs(np.linalg.det(np.array(wcs["matrix"]))))) * 3600


def _told(frequency_hz: float, levels: Levels, measured: PlaneStatistics | None, beam: Beam | None) -> dict[str, Any]:
    """Return what the page is told of a plane: MHz, levels, range of colours, beam in deg; null if there is none."""
    return {
        "mhz": frequency_hz / 1e6,
        "offset": levels.offset,
        "step": levels.step,
        "range": None if measured is None else _range(colour_range([measured])),
        "beam": None if beam is None else np.degrees([beam.major_rad, beam.minor_rad, beam.angle_rad]).tolist(),
    }


def _range(chosen: ColourRange) -> dict[str, float]:
    return {"low": chosen.low, "high": chosen.high, "width": chosen.width}


def _page_settings(settings: FilmSettings) -> dict[str, Any]:
    span = "plane" if settings.per_plane else "cube"
    return {"colours": settings.colours, "scale": settings.scale, "span": span, "typed": {}, "fps": settings.fps}


def _colour_tables() -> Iterator[tuple[str, str]]:
    """Yield name and table of every colour map: 256 x (red, green, blue) bytes in base64."""
    from matplotlib import colormaps

    for name in COLOUR_MAPS:
        table = np.rint(colormaps[name](np.arange(256))[:, :3] * 255).astype(np.uint8)
        yield name, base64.b64encode(table.tobytes()).decode("ascii")


def _template(cube: ImageCube, settings: FilmSettings) -> tuple[str, str]:
    """Return the page before its planes, and the rest, which lacks the data."""
    folder = resources.files("pipeline.products.film") / "web"
    parts = {name: (folder / name).read_text(encoding="utf-8") for name in ("page.html", "style.css", *_SCRIPTS)}
    name, about = title_of(cube, settings.stokes)
    values = {
        "title": html.escape(f"{name}, {about}"),
        "object": html.escape(name),
        "subtitle": html.escape(about),
        "style": parts["style.css"],
        "script": '"use strict";\n' + "\n".join(parts[script] for script in _SCRIPTS),
    }
    # In one go: what is put in is not looked through again.
    head, tail = (
        re.sub(r"@(\w+)@", lambda match: values.get(match[1], match[0]), part)
        for part in parts["page.html"].split("@planes@")
    )
    return head, tail
