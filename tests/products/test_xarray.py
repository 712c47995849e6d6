"""xarray's reading of datasets beside ADIOS2's own reader of files: the same bytes, lazily, and damage told."""

from __future__ import annotations

import gc
import os
import pickle
import re
import shutil
import threading
from datetime import datetime, timedelta
from pathlib import Path

import lazy_samples as samples
import numpy as np
import pytest

from pipeline.dataset.access import BandAccess
from pipeline.dataset.storage import band_name

xr = pytest.importorskip("xarray")
N_BANDS = 3
CHANNELS = samples.N_CHANNELS * N_BANDS


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Three bands, the second of which two writers made."""
    path = samples.make(tmp_path_factory.mktemp("xarray") / "a.dawn", N_BANDS)
    shutil.rmtree(path / band_name(1))
    samples.write_as_two(path / band_name(1), samples.header(1), split=3)
    return path


@pytest.fixture
def looked_at(monkeypatch):
    """Record (band, step, variables, baselines) of every look at a step."""
    looks = []
    read = BandAccess.read

    def recorded(self, step, variables, **choice):
        baselines = choice.get("baselines")
        looks.append((self._entry.index, step, variables, None if baselines is None else baselines.tolist()))
        return read(self, step, variables, **choice)

    monkeypatch.setattr(BandAccess, "read", recorded)
    return looks


def opened(path, **options):
    return xr.open_dataset(path, engine="dawnstream", **options)


def by_bands(path, name):
    return np.concatenate([samples.plain(path, name, band) for band in range(N_BANDS)], axis=1)


def uvw_of_baselines(path):
    uvw = samples.plain(path, "station_uvw")
    return np.stack([uvw[:, p] - uvw[:, q] for p in range(samples.N_STATIONS) for q in range(p + 1, 5)], axis=1)


def test_values_are_the_bytes(whole):
    with opened(whole) as dataset:
        assert dataset.vis.dims == ("time", "channel", "baseline", "pol")
        assert dataset.vis.dtype == np.complex64
        assert dataset.vis.values.tobytes() == by_bands(whole, "vis").tobytes()
        assert dataset.weight.values.tobytes() == by_bands(whole, "weight").tobytes()
        assert dataset.station_uvw.values.tobytes() == samples.plain(whole, "station_uvw").tobytes()
        np.testing.assert_array_equal(dataset.baseline_uvw.values, uvw_of_baselines(whole))


def test_labels(whole):
    of = samples.header(0)
    with opened(whole) as dataset:
        hz = np.concatenate([samples.header(band).channel_hz for band in range(N_BANDS)])
        np.testing.assert_array_equal(dataset.frequency, hz)
        np.testing.assert_array_equal(dataset.channel_width, np.full(CHANNELS, 5425.347))
        np.testing.assert_array_equal(dataset.band, [0, 0, 1, 1, 2, 2])
        np.testing.assert_array_equal(np.stack([dataset.antenna1, dataset.antenna2], 1), of.baselines)
        np.testing.assert_array_equal(dataset.station_position, of.station_m)
        assert dataset.station.values.tolist() == ["S0", "S1", "S2", "S3", "S4"]
        assert dataset.pol.values.tolist() == ["XX", "XY", "YX", "YY"]
        assert dataset.uvw.values.tolist() == ["u", "v", "w"]
        units = {name: dataset[name].attrs.get("units") for name in dataset.variables}
        assert {name for name, unit in units.items() if unit == "m"} == {
            "baseline_uvw",
            "station_uvw",
            "station_position",
        }
        assert (units["vis"], units["frequency"], units["channel_width"]) == ("Jy", "Hz", "Hz")
        assert dataset.frequency.attrs["standard_name"] == "radiation_frequency"
        assert dataset.attrs["phase_centre_icrs_rad"] == [0.25, -0.47]
        assert dataset.attrs["config_sha256"] == of.config_sha256
        assert "exp(+2 pi i nu/c" in dataset.attrs["conventions"]


def test_times(whole):
    with opened(whole) as dataset:
        utc = samples.plain(whole, "time_utc")
        assert np.stack([dataset.mjd_day, dataset.mjd_fraction], 1).tobytes() == utc.tobytes()
        # MJD 61366 is 2026-11-22; the dumps begin at noon.
        noon = datetime(2026, 11, 22, 12)
        for dump, found in enumerate(dataset.time.values):
            expected = noon + timedelta(seconds=(dump + 0.5) * 0.84934656)
            # datetime has microseconds.
            assert abs(found - np.datetime64(expected)) <= np.timedelta64(500, "ns")
        np.testing.assert_array_equal(dataset.dump, np.arange(7))


def test_times_are_exact_to_the_nanosecond():
    from pipeline.dataset.xarray_backend import datetime64

    # 1 ns is 1.2e-14 d; a double near 0.5 is good to 5 ps. A day may have a fraction of its own.
    found = datetime64(np.array([[40587.0, 0.0], [61366.0, 0.5 + 1e-9 / 86400], [40586.25, 0.5], [-1.0, 0.0]]))
    expected = ["1970-01-01", "2026-11-22T12:00:00.000000001", "1969-12-31T18:00", "1858-11-16"]
    np.testing.assert_array_equal(found, np.array(expected, "datetime64[ns]"))


def test_selecting_by_label(whole):
    vis = samples.plain_vis(whole)
    with opened(whole) as dataset:
        near = dataset.vis.sel(frequency=150.2101e6, method="nearest").sel(pol="YX")
        np.testing.assert_array_equal(near, vis[:, 3, :, 2])
        some = dataset.vis.isel(baseline=(dataset.antenna2 == 4).values)
        np.testing.assert_array_equal(some, vis[:, :, [3, 6, 8, 9]])
        np.testing.assert_array_equal(dataset.station_uvw.sel(station="S3"), samples.plain(whole, "station_uvw")[:, 3])
        at = dataset.vis.sel(time="2026-11-22T12:00:03", method="nearest")
        np.testing.assert_array_equal(at, vis[3])


INDICES = {
    "time": [slice(None), 4, -1, slice(1, 6, 2), slice(None, None, -1), [6, 0, 3, 3], slice(3, 3)],
    "channel": [slice(None), 0, slice(1, 4), [5, 0], slice(4, None, -3)],
    "baseline": [slice(None), 2, slice(7, 2, -2), [9, 0, 0], slice(3, 6), np.arange(10) % 3 == 0],
    "pol": [slice(None), 3, [2, 1], slice(0, 4, 3)],
}


@pytest.mark.parametrize("verify", [True, False])
def test_any_index(whole, verify):
    """Every kind of index with random ones of the other axes, as NumPy indexes the whole."""
    random = np.random.default_rng(1)
    vis, uvw, weight = samples.plain_vis(whole), uvw_of_baselines(whole), by_bands(whole, "weight")
    with opened(whole, verify=verify, cache=False) as dataset:
        for _ in range(80):
            key = {axis: kinds[random.integers(len(kinds))] for axis, kinds in INDICES.items()}
            places = {axis: np.arange(size)[key[axis]] for axis, size in zip(key, vis.shape, strict=True)}
            for array, name in ((vis, "vis"), (weight, "weight"), (uvw, "baseline_uvw")):
                axes = {axis: key[axis] for axis in dataset[name].dims if axis in key}
                expected = array[
                    np.ix_(*[np.atleast_1d(places[axis]) for axis in axes], *[range(3)] * (name[0] == "b"))
                ]
                expected = expected.squeeze(tuple(i for i, axis in enumerate(axes) if places[axis].ndim == 0))
                found = dataset[name].isel(axes).values
                assert found.dtype == expected.dtype
                np.testing.assert_array_equal(found, expected, err_msg=str(key))


def test_opening_reads_no_visibilities(whole, looked_at):
    with opened(whole) as dataset:
        repr(dataset)
        dataset._repr_html_()
        assert dataset.nbytes > 0
    assert [look[:3] for look in looked_at] == [(0, step, ("time_utc",)) for step in range(3)]


def test_only_steps_asked_for_are_read(whole, looked_at):
    with opened(whole) as dataset:
        looked_at.clear()
        dataset.vis.isel(time=slice(2, 5), channel=[1, 4]).values  # noqa: B018
        assert looked_at == [
            (0, 0, ("vis",), None),
            (0, 1, ("vis",), None),
            (2, 0, ("vis",), None),
            (2, 1, ("vis",), None),
        ]
        looked_at.clear()
        dataset.weight.isel(time=6, channel=3, baseline=[7, 2]).values  # noqa: B018
        assert looked_at == [(1, 2, ("weight",), [2, 7])]


def test_a_whole_step_is_not_copied_and_a_part_does_not_keep_it(whole, monkeypatch):
    blocks, read = [], BandAccess.read
    monkeypatch.setattr(BandAccess, "read", lambda *args, **choice: blocks.append(read(*args, **choice)) or blocks[-1])
    with opened(whole, cache=False) as dataset:
        chunk = dataset.vis.isel(time=slice(3, 6), channel=slice(2, 4)).values
        assert np.shares_memory(chunk, blocks[-1].vis)
        part = dataset.vis.isel(time=3, channel=2, baseline=slice(0, 2)).values
        assert not np.shares_memory(part, blocks[-1].vis)


def test_chunks_are_bands_and_steps(whole):
    pytest.importorskip("dask")
    with opened(whole, chunks={}) as dataset:
        assert dataset.vis.chunks == ((3, 3, 1), (2, 2, 2), (10,), (4,))
        assert dataset.weight.chunks == ((3, 3, 1), (2, 2, 2), (10,))
        assert dataset.baseline_uvw.chunks == ((3, 3, 1), (10,), (3,))
        assert dataset.station_uvw.chunks == ((3, 3, 1), (5,), (3,))


def test_dask_with_threads(whole):
    """Many threads, chunks that cut through steps and bands, a cache of one open band: the same bytes."""
    pytest.importorskip("dask")
    vis = samples.plain_vis(whole)
    with pytest.warns(UserWarning, match="separate the stored chunks"):
        dataset = opened(whole, chunks={"time": 2, "channel": 1, "baseline": 3})
    with xr.set_options(file_cache_maxsize=1), dataset:
        for _ in range(5):
            found = dataset.vis.compute(scheduler="threads", num_workers=8)
            np.testing.assert_array_equal(found, vis)
        power = (abs(dataset.vis) ** 2 * dataset.weight).sum().compute(scheduler="threads", num_workers=8)
    weight = by_bands(whole, "weight")[..., None]
    expected = (np.abs(vis.astype(complex)) ** 2 * weight).sum()
    # Sums of some 1700 positive numbers in float32.
    assert power == pytest.approx(expected, rel=1700 * 6e-8)


def test_one_band_by_many_threads(whole):
    expected = [samples.block(samples.header(2), first, min(3, 7 - first)).vis for first in (0, 3, 6)]
    wrong = []
    with BandAccess(whole, 2) as band:

        def read(seed):
            for step in np.random.default_rng(seed).integers(0, 3, 40).tolist():
                if not np.array_equal(band.read(step, ("vis",)).vis, expected[step]):
                    wrong.append(step)
                if step == 1:
                    band.close()

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_it_travels_to_other_processes(whole):
    with opened(whole) as dataset:
        copy = pickle.loads(pickle.dumps(dataset))
        np.testing.assert_array_equal(copy.vis, samples.plain_vis(whole))
    dask = pytest.importorskip("dask")
    with opened(whole, chunks={}) as dataset:
        chunk = dataset.vis.isel(time=slice(3, 6), channel=[2, 3])
        with dask.config.set({"multiprocessing.context": "spawn"}):
            found = chunk.compute(scheduler="processes", num_workers=1)
        np.testing.assert_array_equal(found, samples.plain_vis(whole)[3:6, 2:4])


def test_closing_lets_go_of_the_files(whole):
    def files():
        gc.collect()
        links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
        return [link for link in links if os.path.exists(link) and str(whole) in os.readlink(link)]

    with opened(whole) as dataset:
        dataset.vis.values  # noqa: B018
        assert files()
    assert files() == []


def test_engine_is_found_by_the_name(whole, tmp_path):
    from pipeline.dataset.xarray_backend import DawnstreamBackend

    assert "dawnstream" in xr.backends.list_engines()
    with xr.open_dataset(str(whole)) as dataset:
        assert dataset.sizes["channel"] == CHANNELS
    guess = DawnstreamBackend().guess_can_open
    assert not guess(whole / "manifest.json")
    assert not guess(tmp_path / "none.dawn")
    assert not guess(7)


def test_dropping_and_choosing(whole):
    with opened(whole, drop_variables=["weight", "no such"], bands=[2, 0]) as dataset:
        assert "weight" not in dataset
        np.testing.assert_array_equal(dataset.band, [2, 2, 0, 0])
        np.testing.assert_array_equal(dataset.vis, samples.plain_vis(whole)[:, [4, 5, 0, 1]])
    with opened(whole, drop_variables="vis") as dataset:
        assert "vis" not in dataset


def test_the_examples_in_the_documents(whole, tmp_path, monkeypatch):
    pytest.importorskip("dask")
    text = (Path(__file__).parents[2] / "docs/xarray.md").read_text(encoding="utf-8")
    shutil.copytree(whole, tmp_path / "NAME.dawn")
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, names)
    np.testing.assert_array_equal(names["xx"], samples.plain_vis(whole)[:, 1, :, 0])
    assert names["first"].shape == (4, CHANNELS, 10, 4)
    assert names["of_one"].sizes["baseline"] == 4
    assert 0 < names["long"].sum() <= 10
