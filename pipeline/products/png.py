"""A plane of an image cube as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.products.film.colours import colour_range, plane_statistics
from pipeline.products.film.imagecube import ImageCube
from pipeline.products.film.settings import title_of
from pipeline.products.film.skyfigure import colour_norm, draw_beam, draw_pixels, new_figure, save_figure, sky_axes

_MAX_LABELS = 30  # names of marked sources; more would hide the sky


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
    with ImageCube(cube) as opened:
        image = opened.plane(plane, stokes)
        figure = new_figure(8.2, 7.2)
        axes = sky_axes(figure, opened)
        norm = colour_norm(colour_range([plane_statistics(image)]), "asinh")
        draw_pixels(figure, axes, image, norm, "inferno", opened.unit)
        draw_beam(axes, opened, opened.beams[plane])
        _draw_marks(axes, opened.sky, marks, image.shape)
        name, about = title_of(opened, stokes)
        title = f"{name}   {about}   {opened.frequency_hz[plane] / 1e6:.4f} MHz"
    axes.set_title(title, pad=24, fontsize=11)  # labels of right ascension may stand below it
    save_figure(figure, out, dpi)


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
