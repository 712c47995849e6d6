"""The beam's fit, on Gaussians whose widths are known."""

import math

import numpy as np
import oracle
import pytest

from pipeline.products.beam import fit_beam
from pipeline.products.image import image_band
from pipeline.products.settings import ImageSettings

CELL = 3e-4


def gaussian(shape, major, minor, angle):
    """Return a Gaussian of these widths at half maximum, pixels; angle north (up) through east (left)."""
    y, x = np.indices(shape)
    north, east = y - shape[0] // 2, -(x - shape[1] // 2)
    along = north * math.cos(angle) + east * math.sin(angle)
    across = -north * math.sin(angle) + east * math.cos(angle)
    return 2.0 ** -((2 * along / major) ** 2 + (2 * across / minor) ** 2)


def check(beam, major, minor, angle, tolerance):
    assert beam.major_rad / CELL == pytest.approx(major, rel=tolerance)
    assert beam.minor_rad / CELL == pytest.approx(minor, rel=tolerance)
    turned = (beam.angle_rad - angle + math.pi / 2) % math.pi - math.pi / 2
    assert abs(turned) < 2 * tolerance / (major / minor - 1)
    assert 0 <= beam.angle_rad < math.pi


@pytest.mark.parametrize("shape", [(64, 64), (63, 63), (257, 257)])
@pytest.mark.parametrize(
    ("major", "minor", "degrees"),
    [(5.0, 3.5, 30), (7.3, 3.0, 120), (4.0, 2.6, 0), (4.0, 2.6, 90), (9.0, 8.0, 179), (12.0, 4.0, 75)],
)
def test_a_gaussian_is_found_again(shape, major, minor, degrees):
    beam = fit_beam(gaussian(shape, major, minor, math.radians(degrees)), CELL)
    # The interpolation's Lanczos kernel is good to a few thousandths for a lobe of three pixels.
    check(beam, major, minor, math.radians(degrees), 5e-3)


@pytest.mark.parametrize(("major", "minor"), [(40.0, 35.0), (150.0, 90.0)])
def test_a_wide_lobe_too(major, minor):
    check(fit_beam(gaussian((512, 512), major, minor, 0.6), CELL), major, minor, 0.6, 1e-3)


def test_a_narrow_lobe_still_has_a_width():
    beam = fit_beam(gaussian((64, 64), 2.2, 2.0, 0.6), CELL)
    assert beam.major_rad / CELL == pytest.approx(2.2, rel=0.1)


def test_sidelobes_and_far_peaks_do_not_count():
    psf = gaussian((128, 128), 6.0, 4.0, 0.3)
    psf += 0.9 * np.roll(psf, (20, 11), (0, 1)) + 0.9 * np.roll(psf, (-20, -11), (0, 1))
    check(fit_beam(psf, CELL), 6.0, 4.0, 0.3, 5e-3)


@pytest.mark.parametrize("psf", [np.ones((64, 64)), np.tile(gaussian((1, 64), 5, 5, 0), (64, 1)), np.ones((2, 2))])
def test_no_lobe_no_beam(psf):
    assert fit_beam(psf, CELL) is None


def test_a_gaussian_taper_in_uv_makes_the_gaussian_its_transform_is():
    # Baselines on a fine, even uv grid with weights exp(-(u^2/a^2 + v^2/b^2)): the point-spread function is
    # exp(-pi^2 (a^2 l^2 + b^2 m^2)), of full width at half maximum 2 sqrt(ln 2) / (pi a).
    a, b, hz = 300.0, 200.0, oracle.C  # one wavelength is 1 m
    u, v = (axis.ravel() for axis in np.meshgrid(*2 * [np.arange(-42, 43) * 20.0]))
    stations = np.concatenate([[[0.0, 0.0, 0.0]], -np.stack([u, v, 0 * u], 1)])
    pairs = np.stack([np.zeros(u.size, np.int32), np.arange(1, u.size + 1, dtype=np.int32)], 1)
    header = oracle.Header(np.array([hz]), pairs)
    weight = np.exp(-((u / a) ** 2) - (v / b) ** 2).astype(np.float32)[None, None]
    vis = np.ones((1, 1, u.size, 4), np.complex64)
    block = oracle.Block(np.zeros(1, int), np.array([[60000.0, 0.5]]), stations[None], weight, vis)
    image = image_band(oracle.FakeBand(header, [block]).open, ImageSettings(size=100, cell_rad=CELL))
    width = 2 * math.sqrt(math.log(2)) / math.pi / CELL
    check(image.beam, width / b, width / a, 0.0, 1e-3)
