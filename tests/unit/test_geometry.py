"""Geometry against astropy's frames, pyuvdata's uvw and arithmetic in decimals."""

from __future__ import annotations

import json
import math
from decimal import Decimal, getcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time
from astropy.utils import iers

from pipeline.errors import ConfigError
from pipeline.observation.geometry import Geometry
from pipeline.observation.skies.components import Components
from pipeline.observation.sky import Sky
from pipeline.observation.telescope import Telescope

DATA = Path(__file__).parents[1] / "data"
LONGITUDE_DEG, LATITUDE_DEG, HEIGHT_M = 116.764448, -26.824722, 365.0
DAY = 61366.0  # 2026-11-22


@pytest.fixture(autouse=True)
def _iers_from_the_wheel():
    with (
        iers.conf.set_temp("auto_download", False),
        iers.earth_orientation_table.set(iers.IERS_A.open(iers.IERS_A_FILE)),
    ):
        yield


def telescope(enu_m) -> Telescope:
    enu_m = np.asarray(enu_m, dtype=float)
    names = tuple(f"S{i}" for i in range(len(enu_m)))
    return Telescope("test", names, enu_m, np.radians(LONGITUDE_DEG), np.radians(LATITUDE_DEG), HEIGHT_M)


def sky(ra_deg, dec_deg) -> Sky:
    ra, dec = np.radians(np.atleast_1d(ra_deg)), np.radians(np.atleast_1d(dec_deg))
    n = len(ra)
    stokes = np.tile([1.0, 0, 0, 0], (n, 1))
    return Sky((Components(tuple(map(str, range(n))), ra, dec, stokes, np.full(n, 1e8), np.zeros(n)),))


# Stations that are the unit vectors of east, north and up: their uvw are the columns of the rotation.
AXES = telescope(np.eye(3))


def altaz_vectors(ra_deg, dec_deg, day, fraction):
    """East, north, up unit vectors by astropy's transformations of frames."""
    place = EarthLocation.from_geodetic(LONGITUDE_DEG * units.deg, LATITUDE_DEG * units.deg, HEIGHT_M * units.m)
    time = Time(day, fraction, format="mjd", scale="utc")
    seen = SkyCoord(ra_deg, dec_deg, unit="deg").transform_to(AltAz(obstime=time, location=place))
    az, alt = np.atleast_1d(seen.az.rad), np.atleast_1d(seen.alt.rad)
    return np.stack([np.cos(alt) * np.sin(az), np.cos(alt) * np.cos(az), np.sin(alt)], axis=-1)


def block_of(geometry: Geometry, first: int, n_dumps: int) -> SimpleNamespace:
    """Return the mid-points of dumps: times, stations, and the sources above the horizon."""
    elapsed = np.arange(first, first + n_dumps) + 0.5
    moments = geometry.moments(elapsed)
    visible = [np.flatnonzero(moment.enu()[:, 2] > 0) for moment in moments]
    return SimpleNamespace(
        time_utc=geometry.times(elapsed),
        station_uvw=np.stack([moment.station_uvw for moment in moments]),
        lmn=[moment.lmn(above) for moment, above in zip(moments, visible, strict=True)],
        visible=visible,
    )


@pytest.mark.parametrize("fraction", [0.5, 0.123456789])
def test_directions_are_those_of_astropy(fraction):
    rng = np.random.default_rng(5)
    ra, dec = rng.uniform(0, 360, 301), np.degrees(np.arcsin(rng.uniform(-1, 1, 301)))
    integration = 2.0
    start = (DAY, fraction - 0.5 * integration / 86400)
    block = block_of(Geometry(AXES, sky(ra, dec), 0.3, -0.5, start, integration), 0, 1)
    expected = altaz_vectors(ra, dec, DAY, fraction)
    above = np.flatnonzero(expected[:, 2] > 0)
    np.testing.assert_array_equal(block.visible[0], above)
    assert 0 < above.size < 301
    # Rotated back to east, north, up: row i of station_uvw is unit vector i along u, v, w.
    lmn = block.lmn[0] + np.array([0, 0, 1])
    np.testing.assert_allclose(lmn @ block.station_uvw[0].T, expected[above], rtol=0, atol=1e-10)


@pytest.mark.parametrize(("ra_deg", "dec_deg"), [(0, -27), (77, -89.99), (77, -90), (0, -90), (200, -60), (20, 0)])
def test_axes_follow_the_sky(ra_deg, dec_deg):
    """W goes to the phase centre, v to ICRS north and u to ICRS east of it, at the pole too."""
    block = block_of(Geometry(AXES, sky([], []), *np.radians([ra_deg, dec_deg]), (DAY, 0.5), 2.0), 0, 1)
    ra, dec = np.radians([ra_deg, dec_deg])
    north = np.array([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    east = np.array([-np.sin(ra), np.cos(ra), 0.0])
    centre = np.cross(east, north)
    step = 2e-4

    def seen(vector):
        lon, lat = np.arctan2(vector[1], vector[0]), np.arctan2(vector[2], np.hypot(*vector[:2]))
        return altaz_vectors(np.degrees(lon), np.degrees(lat), DAY, 0.5 + 1.0 / 86400)[0]

    towards = [seen(centre + step * side) - seen(centre - step * side) for side in (east, north)]
    towards = [difference / np.linalg.norm(difference) for difference in towards]
    u, v, w = block.station_uvw[0].T
    np.testing.assert_allclose(w, seen(centre), atol=2e-9)
    np.testing.assert_allclose(v, towards[1], atol=2e-8)
    # Aberration shears the sky by up to 1e-4, so apparent east is not quite square to north.
    np.testing.assert_allclose(u, towards[0], atol=2e-4)
    np.testing.assert_allclose(np.cross(u, v), w, atol=1e-14)


def test_uvw_are_those_of_pyuvdata():
    reference = json.loads((DATA / "pyuvdata_uvw.json").read_text())
    layout = Path(__file__).parents[2] / "pipeline/observation/layouts/skalow_AA4_layout.txt"
    array = telescope(np.loadtxt(layout)[reference["stations_of_ska_low_aa4"]])
    p, q = np.triu_indices(array.n_stations, 1)
    for case in reference["cases"]:
        day, fraction = case["mjd_utc"]
        centre = np.radians([case["ra_deg"], case["dec_deg"]])
        block = block_of(Geometry(array, sky([], []), *centre, (day, fraction - 1 / 86400), 2.0), 0, 1)
        uvw = block.station_uvw[0, p] - block.station_uvw[0, q]
        assert np.linalg.norm(uvw, axis=1).max() > 73e3
        # pyuvdata's sign is the opposite one. Its u and v come from a finite difference (see the data's
        # README) that rounds to some 1e-9 rad; w does not.
        np.testing.assert_allclose(uvw, -np.array(case["uvw_m"]), rtol=0, atol=3e-4)
        np.testing.assert_allclose(uvw[:, 2], -np.array(case["uvw_m"])[:, 2], rtol=0, atol=3e-6)


def test_source_at_the_phase_centre_has_no_phase():
    block = block_of(Geometry(AXES, sky([50, 50.001], [-40, -40]), *np.radians([50, -40]), (DAY, 0.7), 1.0), 3, 5)
    for lmn in block.lmn:
        assert np.abs(lmn[0]).max() < 1e-15
        # n - 1 of the other one in 50 decimals: float64's own n - 1 has none of these digits right.
        getcontext().prec = 50
        cosine_l, cosine_m, n_minus_1 = (Decimal(float(x)) for x in lmn[1])
        exact = (1 - cosine_l**2 - cosine_m**2).sqrt() - 1
        assert abs(float(n_minus_1 / exact) - 1) < 1e-14


def test_n_minus_one_behind_the_phase_centre():
    """Above the horizon and more than 90 degrees from the phase centre: n is negative."""
    ra, dec = np.meshgrid(np.arange(0, 360, 10.0), np.arange(-80, 81, 10.0))
    everywhere = sky(ra.ravel(), dec.ravel())
    up = altaz_vectors(ra.ravel(), dec.ravel(), DAY, 0.5)[:, 2]
    lowest = int(np.argmin(np.where(up > 0.05, up, np.inf)))
    centre = everywhere.ra_rad[lowest], everywhere.dec_rad[lowest]
    lmn = block_of(Geometry(AXES, everywhere, *centre, (DAY, 0.5), 1.0), 0, 1).lmn[0]
    assert lmn[:, 2].min() < -1.5
    np.testing.assert_allclose(np.linalg.norm(lmn + np.array([0, 0, 1]), axis=1), 1.0, atol=1e-14)


def test_blocks_join_seamlessly():
    geometry = Geometry(AXES, sky([10, 20], [-30, -40]), 0.2, -0.5, (DAY, 0.5), 0.85)
    whole, part = block_of(geometry, 0, 7), block_of(geometry, 5, 2)
    np.testing.assert_array_equal(part.time_utc, whole.time_utc[5:])
    np.testing.assert_array_equal(part.station_uvw, whole.station_uvw[5:])
    np.testing.assert_array_equal(part.lmn[1], whole.lmn[6])


def test_times_are_mid_points_across_midnight():
    block = block_of(Geometry(AXES, sky([], []), 0.0, -0.5, (DAY, 86399.0 / 86400), 0.8), 0, 4)
    assert block.time_utc[:, 0].tolist() == [DAY, DAY + 1, DAY + 1, DAY + 1]
    seconds = block.time_utc[:, 1] * 86400
    np.testing.assert_allclose(seconds, [86399.4, 0.2, 1.0, 1.8], rtol=0, atol=2e-9)


def test_dumps_go_on_through_a_leap_second():
    """2016-12-31 had 86401 seconds: by the clock, dumps of 1 s end one second earlier the day after."""
    block = block_of(Geometry(AXES, sky([], []), 0.0, -0.5, (57753.0, 86398.0 / 86401), 1.0), 0, 5)
    times = Time(block.time_utc[:, 0] + 2400000.5, block.time_utc[:, 1], format="jd", scale="utc", precision=1)
    assert [text[-10:] for text in times.isot] == [
        "23:59:58.5",
        "23:59:59.5",
        "23:59:60.5",
        "00:00:00.5",
        "00:00:01.5",
    ]
    np.testing.assert_allclose(np.diff(times.tai.mjd) * 86400, 1.0, atol=2e-6)


def test_elevation_is_that_of_astropy():
    geometry = Geometry(AXES, sky([], []), *np.radians([30, -50]), (DAY, 0.5), 600.0)
    elevation = geometry.phase_centre_elevation_rad(2, 3)
    for index, dump in enumerate((2, 3, 4)):
        up = altaz_vectors(30, -50, DAY, 0.5 + (dump + 0.5) * 600 / 86400)[0, 2]
        assert abs(elevation[index] - math.asin(up)) < 1e-8


def test_phase_centre_that_sets_is_refused():
    geometry = Geometry(AXES, sky([], []), *np.radians([0, -27]), (DAY, 0.5), 600.0)
    geometry.check_phase_centre_is_up(10)
    elevation = geometry.phase_centre_elevation_rad(0, 60)
    first = int(np.flatnonzero(elevation < 0)[0])
    geometry.check_phase_centre_is_up(first)
    with pytest.raises(ConfigError, match=rf"phase_centre: is .* deg below the horizon .* dump {first} \(2026-"):
        geometry.check_phase_centre_is_up(60)


@pytest.mark.parametrize("day", [41000.0, 90000.0])
def test_times_without_earth_rotation_are_refused(day):
    geometry = Geometry(AXES, sky([], []), 0.0, -0.5, (day, 0.5), 1.0)
    with pytest.raises(ConfigError, match=r"time: .* UTC is outside .* covers 1973-01-02T.* to 20\d\d-.*upgrade"):
        geometry.moments(np.array([0.5]))


def test_north_along_the_sky_is_where_declination_grows():
    """Two sources 1 mdeg apart along a meridian, in astropy's directions; a tangent, so at right angles."""
    rng = np.random.default_rng(6)
    ra, dec = rng.uniform(0, 360, 201), np.degrees(np.arcsin(rng.uniform(-0.999, 0.999, 201)))
    (moment,) = Geometry(AXES, sky(ra, dec), 0.3, -0.5, (DAY, 0.5), 2.0).moments(np.array([0.5]))
    north, enu = moment.north(), moment.enu()
    step = altaz_vectors(ra, dec + 5e-4, DAY, 0.5 + 1 / 86400) - altaz_vectors(ra, dec - 5e-4, DAY, 0.5 + 1 / 86400)
    expected = step / np.linalg.norm(step, axis=1, keepdims=True)
    np.testing.assert_allclose(north, expected, rtol=0, atol=2e-8)
    np.testing.assert_allclose((north * enu).sum(axis=1), 0, atol=1e-14)
