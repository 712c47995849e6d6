"""The page of a cube, in a real browser: what it shows against the cube and astropy's coordinates."""

from __future__ import annotations

import re

import browser
import cubes
import numpy as np
import pytest
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from pipeline.products.film.make import make_film
from pipeline.products.film.settings import FilmSettings

pytestmark = pytest.mark.skipif(browser.PROGRAM is None, reason="needs Chromium: apt-get install chromium")

#: Moves the mouse over the picture and reports what the page says, and the colours there.
STEPS = """
const picture = document.getElementById("picture"), slider = document.getElementById("slider");
const at = (kind, x, y, more = {}) => {
  const box = picture.getBoundingClientRect();
  const place = { clientX: box.left + x, clientY: box.top + y, bubbles: true, pointerId: 1, cancelable: true };
  picture.dispatchEvent(new (kind === "wheel" ? WheelEvent : PointerEvent)(kind, { ...place, ...more }));
};
const colour = (x, y) => {
  const fx = picture.width / picture.clientWidth, fy = picture.height / picture.clientHeight;
  return [...picture.getContext("2d").getImageData(Math.floor(x * fx), Math.floor(y * fy), 1, 1).data].slice(0, 3);
};
const read = () => ({ ra: text("ra"), dec: text("dec"), value: text("value"), pixel: text("pixel") });
const slide = (k) => { slider.value = k; slider.dispatchEvent(new Event("input")); };
const press = (key, target = document.body, more = {}) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
const spectrum = () => [...document.querySelectorAll("#spectrum title")].map((title) => title.textContent);
const shown = () => text("frequency");
const [w, h] = [picture.clientWidth, picture.clientHeight];
const seen = { w, h, max: slider.max, first: shown(), chosen: text("where"), under: [], planes: [] };
document.getElementById("grid").click();
slide(seen.max);
for (let i = 0; i < 49; i++) {
  const [x, y] = [(0.27 + 0.46 * (i % 7) / 6) * w, (0.04 + 0.92 * Math.floor(i / 7) / 6) * h];
  at("pointermove", x, y);
  seen.under.push({ x, y, ...read(), colour: colour(x, y) });
}
// Wheels turn at whole pixels of the screen.
const box = picture.getBoundingClientRect();
const [wx, wy] = [Math.round(box.left + 0.4 * w) - box.left, Math.round(box.top + 0.3 * h) - box.top];
at("wheel", wx, wy, { deltaY: -900 });
at("pointermove", wx, wy);
seen.zoomed = { x: wx, y: wy, ...read(), moved: picture.classList.contains("zoomed") };
press("0");
for (let k = 0; k <= +slider.max; k++) {
  slide(k);
  at("pointermove", 0.31 * w, 0.12 * h);
  seen.planes.push({ shown: shown(), label: slider.getAttribute("aria-valuetext"), ...read() });
}
at("pointerdown", 0.62 * w, 0.9 * h);
at("pointerup", 0.62 * w, 0.9 * h);
seen.where = text("where");
seen.spectrum = spectrum();
picture.focus();
press("ArrowLeft", picture);
press("ArrowUp", picture, { shiftKey: true });
seen.moved = text("where");
picture.blur();
seen.keys = ["Home", "ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowRight"].map((key) => (press(key), shown()));
press(" ");
await sleep(900);
press(" ");
seen.played = shown();
await sleep(900);
seen.paused = shown();
seen.ticks = [...document.querySelectorAll("#barticks span")].map((tick) => tick.textContent);
seen.caption = document.querySelector("#bar").parentElement.textContent.trim();
return seen;
"""

CASES = {
    "south pole": {"dec": -88.9, "lonpole": 180.0},
    "turned": {"dec": 41.0, "lonpole": 155.0, "rotation": 33.0, "cell": 0.5},
    "north pole": {"dec": 90.0},
}


@pytest.fixture(scope="module", params=CASES)
def visited(request, tmp_path_factory):
    """Give a cube's pixels, its WCS, and what the page said."""
    folder = tmp_path_factory.mktemp("p")
    data = cubes.write(folder / "c.fits", **CASES[request.param])
    make_film(folder / "c.fits", folder / "c.html", FilmSettings(stokes="V", fps=5, colours="viridis"))
    wcs = WCS(fits.getheader(folder / "c.fits"), fix=False).celestial
    return data[1], wcs, browser.visit(folder / "c.html", folder, STEPS)


def under_mouse(seen, x, y):
    """Return the pixel (x, y), fractions included, that a picture fitted into its canvas has there."""
    zoom = min(seen["w"] / cubes.N_X, seen["h"] / cubes.N_Y)
    return (x - seen["w"] / 2) / zoom + (cubes.N_X - 1) / 2, (seen["h"] / 2 - y) / zoom + (cubes.N_Y - 1) / 2


def pixel_of(wcs, answer):
    """Return the pixel of the coordinates that the page shows."""
    place = SkyCoord(
        Angle(answer["ra"]),
        Angle(answer["dec"].translate({0x2212: "-", 0xB0: "d", 0x2032: "m", 0x2033: "s"})),
    )
    return wcs.world_to_pixel_values(place.ra.deg, place.dec.deg)


def half_step(plane):
    """Return the error that levels leave, and that of six digits."""
    return float(np.nanmax(plane) - np.nanmin(plane)) / 131068 + 5e-6 * float(np.nanmax(np.abs(plane)))


def number(text):
    return np.nan if text == "no data" else float(text.replace(" Jy/beam", ""))


def test_coordinates_under_the_mouse_are_those_of_astropy(visited):
    _, wcs, seen = visited
    assert seen["zoomed"]["moved"]
    for answer in (*seen["under"], seen["zoomed"]):
        expected = under_mouse(seen, answer["x"], answer["y"])
        np.testing.assert_allclose(pixel_of(wcs, answer), expected, atol=0.01)


def colour_index(data, value):
    """Return which of 256 colours a value has: asinh, from the scatter to the peak of all planes."""
    planes = [plane[np.isfinite(plane)].astype(float) for plane in data if np.isfinite(plane).any()]
    width = 4 * np.median([1.4826 * np.median(np.abs(plane - np.median(plane))) for plane in planes])
    least, largest = min(plane.min() for plane in planes), max(plane.max() for plane in planes)
    peak = max(-least, largest)
    low, high, place = (np.arcsinh(v / width) for v in (-peak if -least > largest else -width, peak, value))
    return np.clip((place - low) / (high - low), 0, 1) * 256


def test_values_and_colours_under_the_mouse_are_those_of_the_pixel(visited):
    data, _, seen = visited
    from matplotlib import colormaps

    table = np.rint(colormaps["viridis"](np.arange(256))[:, :3] * 255)
    n_blank = 0
    for answer in seen["under"]:
        column, row = (round(pixel) for pixel in under_mouse(seen, answer["x"], answer["y"]))
        assert answer["pixel"] == f"{column}, {row}"
        value = data[-1, row, column]
        assert number(answer["value"]) == pytest.approx(value, abs=half_step(data[-1]), nan_ok=True)
        if np.isnan(value):
            n_blank += 1
            assert answer["colour"] in ([128] * 3, [112] * 3)
            continue
        nearest = np.abs(table - answer["colour"]).sum(axis=1)
        assert nearest.min() == 0
        assert nearest.argmin() == pytest.approx(colour_index(data, value) - 0.5, abs=1)
    assert 0 < n_blank < 5


def test_the_slider_shows_each_plane_and_says_which_is_blank(visited):
    data, _, seen = visited
    assert int(seen["max"]) == cubes.N_PLANES - 1
    column, row = (round(pixel) for pixel in under_mouse(seen, 0.31 * seen["w"], 0.12 * seen["h"]))
    for index, answer in enumerate(seen["planes"]):
        megahertz = f"{cubes.frequency_hz()[index] / 1e6:.4f} MHz"
        blank = index == cubes.BLANK_PLANE
        assert answer["shown"] == f"{megahertz}  ({index + 1} of {cubes.N_PLANES}){', no data' if blank else ''}"
        assert answer["label"] == megahertz + (", no data" if blank else "")
        expected = np.nan if blank else data[index, row, column]
        assert number(answer["value"]) == pytest.approx(
            expected, abs=half_step(data[index]) if not blank else 0, nan_ok=True
        )


def test_a_clicked_spectrum_is_that_of_the_cube(visited):
    data, _, seen = visited
    column, row = (round(pixel) for pixel in under_mouse(seen, 0.62 * seen["w"], 0.9 * seen["h"]))
    assert seen["where"].startswith(f"pixel {column}, {row}, ")
    assert seen["moved"].startswith(f"pixel {column - 1}, {row + 10}, ")
    assert len(seen["spectrum"]) == cubes.N_PLANES
    for index, entry in enumerate(seen["spectrum"]):
        megahertz, value = re.fullmatch(r"(\S+) MHz: (.+)", entry).groups()
        assert float(megahertz) == pytest.approx(cubes.frequency_hz()[index] / 1e6, abs=1e-6)
        blank = index == cubes.BLANK_PLANE
        expected = data[index, row, column]
        assert number(value) == pytest.approx(expected, abs=0 if blank else half_step(data[index]), nan_ok=True)


def test_the_brightest_pixel_is_chosen_at_first(visited):
    data, _, seen = visited
    row, column = np.unravel_index(np.nanargmax(data[0]), data[0].shape)
    assert seen["chosen"].startswith(f"pixel {column}, {row}, ")


def test_keys_step_and_play(visited):
    *_, seen = visited
    place = [int(re.search(r"\((\d+) of", text)[1]) for text in (*seen["keys"], seen["played"], seen["paused"])]
    # From the last plane it goes on with the first; then five planes a second, for 0.9 s, and none any more.
    assert place[:6] == [1, 2, 3, 2, 7, 1]
    assert place[6] in (5, 6)
    assert place[7] == place[6]


def test_the_colour_scale_has_ticks_and_a_unit(visited):
    *_, seen = visited
    assert "0" in seen["ticks"]
    assert len(seen["ticks"]) >= 3
    assert "brightness [Jy/beam]" in seen["caption"]


def test_a_thinned_page_keeps_pixels_and_their_coordinates(tmp_path):
    data = cubes.write(tmp_path / "c.fits", **CASES["turned"])[0]
    make_film(tmp_path / "c.fits", tmp_path / "c.html", FilmSettings(stride=5, planes="4:1:-1"))
    steps = STEPS[: STEPS.index("// Wheels")] + "return { ...seen, spectrum: spectrum() };"
    seen = browser.visit(tmp_path / "c.html", tmp_path, steps, size=(420, 800))
    wcs = WCS(fits.getheader(tmp_path / "c.fits"), fix=False).celestial
    assert seen["max"] == "2"
    # The reference pixel, 19.25 and 16 from 0, is kept.
    columns, rows = range(19 % 5, cubes.N_X, 5), range(16 % 5, cubes.N_Y, 5)
    zoom = min(seen["w"] / len(columns), seen["h"] / len(rows))
    n_inside = 0
    for answer in seen["under"]:
        x = (answer["x"] - seen["w"] / 2) / zoom + (len(columns) - 1) / 2
        y = (seen["h"] / 2 - answer["y"]) / zoom + (len(rows) - 1) / 2
        np.testing.assert_allclose(pixel_of(wcs, answer), (columns[0] + 5 * x, rows[0] + 5 * y), atol=0.05)
        if 0 <= round(x) < len(columns) and 0 <= round(y) < len(rows):
            column, row = columns[round(x)], rows[round(y)]
            assert answer["pixel"] == f"{column}, {row}"
            assert number(answer["value"]) == pytest.approx(data[2, row, column], abs=half_step(data[2]), nan_ok=True)
            n_inside += 1
    assert n_inside > 10
    assert [entry.split()[0] for entry in seen["spectrum"]] == ["150.900000", "150.700000", "150.500000"]


def test_a_cube_of_one_blank_plane_is_shown_as_such(tmp_path):
    fits.PrimaryHDU(np.full((1, 1, 8, 9), np.nan, np.float32), cubes.header()).writeto(tmp_path / "c.fits")
    make_film(tmp_path / "c.fits", tmp_path / "c.html", FilmSettings())
    steps = """
    return { shown: text("frequency"), where: text("where"), value: text("value"),
             spectrum: [...document.querySelectorAll("#spectrum title")].map((title) => title.textContent) };
    """
    seen = browser.visit(tmp_path / "c.html", tmp_path, steps)
    assert seen["shown"] == "150.1000 MHz  (1 of 1), no data"
    assert (seen["value"], seen["spectrum"]) == ("no data", ["150.100000 MHz: no data"])
    assert seen["where"].startswith("pixel 4, 4, ")
