"""The picture of a plane: that it is drawn, marks what it should, and says what it cannot draw."""

import math

import datasets
import numpy as np
import pytest
from astropy.io import fits
from matplotlib.image import imread

from pipeline.errors import DatasetError
from pipeline.products.cube import image_dataset
from pipeline.products.png import Mark, png_plane
from pipeline.products.settings import ImageSettings

CELL = math.radians(1 / 60)
EXTENT_M = 0.2 / CELL * 2


@pytest.fixture(scope="module", params=[-90, -27])
def cube(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")
    centre = (0.3, math.radians(request.param))
    # One source, half way to the right edge: west of the phase centre.
    dec = centre[1] if request.param == -27 else centre[1] + 16 * CELL
    ra = centre[0] - (16 * CELL / math.cos(dec) if request.param == -27 else math.pi / 2)
    path = datasets.make(folder / "s.dawn", centre, [(ra, dec, 2, 0, 0, 0)], [150e6, 151e6], EXTENT_M)
    image_dataset(path, folder / "c.fits", ImageSettings(size=64, cell_rad=CELL, stokes="IV"))
    return folder / "c.fits", Mark("the source", ra, dec)


def test_the_mark_circles_the_source_right_of_the_middle(cube, tmp_path):
    path, mark = cube
    pictures = {"bare": (), "far": [Mark("far", 0.0, 1.0)], "marked": [Mark("", mark.ra_rad, mark.dec_rad)]}
    for name, marks in pictures.items():
        png_plane(path, 1, tmp_path / f"{name}.png", dpi=60, marks=marks)
        pictures[name] = imread(tmp_path / f"{name}.png")[..., :3]
    np.testing.assert_array_equal(pictures["bare"], pictures["far"])
    y, x = np.nonzero((pictures["bare"] != pictures["marked"]).any(axis=2))
    # A circle's middle is that of what it changed; the brightest colours are there.
    x, y = round((x.min() + x.max()) / 2), round((y.min() + y.max()) / 2)
    assert 0.5 < x / pictures["bare"].shape[1] < 0.8
    assert 0.4 < y / pictures["bare"].shape[0] < 0.6
    assert pictures["bare"][y - 2 : y + 3, x - 2 : x + 3].sum(axis=2).max() > 2.2


@pytest.mark.parametrize(("plane", "stokes"), [(2, "I"), (-1, "I"), (0, "Q")])
def test_a_plane_that_is_not_there_is_an_error(cube, tmp_path, plane, stokes):
    with pytest.raises(DatasetError, match=f"no plane {plane} of Stokes {stokes}; it holds planes 0 to 1 of"):
        png_plane(cube[0], plane, tmp_path / "p.png", stokes)


def test_files_that_cannot_be_read_or_written_are_errors(cube, tmp_path):
    (tmp_path / "text.fits").write_text("no cube")
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "flat.fits")
    for name in ("absent.fits", "text.fits", "flat.fits"):
        with pytest.raises(DatasetError, match=name):
            png_plane(tmp_path / name, 0, tmp_path / "p.png")
    for name in ("no-such-folder/p.png", "p.nosuchformat"):
        with pytest.raises(DatasetError, match="the picture cannot be written"):
            png_plane(cube[0], 0, tmp_path / name)
