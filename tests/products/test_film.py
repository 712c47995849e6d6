"""Cubes as they are read for films, their colours, and the films themselves; the page in a browser: test_film_page."""

import itertools
import re
import sys

import cubes
import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from pipeline.errors import ConfigError, DatasetError
from pipeline.products.film import frames
from pipeline.products.film.colours import (
    PlaneStatistics,
    colour_range,
    given_range,
    plane_statistics,
)
from pipeline.products.film.imagecube import ImageCube
from pipeline.products.film.make import make_film
from pipeline.products.film.page import BLANK, page_bytes, quantise
from pipeline.products.film.settings import FilmSettings, chosen
from pipeline.products.film.skyfigure import SkyView, colour_norm


@pytest.fixture
def cube(tmp_path):
    """Give a cube's path and pixels."""
    return tmp_path / "c.fits", cubes.write(tmp_path / "c.fits")


def test_levels_are_within_half_a_step_and_blank_stays_blank():
    plane = np.random.default_rng(2).normal(size=(33, 17)) * 1e-3
    plane[3, 4], plane[5, 6], plane[7, 8] = np.nan, np.inf, -np.inf
    levels = quantise(plane)
    finite = np.isfinite(plane)
    assert (levels.levels == BLANK).sum() == 3
    assert (levels.levels[~finite] == BLANK).all()
    values = levels.offset + levels.levels[finite].astype(float) * levels.step
    extent = plane[finite].max() - plane[finite].min()
    assert np.abs(values - plane[finite]).max() <= extent / 131068 * (1 + 1e-9)


@pytest.mark.filterwarnings("error")
def test_levels_of_an_even_and_of_a_blank_plane():
    even = quantise(np.full((3, 5), 0.25))
    assert (even.offset + even.levels * even.step == 0.25).all()
    assert (quantise(np.full((3, 5), np.nan)).levels == BLANK).all()


def test_planes_and_spectra_are_those_of_the_file(cube):
    path, data = cube
    with ImageCube(path) as opened:
        assert (opened.n_planes, opened.shape, opened.stokes) == (cubes.N_PLANES, (cubes.N_Y, cubes.N_X), ("I", "V"))
        np.testing.assert_allclose(opened.frequency_hz, cubes.frequency_hz(), rtol=1e-14)
        for stokes, letter in enumerate("IV"):
            np.testing.assert_array_equal(opened.plane(4, letter), data[stokes, 4])
            np.testing.assert_array_equal(opened.spectrum(12, 31, letter), data[stokes, :, 31, 12])
        assert np.degrees(opened.beams[2].major_rad) == pytest.approx(0.3)


def test_beams_come_from_their_table_and_blank_planes_have_none(tmp_path):
    cubes.write(tmp_path / "c.fits")
    major = [3600.0, 1800.0, np.nan, 0.0, 900.0, 900.0, 900.0]
    columns = [fits.Column(name, "1E", "arcsec", array=major) for name in ("BMAJ", "BMIN")]
    columns += [fits.Column("BPA", "1E", "deg", array=np.arange(7.0)), fits.Column("CHAN", "1J", array=range(7))]
    fits.append(tmp_path / "c.fits", *_table(columns))
    with ImageCube(tmp_path / "c.fits") as opened:
        assert [beam is None for beam in opened.beams] == [False, False, True, True, False, False, False]
        assert np.degrees(opened.beams[1].major_rad) == pytest.approx(0.5)
        assert np.degrees(opened.beams[1].angle_rad) == pytest.approx(1.0)
    make_film(tmp_path / "c.fits", tmp_path / "c.html", FilmSettings())


def _table(columns):
    table = fits.BinTableHDU.from_columns(columns, name="BEAMS")
    return table.data, table.header


@pytest.mark.parametrize("order", [(2, 1, 3, 0), (3, 0, 2, 1), (1, 0, 3, 2), (0, 2, 3, 1)])
def test_axes_may_come_in_any_order(tmp_path, order):
    # `order`: which of (stokes, frequency, y, x) each axis of the array is.
    data, header = cubes.pixels(), cubes.header()
    turned = fits.Header({key: header[key] for key in ("RADESYS", "BUNIT")})
    for axis, old in enumerate(order[::-1], start=1):
        for key in ("CTYPE", "CRPIX", "CRVAL", "CDELT", "CUNIT"):
            turned[f"{key}{axis}"] = header[f"{key}{4 - old}"]
    fits.PrimaryHDU(np.transpose(data, order), turned).writeto(tmp_path / "t.fits")
    with ImageCube(tmp_path / "t.fits") as opened:
        np.testing.assert_array_equal(opened.plane(5, "V"), data[1, 5])
        np.testing.assert_array_equal(opened.spectrum(2, 30, "V"), data[1, :, 30, 2])
        np.testing.assert_allclose(opened.frequency_hz, cubes.frequency_hz(), rtol=1e-14)
        y, x = opened.sky.world_to_pixel_values(359.9, -27.3)[::-1]
        assert (x, y) == pytest.approx((19.25, 16))


def test_north_is_where_declination_grows(tmp_path):
    cubes.write(tmp_path / "c.fits", rotation=33.0)
    with ImageCube(tmp_path / "c.fits") as opened:
        view = SkyView.of(opened)
        ra, dec = opened.sky.pixel_to_world_values(19.25, 16)
        x, y = opened.sky.world_to_pixel_values(ra, dec + 1e-3)
        assert view.north_deg == pytest.approx(np.degrees(np.arctan2(y - 16, x - 19.25)), abs=1e-3)
        assert view.handed == 1


def test_the_range_runs_from_the_scatter_to_the_peak():
    random = np.random.default_rng(3)
    plane = random.normal(scale=0.01, size=(300, 300))
    plane[7, 9], plane[0, 0] = 5.0, np.nan
    found = colour_range([plane_statistics(plane), None])
    # The scatter of 90,000 normal numbers is known to 1 %.
    assert found.low == pytest.approx(-0.04, rel=0.02)
    assert (found.high, found.width) == (5.0, -found.low)
    assert colour_range([PlaneStatistics(-7.0, 1.0, 0.1)]).low == -7.0
    assert colour_range([None]).low < colour_range([None]).high
    norm = colour_norm(found, "asinh")
    assert float(norm(found.low)) == pytest.approx(0, abs=1e-12)
    assert float(norm(found.high)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "planes"),
    [("", range(7)), ("2", [2]), ("1:3", [1, 2]), ("::3", [0, 3, 6]), ("4:1:-2", [4, 2]), ("-1", [6])],
)
def test_planes_are_chosen_as_python_slices(text, planes):
    assert list(chosen(text, 7, "planes")) == list(planes)


def test_a_page_holds_nothing_that_loads_and_is_no_larger_than_said(cube, tmp_path):
    fits.setval(cube[0], "BUNIT", value="Jy</script>")
    made = make_film(cube[0], tmp_path / "c.html", FilmSettings())
    text = made.path.read_text(encoding="utf-8")
    assert made.n_bytes == made.path.stat().st_size <= page_bytes(cubes.N_PLANES, (cubes.N_Y, cubes.N_X), 1)
    assert re.findall(r"https?://\S+", text.replace("http://www.w3.org/2000/svg", "")) == []
    assert re.findall(r"\b(?:src|href)\s*=|@import|url\(|fetch\(|XMLHttp|import\(", text) == []
    assert "default-src 'none'" in text
    # The object's name, markup and all, stands there as a name.
    assert text.count("</script>") == text.count("<script") == cubes.N_PLANES + 2
    assert "a &lt;b&gt; &amp; &lt;/script&gt; @planes@" in text
    assert not [entry for entry in tmp_path.iterdir() if "partial" in entry.name]


def frame_box(frame, reference):
    """Return where a frame differs from another: rows and columns, first and last."""
    rows, columns = np.nonzero((frame != reference).any(axis=2))
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_frames_change_in_the_picture_and_the_title_alone(tmp_path):
    data = np.zeros((2, cubes.N_PLANES, cubes.N_Y, cubes.N_X), np.float32)
    data[0, 1, 30, 40] = data[0, 2, 20, 4] = 1.0
    data[0, 3] = np.nan
    cubes.write(tmp_path / "c.fits", data)
    with ImageCube(tmp_path / "c.fits") as opened:
        painter = frames.FramePainter(opened, FilmSettings(scale="linear"), colour_range([PlaneStatistics(-1, 1, 0)]))
        drawn = [painter.frame(index) for index in range(4)]
    assert all(frame.shape == drawn[0].shape and frame.dtype == np.uint8 for frame in drawn)
    assert drawn[0].shape[0] % 2 == drawn[0].shape[1] % 2 == 0
    box = painter.axes.get_window_extent()
    left, right, top = box.x0, box.x1, drawn[0].shape[0] - box.y1
    title = int(top)
    for frame, (row, column) in ((drawn[1], (30, 40)), (drawn[2], (20, 4))):
        first, last, west, east = frame_box(frame[title:], drawn[0][title:])
        x = ((west + east) / 2 - left) / (right - left) * cubes.N_X - 0.5
        y = cubes.N_Y - 0.5 - ((first + last) / 2) / (box.y1 - box.y0) * cubes.N_Y
        assert (x, y) == pytest.approx((column, row), abs=0.3)
    # A blank plane is grey, and says so; its middle is the notice's.
    grey = drawn[3][int(top + 20) : int(top + 60), int(left + 30) : int(left + 60)]
    assert (np.median(grey, axis=(0, 1)) == 127).all() or (np.median(grey, axis=(0, 1)) == 128).all()


def test_a_gif_has_a_frame_for_each_plane(cube, tmp_path):
    made = make_film(cube[0], tmp_path / "c.gif", FilmSettings(planes="1:4", fps=4))
    with Image.open(made.path) as image:
        assert (made.n_planes, image.n_frames, image.info["duration"], image.info["loop"]) == (3, 3, 250, 0)
        shown = []
        for index in range(3):
            image.seek(index)
            shown.append(np.asarray(image.convert("RGB")))
    assert all((a != b).any() for a, b in itertools.pairwise(shown))


def test_an_mp4_is_one_that_every_player_takes(cube, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs the extra film")
    made = make_film(cube[0], tmp_path / "c.mp4", FilmSettings(planes="::2", fps=2.5))
    reader = ffmpeg.read_frames(str(made.path))
    about = next(reader)
    assert (about["codec"], about["fps"]) == ("h264", 2.5)
    assert about["pix_fmt"].startswith("yuv420p")
    with ImageCube(cube[0]) as opened:
        measured = [plane_statistics(opened.plane(index)) for index in (0, 2, 4, 6)]
        painter = frames.FramePainter(opened, FilmSettings(), colour_range(measured))
        width, height = about["size"]
        found = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]
        assert len(found) == made.n_planes == 4
        # Colours are thinned twofold and compressed: like, not equal.
        for index, frame in zip((0, 2, 4, 6), found, strict=True):
            assert np.abs(frame.astype(float) - painter.frame(index)).mean() < 5


def bad_cubes(folder):
    """Write what is no cube; give (file name, what is said of it)."""
    (folder / "text.fits").write_text("no cube")
    fits.PrimaryHDU().writeto(folder / "empty.fits")
    fits.PrimaryHDU(np.zeros((3, 4, 5), np.float32)).writeto(folder / "plain.fits")
    whole = folder / "whole.fits"
    cubes.write(whole)
    (folder / "short.fits").write_bytes(whole.read_bytes()[:-9000])
    header = cubes.header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    fits.PrimaryHDU(cubes.pixels(), header).writeto(folder / "tan.fits")
    header["CTYPE3"] = "VELO"
    header["CUNIT3"] = "m/s"
    fits.PrimaryHDU(cubes.pixels(), header).writeto(folder / "velocity.fits")
    header = cubes.header()
    header["CTYPE4"] = "TIME"
    fits.PrimaryHDU(cubes.pixels(), header).writeto(folder / "time.fits")
    return {
        "absent": "not a FITS cube that can be read",
        "text": "not a FITS cube that can be read",
        "empty": "its first HDU holds no image",
        "plain": "no cube on the sky",
        "short": "[0-9]+ of [0-9]+ bytes are there: the file was cut short",
        "tan": "its projection is RA---TAN and DEC--TAN",
        "velocity": "no cube on the sky, its axes are RA---TAN, DEC--TAN, VELO, STOKES",
        "time": r"axis 4 \(TIME\) has 2 pixels, not 1",
    }


def test_what_is_no_cube_is_refused(tmp_path):
    for name, message in bad_cubes(tmp_path).items():
        with pytest.raises(DatasetError, match=f"{name}.fits: {message}"):
            make_film(tmp_path / f"{name}.fits", tmp_path / "c.html", FilmSettings())
    assert not list(tmp_path.glob("*.html")) + list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("c.avi", {}, r"a film ends in .html, .mp4, .gif"),
        ("c.html", {"planes": "7:9"}, "--planes: '7:9' holds none of the planes 0 to 6"),
        ("c.html", {"planes": "a:b"}, "--planes: 'a:b' is no slice"),
        ("c.html", {"stokes": "Q"}, r"no plane 0 of Stokes Q; it holds planes 0 to 6 of \['I', 'V'\]"),
        ("c.gif", {"stride": 2}, "--stride is for pages"),
        ("c.gif", {"fps": 55}, "--fps: 55 is more than a GIF can"),
        (
            "c.html",
            {"max_bytes": 2.1e5},
            r"its page would be 0.2 MB, above --max-size of 0.21 MB: .*--stride 3 .*--max-size '1 MB'",
        ),
        ("c.html", {"fps": 0}, "--fps: 0 lies outside"),
        ("c.html", {"stride": 0}, "--stride: 0"),
        ("c.html", {"colours": "jet"}, "--colours: 'jet' is not known"),
        ("c.html", {"ends": (0, 1), "per_plane": True}, "exclude each other"),
        ("there.html", {}, "there.html exists; choose another, or pass --overwrite"),
        ("no/c.html", {}, "there is no folder"),
        ("folder.gif", {}, "is a folder"),
    ],
)
def test_bad_wishes_are_refused_and_nothing_is_lost(cube, tmp_path, name, settings, message):
    (tmp_path / "there.html").write_text("precious")
    (tmp_path / "folder.gif").mkdir()
    before = sorted(entry.name for entry in tmp_path.iterdir())
    with pytest.raises((ConfigError, DatasetError), match=message):
        make_film(cube[0], tmp_path / name, FilmSettings(**settings))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == before
    assert (tmp_path / "there.html").read_text() == "precious"


@pytest.mark.parametrize("text", ["1", "2,1", "a,b", "nan,1", "0,inf", "1,1"])
def test_a_range_is_two_numbers_the_lower_first(text):
    with pytest.raises(ConfigError, match="--range"):
        given_range(text)
    assert given_range("-0.5,2") == (-0.5, 2.0)


def test_without_ffmpeg_the_extra_is_named(cube, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ConfigError, match=r"pip install 'dawnstream\[film\]'"):
        make_film(cube[0], tmp_path / "c.mp4", FilmSettings())
