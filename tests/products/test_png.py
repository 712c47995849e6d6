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


def test_the_source_is_bright_to_the_right_of_the_middle(cube, tmp_path):
    png_plane(cube[0], 1, tmp_path / "p.png", dpi=100)
    picture = imread(tmp_path / "p.png")[..., :3].sum(axis=2)
    assert picture.shape[0] > 600
    # The figure's paper is white: look at the colours inside the frame only, left of the colour bar.
    sky = picture[100:-120, 80:-200].copy()
    sky[sky > 2.9] = 0
    y, x = np.unravel_index(sky.argmax(), sky.shape)
    assert 0.6 < x / sky.shape[1] < 0.95
    assert 0.35 < y / sky.shape[0] < 0.65


def test_marks_are_drawn_if_they_lie_in_the_image(cube, tmp_path):
    path, mark = cube
    png_plane(path, 0, tmp_path / "bare.png", dpi=50)
    png_plane(path, 0, tmp_path / "far.png", dpi=50, marks=[Mark("far", 0.0, 1.0)])
    png_plane(path, 0, tmp_path / "marked.png", dpi=50, marks=[mark])
    bare, far, marked = (imread(tmp_path / f"{name}.png") for name in ("bare", "far", "marked"))
    np.testing.assert_array_equal(bare, far)
    assert (bare != marked).any()


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
