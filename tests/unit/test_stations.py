"""Responses of stations against textbooks, direct sums and astropy, none of which shares code with them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from station_samples import ZENITH, C, at, somewhere

from kernels import cpu, reference
from pipeline.config.station import ApertureArrayConfig
from pipeline.errors import ConfigError
from pipeline.observation.stations.aperture_array import ApertureArray
from pipeline.observation.stations.base import Directions
from pipeline.observation.stations.dipole import Dipole
from pipeline.observation.stations.layouts import Layouts, load_layouts, ska_low_elements
from pipeline.observation.stations.scalar import Airy, Gaussian, Isotropic


def test_isotropic_stations_answer_with_one():
    response = Isotropic(5)
    assert response.is_scalar
    assert response.kind.tolist() == [0] * 5
    assert (response.respond(somewhere(7), 1e8, None) == np.ones((1, 7))).all()


@pytest.mark.parametrize(("pointing", "towards"), [("zenith", ZENITH), ("phase-centre", (0.6, 0.0, 0.8))])
def test_gaussian_power_halves_at_half_its_width(pointing, towards):
    fwhm, reference, frequency = math.radians(4.0), 150e6, 200e6
    # Along a great circle through where the beam points; the width goes as one over the frequency.
    half = fwhm * reference / frequency / 2
    angle = math.acos(towards[2]) + np.array([0.0, half, -half, 2 * half, 1e-9])
    beam = Gaussian(3, fwhm, reference, pointing)
    voltage = beam.respond(at(angle, np.pi / 2, (0.6, 0.0, 0.8)), frequency, None)
    assert voltage.shape == (1, 5)
    np.testing.assert_allclose(np.abs(voltage[0]) ** 2, [1.0, 0.5, 0.5, 1 / 16, 1.0], rtol=1e-12)


def test_gaussian_is_that_of_pyuvsim():
    # pyuvsim's sigma_type "power": exp(-za^2 / (2 sigma^2)) is the power.
    za, fwhm = np.linspace(0.0, 1.5, 13), 0.4
    sigma = fwhm / (2 * math.sqrt(2 * math.log(2)))
    voltage = Gaussian(1, fwhm, 1e8, "zenith").respond(at(za, 1.0), 1e8, None)
    np.testing.assert_allclose(voltage[0] ** 2, np.exp(-(za**2) / (2 * sigma**2)), rtol=1e-12, atol=1e-15)


def test_airy_first_null_and_half_power():
    # First zero of J1 at 3.8317059702075123, half power of (2 J1(x)/x)^2 at 1.616339948310703.
    diameter, frequency = 38.0, 150e6
    x = np.array([0.0, 1.616339948310703, 3.8317059702075123])
    za = np.arcsin(x / (np.pi * diameter * frequency / C))
    voltage = Airy(2, diameter, "zenith").respond(at(za, 2.0), frequency, None)[0]
    np.testing.assert_allclose(voltage, [1.0, math.sqrt(0.5), 0.0], atol=1e-14)


def test_airy_follows_the_phase_centre_and_sees_nothing_behind():
    centre = at(math.radians(60), 0.0).enu[0]
    beam = Airy(1, 15.0, "phase-centre")
    # 59, 60, 61 degrees to the south of the zenith lie 119 ... 121 degrees from the phase centre.
    sky = at(np.radians([60.0, 62.0, 58.0, -59.0, -61.0]), 0.0, centre)
    voltage = beam.respond(sky, 1.4e9, None)[0]
    assert voltage[0] == 1.0
    assert voltage[1] == pytest.approx(voltage[2], rel=1e-9)
    assert (voltage[3:] == 0).all()


def test_airy_is_the_integral_over_the_dish():
    # V = 2/pi int_0^pi cos(x cos t) sin^2 t dt: strips of the dish at right angles to the source's direction. The
    # trapezoidal rule is exact for all harmonics below the number of its nodes.
    za, diameter, frequency = np.linspace(0.0, 1.5, 31), 14.0, 1.7e9
    t = np.arange(2000) * np.pi / 2000
    x = np.pi * diameter * frequency / C * np.sin(za)[:, None]
    expected = 2 * np.mean(np.cos(x * np.cos(t)) * np.sin(t) ** 2, axis=-1)
    np.testing.assert_allclose(
        Airy(1, diameter, "zenith").respond(at(za, 1.0), frequency, None)[0], expected, atol=1e-13
    )


def balanis_dipole(za, az, height, length, frequency, dipole):
    """Field of a dipole along unit vector `dipole` above a conducting plane, (theta, phi) components, unnormalised.

    Two centre-fed dipoles with sinusoidal currents, the image upside down, summed with their phases; fields
    F(psi) = (cos(kl/2 cos psi) - cos(kl/2)) / sin(psi) along the dipole's own unit vector of psi.
    """
    k = 2 * np.pi * frequency / C
    s = np.array([np.sin(za) * np.sin(az), np.sin(za) * np.cos(az), np.cos(za)])
    psi = np.arccos(s @ dipole)
    towards = (s * np.cos(psi) - dipole) / np.sin(psi)  # unit vector of increasing psi
    strength = (np.cos(k * length / 2 * np.cos(psi)) - np.cos(k * length / 2)) / np.sin(psi)
    total = 0
    for sign, z in ((1, height), (-1, -height)):
        total = total + sign * np.exp(1j * k * z * s[2]) * strength * towards
    return -total


@pytest.mark.parametrize("length", [1e-4, 0.9])
def test_dipole_above_ground_is_the_textbook_one(length):
    height, frequency, rotation = 0.5, 160e6, 0.3
    dipoles = np.array([[math.sin(rotation), math.cos(rotation), 0], [math.cos(rotation), -math.sin(rotation), 0]])
    response = Dipole(1, height, length if length > 0.01 else None, rotation)
    rng = np.random.default_rng(3)
    for za, az in zip(rng.uniform(0.05, 1.5, 11), rng.uniform(0, 2 * np.pi, 11), strict=True):
        sky = at(za, az)
        east = np.cross(sky.north[0], sky.enu[0])
        field = np.array([balanis_dipole(za, az, height, length, frequency, dipole) for dipole in dipoles])
        zenith = balanis_dipole(1e-7, 0.1, height, length, frequency, dipoles[0]) @ dipoles[0]
        expected = np.stack([field @ sky.north[0], field @ east], axis=-1) / zenith
        np.testing.assert_allclose(response.respond(sky, frequency, reference)[0, 0], expected, atol=2e-7)


def test_dipole_in_free_space_projects():
    sky = somewhere(9)
    east = np.cross(sky.north, sky.enu)
    response = Dipole(1, None, None, 0.0).respond(sky, 1e8, reference)[0]
    np.testing.assert_allclose(response[:, 0], np.stack([sky.north[:, 1], east[:, 1]], -1), atol=1e-15)
    np.testing.assert_allclose(response[:, 1], np.stack([sky.north[:, 0], east[:, 0]], -1), atol=1e-15)


def test_a_quarter_turn_swaps_the_feeds():
    sky = somewhere(9)
    straight = Dipole(1, 0.3, 0.8, 0.0).respond(sky, 170e6, reference)[0]
    turned = Dipole(1, 0.3, 0.8, np.pi / 2).respond(sky, 170e6, reference)[0]
    np.testing.assert_allclose(turned[:, 0], straight[:, 1], atol=1e-15)
    np.testing.assert_allclose(turned[:, 1], -straight[:, 0], atol=1e-15)


def test_turning_sky_and_dipoles_together_changes_nothing():
    sky, angle = somewhere(9), 0.7
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    turned = Directions(sky.enu @ turn, sky.north @ turn, sky.pointing)
    np.testing.assert_allclose(
        Dipole(1, 0.3, 0.8, angle).respond(turned, 170e6, reference),
        Dipole(1, 0.3, 0.8, 0.0).respond(sky, 170e6, reference),
        atol=1e-14,
    )


def test_parallactic_rotation_is_that_of_astropy():
    """The voltages of a linearly polarised source, by position angles in astropy and fields along alt and az."""
    u = pytest.importorskip("astropy.units")
    coordinates, time, iers = (pytest.importorskip(f"astropy.{name}") for name in ("coordinates", "time", "utils.iers"))
    source = coordinates.SkyCoord([10.0, 40.0, 75.0] * u.deg, [-60.0, 5.0, -20.0] * u.deg)
    where = coordinates.EarthLocation.from_geodetic(116.76 * u.deg, -26.82 * u.deg, 365 * u.m)
    with iers.conf.set_temp("auto_download", False):
        frame = coordinates.AltAz(obstime=time.Time("2024-03-01T08:00:00"), location=where)
        altaz = source.transform_to(frame)
        step = source.directional_offset_by(0 * u.deg, 10 * u.arcsec).transform_to(frame)
        up = coordinates.SkyCoord(az=0 * u.deg, alt=90 * u.deg, frame=frame).transform_to("icrs")
        # From the north through the east to the zenith, seen from the source.
        parallactic = np.array([one.position_angle(up).rad for one in source])
    alt, az = altaz.alt.rad, altaz.az.rad
    assert alt.min() > 0.2
    # astropy's x is north, its y east.
    vectors = [one.cartesian.xyz.value[[1, 0, 2]].T for one in (altaz, step)]
    north = vectors[1] - vectors[0]
    north -= np.sum(north * vectors[0], axis=-1, keepdims=True) * vectors[0]
    north /= np.linalg.norm(north, axis=-1, keepdims=True)
    jones = Dipole(1, None, None, 0.0).respond(Directions(vectors[0], north, vectors[0][0]), 1e8, reference)[0]
    for angle in (0.0, 0.5, 2.0):
        # Towards the zenith lies at the parallactic angle, towards larger azimuth a quarter turn before.
        to_alt, to_az = np.cos(angle - parallactic), -np.sin(angle - parallactic)
        expected_x = -to_alt * np.sin(alt) * np.cos(az) - to_az * np.sin(az)
        expected_y = -to_alt * np.sin(alt) * np.sin(az) + to_az * np.cos(az)
        voltage = jones @ np.array([np.cos(angle), np.sin(angle)])
        # Aberration turns directions on the sky by up to 1e-4.
        np.testing.assert_allclose(voltage, np.stack([expected_x, expected_y], axis=-1), atol=2e-4)


def direct_sum(elements, sky, frequency):
    """Array factor, element by element in extended precision."""
    offset = np.asarray(sky.enu, np.longdouble) - np.asarray(sky.pointing, np.longdouble)
    two_pi = 8 * np.arctan(np.longdouble(1))
    real = imag = np.longdouble(0)
    for element in elements:
        phase = two_pi * np.longdouble(frequency) / np.longdouble(C) * (offset @ np.asarray(element, np.longdouble))
        real, imag = real + np.cos(phase), imag + np.sin(phase)
    return np.asarray(real / len(elements), float) + 1j * np.asarray(imag / len(elements), float)


@pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
def test_array_factors_are_direct_sums(kernels):
    rng = np.random.default_rng(5)
    elements = tuple(rng.normal(0, [9, 9, 0.3], (n, 3)) for n in (37, 1, 64))
    station = ApertureArray(Layouts(elements, np.array([2, 0, 0, 1, 2], np.int32)), Isotropic(1))
    sky = somewhere(53)
    response = station.respond(sky, 231e6, kernels)
    assert station.is_scalar
    assert station.n_kinds == 3
    for kind in range(3):
        # Phases of up to 300 rad, rounded to 1e-16 of themselves a few times.
        np.testing.assert_allclose(response[kind], direct_sum(elements[kind], sky, 231e6), atol=1e-12)


def test_ska_low_station_is_a_direct_sum_times_its_dipole():
    layouts = load_layouts(ApertureArrayConfig.model_validate({"rotation": {"seed": 4}}), 3)
    element = Dipole(1, 0.4, None, 0.2)
    sky = somewhere(31)
    station = ApertureArray(layouts, element)
    assert not station.is_scalar
    response = station.respond(sky, 150e6, reference)
    expected_element = element.respond(sky, 150e6, reference)[0]
    for kind in range(3):
        factor = direct_sum(layouts.elements[kind], sky, 150e6)
        np.testing.assert_allclose(response[kind], factor[:, None, None] * expected_element, atol=1e-12)


def test_array_factor_is_one_where_it_points_and_delays_are_towards_the_source():
    elements = np.array([[0.0, 0.0, 0.0], [2.0, 1.0, 0.5]])
    pointing = at(0.4, 1.1).enu[0]
    sky = at([0.4, 0.0], [1.1, 0.0], pointing)
    station = ApertureArray(Layouts((elements,), np.zeros(2, np.int32)), Isotropic(1))
    response = station.respond(sky, 80e6, reference)[0]
    assert response[0] == 1.0
    # The second element is nearer to a source on its side, and its signal earlier: a positive phase.
    path = elements[1] @ (sky.enu[1] - pointing)
    assert response[1] == pytest.approx((1 + np.exp(2j * np.pi * 80e6 / C * path)) / 2, abs=1e-14)


def test_ska_low_layout_has_the_published_size():
    elements = ska_low_elements()
    assert elements.shape == (256, 3)
    distance = np.linalg.norm(elements[:, None] - elements[None], axis=-1)
    assert 37.0 < distance.max() <= 38.0
    assert distance[~np.eye(256, dtype=bool)].min() >= 1.5
    # As many elements per area everywhere: in a ring, within a few.
    radius = np.linalg.norm(elements, axis=1)
    for inner, outer in ((0, 6), (6, 12), (12, 18)):
        expected = 256 * (outer**2 - inner**2) / 18.9**2
        assert np.count_nonzero((radius >= inner) & (radius < outer)) == pytest.approx(expected, abs=6)
    # The same for ever: first and last element, as made in 2026.
    first_and_last = [[0.002780214307967271, 0.9607680679419489], [10.859609318310513, -15.275997244866856]]
    np.testing.assert_allclose(elements[[0, 255], :2], first_and_last, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("height", "length", "band", "said"),
    [
        (1.0, None, (140e6, 160e6), "telescope.station.height: 1 m is 0.934 to 1.07 half waves"),
        (1.0, None, (146e6, 147e6), "silences the zenith"),
        (0.01, None, (50e6, 51e6), "silences the zenith"),
        (None, 1.0, (250e6, 300e6), "telescope.station.length: 1 m is the length of a wave or more at 300 MHz"),
    ],
)
def test_dipoles_that_do_not_work_are_refused(height, length, band, said):
    with pytest.raises(ConfigError, match=said):
        Dipole(1, height, length, 0.0).check_band(*band)


def test_a_station_refuses_the_bands_of_its_elements():
    station = ApertureArray(
        Layouts((np.zeros((1, 3)),), np.zeros(2, np.int32)), Dipole(1, 1.0, None, 0.0, "telescope.station.element")
    )
    with pytest.raises(ConfigError, match=r"telescope\.station\.element\.height: 1 m"):
        station.check_band(140e6, 160e6)


def test_dipoles_that_work_are_not_refused():
    Dipole(1, 0.3, 0.8, 0.0).check_band(50e6, 350e6)
    Dipole(1, 0.8, None, 0.0).check_band(200e6, 350e6)
    ApertureArray(Layouts((np.zeros((1, 3)),), np.zeros(2, np.int32)), Dipole(1, None, None, 0.0)).check_band(1e6, 1e9)


def test_no_sources():
    sky = Directions(np.empty((0, 3)), np.empty((0, 3)), np.array(ZENITH))
    for response, shape in (
        (Isotropic(1), (1, 0)),
        (Gaussian(1, 0.1, 1e8, "zenith"), (1, 0)),
        (Airy(1, 10.0, "zenith"), (1, 0)),
        (Dipole(1, 0.3, None, 0.0), (1, 0, 2, 2)),
        (ApertureArray(Layouts((np.ones((3, 3)),), np.zeros(2, np.int32)), Dipole(1, None, None, 0.0)), (1, 0, 2, 2)),
    ):
        assert response.respond(sky, 1e8, reference).shape == shape
