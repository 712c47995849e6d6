"""FITS images and cubes as skies: positions, flux densities, frequencies, and what is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from diffuse_images import CELL_DEG, CENTRE, frequency_axis, load, one_bright, write
from scipy.constants import c as light_m_s
from scipy.constants import k as boltzmann

from pipeline.errors import ConfigError


def coordinates(sky):
    return SkyCoord(sky.ra_rad, sky.dec_rad, unit="rad")


def test_a_bright_pixel_is_where_the_sky_has_it(tmp_path):
    # Two columns to the left of the reference pixel is east, three rows above it north.
    sky, notes = load(write(tmp_path / "one.fits", one_bright((7, 5), 5, 1)))
    east, north = 2 * np.radians(CELL_DEG), 3 * np.radians(CELL_DEG)
    latitude = np.arcsin(north)
    longitude = np.arcsin(east / np.cos(latitude))
    expected = SkyCoord(longitude, latitude, unit="rad", frame=CENTRE.skyoffset_frame()).icrs
    assert coordinates(sky).separation(expected).max() < 1e-12 * units.rad
    assert coordinates(sky).ra[0] > CENTRE.ra
    assert coordinates(sky).dec[0] > CENTRE.dec
    np.testing.assert_array_equal(sky.stokes_at(150e6), [[2.5, 0, 0, 0]])
    assert sky.label(0) == "one.fits pixel 2, 6"
    assert notes == ["one.fits: 34 of 35 pixels are zero in every plane used and are left out"]


def test_latitude_first(tmp_path):
    path = tmp_path / "turned.fits"
    write(path, one_bright((5, 7), 1, 5), ctype=("DEC--SIN", "RA---SIN"))
    with fits.open(path, mode="update") as hdus:
        hdus[0].header.update({"CRVAL1": -27.0, "CRVAL2": 31.0, "CDELT1": CELL_DEG, "CDELT2": -CELL_DEG})
        hdus[0].header.update({"CRPIX1": 3.0, "CRPIX2": 4.0})
    expected, _ = load(write(tmp_path / "one.fits", one_bright((7, 5), 5, 1)))
    sky, _ = load(path)
    assert coordinates(sky).separation(coordinates(expected)).max() < 1e-13 * units.rad


@pytest.mark.parametrize("frame", ["galactic", "fk5"])
def test_other_frames(tmp_path, frame):
    # At the reference pixel, of an equinox of its own for FK5.
    names = {"galactic": ("GLON-TAN", "GLAT-TAN"), "fk5": ("RA---TAN", "DEC--TAN")}[frame]
    more = {"RADESYS": "FK5", "EQUINOX": 1975.0} if frame == "fk5" else {}
    sky, _ = load(write(tmp_path / "one.fits", one_bright((7, 5), 2, 3), ctype=names, more=more))
    own = {"galactic": {"frame": "galactic"}, "fk5": {"frame": "fk5", "equinox": "J1975"}}[frame]
    expected = SkyCoord(31.0, -27.0, unit="deg", **own).icrs
    assert coordinates(sky).separation(expected).max() < 1e-12 * units.rad
    assert coordinates(sky).separation(CENTRE).max() > 1e-3 * units.rad


def test_galactic_north_pole_by_its_definition(tmp_path):
    # Of J2000 (Reid & Brunthaler 2004, ApJ 616, 872, appendix); astropy's differs by 0.3 arcsec.
    more = {"CRVAL1": 0.0, "CRVAL2": 90.0}
    sky, _ = load(write(tmp_path / "one.fits", one_bright((7, 5), 2, 3), ctype=("GLON-TAN", "GLAT-TAN"), more=more))
    assert coordinates(sky).separation(SkyCoord("12h51m26.282s", "27d07m42.01s")).max() < 0.5 * units.arcsec


def test_a_gaussian_in_kelvin_has_its_integral(tmp_path):
    # T = n T0 exp(-(l^2 + m^2) / 2 s^2) on cells of dl dm / n: the sum is that of a Gaussian on a plane, which for 3
    # cells to s is its integral to exp(-2 pi^2 3^2), and the image ends at 8 s.
    n_pixels, sigma, peak_k = 51, 3.0, 1800.0
    offset = (np.arange(n_pixels) - 25) * np.radians(CELL_DEG)
    m, l = np.meshgrid(offset, -offset, indexing="ij")  # noqa: E741
    s = sigma * np.radians(CELL_DEG)
    data = peak_k * np.sqrt(1 - l**2 - m**2) * np.exp(-(l**2 + m**2) / (2 * s**2))
    path = write(tmp_path / "gauss.fits", data, "K", more={"CRPIX1": 26.0, "CRPIX2": 26.0})
    sky, _ = load(path, reference="160 MHz", spectral_index=-0.6)
    integral_jy = 2 * boltzmann * 160e6**2 / light_m_s**2 * peak_k * 2 * np.pi * s**2 * 1e26
    # A cell's solid angle is 1 / n at its middle to a twelfth of its second derivative, 1e-6 times 1 / 12.
    assert sky.stokes_at(160e6)[:, 0].sum() == pytest.approx(integral_jy, rel=2e-7)
    assert sky.stokes_at(120e6)[:, 0].sum() == pytest.approx(integral_jy * 0.75**-0.6, rel=2e-7)


def test_one_jansky_per_steradian_over_all_the_sky_is_4_pi_jansky(tmp_path):
    # Cells of 10 degrees to both poles: their great circles tile the sphere.
    more = {"CRVAL1": 0.0, "CRVAL2": 0.0, "CRPIX1": 18.5, "CRPIX2": 9.5, "CDELT1": -10.0, "CDELT2": 10.0}
    path = write(tmp_path / "sky.fits", np.ones((18, 36)), "Jy/sr", ("RA---CAR", "DEC--CAR"), more)
    sky, notes = load(path)
    assert sky.n_sources == 18 * 36
    assert notes == []
    assert sky.stokes_at(150e6)[:, 0].sum() == pytest.approx(4 * np.pi, rel=1e-12)


def test_pixels_beyond_the_limb_are_left_out(tmp_path):
    more = {"CRPIX1": 6.0, "CRPIX2": 6.0, "CDELT1": -12.0, "CDELT2": 12.0}
    sky, notes = load(write(tmp_path / "limb.fits", np.ones((11, 11)), more=more))
    # All four corners of a pixel must be within 180 / pi degrees of the middle on the plane of the projection.
    reach = (np.abs(np.arange(11) - 5) + 0.5) * 12
    inside = np.hypot(*np.meshgrid(reach, reach)) < np.degrees(1)
    assert sky.n_sources == inside.sum()
    assert notes == [
        f"limb.fits: {(~inside).sum()} of 121 pixels lie across or beyond the edge of the projection and are left out"
    ]


PIXEL_SR = np.radians(CELL_DEG) ** 2
BEAM_SR = np.pi / 4 / np.log(2) * np.radians(0.3) * np.radians(0.2)


@pytest.mark.parametrize(
    ("unit", "jy"),
    [
        ("Jy/pixel", 1.0),
        ("JY/PIXEL", 1.0),
        ("mJy/pix", 1e-3),
        ("Jy / beam", PIXEL_SR / BEAM_SR),
        ("JY/BEAM", PIXEL_SR / BEAM_SR),
        ("uJy beam-1", 1e-6 * PIXEL_SR / BEAM_SR),
        ("mJy.beam**(-1)", 1e-3 * PIXEL_SR / BEAM_SR),
        ("MJy/sr", 1e6 * PIXEL_SR),
        ("K", 2e26 * boltzmann * (150e6 / light_m_s) ** 2 * PIXEL_SR),
        ("mK", 2e23 * boltzmann * (150e6 / light_m_s) ** 2 * PIXEL_SR),
    ],
)
def test_units_by_hand(tmp_path, unit, jy):
    path = write(tmp_path / "one.fits", one_bright((7, 5), 2, 3), unit, more={"BMAJ": 0.3, "BMIN": 0.2})
    sky, _ = load(path, reference="150 MHz")
    # The pixel on the reference point; its solid angle is cell^2 to a sixth of cell^2.
    assert sky.stokes_at(150e6)[0, 0] == pytest.approx(2.5 * jy, rel=1e-6)


def test_a_unit_where_the_file_has_none(tmp_path):
    path = write(tmp_path / "one.fits", one_bright((7, 5), 2, 3), None)
    sky, _ = load(path, unit="mJy/pixel")
    assert sky.stokes_at(150e6)[0, 0] == pytest.approx(2.5e-3)


def cube(path, values, start_hz=150e6, step_hz=10e3, unit="Jy/pixel", n_stokes=None):
    """Write a cube that has one value in each plane's pixel (3, 2) and another everywhere else."""
    values = np.asarray(values, dtype=float)
    data = np.full((len(values), 3, 5), 0.125) * values[:, None, None] + 1
    data[:, 1, 2] = values
    return write(path, data, unit, more=frequency_axis(3, start_hz, step_hz))


def bright(sky, frequency_hz):
    """Return the flux density of pixel (3, 2)."""
    labels = [sky.label(source).split("pixel ")[1] for source in range(sky.n_sources)]
    return sky.stokes_at(frequency_hz)[labels.index("3, 2"), 0]


def test_a_cube_is_interpolated_by_hand(tmp_path):
    sky, _ = load(cube(tmp_path / "cube.fits", [1.0, 3.0, -5.0, 11.0]))
    for frequency_hz, expected in [
        (150e6, 1.0),
        (150.0025e6, 1.5),
        (150.010e6, 3.0),
        (150.012e6, 0.8 * 3 - 0.2 * 5),
        (150.030e6, 11.0),
        # Within the outer half of an outer plane, that plane.
        (149.9951e6, 1.0),
        (150.0349e6, 11.0),
    ]:
        assert bright(sky, frequency_hz) == pytest.approx(expected, rel=1e-9)


def test_a_cube_of_falling_frequency(tmp_path):
    sky, _ = load(cube(tmp_path / "cube.fits", [11.0, -5.0, 3.0, 1.0], 150.030e6, -10e3))
    assert bright(sky, 150.0025e6) == pytest.approx(1.5, rel=1e-9)


def test_kelvin_become_jansky_at_the_channel(tmp_path):
    sky, _ = load(cube(tmp_path / "cube.fits", [100.0, 300.0], 140e6, 20e6, "K"))
    expected = 2e26 * boltzmann * (156e6 / light_m_s) ** 2 * PIXEL_SR * 260.0
    assert bright(sky, 156e6) == pytest.approx(expected, rel=1e-5)


def test_only_the_planes_of_the_band_are_read(tmp_path):
    # The others are blank, which is an error where it is seen.
    values = np.array([np.nan, np.nan, 7.0, 9.0, np.nan])
    path = cube(tmp_path / "cube.fits", values, 149.77e6, 100e3)
    sky, _ = load(path)
    assert bright(sky, 150.02e6) == pytest.approx(8.0, rel=1e-9)
    with pytest.raises(ConfigError, match=r"plane 5 has 15 blank pixels"):
        sky.stokes_at(150.12e6)


def test_a_rank_gets_no_planes_but_reads_them(tmp_path):
    data = np.random.default_rng(3).normal(size=(9, 40, 50)) + 10
    path = write(tmp_path / "cube.fits", data, more=frequency_axis(3, 149.98e6, 10e3))
    sky, _ = load(path)
    before = len(pickle.dumps(sky))
    expected = sky.stokes_at(150.0123e6)
    travelled = pickle.dumps(sky)
    # Two planes of 16 kB would be seen.
    assert len(travelled) == before
    np.testing.assert_array_equal(pickle.loads(travelled).stokes_at(150.0123e6), expected)


def test_stokes_planes(tmp_path):
    # Q and V, in the order of the file; IAU in, IAU out.
    data = np.zeros((2, 3, 5))
    data[0, 1, 2], data[1, 1, 2] = -0.25, 0.5
    more = {"CTYPE3": "STOKES", "CRPIX3": 1.0, "CRVAL3": 2.0, "CDELT3": 2.0}
    sky, _ = load(write(tmp_path / "qv.fits", data, more=more))
    np.testing.assert_array_equal(sky.stokes_at(150e6), [[0, -0.25, 0, 0.5]])
    assert not sky.is_unpolarised


def test_four_axes(tmp_path):
    data = np.zeros((3, 4, 3, 5))
    data[:, :, 1, 2] = np.arange(12).reshape(3, 4)
    more = {"CTYPE3": "STOKES", "CRPIX3": 1.0, "CRVAL3": 1.0, "CDELT3": 1.0, **frequency_axis(4, 149.99e6, 20e3)}
    sky, _ = load(write(tmp_path / "four.fits", data, more=more))
    np.testing.assert_allclose(sky.stokes_at(150.02e6), [np.array([0, 1, 2, 3]) + 6], rtol=1e-6)


def test_blank_pixels_as_zero(tmp_path):
    data = one_bright((3, 5), 1, 2)
    data[0, 0], data[2, 4] = np.nan, np.inf
    path = write(tmp_path / "blank.fits", data)
    sky, _ = load(path, blank="zero")
    assert sky.n_sources == 1
    sky, _ = load(path, blank="zero", zeros="keep")
    assert sky.n_sources == 15
    assert sky.stokes_at(150e6).sum() == 2.5


def test_the_frequency_of_the_header(tmp_path):
    path = write(tmp_path / "one.fits", one_bright((1, 3, 5), 0, 1, 2), more=frequency_axis(3, 100e6, 1e6))
    sky, _ = load(path, spectral_index=2.0)
    assert sky.stokes_at(200e6)[0, 0] == pytest.approx(10.0)
