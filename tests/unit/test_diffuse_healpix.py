"""HEALPix maps as skies: directions, flux densities, partial maps, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from scipy.constants import c as light_m_s
from scipy.constants import k as boltzmann

from pipeline.config.diffuse import HealpixEntry
from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Observed
from pipeline.observation.sky import load_sky

CENTRES = json.loads((Path(__file__).parents[1] / "data/healpix_centres.json").read_text())
OBSERVED = Observed((0.7, -0.5), 150e6, 5e3, 7)
UNSEEN = np.float32(-1.6375e30)


def write(path, values, unit="Jy/pixel", columns=(), more=()):
    """Write a map; columns before the one of values, keys that replace the header's (None removes one)."""
    values = np.asarray(values)
    table = fits.BinTableHDU.from_columns(
        [*columns, fits.Column("SIGNAL", f"{values.dtype.char.upper()}", unit=unit, array=values)]
    )
    header = {"PIXTYPE": "HEALPIX", "NSIDE": 2, "ORDERING": "RING", "COORDSYS": "C", **dict(more)}
    for key, value in header.items():
        if value is not None:
            table.header[key] = value
    table.writeto(path, overwrite=True)
    return path


def load(path, **keys):
    return load_sky([HealpixEntry.model_validate({"healpix": str(path), **keys})], OBSERVED)


def directions(sky):
    return SkyCoord(sky.ra_rad, sky.dec_rad, unit="rad")


@pytest.mark.parametrize("order", ["ring", "nested"])
@pytest.mark.parametrize("frame", ["C", "G"])
def test_directions(tmp_path, order, frame):
    expected = CENTRES[f"{order}-2"]
    frame_name = {"C": "icrs", "G": "galactic"}[frame]
    centres = SkyCoord(expected["lon_deg"], expected["lat_deg"], unit="deg", frame=frame_name).icrs
    values = np.arange(1.0, 49.0)
    sky, notes = load(write(tmp_path / "map.fits", values, more={"ORDERING": order.upper(), "COORDSYS": frame}))
    assert notes == []
    # The numbers were stored to 1e-11 degrees.
    assert directions(sky).separation(centres).max() < 1e-12 * units.rad
    np.testing.assert_array_equal(sky.stokes_at(150e6), np.stack([values, *np.zeros((3, 48))], axis=1))
    assert sky.label(7) == "map.fits pixel 7"


def test_packed_rows(tmp_path):
    # Twelve pixels to a row, as HEALPix's own tools write 1024.
    path = tmp_path / "map.fits"
    values = np.arange(1.0, 49.0)
    table = fits.BinTableHDU.from_columns([fits.Column("T", "12D", unit="Jy/pixel", array=values.reshape(4, 12))])
    table.header.update({"NSIDE": 2, "ORDERING": "RING", "COORDSYS": "C"})
    table.writeto(path)
    sky, _ = load(path)
    np.testing.assert_array_equal(sky.stokes_at(150e6)[:, 0], values)


@pytest.mark.parametrize(
    ("unit", "jy"),
    [
        ("Jy/sr", 4 * np.pi),
        ("kJy/sr", 4e3 * np.pi),
        ("mK", 2e23 * boltzmann * (150e6 / light_m_s) ** 2 * 4 * np.pi),
        ("mJy/pixel", 0.048),
    ],
)
def test_all_the_sky(tmp_path, unit, jy):
    sky, _ = load(write(tmp_path / "map.fits", np.ones(48), unit), reference="150 MHz", spectral_index=-0.7)
    assert sky.stokes_at(150e6)[:, 0].sum() == pytest.approx(jy, rel=1e-13)
    assert sky.stokes_at(75e6)[:, 0].sum() == pytest.approx(jy * 2**0.7, rel=1e-13)


def test_explicit_pixels(tmp_path):
    columns = [fits.Column("PIXEL", "J", array=[41, 3, 17])]
    path = write(tmp_path / "map.fits", [5.0, 0.0, 7.0], columns=columns, more={"INDXSCHM": "EXPLICIT"})
    sky, notes = load(path)
    lon, lat = (np.radians(CENTRES["ring-2"][key])[[41, 17]] for key in ("lon_deg", "lat_deg"))
    np.testing.assert_allclose(sky.ra_rad, lon, atol=1e-12)
    np.testing.assert_allclose(sky.dec_rad, lat, atol=1e-12)
    np.testing.assert_array_equal(sky.stokes_at(150e6)[:, 0], [5.0, 7.0])
    assert notes == ["map.fits: 1 of 3 pixels are zero and are left out"]
    assert load(path, zeros="keep")[0].n_sources == 3


def test_some_pixels_from_one_on(tmp_path):
    sky, _ = load(write(tmp_path / "map.fits", [5.0, 6.0, 7.0], more={"FIRSTPIX": 30, "LASTPIX": 32}))
    np.testing.assert_allclose(sky.ra_rad, np.radians(CENTRES["ring-2"]["lon_deg"])[30:33], atol=1e-12)


def test_a_region(tmp_path):
    sky, notes = load(write(tmp_path / "map.fits", np.ones(48)), region={"radius": "40 deg"})
    centre = SkyCoord(0.7, -0.5, unit="rad")
    expected = SkyCoord(CENTRES["ring-2"]["lon_deg"], CENTRES["ring-2"]["lat_deg"], unit="deg").separation(centre)
    inside = expected < 40 * units.deg
    assert 2 < inside.sum() < 20
    assert sky.n_sources == inside.sum()
    assert directions(sky).separation(centre).max() < 40 * units.deg
    assert notes == [f"map.fits: {inside.sum()} of 48 pixels lie in the region"]


def test_blank_pixels(tmp_path):
    values = np.ones(48, np.float32)
    values[[3, 5]] = UNSEEN, np.nan
    path = write(tmp_path / "map.fits", values)
    with pytest.raises(ConfigError, match=r"2 pixels are blank \(NaN, infinite or UNSEEN\), the first is 3; set 'bl"):
        load(path)
    assert load(path, blank="zero")[0].n_sources == 46
    sky, _ = load(path, blank="zero", zeros="keep")
    assert sky.stokes_at(150e6).sum() == 46
    # A region without them is not stopped by them: 3 and 5 are near the north pole.
    assert load(path, region={"radius": "50 deg"})[0].n_sources > 3


def test_one_of_several_columns(tmp_path):
    columns = [fits.Column("T_150", "D", unit="K", array=np.full(48, 3.0))]
    path = write(tmp_path / "map.fits", np.ones(48), columns=columns)
    assert load(path, column="SIGNAL")[0].stokes_at(150e6).sum() == 48
    with pytest.raises(ConfigError, match=r"has 2 columns; choose one with 'column': T_150, SIGNAL"):
        load(path)
    with pytest.raises(ConfigError, match=r"has no column 'Q'; choose one"):
        load(path, column="Q")


def test_a_frame_where_the_file_has_none(tmp_path):
    path = write(tmp_path / "map.fits", np.arange(1.0, 49.0), more={"COORDSYS": None})
    with pytest.raises(ConfigError, match=r"the header has no COORDSYS; set 'frame' to galactic or icrs"):
        load(path)
    expected, _ = load(write(tmp_path / "galactic.fits", np.arange(1.0, 49.0), more={"COORDSYS": "GALACTIC"}))
    np.testing.assert_array_equal(load(path, frame="galactic")[0].ra_rad, expected.ra_rad)


@pytest.mark.parametrize(
    ("n_values", "unit", "keys", "more", "message"),
    [
        (48, None, {}, {}, r"TUNIT: there is no unit"),
        (48, "K_CMB", {}, {}, r"TUNIT: 'K_CMB' is not a unit of brightness"),
        (48, "K", {}, {}, r"the file has no frequency, .*set 'reference'"),
        (48, "Jy/beam", {}, {}, r"is in Jy/beam, and maps have no beam"),
        (48, "K", {"reference": "1 GHz"}, {"ORDERING": "SPIRAL"}, r"NSIDE is 2 and ORDERING 'SPIRAL'"),
        (48, "K", {"reference": "1 GHz"}, {"ORDERING": None}, r"NSIDE is 2 and ORDERING ''"),
        (48, "Jy/sr", {}, {"NSIDE": 3, "ORDERING": "NESTED"}, r"NSIDE is 3 and ORDERING 'NESTED'; .*a power of two"),
        (48, "Jy/sr", {}, {"NSIDE": 4}, r"has 48 values, and a map of NSIDE 4 has 192; correct NSIDE, or say which"),
        (48, "Jy/sr", {}, {"NSIDE": 1}, r"48 values do not fit the 12 pixels of NSIDE 1"),
        (40, "Jy/sr", {}, {"FIRSTPIX": 9}, r"40 values do not fit the 48 pixels"),
        (48, "Jy/sr", {}, {"INDXSCHM": "EXPLICIT"}, r"INDXSCHM is EXPLICIT and there is no column PIXEL"),
        (48, "Jy/sr", {}, {"COORDSYS": "E"}, r"COORDSYS is 'E'; only galactic \(G\) and equatorial \(C\)"),
        (
            48,
            "Jy/sr",
            {"frame": "galactic"},
            {},
            r"the header says icrs \(COORDSYS\), and frame galactic; remove 'frame'",
        ),
        (48, "Jy/sr", {}, {"NSIDE": None}, r"holds no HEALPix map"),
        (48, "Jy/sr", {"region": {"radius": "1 arcsec"}}, {}, r"region: no pixel lies in it; choose a larger radius"),
    ],
)
def test_bad_maps(tmp_path, n_values, unit, keys, more, message):
    path = write(tmp_path / "bad.fits", np.ones(n_values), unit, more=more)
    with pytest.raises(ConfigError, match=message):
        load(path, **keys)


def test_a_pixel_twice(tmp_path):
    columns = [fits.Column("PIXEL", "J", array=[41, 3, 41])]
    path = write(tmp_path / "map.fits", [5.0, 1.0, 7.0], columns=columns, more={"INDXSCHM": "EXPLICIT"})
    with pytest.raises(ConfigError, match=r"3 values do not fit .*each pixel may come once"):
        load(path)


def test_no_fits(tmp_path):
    (tmp_path / "map.fits").write_text("no")
    with pytest.raises(ConfigError, match=r"cannot be read as FITS"):
        load(tmp_path / "map.fits")
