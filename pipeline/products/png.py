"""A plane of an image cube as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.products.settings import STOKES

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_LABELS = 30  # names of marked sources; more would hide the sky
_POLAR_DEG = 89.0  # an image that reaches so far north or south is labelled as a polar one
_RINGS_ASLANT_DEG = 30  # from the meridian of the phase centre
_NOISE_RANGE = 4.0  # the colours are linear up to so many times the scatter, logarithmic beyond


@dataclass(frozen=True)
class Mark:
    """A place to mark in the picture.

    Attributes
    ----------
    name
        Written beside it; may be empty.
    ra_rad, dec_rad
        ICRS.
    """

    name: str
    ra_rad: float
    dec_rad: float


def png_plane(cube: Path, plane: int, out: Path, stokes: str = "I", marks: Sequence[Mark] = (), dpi: int = 150) -> None:
    """Draw one plane of a cube, with its grid of right ascension and declination, its beam and its scale.

    Parameters
    ----------
    cube
        A FITS cube as `image_dataset` writes it.
    plane
        Index along the frequency axis.
    out
        The picture; its suffix says of which kind, usually ``.png``.
    stokes
        Which Stokes parameter.
    marks
        Places to mark, such as sources of a catalogue.
    dpi
        Dots per inch; the picture is about 8 inches wide.

    Raises
    ------
    DatasetError
        If the cube or the plane is not there, or the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    image, header = _read_plane(cube, plane, stokes)
    figure = Figure(figsize=(8.2, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes, wcs = _sky_axes(figure, header)
    _draw_image(figure, axes, image)
    _draw_beam(axes, header)
    _draw_marks(axes, wcs, marks, image.shape)
    megahertz = (header["CRVAL3"] + plane * header["CDELT3"]) / 1e6
    date = header["DATE-OBS"][:19]
    title = f"{header['OBJECT']}   Stokes {stokes}   {megahertz:.4f} MHz   {date} UTC"
    axes.set_title(title, pad=24)  # labels of right ascension may stand below it
    try:
        figure.savefig(out, dpi=dpi)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{out}: the picture cannot be written: {error}") from error


def _read_plane(cube: Path, plane: int, stokes: str) -> tuple[NDArray[np.float64], Header]:
    """Return the pixels (y, x) of a plane and the cube's header."""
    from astropy.io import fits

    try:
        hdus = fits.open(cube, memmap=True)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{cube}: not a FITS cube that can be read: {error}") from error
    with hdus:
        header = hdus[0].header
        if header.get("NAXIS") != 4 or header.get("CTYPE4") != "STOKES":
            raise DatasetError(f"{cube}: no cube of Dawnstream's: it lacks axes RA, DEC, FREQ and STOKES")
        n_stokes, n_planes = hdus[0].shape[:2]
        held = [list(STOKES)[int(header["CRVAL4"] + i * header["CDELT4"]) - 1] for i in range(n_stokes)]
        if not 0 <= plane < n_planes or stokes not in held:
            raise DatasetError(
                f"{cube}: no plane {plane} of Stokes {stokes}; it holds planes 0 to {n_planes - 1} of {held}"
            )
        return hdus[0].data[held.index(stokes), plane].astype(np.float64), header


def _sky_axes(figure: Figure, header: Header) -> tuple[Any, Any]:
    """Add axes with a grid of right ascension and declination."""
    from astropy.wcs import WCS

    wcs = WCS(header).celestial
    axes = figure.add_subplot(projection=wcs)
    ra, dec = axes.coords
    ra.set_axislabel("right ascension (ICRS)")
    dec.set_axislabel("declination (ICRS)")
    ra.set_major_formatter("hh:mm")
    corner = header["CDELT2"] * header["NAXIS2"] / 2 * np.sqrt(2)
    if abs(header["CRVAL2"]) + corner > _POLAR_DEG:
        _label_rings(axes, wcs, header)
    axes.coords.grid(color="white", alpha=0.35, linestyle="-", linewidth=0.6)
    return axes, wcs


def _label_rings(axes: Any, wcs: Any, header: Header) -> None:
    """Label right ascension all around and declination on its rings, as a pole lies in or near the image."""
    from astropy import units

    ra, dec = axes.coords
    ra.set_ticks(spacing=30 * units.deg)
    ra.set_major_formatter("hh")
    ra.set_ticklabel_position("lbrt")
    ra.set_axislabel("right ascension; declination on the rings (ICRS)")
    ra.set_axislabel_position("b")
    ra.set_ticks_visible(False)
    half_width = header["CDELT2"] * header["NAXIS2"] / 2
    step = next((step for step in (10, 5, 2, 1, 0.5, 0.2, 0.1) if step <= half_width / 2), 0.05)
    dec.set_ticks(spacing=step * units.deg)
    dec.set_ticks_visible(False)
    dec.set_ticklabel_visible(False)
    dec.set_axislabel("")
    sign = np.sign(header["CRVAL2"])
    reach = 90 - abs(header["CRVAL2"]) + np.sqrt(2) * half_width
    # Written along a meridian aslant, which misses the axes' edges longest wherever the pole lies.
    right_ascension = header["CRVAL1"] + _RINGS_ASLANT_DEG
    for ring in range(1, int(reach / step) + 1):
        declination = sign * (90 - ring * step)
        x, y = (float(pixel) for pixel in wcs.world_to_pixel_values(right_ascension, declination))
        if 0.02 < x / header["NAXIS1"] < 0.93 and 0.02 < y / header["NAXIS2"] < 0.96:
            axes.text(x, y, f" {declination:g}°", color="white", fontsize=8, alpha=0.8, ha="left", va="bottom")


def _draw_image(figure: Figure, axes: Axes, image: NDArray[np.float64]) -> None:
    """Draw the pixels: linear within the scatter, logarithmic beyond, so that faint and bright both show."""
    from matplotlib.colors import AsinhNorm

    middle = float(np.median(image))
    # 1.4826 times the median deviation is the standard deviation of normal scatter.
    scatter = 1.4826 * float(np.median(np.abs(image - middle))) or 1.0
    peak = max(float(np.abs(image).max()), _NOISE_RANGE * scatter)
    norm = AsinhNorm(linear_width=_NOISE_RANGE * scatter, vmin=-_NOISE_RANGE * scatter, vmax=peak)
    drawn = axes.imshow(image, origin="lower", cmap="inferno", norm=norm, interpolation="nearest")
    bar = figure.colorbar(drawn, ax=axes, shrink=0.9, pad=0.02)
    bar.set_label("brightness  [Jy/beam]")


def _draw_beam(axes: Axes, header: Header) -> None:
    """Draw the beam in the lower left corner."""
    from matplotlib.patches import Ellipse

    if "BMAJ" not in header:
        return
    major, minor = header["BMAJ"] / header["CDELT2"], header["BMIN"] / header["CDELT2"]
    corner = major / 2 + 0.03 * header["NAXIS1"]
    # The width of an upright ellipse lies along x; position angles count from north (y) to east (-x).
    beam = Ellipse((corner, corner), minor, major, angle=header["BPA"], facecolor="white", edgecolor="black")
    axes.add_patch(beam)


def _draw_marks(axes: Any, wcs: Any, marks: Sequence[Mark], shape: tuple[int, ...]) -> None:
    """Circle the marks that lie in the image, and name them unless they are many."""
    inside = []
    for mark in marks:
        x, y = (float(pixel) for pixel in wcs.world_to_pixel_values(*np.degrees([mark.ra_rad, mark.dec_rad])))
        if 0 <= x < shape[1] and 0 <= y < shape[0]:
            inside.append((mark.name, x, y))
    if not inside:
        return
    places = np.array([(x, y) for _, x, y in inside])
    axes.scatter(*places.T, s=110, facecolors="none", edgecolors="deepskyblue", linewidths=0.9)
    if len(inside) <= _MAX_LABELS:
        for name, x, y in inside:
            axes.annotate(name, (x, y), (6, 6), textcoords="offset points", color="deepskyblue", fontsize=7)
