"""Axes of right ascension and declination, and what is drawn into them: pixels with their colours, the beam."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.products.film.colours import ColourRange, Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline.products.beam import Beam
    from pipeline.products.film.imagecube import ImageCube

_POLAR_DEG = 89.0  # an image that reaches so far north or south is labelled as a polar one
_RINGS_ASLANT_DEG = 30  # from the meridian of the phase centre
_BLANK_COLOUR = "0.5"


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return a figure that belongs to nobody but its maker; pyplot keeps its own in a global list."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, out: Any, dpi: int) -> None:
    """Write a picture.

    Raises
    ------
    DatasetError
        If it cannot be written.
    """
    try:
        figure.savefig(out, dpi=dpi)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{out}: the picture cannot be written: {error}") from error


@dataclass(frozen=True)
class SkyView:
    """How the pixels of a plane lie on the sky.

    Attributes
    ----------
    cell_deg
        Width of a pixel: the root of its area.
    north_deg
        Direction of north in the picture, from the right (x) counter-clockwise.
    handed
        1 where east is left of north, as on the sky; -1 where it is right.
    """

    cell_deg: float
    north_deg: float
    handed: int

    @classmethod
    def of(cls, cube: ImageCube) -> SkyView:
        """Look at the coordinates of a cube."""
        matrix = np.asarray(cube.sky.pixel_scale_matrix, np.float64)
        area = float(np.linalg.det(matrix))
        if not area:
            raise DatasetError(f"{cube.path}: its pixels have no width: CDELT and PC or CD cannot be inverted")
        north = np.linalg.solve(matrix, [0.0, 1.0])
        return cls(math.sqrt(abs(area)), math.degrees(math.atan2(north[1], north[0])), -1 if area > 0 else 1)


def sky_axes(figure: Any, cube: ImageCube) -> Any:
    """Add axes with a grid of right ascension and declination."""
    axes = figure.add_subplot(projection=cube.sky)
    ra, dec = axes.coords
    ra.set_axislabel(f"right ascension ({cube.frame})")
    dec.set_axislabel(f"declination ({cube.frame})")
    ra.set_major_formatter("hh:mm")
    corner = SkyView.of(cube).cell_deg * max(cube.shape) / 2 * math.sqrt(2)
    if abs(cube.sky.wcs.crval[1]) + corner > _POLAR_DEG:
        _label_rings(axes, cube)
    axes.coords.grid(color="white", alpha=0.35, linestyle="-", linewidth=0.6)
    return axes


def _label_rings(axes: Any, cube: ImageCube) -> None:
    """Label right ascension all around and declination on its rings, as a pole lies in or near the image."""
    from astropy import units

    ra, dec = axes.coords
    ra.set_ticks(spacing=30 * units.deg)
    ra.set_major_formatter("hh")
    ra.set_ticklabel_position("lbrt")
    ra.set_axislabel(f"right ascension; declination on the rings ({cube.frame})")
    ra.set_axislabel_position("b")
    ra.set_ticks_visible(False)
    n_y, n_x = cube.shape
    half_width = SkyView.of(cube).cell_deg * max(n_y, n_x) / 2
    step = next((step for step in (10, 5, 2, 1, 0.5, 0.2, 0.1) if step <= half_width / 2), 0.05)
    dec.set_ticks(spacing=step * units.deg)
    dec.set_ticks_visible(False)
    dec.set_ticklabel_visible(False)
    dec.set_axislabel("")
    centre = [float(angle) for angle in cube.sky.wcs.crval]
    sign = np.sign(centre[1])
    reach = 90 - abs(centre[1]) + math.sqrt(2) * half_width
    # Written along a meridian aslant, which misses the axes' edges longest wherever the pole lies.
    for ring in range(1, int(reach / step) + 1):
        declination = sign * (90 - ring * step)
        at = cube.sky.world_to_pixel_values(centre[0] + _RINGS_ASLANT_DEG, declination)
        x, y = (float(pixel) for pixel in at)
        if 0.02 < x / n_x < 0.93 and 0.02 < y / n_y < 0.96:
            axes.text(x, y, f" {declination:g}°", color="white", fontsize=8, alpha=0.8, ha="left", va="bottom")


def colour_norm(chosen: ColourRange, scale: Scale) -> Any:
    """Return matplotlib's norm for a range."""
    from matplotlib.colors import AsinhNorm, Normalize

    if scale == "linear":
        return Normalize(chosen.low, chosen.high)
    return AsinhNorm(linear_width=chosen.width, vmin=chosen.low, vmax=chosen.high)


def draw_pixels(figure: Any, axes: Axes, plane: NDArray[np.float64], norm: Any, colours: str, unit: str) -> Any:
    """Draw the pixels (y, x), blank ones grey, and the scale of their colours; return the image."""
    from matplotlib import colormaps

    colour_map = colormaps[colours].with_extremes(bad=_BLANK_COLOUR)
    shown = np.ma.masked_invalid(plane)
    drawn = axes.imshow(shown, origin="lower", cmap=colour_map, norm=norm, interpolation="nearest")
    bar = figure.colorbar(drawn, ax=axes, shrink=0.9, pad=0.02)
    bar.set_label(f"brightness  [{unit or 'unit not given'}]")
    return drawn


def draw_beam(axes: Axes, cube: ImageCube, beam: Beam | None) -> Any:
    """Draw the beam of a plane in the lower left corner, if it has one; return what was drawn."""
    from matplotlib.patches import Ellipse

    if beam is None:
        return None
    view = SkyView.of(cube)
    major, minor = (math.degrees(width) / view.cell_deg for width in (beam.major_rad, beam.minor_rad))
    corner = major / 2 + 0.03 * cube.shape[1]
    # Position angles count from north through east.
    angle = view.north_deg + view.handed * math.degrees(beam.angle_rad)
    ellipse = Ellipse((corner, corner), major, minor, angle=angle, facecolor="white", edgecolor="black")
    return axes.add_patch(ellipse)
