"""Files of sources: SkyH5 against pyradiosky's own numbers; OSKAR, WSClean and GLEAM against lines worked out here."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.config.sources import CatalogueEntry
from pipeline.errors import ConfigError
from pipeline.observation.skies.catalogues import read_catalogue
from pipeline.observation.skies.gleam import deconvolved

DATA = Path(__file__).parents[1] / "data"
GLEAM = Path(__file__).parents[2] / "configs" / "skies" / "gleam_50srcs.vot"
EXPECTED = json.loads((DATA / "pyradiosky_skies.json").read_text(encoding="utf-8"))
ARCSEC = math.pi / 648000


def read(path, format, **options):
    return read_catalogue(CatalogueEntry.model_validate({"catalogue": path, "format": format, **options}))


@pytest.fixture
def write(tmp_path):
    """Write a text file, and return its path."""

    def write(text: str, name: str = "sky.txt") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


# SkyH5


@pytest.mark.parametrize("kind", ["flat", "spectral_index", "subband", "full"])
def test_skyh5_is_read_as_pyradiosky_does(kind):
    pytest.importorskip("h5py")
    expected = EXPECTED[kind]
    for interpolation in ("linear", "cubic") if kind == "subband" else ("linear",):
        sky, notes = read(DATA / f"pyradiosky_{kind}.skyh5", "skyh5", interpolation=interpolation)
        numbers = expected.get(interpolation, expected)
        assert (tuple(sky.names), notes) == (tuple(expected["names"]), [])
        np.testing.assert_allclose(np.degrees(sky.ra_rad), expected["ra_deg"], rtol=0, atol=1e-11)
        np.testing.assert_allclose(np.degrees(sky.dec_rad), expected["dec_deg"], rtol=0, atol=1e-11)
        assert sky.is_unpolarised == (kind == "full")
        # The part travels to the ranks, and reads what it needs there.
        sky = pickle.loads(pickle.dumps(sky))
        for hz, stokes in zip(numbers["frequency_hz"], numbers["stokes_jy"], strict=True):
            np.testing.assert_allclose(sky.stokes_at(hz), stokes, rtol=1e-11, atol=1e-13)


def test_skyh5_tables_are_not_extrapolated():
    pytest.importorskip("h5py")
    sky, _ = read(DATA / "pyradiosky_subband.skyh5", "skyh5")
    sky.check_band(100e6, 200e6)
    with pytest.raises(ConfigError, match=r"tabulated from 100 MHz to 200 MHz, .*nothing is extrapolated"):
        sky.check_band(150e6, 201e6)


def changed(tmp_path, kind, change):
    """Copy a file of pyradiosky's, changed."""
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "changed.skyh5"
    path.write_bytes((DATA / f"pyradiosky_{kind}.skyh5").read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def put(key, value):
    def change(file):
        attributes = dict(file[key].attrs)
        del file[key]
        file[key] = value
        file[key].attrs.update(attributes)

    return change


def set_unit(file):
    file["Data/stokes"].attrs["unit"] = "K"


def spoil(file):
    file["Data/stokes"][0, 3, 2] = np.nan


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("flat", put("Header/component_type", b"healpix"), "'healpix', a map and no list .*an entry {healpix: PATH}"),
        ("flat", put("Header/spectral_type", b"wiggly"), "spectral_type is 'wiggly'; it must be one of flat"),
        ("flat", put("Header/skycoord/frame", b"altaz"), "in the frame 'altaz', .*it must be icrs, galactic, or fk5"),
        ("subband", put("Header/skycoord/equinox", b"B1950.000"), r"'fk5', equinox B1950\.000"),
        ("flat", set_unit, "Data/stokes is in 'K'; it must have a unit that can be turned into Jy"),
        ("subband", spoil, r"src c is nan, .* at 145 MHz; every flux density must be a finite number"),
        ("subband", put("Header/freq_array", np.arange(5) * 1e8 + 1e8), "holds 5 frequencies, Data/stokes 6"),
        ("subband", put("Header/freq_array", np.arange(6)[::-1] * 1e8 + 1e8), "must be above zero and rise"),
        ("spectral_index", put("Header/spectral_index", np.full(5, np.nan)), r"row 0 \(src a\): spectral_index is nan"),
        ("flat", lambda file: file.__delitem__("Header/skycoord"), "holds no directions"),
        ("flat", lambda file: file.__delitem__("Header"), "has no Header or no Data/stokes"),
    ],
)
def test_bad_skyh5(tmp_path, kind, change, message):
    with pytest.raises(ConfigError, match=message):
        read(changed(tmp_path, kind, change), "skyh5")


def test_no_hdf5(write):
    pytest.importorskip("h5py")
    with pytest.raises(ConfigError, match=r"sky\.txt: cannot be read as HDF5"):
        read(write("no"), "skyh5")


# GLEAM


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_gleam_subbands_are_those_of_pyradiosky(interpolation):
    expected = EXPECTED["gleam_subbands"]
    sky, notes = read(GLEAM, "gleam", spectrum="subbands", interpolation=interpolation)
    assert (sky.n_sources, notes, sky.is_unpolarised) == (50, [], True)
    for hz, i_jy in zip(expected["frequency_hz"], expected[interpolation], strict=True):
        np.testing.assert_allclose(sky.stokes_at(hz)[:, 0], i_jy, rtol=1e-11, atol=1e-13)
    with pytest.raises(ConfigError, match="from 76 MHz to 227 MHz"):
        sky.check_band(227e6, 230e6)


def test_gleam_subbands_are_those_of_pyuvsim():
    """Half the sum of the 32 sources that no sub-band has below zero is an autocorrelation of pyuvsim's result."""
    sky, _ = read(GLEAM, "gleam", spectrum="subbands", interpolation="cubic")
    planes = np.array([sky.stokes_at(hz)[:, 0] for hz in sky.tables[0].frequency_hz])
    positive = (planes >= 0).all(axis=0)
    assert positive.sum() == 32
    for hz, xx_jy in ((100e6, 7.125181550882318), (101e6, 7.140198831134593)):
        assert sky.stokes_at(hz)[positive, 0].sum() / 2 == pytest.approx(xx_jy, rel=1e-9)


def test_gleam_without_a_subband_is_left_out(tmp_path):
    table = pytest.importorskip("astropy.table").Table.read(GLEAM)
    table["Fint122"][7] = np.nan
    table.write(tmp_path / "g.vot", format="votable")
    sky, notes = read(tmp_path / "g.vot", "gleam", spectrum="subbands")
    assert sky.n_sources == 49
    name = table["GLEAM"][7]
    assert notes == [f"g.vot: 1 of 50 sources lack a flux density in a sub-band and are left out: {name}"]


def test_gleam_shapes(write):
    head = "GLEAM,RAJ2000,DEJ2000,Fintfit200,alpha,awide,bwide,pawide,psfawide,psfbwide,psfPAwide"
    text = f"{head}\nA,1,2,3,-1,150,150,10,120,120,0\nB,1,2,3,-1,130,120,10,130,120,10\nC,1,2,3,-1,200,150,30,120,120,0"
    sky, _ = read(write(text, "g.csv"), "gleam", shapes=True)
    # By Pythagoras: 90 = sqrt(150^2 - 120^2), 160 = sqrt(200^2 - 120^2).
    np.testing.assert_allclose(sky.shape_rad[0, :2], [90 * ARCSEC, 90 * ARCSEC], rtol=1e-12)
    np.testing.assert_array_equal(sky.shape_rad[1], [0, 0, 0])
    np.testing.assert_allclose(sky.shape_rad[2], [160 * ARCSEC, 90 * ARCSEC, math.radians(30)], rtol=1e-12)
    with pytest.raises(ConfigError, match="has no column 'awide', which shapes: true needs"):
        read(GLEAM, "gleam", shapes=True)


def test_turned_by_half_a_turn_it_is_the_same_shape():
    psf = np.array([[140.0, 120.0, angle] for angle in np.linspace(-1.5, 1.5, 31)])
    turned = psf + np.array([0, 0, math.pi])
    np.testing.assert_array_equal(deconvolved(turned, psf), np.zeros((31, 3)))


def test_deconvolution_undoes_convolution():
    """Covariances are added as matrices, and their axes found by numpy's eigenvectors."""

    def matrix(shape):
        axis = np.array([[math.cos(shape[2]), -math.sin(shape[2])], [math.sin(shape[2]), math.cos(shape[2])]])
        return axis @ np.diag(shape[:2] ** 2) @ axis.T

    rng = np.random.default_rng(2)
    for _ in range(21):
        source, psf = (np.array([*np.sort(rng.uniform(1, 3, 2))[::-1], rng.uniform(-1.5, 1.5)]) for _ in range(2))
        values, vectors = np.linalg.eigh(matrix(source) + matrix(psf))
        fitted = np.array([*np.sqrt(values[::-1]), math.atan2(vectors[1, 1], vectors[0, 1])])
        got = deconvolved(fitted[np.newaxis], psf[np.newaxis])[0]
        np.testing.assert_allclose(matrix(got), matrix(source), rtol=1e-12, atol=1e-12)


# OSKAR


def test_oskar_fixed_columns(write):
    sky, notes = read(
        write(
            "# RA, Dec, I, Q, U, V, freq0, spix, RM, major, minor, PA\n"
            "#\n"
            "10.0 -70.0 1.1 0.1 -0.2 0.3 100e6 -0.7 2.5 200.0 150.0 23.0\n"
            "0.0, 71.2, 2.3, 1.0, 0.0, 0.0, 100e6, -0.5, 90.0, 40.0, -10.0   # the form from before rotation measures\n"
            "\n"
            "0.1 69.8 1.5\n"
        ),
        "oskar",
    )
    assert (tuple(sky.names), notes) == (("sky-1", "sky-2", "sky-3"), [])
    np.testing.assert_allclose(np.degrees(sky.ra_rad), [10, 0, 0.1], rtol=1e-14)
    np.testing.assert_allclose(np.degrees(sky.dec_rad), [-70, 71.2, 69.8], rtol=1e-14)
    np.testing.assert_allclose(sky.shape_rad / ARCSEC, [[200, 150, 82800], [90, 40, -36000], [0, 0, 0]], rtol=1e-13)
    assert sky.rotation_measure.tolist() == [2.5, 0, 0]
    # At 200 MHz: OSKAR's beta = RM (lambda^2 - lambda_0^2), Q cos 2beta - U sin 2beta, Q sin 2beta + U cos 2beta.
    beta = 2.5 * (1.49896229**2 - 2.99792458**2)
    cos, sin, scale = math.cos(2 * beta), math.sin(2 * beta), 2**-0.7
    first = [1.1, 0.1 * cos + 0.2 * sin, 0.1 * sin - 0.2 * cos, 0.3]
    expected = [[scale * x for x in first], [2.3 / math.sqrt(2), 1 / math.sqrt(2), 0, 0], [1.5, 0, 0, 0]]
    np.testing.assert_allclose(sky.stokes_at(200e6), expected, rtol=1e-12)


OSKAR_NAMED = """\
# A sky with named columns.
Format=Name,Type,Ra,Dec,I,ReferenceFrequency='100e6',SpectralIndex='-0.7',Q,U,V,Major,Minor,Orientation

"s, 1", POINT,     20.0deg   -30.0deg   1,,, 0, 0, 0,    ,   ,
s2, GAUSSIAN,  20.0deg   -30.5deg   3,,[-0.7, 0.3], 2, 2, 0, 600, 50,  45
s3, POINT, 01:20:30.5, -30.15.36.5, 3,150e6
"""


def test_oskar_named_columns(write):
    sky, notes = read(write(OSKAR_NAMED), "oskar")
    assert (tuple(sky.names), notes) == (("s, 1", "s2", "s3"), [])
    np.testing.assert_allclose(np.degrees(sky.ra_rad), [20, 20, 20.1270833333333333], rtol=1e-14)
    np.testing.assert_allclose(np.degrees(sky.dec_rad), [-30, -30.5, -30.2601388888888889], rtol=1e-14)
    np.testing.assert_allclose(sky.shape_rad / ARCSEC, [[0, 0, 0], [600, 50, 162000], [0, 0, 0]], rtol=1e-13)
    # (2)^(-0.7 + 0.3 log10(2)) = 2^-0.609691001300... and (200 / 150)^-0.7
    curved = 2 ** (-0.7 + 0.3 * math.log10(2))
    expected = [[2**-0.7, 0, 0, 0], [3 * curved, 2 * curved, 2 * curved, 0], [3 * (4 / 3) ** -0.7, 0, 0, 0]]
    np.testing.assert_allclose(sky.stokes_at(200e6), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("head", "row", "ra_deg", "i_jy"),
    [
        ("# (RaD, DecD, I) = format", "12.5, 3, 2", 12.5, 2),
        ("format = ra_deg dec_deg StokesI", "12.5 3 2", 12.5, 2),
        ("Format = [Ra, Dec, I, SpectralIndex, ReferenceFrequency]", "0.1rad 3deg 2 -1 75e6", 5.729577951308232, 1),
        ("Format=Ra,Dec,i_jy,alpha,RefFreq,LogarithmicSI", "1h30m0, -0d30m0, 2, [1, -1], 100e6, false", 22.5, 2.25),
        (
            "Format=Ra,Dec,I,SpectralCurvature,spec_idx,ref_freq",
            "0 0 2 0.5 -1 75e6",
            0,
            math.exp(0.5 * math.log(2) ** 2),
        ),
    ],
)
def test_oskar_spellings(write, head, row, ra_deg, i_jy):
    sky, _ = read(write(f"{head}\n{row}\n"), "oskar")
    assert math.degrees(sky.ra_rad[0]) == pytest.approx(ra_deg, rel=1e-14)
    assert sky.stokes_at(150e6)[0, 0] == pytest.approx(i_jy, rel=1e-14)


def test_oskar_says_what_it_does_not_use(write):
    _, notes = read(write("Format = RaD, DecD, I, Flag\n1, 2, 3, x\n"), "oskar")
    assert notes == ["sky.txt: columns not used: Flag"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n", r"sky\.txt:1: has 2 columns; OSKAR's fixed form has 3 to 9, 11 or 12"),
        ("1 2 3 4 5 6 7 8 9 10\n", "has 10 columns"),
        ("# x\n1 2 3x\n", r":2: i: '3x' is not a number"),
        ("1 2 nan\n", r"row 1 \(sky-1\): i is nan"),
        ("1 95 3\n", r"dec is 1\.65806; it must be an angle"),
        ("1 2 3 0 0 0 0 -0.7\n", "its reference frequency is missing or zero"),
        ("1 2 3 0 0 0 1e8 0 0 5 10 0\n", "minor is .*it must be a width from 0 to that of the major axis"),
        ("1 2 3 0 0 0 1e8 0 0 5 0 0\n", "only one of the widths major and minor is zero"),
        ("1 2 3 0 0 0 1e8 0 0 -5 -6 0\n", "major is .*not negative"),
        ("Format = RaD, I\n1, 2\n", "has no column for dec; columns: RaD, I"),
        ("Format = RaD, DecD, Fint084, Fint092\n1, 2, 3, 4\n", r"several columns hold i \(.*several frequencies"),
        ("Format = RaD, DecD, I\n1, 2, [3, 4]\n", ":2: i is a list; .*as a spectrum of a source"),
        ("Format = RaD, DecD, I\n1, 2, 3, 4\n", ":2: has 4 fields, the format line names 3"),
        ("Format = RaD, DecD, I\n1, 2,\n", ":2: i is missing; give it"),
        ("Format = RaD, DecD, I, SpectralIndex\n1, 2, 3, [1, 2\n", ":2: a quote or bracket is not closed"),
        (
            "Format = RaD, DecD, I, LineWidth\n1, 2, 3, 4\n",
            "LineWidth is '4'; this column is not read: spectra of lines",
        ),
        ("Format = RaD, DecD, I, PolarizationAngle\n1, 2, 3, 4\n", "give Stokes Q and U at the reference"),
        ("Format = RaD, DecD, I, SemiMajorAxis\n1, 2, 3, 4\n", "full widths at half maximum as MajorAxis"),
        ("Format = Ra, Dec, I\n83.6, 0.1, 3\n", r"ra: 83\.6 rad is more than a turn; write 83\.6deg"),
        ("Format = Ra, Dec, I\n1:60:00, 0.1, 3\n", "'1:60:00' is not an angle"),
        ("Format = RaD, DecD, I, alpha, SpectralCurvature, RefFreq\n1, 2, 3, [1, 2], 3, 1e8\n", "give one of them"),
    ],
)
def test_bad_oskar(write, text, message):
    with pytest.raises(ConfigError, match=message):
        read(write(text), "oskar")


# WSClean

WSCLEAN = """\
Format = Name, Type, Ra, Dec, I, SpectralIndex, LogarithmicSI, ReferenceFrequency='125000000', MajorAxis, MinorAxis, Orientation

s0c0,POINT,08:28:05.152,39.35.08.511,0.75,[-0.25,0.5],false,125000000,,,
s0c1,POINT,-00:30:00.0,-26.42.11.9,-0.0001,[],false,,,,
s1c0,GAUSSIAN,08:31:10.37,-00.30.00,2.0,[-0.8,0.1,0.2],true,100000000,83.6,41.8,12.5
"""  # noqa: E501 - as WSClean writes it


def test_wsclean(write):
    sky, notes = read(write(WSCLEAN), "wsclean")
    assert (tuple(sky.names), notes) == (("s0c0", "s0c1", "s1c0"), [])
    # 15 (8 + 28/60 + 5.152/3600); 39 + 35/60 + 8.511/3600; -26 - 42/60 - 11.9/3600
    np.testing.assert_allclose(np.degrees(sky.ra_rad), [127.0214666666666667, -7.5, 127.7932083333333333], rtol=1e-14)
    np.testing.assert_allclose(np.degrees(sky.dec_rad), [39.5856975, -26.7033055555555556, -0.5], rtol=1e-14)
    np.testing.assert_allclose(sky.shape_rad[2] / ARCSEC, [83.6, 41.8, 45000], rtol=1e-13)
    assert not sky.shape_rad[:2].any()
    # y = 0.2 of 125 MHz; log10(1.5) of 100 MHz
    log = math.log10(1.5)
    expected = [0.75 - 0.25 * 0.2 + 0.5 * 0.04, -0.0001, 2 * 1.5 ** (-0.8 + 0.1 * log + 0.2 * log**2)]
    np.testing.assert_allclose(sky.stokes_at(150e6)[:, 0], expected, rtol=1e-14)


def test_wsclean_patches_are_not_sources(write):
    text = "# (Name, Type, Patch, Ra, Dec, I) = format\n, , p1, 0:00:00, 0.00.00\na, POINT, p1, 1:00:00, 2.00.00, 3\n"
    sky, notes = read(write(text), "wsclean")
    assert (tuple(sky.names), notes) == (("a",), ["sky.txt: 1 lines that describe patches are not used"])


HEAD = "Format = Name, Type, Ra, Dec, I, Q, SpectralIndex, LogarithmicSI, ReferenceFrequency, MajorAxis, MinorAxis\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,POINT,1:2:3,4.5.6,7\n", "has no line 'Format = Name"),
        ("Format = Name, Type, Ra, I\n", "the format line has no column 'dec'"),
        (f"{HEAD}a,SHAPELET,1:2:3,4.5.6,7\n", ":2: type 'SHAPELET' is not read; it must be POINT or GAUSSIAN"),
        (f"{HEAD}a,GAUSSIAN,1:2:3,4.5.6,7\n", ":2: MajorAxis is missing; give it"),
        (f"{HEAD}a,POINT,1:2:3,4.5.6,7,0.1\n", ":2: has Stokes Q, U or V"),
        (f"{HEAD}a,POINT,1:2:3,4.5.6,7,,[1],maybe,1e8\n", "LogarithmicSI is 'maybe'; it must be true or false"),
        (f"{HEAD}a,POINT,1:2:3,4.5.6,7,,[1],true\n", r"row 2 \(a\): .*reference frequency is missing or zero"),
        (f"{HEAD}a,POINT,1:2:3,4.5.6,7,,[1,x],true,1e8\n", "SpectralIndex: 'x' is not a number"),
        (f"{HEAD}a,POINT,1:2:3,4.61.6,7\n", r"Dec: '4\.61\.6' is not an angle; write it as -26\.42\.11\.9"),
        (f"{HEAD}a,POINT,1:2:3,4.5.6,\n", ":2: I is missing; give it"),
        (f"{HEAD}a,GAUSSIAN,1:2:3,4.5.6,7,,,,,5,6\n", "minor is .*from 0 to that of the major axis"),
        ("Format = Name, Type, Ra, Dec, I, Shine\na,POINT,1:2:3,4.5.6,7,8\n", "shine is '8'; this column is not read"),
    ],
)
def test_bad_wsclean(write, text, message):
    with pytest.raises(ConfigError, match=message):
        read(write(text), "wsclean")


@pytest.mark.parametrize("format", ["oskar", "wsclean"])
def test_no_text(tmp_path, format):
    path = tmp_path / "noise.bin"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ConfigError, match=r"noise\.bin: cannot be read as text"):
        read(path, format)


# Tables, and options


def test_table_with_all_columns(write):
    text = (
        "ra,dec,i,q,spectral_index,curvature,reference,rotation_measure,major,minor,position_angle\n"
        "10,-20,1.5,0.5,-1,0.5,75e6,3,60,30,45\n11,-21,2,0,0,0,75e6,0,0,0,0\n"
    )
    sky, notes = read(write(text, "t.csv"), "table")
    assert notes == []
    np.testing.assert_allclose(sky.shape_rad / ARCSEC, [[60, 30, 162000], [0, 0, 0]], rtol=1e-13)
    assert sky.rotation_measure.tolist() == [3, 0]
    expected = [1.5 * math.exp(-math.log(2) + 0.5 * math.log(2) ** 2), 2]
    np.testing.assert_allclose(sky.stokes_at(150e6)[:, 0], expected, rtol=1e-14)


def test_table_converts_units(tmp_path):
    units = pytest.importorskip("astropy.units")
    from astropy.table import Table

    table = Table({"ra": [1.0], "dec": [2.0], "i": [1.0], "major": [2.0] * units.arcmin, "minor": [0.01] * units.deg})
    table["rotation_measure"] = [5.0] * units.Unit("rad/cm2")
    table.write(tmp_path / "t.ecsv", format="ascii.ecsv")
    sky, _ = read(tmp_path / "t.ecsv", "table")
    np.testing.assert_allclose(sky.shape_rad / ARCSEC, [[120, 36, 0]], rtol=1e-13)
    np.testing.assert_allclose(sky.rotation_measure, [5e4], rtol=1e-13)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ra,dec,i,major\n1,2,3,4\n", "has no column 'minor', which an elliptical Gaussian needs"),
        ("ra,dec,i,major,minor\n1,2,3,4,5\n", r"row 1 \(t-1\): minor is .*from 0 to that of the major axis"),
        ("ra,dec,i,major,minor\n1,2,3,4,4\n1,2,3,,\n", r"row 2 \(t-2\): major is nan; .*and 0 for a point"),
        ("ra,dec,i,rotation_mesure\n1,2,3,4\n", "did you mean 'rotation_measure'"),
        ("ra,dec,i,curvature\n1,2,3,inf\n", "term 2 of the spectrum is inf"),
    ],
)
def test_bad_tables(write, text, message):
    with pytest.raises(ConfigError, match=message):
        read(write(text, "t.csv"), "table")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "table", "shapes": True}, "shapes goes with format: gleam only"),
        ({"format": "oskar", "spectrum": "subbands"}, "spectrum goes with format: gleam only"),
        ({"format": "skyh5", "missing_fit": "band-flux", "band": "Fint151"}, "missing_fit goes with format: gleam"),
        ({"format": "gleam", "interpolation": "cubic"}, "interpolation goes with format: skyh5 or spectrum: subbands"),
        (
            {"format": "gleam", "spectrum": "subbands", "missing_fit": "band-flux", "band": "Fint151"},
            "spectrum: subbands uses no fit",
        ),
        ({"format": "fits"}, "'gleam', 'table', 'oskar', 'skyh5' or 'wsclean'"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(ValidationError, match=message):
        CatalogueEntry.model_validate({"catalogue": GLEAM, **options})
