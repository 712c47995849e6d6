"""UVH5 files: their arrays by h5py against those the dataset was made from, and as pyuvdata understands them."""

from __future__ import annotations

from types import SimpleNamespace

import export_samples as samples
import h5py
import numpy as np
import oracle
import pytest

from pipeline.parallel.topology import World
from pipeline.products.export.export import export_dataset
from pipeline.products.export.settings import ExportSettings

SOURCE = (0.23, -0.53)  # rad, ICRS
FLUX = (2.0, 0.3, -0.4, 0.25)  # Jy: I, Q, U, V


@pytest.fixture
def world():
    with World() as world:
        yield world


@pytest.fixture
def sample(tmp_path, monkeypatch):
    samples.small_tiles(monkeypatch)
    return samples.make(tmp_path / "odd.dawn")


def export(sample, world, name="odd.uvh5", **settings):
    path = sample.path.with_name(name)
    return export_dataset(sample.path, path, ExportSettings("uvh5", **settings), world).path


def check(path, sample, bands):
    """Compare the arrays; baselines point the other way than in the dataset."""
    n_rows = samples.N_DUMPS * samples.N_BASELINES
    weight = np.repeat(sample.rows(sample.weight, bands)[..., None], 4, axis=-1)
    with h5py.File(path) as file:
        data, header = file["Data"], file["Header"]
        np.testing.assert_array_equal(data["visdata"][:], sample.rows(sample.vis, bands).conj())
        assert (data["visdata"].dtype, data["flags"].dtype, data["nsamples"].dtype) == ("c8", "bool", "f4")
        np.testing.assert_array_equal(data["flags"][:], weight == 0)
        np.testing.assert_array_equal(data["nsamples"][:], weight)
        np.testing.assert_array_equal(header["uvw_array"][:], -sample.uvw.reshape(n_rows, 3))
        for name, column in (("ant_1_array", 0), ("ant_2_array", 1)):
            np.testing.assert_array_equal(header[name][:], np.tile(sample.baselines[:, column], samples.N_DUMPS))
        middle = samples.START[1] + (np.arange(samples.N_DUMPS) + 0.5) * samples.INTEGRATION_S / 86400
        found = header["time_array"][:] - 2400000.5 - samples.START[0]
        np.testing.assert_allclose(found, np.repeat(middle, samples.N_BASELINES), rtol=0, atol=1e-9)
        assert (header["integration_time"][:] == samples.INTEGRATION_S).all()
        assert (header["phase_center_id_array"][:] == 0).all()
        np.testing.assert_array_equal(header["freq_array"][:], sample.channel_hz[list(bands)].ravel())
        np.testing.assert_array_equal(header["channel_width"][:], sample.width_hz[list(bands)].ravel())


def test_all_bands_are_channels_of_one_file(sample, world):
    check(export(sample, world), sample, (0, 1, 2))


def test_some_bands(sample, world):
    check(export(sample, world, bands="1-2"), sample, (1, 2))


def test_a_file_for_each_band(sample, world):
    path = export(sample, world, "odd", split=True)
    for band in range(3):
        check(path / f"band-0000{band}.uvh5", sample, (band,))


def test_header(sample, world):
    with h5py.File(export(sample, world)) as file:
        header = file["Header"]

        def value(name):
            found = header[name][()]
            return found.decode() if isinstance(found, bytes) else found

        counts = {"Nants_data": 7, "Nants_telescope": 7, "Nbls": 28, "Nblts": 140, "Nfreqs": 6, "Npols": 4}
        counts |= {"Nspws": 1, "Ntimes": 5, "Nphase": 1}
        assert {name: int(value(name)) for name in counts} == counts
        assert (value("version"), value("vis_units"), value("pol_convention")) == ("1.2", "Jy", "avg")
        assert header["polarization_array"][:].tolist() == [-5, -7, -8, -6]
        np.testing.assert_allclose(
            [value("latitude"), value("longitude"), value("altitude")],
            [np.degrees(samples.PLACE[1]), np.degrees(samples.PLACE[0]), samples.PLACE[2]],
        )
        relative = sample.telescope.geocentric_m - sample.telescope.centre_m
        np.testing.assert_allclose(header["antenna_positions"][:], relative, rtol=0, atol=2e-9)
        assert header["antenna_names"][3] == b"S03"
        assert header["feed_array"][:].tolist() == [[b"x", b"y"]] * 7
        np.testing.assert_array_equal(header["feed_angle"][:], [[0, np.pi / 2]] * 7)
        catalogue = header["phase_center_catalog/0"]
        assert (catalogue["cat_type"][()], catalogue["cat_frame"][()]) == (b"sidereal", b"icrs")
        assert (catalogue["cat_lon"][()], catalogue["cat_lat"][()]) == samples.PHASE_CENTRE


def from_apparent_place(header, positions):
    """Return stations' uvw from sidereal time and apparent place, by plain rotations (Thompson et al., eq. 4.1)."""
    longitude = np.radians(header["longitude"][()])
    names = ("lst_array", "phase_center_app_ra", "phase_center_app_dec", "phase_center_frame_pa")
    out = []
    for lst, ra, dec, angle in zip(*(header[name][:: samples.N_BASELINES] for name in names), strict=True):
        hour = lst - ra - longitude  # Greenwich
        u = np.array([np.sin(hour), np.cos(hour), 0])
        v = np.array([-np.sin(dec) * np.cos(hour), np.sin(dec) * np.sin(hour), np.cos(dec)])
        w = np.array([np.cos(dec) * np.cos(hour), -np.cos(dec) * np.sin(hour), np.sin(dec)])
        turned = np.stack([np.cos(angle) * u - np.sin(angle) * v, np.sin(angle) * u + np.cos(angle) * v, w])
        out.append(positions @ turned.T)
    return np.stack(out)


def test_uvw_follow_from_the_apparent_place(sample, world):
    with h5py.File(export(sample, world)) as file:
        stations = from_apparent_place(file["Header"], file["Header/antenna_positions"][:])
    np.testing.assert_allclose(stations, sample.station_uvw, rtol=0, atol=1e-8)


@pytest.fixture
def offline(monkeypatch):
    """Keep astropy from looking for tables and names of telescopes elsewhere."""
    from astropy.coordinates import EarthLocation
    from astropy.utils import iers

    monkeypatch.setattr(EarthLocation, "get_site_names", classmethod(lambda cls: ["nowhere"]))
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        yield


def test_pyuvdata_takes_it_with_all_checks(sample, world, offline):
    pyuvdata = pytest.importorskip("pyuvdata", reason="pyuvdata is not installed")
    uvd = pyuvdata.UVData.from_file(
        export(sample, world),
        run_check=True,
        check_extra=True,
        run_check_acceptability=True,
        strict_uvw_antpos_check=True,
        check_autos=False,  # the sample's are noise
        fix_autos=False,
    )
    assert uvd.telescope.get_x_orientation_from_feeds() == "north"
    before = uvd.uvw_array.copy()
    uvd.set_uvws_from_antenna_positions()
    turns = np.abs(uvd.uvw_array - before).max() * sample.channel_hz.max() / samples.C
    assert 2 * np.pi * turns < 1e-6


def test_pyuvdata_phases_a_source_away(tmp_path, world, offline):
    """Phased to a source by pyuvdata, in its own way, its visibilities are its flux densities: to 1e-6 of a radian."""
    pyuvdata = pytest.importorskip("pyuvdata", reason="pyuvdata is not installed")
    telescope = samples.make(tmp_path / "place.dawn").telescope
    sky = SimpleNamespace(ra_rad=np.array(SOURCE[:1]), dec_rad=np.array(SOURCE[1:]))
    moments = samples.geometry(telescope, sky).moments(np.arange(samples.N_DUMPS) + 0.5)

    def vis_of(station_uvw, baselines, hz):
        sources = [[*moment.lmn()[0, :2], *FLUX] for moment in moments]
        dumps = [(station_uvw[dump : dump + 1], [source]) for dump, source in enumerate(sources)]
        return np.concatenate([oracle.visibilities(uvw, baselines, hz, source) for uvw, source in dumps])

    sample = samples.make(tmp_path / "odd.dawn", vis_of=vis_of)
    uvd = pyuvdata.UVData.from_file(export(sample, world))
    uvd.phase(lon=SOURCE[0], lat=SOURCE[1], phase_frame="icrs", cat_name="source", epoch="J2000")
    i, q, u, v = FLUX
    # Conjugated: the other sign of i.
    expected = np.array([i + q, u - 1j * v, u + 1j * v, i - q])
    assert np.abs(uvd.data_array - expected).max() < 1e-6 * i


def test_pyuvdata_reads_the_same_from_a_measurement_set(sample, world, offline):
    pyuvdata = pytest.importorskip("pyuvdata", reason="pyuvdata is not installed")
    pytest.importorskip("casacore", reason="python-casacore is not installed")
    export_dataset(sample.path, sample.path.with_name("odd.ms"), ExportSettings("ms"), world)
    ours = pyuvdata.UVData.from_file(export(sample, world), check_autos=False, fix_autos=False)
    set_path = str(sample.path.with_name("odd.ms"))
    theirs = pyuvdata.UVData.from_file(set_path, check_autos=False, fix_autos=False)
    for first, second in sample.baselines[::5]:
        for pol in ("xx", "xy", "yx", "yy"):
            key = (first, second, pol)
            np.testing.assert_array_equal(ours.get_data(key), theirs.get_data(key))
            np.testing.assert_array_equal(ours.get_flags(key), theirs.get_flags(key))
        rows = (uvd.uvw_array[uvd.antpair2ind(first, second)] for uvd in (ours, theirs))
        np.testing.assert_array_equal(*rows)
