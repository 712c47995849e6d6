"""Telescopes: layouts in all formats against astropy's coordinates, baselines by brute force, bad files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import EarthLocation

from pipeline.config.telescope import LocationConfig, TelescopeConfig
from pipeline.errors import ConfigError
from pipeline.observation.telescope import NAMED_ARRAYS, Telescope, load_telescope, select_baselines

EXAMPLES = Path(__file__).parents[2] / "configs" / "telescopes"
LOCATION = LocationConfig.model_validate({"longitude": "116.764448 deg", "latitude": "-26.824722 deg"})


def config(array, format=None, location=None) -> TelescopeConfig:
    # Without validation, as the reader must stand on its own.
    return TelescopeConfig.model_construct(array=array, format=format, location=location)


@pytest.mark.parametrize(
    ("name", "n_stations"),
    [
        ("ska-low-aa0.5", 4),
        ("ska-low-aa1", 16),
        ("ska-low-aa2", 68),
        ("ska-low-aastar", 307),
        ("ska-low-aa4", 512),
    ],
)
def test_named_arrays(name, n_stations):
    array = load_telescope(config(name))
    assert array.n_stations == n_stations == len(set(array.station_names))
    assert array.enu_m.shape == (n_stations, 3)
    assert name in NAMED_ARRAYS


def test_ska_low_stands_on_the_ground():
    """In the plane of the centre far stations lie low; above the ellipsoid they lie within 70 m."""
    array = load_telescope(config("ska-low-aa4"))
    heights = EarthLocation.from_geocentric(*array.geocentric_m.T, unit="m").height.to_value("m")
    assert array.enu_m[:, 2].min() < -150
    assert 290 < heights.min() < heights.max() < 400
    p, q = select_baselines(array, 0, None, False).T
    assert p.size == 130_816
    assert np.linalg.norm(array.enu_m[p] - array.enu_m[q], axis=1).max() == pytest.approx(73.4e3, rel=1e-3)


def test_geocentric_positions_against_astropy():
    array = load_telescope(config("ska-low-aa1"))
    centre = EarthLocation.from_geodetic(116.764448, -26.824722, 365 * units.m)
    expected = np.array([value.to_value("m") for value in centre.geocentric])
    np.testing.assert_allclose(array.centre_m, expected, rtol=0, atol=1e-8)
    # East, north, up by moving a little in longitude, latitude and height.
    step = np.degrees(1e-6)
    moves = [(step, 0, 0), (0, step, 0), (0, 0, 1)]
    axes = []
    for lon, lat, height in moves:
        there = EarthLocation.from_geodetic(116.764448 + lon, -26.824722 + lat, (365 + height) * units.m)
        difference = np.array([value.to_value("m") for value in there.geocentric]) - expected
        axes.append(difference / np.linalg.norm(difference))
    np.testing.assert_allclose(array.geocentric_m, expected + array.enu_m @ np.array(axes), rtol=0, atol=0.05)
    np.testing.assert_allclose(
        np.linalg.norm(array.geocentric_m - expected, axis=1), np.linalg.norm(array.enu_m, axis=1), atol=1e-6
    )


def test_enu_text(tmp_path):
    array = load_telescope(config(EXAMPLES / "example-enu.txt", location=LOCATION))
    assert array.name == "example-enu"
    assert array.enu_m[1].tolist() == [60, 20, 0]
    assert array.height_m == 0
    path = tmp_path / "three.txt"
    path.write_text("# e n u\n1, 2 ,3\n\n4\t5e0 -6 # the second\n")
    assert load_telescope(config(path, location=LOCATION)).enu_m.tolist() == [[1, 2, 3], [4, 5, -6]]


def test_oskar_folder_in_three_formats(tmp_path):
    folder = shutil.copytree(EXAMPLES / "oskar-example.tm", tmp_path / "a.tm")
    (folder / "station000").mkdir()
    enu = load_telescope(config(folder))
    assert enu.n_stations == 7
    assert enu.height_m == 365
    assert enu.enu_m[3].tolist() == [-170, -35, 0.6]
    (folder / "layout.txt").unlink()
    np.savetxt(folder / "layout_ecef.txt", enu.geocentric_m, fmt="%.6f")
    np.testing.assert_allclose(load_telescope(config(folder)).enu_m, enu.enu_m, rtol=0, atol=2e-6)
    (folder / "layout_ecef.txt").unlink()
    geodetic = EarthLocation.from_geocentric(*enu.geocentric_m.T, unit="m").geodetic
    columns = [geodetic.lon.deg, geodetic.lat.deg, geodetic.height.to_value("m")]
    np.savetxt(folder / "layout_wgs84.txt", np.transpose(columns), fmt="%.12f", delimiter=",")
    np.testing.assert_allclose(load_telescope(config(folder)).enu_m, enu.enu_m, rtol=0, atol=2e-6)


def test_geocentric_text(tmp_path):
    known = load_telescope(config("ska-low-aa1"))
    path = tmp_path / "aa1.txt"
    np.savetxt(path, known.geocentric_m, fmt="%.6f")
    array = load_telescope(config(path, format="geocentric"))
    np.testing.assert_allclose(array.geocentric_m, known.geocentric_m, rtol=0, atol=2e-6)
    np.testing.assert_allclose(array.enu_m.mean(axis=0), 0, atol=1e-6)
    assert array.longitude_rad == pytest.approx(known.longitude_rad, abs=1e-2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0\n1 x\n", r"bad\.txt:2: 'x' is not a finite number; separate .*#"),
        ("0 0\n1 nan\n", r"bad\.txt:2: 'nan' is not a finite number"),
        ("0 0\n# c\n1\n", r"bad\.txt:3: '1' has 1 values; a line holds 2 or 3: east, north, up"),
        ("0 0\n1 1 1\n", r"bad\.txt:2: '1 1 1' has 3 values, the first line 2; give every line the same"),
        ("0 0 0 0\n", r"bad\.txt:1: '0 0 0 0' has 4 values; a line holds 2 or 3"),
        ("# nothing\n", r"bad\.txt: holds no values; give"),
        ("0 0\n", r"bad\.txt: holds 1 station; an interferometer needs two"),
        ("0 0\n3 4\n\n3 4.0001\n", r"bad\.txt:4: the station is where the one of line 2 is;.*remove"),
        ("0 0\n-2565115 5085629\n", r"bad\.txt:2: -2565115 5085629 0: .*format: geocentric"),
    ],
)
def test_bad_enu_files(tmp_path, text, message):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_telescope(config(path, location=LOCATION))


def test_bad_geocentric_file(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_text("10 20 30\n40 50 60\n")
    with pytest.raises(ConfigError, match=r"bad\.txt:1: 10 20 30: .*6330 to 6410 km.*format: enu"):
        load_telescope(config(path, format="geocentric"))


def test_unreadable_file(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ConfigError, match=r"bad\.txt: cannot be read as text"):
        load_telescope(config(path, location=LOCATION))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: (d / "position.txt").unlink(), r"position\.txt: no such file; .*longitude and latitude"),
        (lambda d: (d / "position.txt").write_text("1 2\n3 4\n"), r"position\.txt: holds 2 positions"),
        (lambda d: (d / "position.txt").write_text("1 100\n"), r"position\.txt:1: 1 100 0: longitude comes"),
        (lambda d: (d / "layout.txt").unlink(), r"holds no layout; .* exactly one of layout\.txt"),
        (lambda d: (d / "layout_ecef.txt").touch(), r"holds layout\.txt and layout_ecef\.txt; "),
    ],
)
def test_bad_oskar_folders(tmp_path, spoil, message):
    folder = shutil.copytree(EXAMPLES / "oskar-example.tm", tmp_path / "a.tm")
    spoil(folder)
    with pytest.raises(ConfigError, match=message):
        load_telescope(config(folder))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"array": "ska-low-a4"}, r"no array is called 'ska-low-a4'; did you mean 'ska-low-aa4'\? known"),
        ({"array": "ska-low-aa4", "format": "enu"}, r"telescope\.format: 'enu' goes with a path"),
        ({"array": "ska-low-aa4", "location": LOCATION}, r"telescope\.location: ska-low-aa4 already says"),
        ({"array": EXAMPLES / "oskar-example.tm", "location": LOCATION}, r"oskar-example\.tm already says"),
        ({"array": EXAMPLES / "example-enu.txt"}, r"telescope\.location: is missing; .*Add to telescope: loc"),
        ({"array": EXAMPLES / "example-enu.txt", "format": "oskar"}, r"is not a folder.*formats:"),
        ({"array": EXAMPLES / "oskar-example.tm", "format": "enu"}, r"is not a text file.*formats:"),
        ({"array": EXAMPLES / "nowhere.txt"}, r"telescope\.array: .*nowhere\.txt does not exist"),
    ],
)
def test_bad_configurations(arguments, message):
    with pytest.raises(ConfigError, match=message):
        load_telescope(config(**arguments))


@pytest.mark.parametrize("autocorrelations", [False, True])
@pytest.mark.parametrize(("low", "high"), [(0, None), (30, 70), (50, None), (0, 1e9)])
def test_baselines_by_brute_force(low, high, autocorrelations):
    enu = np.random.default_rng(3).uniform(-40, 40, (11, 3))
    enu[4] = enu[2] + [30, 0, 0]  # exactly at an end of the range
    array = Telescope("t", tuple("abcdefghijk"), enu, 2.0, -0.5, 0.0)
    expected = []
    for p in range(11):
        for q in range(p, 11):
            length = float(np.sqrt(((enu[p] - enu[q]) ** 2).sum()))
            if (p == q and autocorrelations) or (p != q and low <= length <= (high or 1e12)):
                expected.append((p, q))
    kept = select_baselines(array, low, high, autocorrelations)
    assert kept.dtype == np.int32
    assert [tuple(pair) for pair in kept.tolist()] == expected


def test_no_baseline_left():
    array = load_telescope(config("ska-low-aa0.5"))
    with pytest.raises(ConfigError, match=r"telescope\.baselines: ska-low-aa0\.5 has none .*m long; choose"):
        select_baselines(array, 0, 1.0, False)
    assert len(select_baselines(array, 0, 1.0, True)) == 4
