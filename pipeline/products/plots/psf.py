"""The point-spread function: its image, cuts through it, and the beam fitted to it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.products.beam import Beam, fit_beam
from pipeline.products.cube import psf_path
from pipeline.products.film.imagecube import ImageCube
from pipeline.products.film.skyfigure import SkyView

Floats = NDArray[np.float64]

_REACH = 8.0  # beams from the middle that are shown
_PEAK = 0.05  # how far from 1 the peak may be
_DECADES = 4  # below the peak, at most


@dataclasses.dataclass(frozen=True)
class PsfCuts:
    """The middle of a point-spread function.

    Attributes
    ----------
    image
        (y, x) float64.
    offset_arcmin
        (pixel,) float64, of the pixels of `image` along both axes from the peak, growing to the right and upwards.
    along_x, along_y
        (pixel,) float64: the rows of pixels through the peak.
    beam
        That was fitted; None where there is no closed lobe.
    beam_along_x, beam_along_y
        (pixel,) float64: the beam at the same offsets; all NaN without one.
    """

    image: Floats
    offset_arcmin: Floats
    along_x: Floats
    along_y: Floats
    beam: Beam | None
    beam_along_x: Floats
    beam_along_y: Floats


def psf_of(path: Path) -> Path:
    """Return the cube of point-spread functions: `path` if it is one by its name, else the one beside it.

    Raises
    ------
    DatasetError
        If there is none beside it.
    """
    if path.stem.endswith(("-psf", "-sampling")):
        return path
    beside = psf_path(path)
    if not beside.exists():
        raise DatasetError(f"{path}: its point-spread functions, {beside.name}, are not beside it; name their cube")
    return beside


def measure_psf(cube: ImageCube, plane: int) -> PsfCuts:
    """Cut out the middle of a plane of a cube of point-spread functions, and fit a beam.

    Raises
    ------
    DatasetError
        If there is no such plane, it is blank, or it does not peak at 1 in its middle.
    """
    image = cube.plane(plane, cube.stokes[0])
    if not np.isfinite(image).all():
        raise DatasetError(f"{cube.path}: plane {plane} is blank, or parts of it are; choose another with --plane")
    row, column = (int(index) for index in np.unravel_index(int(np.argmax(image)), image.shape))
    middle = (image.shape[0] // 2, image.shape[1] // 2)
    if (row, column) != middle or abs(image[row, column] - 1) > _PEAK:
        raise DatasetError(
            f"{cube.path}: plane {plane} peaks at {image[row, column]:.3g} in pixel {column},{row}; a point-spread "
            f"function peaks at 1 in the middle, {middle[1]},{middle[0]}: name a cube that holds them"
        )
    view = SkyView.of(cube)
    cell_rad = math.radians(view.cell_deg)
    beam = _on_the_sky(fit_beam(image, cell_rad), view)
    reach = min(row, column, image.shape[0] - row - 1, image.shape[1] - column - 1)
    if beam is not None:
        reach = min(reach, max(8, math.ceil(_REACH * beam.major_rad / cell_rad)))
    cut = image[row - reach : row + reach + 1, column - reach : column + reach + 1]
    offset = np.arange(-reach, reach + 1) * cell_rad
    return PsfCuts(
        image=cut,
        offset_arcmin=np.degrees(offset) * 60,
        along_x=cut[reach],
        along_y=cut[:, reach],
        beam=beam,
        beam_along_x=_gaussian(beam, view, offset, 0.0),
        beam_along_y=_gaussian(beam, view, offset, 90.0),
    )


def _on_the_sky(fitted: Beam | None, view: SkyView) -> Beam | None:
    """Return a beam with its angle from north, where the fit counts it from upwards to the left."""
    if fitted is None:
        return None
    angle = view.handed * (90 + math.degrees(fitted.angle_rad) - view.north_deg)
    return dataclasses.replace(fitted, angle_rad=math.radians(angle % 180))


def _gaussian(beam: Beam | None, view: SkyView, offset_rad: Floats, direction_deg: float) -> Floats:
    """Return the beam along a direction in the picture, counted from the right counter-clockwise."""
    if beam is None:
        return np.full(len(offset_rad), np.nan)
    major_deg = view.north_deg + view.handed * math.degrees(beam.angle_rad)
    angle = math.radians(direction_deg - major_deg)
    along, across = offset_rad * math.cos(angle), offset_rad * math.sin(angle)
    return np.exp(-4 * math.log(2) * ((along / beam.major_rad) ** 2 + (across / beam.minor_rad) ** 2))


def draw_psf(figure: Any, measured: PsfCuts, view: SkyView, title: str) -> None:
    """Draw the size of the point-spread function, the beam's half-power ellipse, and the cuts."""
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Ellipse

    left, right = figure.subplots(1, 2, width_ratios=(1, 1.05))
    size = np.abs(measured.image)
    floor = 10.0 ** max(-_DECADES, math.floor(math.log10(max(float(np.median(size)), 1e-12))))
    half = (measured.offset_arcmin[1] - measured.offset_arcmin[0]) / 2
    ends = (measured.offset_arcmin[0] - half, measured.offset_arcmin[-1] + half)
    drawn = left.imshow(
        size,
        origin="lower",
        extent=(*ends, *ends),
        norm=LogNorm(floor, 1, clip=True),
        cmap="viridis",
        interpolation="nearest",
    )
    left.set(xlabel="offset to the right  [arcmin]", ylabel="offset upwards  [arcmin]")
    figure.colorbar(drawn, ax=left, label="|point-spread function|", shrink=0.85)
    if measured.beam is not None:
        major, minor = (math.degrees(width) * 60 for width in (measured.beam.major_rad, measured.beam.minor_rad))
        angle = view.north_deg + view.handed * math.degrees(measured.beam.angle_rad)
        left.add_patch(Ellipse((0, 0), major, minor, angle=angle, fill=False, edgecolor="#D55E00", lw=1.6))
        beam = f"beam {major:.3g} by {minor:.3g} arcmin at {math.degrees(measured.beam.angle_rad):.1f}°"
        left.set_title(beam, fontsize=10)
    for values, beam_values, colour, name in (
        (measured.along_x, measured.beam_along_x, "#0072B2", "to the right"),
        (measured.along_y, measured.beam_along_y, "#D55E00", "upwards"),
    ):
        right.plot(measured.offset_arcmin, np.where(values > 0, values, np.nan), color=colour, lw=1.4, label=name)
        right.plot(measured.offset_arcmin, np.where(values < 0, -values, np.nan), "--", color=colour, lw=1.1)
        right.plot(measured.offset_arcmin, beam_values, ":", color=colour, lw=1.4)
    right.plot([], [], "--", color="0.3", label="negative")
    right.plot([], [], ":", color="0.3", label="beam")
    right.set(yscale="log", ylim=(floor, 1.5), xlabel="offset  [arcmin]", ylabel="|point-spread function|")
    right.grid(alpha=0.3)
    right.legend(fontsize=9)
    figure.suptitle(title, fontsize=11)
