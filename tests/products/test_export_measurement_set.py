"""Measurement Sets, read back by casacore and compared with the arrays the dataset was made from."""

from __future__ import annotations

import export_samples as samples
import numpy as np
import pytest

from pipeline.parallel.topology import World
from pipeline.products.export.export import export_dataset
from pipeline.products.export.settings import ExportSettings

tables = pytest.importorskip("casacore.tables", reason="python-casacore is not installed")


@pytest.fixture
def world():
    with World() as world:
        yield world


@pytest.fixture
def sample(tmp_path, monkeypatch):
    samples.small_tiles(monkeypatch)
    return samples.make(tmp_path / "odd.dawn")


def read(path, name):
    with tables.table(str(path), ack=False) as table:
        return table.getcol(name)


def export(sample, world, name="odd.ms", **settings):
    path = sample.path.with_name(name)
    return export_dataset(sample.path, path, ExportSettings("ms", **settings), world)


def check_bands(path, sample, bands):
    """Compare what differs from band to band."""
    weight = sample.rows(sample.weight, bands)
    data, spectrum, flag = (read(path, name) for name in ("DATA", "WEIGHT_SPECTRUM", "FLAG"))
    assert (data.dtype, spectrum.dtype, flag.dtype) == (np.complex64, np.float32, np.bool_)
    np.testing.assert_array_equal(data, sample.rows(sample.vis, bands))
    np.testing.assert_array_equal(spectrum, np.repeat(weight[..., None], 4, axis=-1))
    np.testing.assert_array_equal(flag, np.repeat(weight[..., None] == 0, 4, axis=-1))
    mean = weight.mean(axis=1)
    np.testing.assert_allclose(read(path, "WEIGHT"), np.repeat(mean[:, None], 4, axis=1), rtol=1e-6)
    sigma = np.where(mean > 0, 1 / np.sqrt(np.where(mean > 0, mean, 1)), -1)
    np.testing.assert_allclose(read(path, "SIGMA"), np.repeat(sigma[:, None], 4, axis=1), rtol=1e-6)
    np.testing.assert_array_equal(read(path, "FLAG_ROW"), mean == 0)
    assert (mean == 0).any()
    window = f"{path}/SPECTRAL_WINDOW"
    np.testing.assert_array_equal(read(window, "CHAN_FREQ")[0], sample.channel_hz[list(bands)].ravel())
    np.testing.assert_array_equal(read(window, "CHAN_WIDTH")[0], sample.width_hz[list(bands)].ravel())
    assert read(window, "NUM_CHAN").tolist() == [len(bands) * samples.N_CHANNELS]


def check_rows(path, sample):
    """Compare what is the same for all bands."""
    n_rows = samples.N_DUMPS * samples.N_BASELINES
    np.testing.assert_array_equal(read(path, "UVW"), sample.uvw.reshape(n_rows, 3))
    np.testing.assert_array_equal(read(path, "ANTENNA1"), np.tile(sample.baselines[:, 0], samples.N_DUMPS))
    np.testing.assert_array_equal(read(path, "ANTENNA2"), np.tile(sample.baselines[:, 1], samples.N_DUMPS))
    middle = (samples.START[1] + (np.arange(samples.N_DUMPS) + 0.5) * samples.INTEGRATION_S / 86400) * 86400
    for name in ("TIME", "TIME_CENTROID"):
        found = read(path, name) - samples.START[0] * 86400
        np.testing.assert_allclose(found, np.repeat(middle, samples.N_BASELINES), rtol=0, atol=2e-6)
    for name in ("INTERVAL", "EXPOSURE"):
        assert (read(path, name) == samples.INTEGRATION_S).all()
    zeros = "ARRAY_ID DATA_DESC_ID FEED1 FEED2 FIELD_ID OBSERVATION_ID PROCESSOR_ID STATE_ID"
    assert all((read(path, name) == 0).all() for name in zeros.split())
    assert (read(path, "SCAN_NUMBER") == 1).all()


def test_all_bands_are_channels_of_one_set(sample, world):
    report = export(sample, world)
    assert report.bands == (0, 1, 2)
    check_bands(report.path, sample, (0, 1, 2))
    check_rows(report.path, sample)


def test_some_bands(sample, world):
    path = export(sample, world, bands="0,2").path
    check_bands(path, sample, (0, 2))
    check_rows(path, sample)


def test_a_set_for_each_band(sample, world):
    path = export(sample, world, "odd", split=True).path
    assert sorted(entry.name for entry in path.iterdir()) == [f"band-0000{band}.ms" for band in range(3)]
    for band in range(3):
        check_bands(path / f"band-0000{band}.ms", sample, (band,))
        check_rows(path / f"band-0000{band}.ms", sample)


def test_nothing_is_left_beside_it(sample, world):
    export(sample, world)
    assert sorted(entry.name for entry in sample.path.parent.iterdir()) == ["odd.dawn", "odd.ms"]
    inside = [entry.name for entry in sample.path.with_name("odd.ms").iterdir()]
    assert not any("weights" in name or name.startswith(".") for name in inside)
    assert not any(entry.is_symlink() for entry in sample.path.with_name("odd.ms").iterdir())


def test_columns_and_subtables_are_all_there(sample, world):
    # The required columns as casacore has them, and units and frames of what is measured.
    path = export(sample, world).path
    for name in ("", *tables.table(str(path), ack=False).fieldnames()):
        if name not in ("", "MS_VERSION"):
            required = {key for key in tables.required_ms_desc(name) if not key.startswith("_")}
            assert required <= set(tables.table(f"{path}/{name}", ack=False).colnames()), name
    with tables.table(str(path), ack=False) as main:
        required = {key for key in tables.required_ms_desc() if not key.startswith("_")}
        assert required | {"DATA", "WEIGHT_SPECTRUM"} == set(main.colnames())
        assert main.getkeyword("MS_VERSION") == 2.0
        assert main.info()["type"] == "Measurement Set"
        assert main.getcolkeywords("UVW") == {
            "QuantumUnits": ["m", "m", "m"],
            "MEASINFO": {"type": "uvw", "Ref": "ICRS"},
        }
        assert main.getcolkeywords("TIME")["MEASINFO"] == {"type": "epoch", "Ref": "UTC"}
        assert main.getcolkeywords("TIME")["QuantumUnits"] == ["s"]
    with tables.table(f"{path}/FIELD", ack=False) as field:
        assert field.getcolkeyword("PHASE_DIR", "MEASINFO")["Ref"] == "ICRS"
        np.testing.assert_array_equal(field.getcell("PHASE_DIR", 0), [samples.PHASE_CENTRE])
        assert field.getcell("NAME", 0) == "odd"
    for name, n_rows in (("DATA_DESCRIPTION", 1), ("FEED", 7), ("HISTORY", 1), ("STATE", 1), ("PROCESSOR", 1)):
        assert tables.table(f"{path}/{name}", ack=False).nrows() == n_rows
    assert read(f"{path}/OBSERVATION", "TELESCOPE_NAME") == ["random.txt"]
    begin = samples.START[0] * 86400 + samples.START[1] * 86400
    length = samples.N_DUMPS * samples.INTEGRATION_S
    np.testing.assert_allclose(read(f"{path}/OBSERVATION", "TIME_RANGE")[0] - begin, [0, length], rtol=0, atol=2e-6)
    assert read(f"{path}/SPECTRAL_WINDOW", "MEAS_FREQ_REF").tolist() == [5]  # TOPO


@pytest.mark.parametrize(
    ("station", "mount", "diameter"),
    [
        ({"type": "airy", "diameter": "15 m"}, "EQUATORIAL", 15.0),
        ({"type": "aperture-array", "element": {"type": "dipole"}}, "ALT-AZ", 0.0),
    ],
)
def test_antennas_and_feeds(tmp_path, world, station, mount, diameter):
    sample = samples.make(tmp_path / "odd.dawn", station=station)
    path = export(sample, world).path
    with tables.table(f"{path}/ANTENNA", ack=False) as antenna:
        np.testing.assert_allclose(antenna.getcol("POSITION"), sample.telescope.geocentric_m, rtol=0, atol=1e-9)
        assert antenna.getcol("NAME") == list(sample.telescope.station_names)
        assert antenna.getcol("MOUNT") == [mount] * samples.N_STATIONS
        assert (antenna.getcol("DISH_DIAMETER") == diameter).all()
    with tables.table(f"{path}/FEED", ack=False) as feed:
        assert feed.getcell("POLARIZATION_TYPE", 6) == ["X", "Y"]
        np.testing.assert_array_equal(feed.getcell("RECEPTOR_ANGLE", 6), [0, 0])
        np.testing.assert_array_equal(feed.getcell("POL_RESPONSE", 6), np.eye(2))
    with tables.table(f"{path}/POLARIZATION", ack=False) as polarization:
        assert polarization.getcell("CORR_TYPE", 0).tolist() == [9, 10, 11, 12]
        assert polarization.getcell("CORR_PRODUCT", 0).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_questions_in_casacores_language(sample, world):
    path = export(sample, world).path
    query = f"select TIME, gsum(WEIGHT_SPECTRUM[,0]) as W from {path} where ANTENNA1 != ANTENNA2 groupby TIME"
    with tables.taql(query) as found:
        cross = sample.baselines[:, 0] != sample.baselines[:, 1]
        expected = sample.weight[:, :, :, cross].sum(axis=(0, 2, 3))
        np.testing.assert_allclose(found.getcol("W"), expected)
    with tables.taql(f"select from {path} where mscal.baseline('S01&S04')") as found:
        assert found.nrows() == samples.N_DUMPS


def test_uvw_are_what_casacore_works_out(sample, world):
    """Directions from casacore's measures, which share no code with ERFA; they point from ANTENNA1 to ANTENNA2.

    casacore's tables of the Earth's rotation end before the observation: it takes UT1 for UTC, 0.9 s at most or
    6.6e-5 rad, and leaves out the pole's motion.
    """
    path = export(sample, world).path
    with tables.taql(f"select UVW, mscal.uvwj2000() as THEIRS from {path}") as found:
        uvw, theirs = found.getcol("UVW"), found.getcol("THEIRS")
    np.testing.assert_allclose(uvw, -theirs, rtol=0, atol=7e-5 * np.linalg.norm(uvw, axis=1).max())
