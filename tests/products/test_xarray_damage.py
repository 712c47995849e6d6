"""What xarray's reading of a dataset says of missing, changed and foreign bytes, and when."""

from __future__ import annotations

import shutil

import lazy_samples as samples
import numpy as np
import pytest

from pipeline.dataset.access import BandAccess
from pipeline.dataset.storage import band_name
from pipeline.errors import CorruptError, DatasetError, IncompleteError

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
def path(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "a.dawn")


def opened(path, **options):
    return xr.open_dataset(path, engine="dawnstream", **options)


@pytest.mark.parametrize("bands", [[], [3], [-1], [1, 1]])
def test_bands_that_are_not_there(whole, bands):
    with pytest.raises(DatasetError, match="band"):
        opened(whole, bands=bands)


def changed(file, content, offset=5):
    whole = bytearray(file.read_bytes())
    at = whole.find(content)
    assert at > 0
    whole[at + offset] ^= 0x10
    file.write_bytes(whole)


def test_a_changed_byte_is_an_error_where_it_is(path):
    vis = samples.block(samples.header(1), 3, 3).vis
    changed(path / band_name(1) / "data.0", np.ascontiguousarray(vis[:, :, 3:]).tobytes())
    good = samples.plain_vis(path)
    with opened(path) as dataset:
        for where in ({"channel": 1}, {"time": slice(0, 3)}, {"time": 6}, {"baseline": slice(0, 3)}):
            # The other writer's baselines have a checksum of their own.
            key = tuple(where.get(axis, slice(None)) for axis in dataset.vis.dims)
            np.testing.assert_array_equal(dataset.vis.isel(where), good[key])
        with pytest.raises(CorruptError, match=r"band-00001.bp: .*dump 3: CRC-32C of vis of writer 1 is 0x"):
            dataset.vis.isel(time=5, channel=2, baseline=9, pol=0).values  # noqa: B018
        assert dataset.weight.values.shape == (7, CHANNELS, 10)
    with opened(path, verify=False) as dataset:
        np.testing.assert_array_equal(dataset.vis, good)


@pytest.mark.parametrize("verify", [True, False])
def test_times_and_uvw_are_always_checked(path, verify):
    block = samples.block(samples.header(0), 3, 3)
    data = path / band_name(0) / "data.0"
    content = data.read_bytes()
    changed(data, block.station_uvw.tobytes())
    with opened(path, verify=verify) as dataset, pytest.raises(CorruptError, match="CRC-32C of station_uvw"):
        dataset.baseline_uvw.values  # noqa: B018
    data.write_bytes(content)
    changed(data, block.time_utc.tobytes())
    with pytest.raises(CorruptError, match="CRC-32C of time_utc"):
        opened(path, verify=verify)


def test_a_band_that_is_not_complete(tmp_path):
    path = samples.make(tmp_path / "a.dawn", complete=[True, False, True])
    with pytest.raises(IncompleteError, match=r"bands \[1\] are not complete.*bands=\[...\]"):
        opened(path)
    with opened(path, bands=[0, 2]) as dataset:
        assert dataset.sizes["channel"] == 4
    with pytest.raises(IncompleteError, match="the run is not over"):
        BandAccess(path, 1)


def test_a_band_cut_short(path):
    data = path / band_name(2) / "data.0"
    data.write_bytes(data.read_bytes()[:-4096])
    with opened(path) as dataset:
        first = [samples.block(samples.header(band), 0, 3).vis[0] for band in range(N_BANDS)]
        np.testing.assert_array_equal(dataset.vis[0], np.concatenate(first))
        with pytest.raises(IncompleteError, match=r"band-00002.bp: a file is missing or cut short"):
            dataset.vis.values  # noqa: B018
        assert dataset.vis.isel(channel=slice(0, 4)).values.shape == (7, 4, 10, 4)


METADATA = {"md.idx": (None, 0, 1, 63), "md.0": (None,), "mmd.0": (None, 0, 1, 63, 700, -20)}


@pytest.mark.parametrize(("name", "keep"), [(name, keep) for name, cuts in METADATA.items() for keep in cuts])
def test_metadata_cut_short(path, name, keep):
    """ADIOS2 crashes where mmd.0 is cut short, and waits where a file is missing."""
    file = path / band_name(2) / name
    content = file.read_bytes()
    file.unlink() if keep is None else file.write_bytes(content[:keep])
    with pytest.raises(IncompleteError, match=r"band-00002.bp: .*"):
        opened(path).vis.values  # noqa: B018
    file.write_bytes(content)
    with opened(path) as dataset:
        file.unlink() if keep is None else file.write_bytes(content[:keep])
        with pytest.raises(IncompleteError, match=r"band-00002.bp: .*"):
            dataset.vis.values  # noqa: B018


def test_a_band_without_its_last_step(path):
    index = path / band_name(2) / "md.idx"
    index.write_bytes(index.read_bytes()[:-20])
    with opened(path) as dataset, pytest.raises(IncompleteError, match=r"band-00002.bp: .*ends after 6 of 7 dumps"):
        dataset.vis.isel(channel=5, time=0).values  # noqa: B018


def test_a_band_that_is_missing(path):
    shutil.rmtree(path / band_name(1))
    with pytest.raises(IncompleteError, match=r"band-00001.bp: .*missing"):
        opened(path)


def test_a_band_that_goes_missing(path):
    with opened(path) as dataset:
        shutil.rmtree(path / band_name(2))
        with pytest.raises(IncompleteError, match=r"band-00002.bp: band 2 is missing"):
            dataset.vis.values  # noqa: B018


def test_a_band_of_another_place(path):
    with opened(path) as dataset:
        shutil.rmtree(path / band_name(2))
        shutil.copytree(path / band_name(0), path / band_name(2))
        with pytest.raises(CorruptError, match="band is 0, the manifest says 2"):
            dataset.vis.values  # noqa: B018


def test_bands_of_two_runs(tmp_path):
    path = samples.make(tmp_path / "a.dawn", 2, phase_centre_rad=(0.25, -0.48))
    with pytest.raises(CorruptError, match="phase_centre_rad of band 1 is not that of band 0"):
        opened(path)


def test_what_is_no_dataset(tmp_path):
    (tmp_path / "empty.dawn").mkdir()
    with pytest.raises(DatasetError, match=r"no manifest.json"):
        opened(tmp_path / "empty.dawn")
    with pytest.raises(DatasetError, match="no such folder"):
        opened(tmp_path / "none.dawn")
    with pytest.raises(DatasetError, match="no band 9"):
        BandAccess(samples.make(tmp_path / "a.dawn", 1), 9)
