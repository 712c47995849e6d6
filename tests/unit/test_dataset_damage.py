"""Damage of every kind to real files: each is told, none is read over, none waits."""

from __future__ import annotations

import json
import shutil

import dataset_samples as samples
import pytest

from pipeline.dataset.reader import open_dataset
from pipeline.dataset.storage import band_name
from pipeline.dataset.verify import describe_dataset, verify_dataset
from pipeline.errors import CorruptError, DatasetError, IncompleteError

# A reader that waits for bytes that never come is what these tests look for.
pytestmark = pytest.mark.timeout(60)

BAND = band_name(1)


@pytest.fixture
def path(tmp_path):
    return samples.make(tmp_path / "a.dawn", n_bands=2)


def read_band(path, band=1):
    with open_dataset(path).band(band) as reader:
        return list(reader)


def assert_only_band_1_is_wrong(path, kind, message):
    """Read and verify: both find the same, and the band beside is not touched by it."""
    with pytest.raises(kind, match=message) as caught:
        read_band(path)
    assert caught.type is kind
    report = verify_dataset(path)
    assert not report.is_whole
    assert report.bands[0].error is None
    assert type(report.first_error) is kind
    assert report.first_error is report.bands[1].error
    assert len(read_band(path, 0)) == samples.N_STEPS
    return report.bands[1]


def test_whole(path):
    progress = []
    report = verify_dataset(path, lambda done, total: progress.append((done, total)))
    assert progress == [(step, 6) for step in range(1, 7)]
    assert report.is_whole
    assert [(band.steps_found, band.n_dumps, band.bad_checksums) for band in report.bands] == [(3, 7, ())] * 2
    json.dumps(report.as_dict())


@pytest.mark.parametrize("keep", [0, 1, 5000, -4096, -1])
def test_data_cut_short(path, keep):
    data = path / BAND / "data.0"
    whole = data.read_bytes()
    data.write_bytes(whole[:keep])
    assert_only_band_1_is_wrong(path, IncompleteError, "missing or cut short .*copy the dataset again")


@pytest.mark.parametrize("name", ["md.idx", "md.0", "mmd.0", "data.0"])
def test_file_missing(path, name):
    (path / BAND / name).unlink()
    assert_only_band_1_is_wrong(path, IncompleteError, "missing or cut short")


@pytest.mark.parametrize("keep", [0, 63])
def test_index_cut_within_its_head(path, keep):
    index = path / BAND / "md.idx"
    index.write_bytes(index.read_bytes()[:keep])
    assert_only_band_1_is_wrong(path, IncompleteError, "md.idx missing or cut short")


@pytest.mark.parametrize("keep", [0, 1, 63, 300, -20, -1])
def test_descriptions_cut_short(path, keep):
    """ADIOS2 reads beyond what it has, and crashes."""
    descriptions = path / BAND / "mmd.0"
    descriptions.write_bytes(descriptions.read_bytes()[:keep])
    assert_only_band_1_is_wrong(path, IncompleteError, "mmd.0 missing or cut short")


def test_index_cut_before_the_last_step(path):
    index = path / BAND / "md.idx"
    index.write_bytes(index.read_bytes()[:-20])
    band = assert_only_band_1_is_wrong(path, IncompleteError, "ends after 6 of 7 dumps")
    assert (band.steps_expected, band.steps_found) == (3, 2)


def test_band_missing(path):
    shutil.rmtree(path / BAND)
    band = assert_only_band_1_is_wrong(path, IncompleteError, "band 1 is missing")
    assert (band.steps_expected, band.steps_found, band.n_bytes) == (3, 0, 0)


def changed(file, place):
    content = bytearray(file.read_bytes())
    content[place] ^= 0x40
    file.write_bytes(content)


def test_every_payload_byte_is_guarded(path):
    """Change single bytes all over the data; what is not payload is padding and must not matter."""
    data = path / BAND / "data.0"
    whole, first = data.read_bytes(), next(samples.blocks(samples.header(1)))
    found_at = whole.find(first.vis.tobytes())
    assert found_at >= 0
    for place in (found_at, found_at + first.vis.nbytes // 2, found_at + first.vis.nbytes - 1):
        changed(data, place)
        band = assert_only_band_1_is_wrong(path, CorruptError, "dump 0: CRC-32C of vis of writer 0 is 0x")
        assert (band.steps_found, len(band.bad_checksums)) == (3, 1)
        data.write_bytes(whole)
    changed(data, whole.find(first.station_uvw.tobytes()) + 7)
    assert_only_band_1_is_wrong(path, CorruptError, "CRC-32C of station_uvw")
    data.write_bytes(whole)
    changed(data, whole.find(first.dump.tobytes()))
    assert_only_band_1_is_wrong(path, CorruptError, "CRC-32C of dump")


def test_band_of_another_place(path):
    shutil.rmtree(path / BAND)
    shutil.copytree(path / band_name(0), path / BAND)
    assert_only_band_1_is_wrong(path, CorruptError, "band is 0, the manifest says 1")


def test_band_without_its_last_step(tmp_path):
    path = samples.start(tmp_path / "a.dawn")
    samples.write_band(path, n_written=2)
    with pytest.raises(IncompleteError, match="ends after 6 of 7 dumps"):
        read_band(path, 0)


def test_run_that_did_not_say_it_was_complete(tmp_path):
    path = samples.start(tmp_path / "a.dawn")
    samples.write_band(path)
    assert len(read_band(path, 0)) == 3
    assert isinstance(verify_dataset(path).first_error, IncompleteError)


def edit_manifest(path, **values):
    file = path / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(("version", "remedy"), [(0, "read it with the Dawnstream that wrote it"), (2, "update")])
def test_other_versions(path, version, remedy):
    edit_manifest(path, version=version)
    with pytest.raises(DatasetError, match=f"format version {version}; this Dawnstream reads version 1; {remedy}"):
        open_dataset(path)


def test_steps_that_the_manifest_does_not_know(path):
    bands = json.loads((path / "manifest.json").read_text())["bands"]
    bands[1]["steps"] = 4
    edit_manifest(path, bands=bands)
    assert "3 steps; the manifest says 4" in str(verify_dataset(path).first_error)


def test_manifest_damaged(path):
    edit_manifest(path, bands=[{"index": 0}])
    with pytest.raises(CorruptError, match=r"manifest.json: bands.0.path: Field required"):
        open_dataset(path)
    (path / "manifest.json").write_text("{")
    with pytest.raises(CorruptError, match="is not JSON"):
        open_dataset(path)


def test_configuration_changed_or_missing(path):
    with (path / "observation.yaml").open("a") as file:
        file.write(" ")
    with pytest.raises(CorruptError, match=r"observation.yaml was changed"):
        open_dataset(path)
    (path / "observation.yaml").unlink()
    with pytest.raises(IncompleteError, match=r"observation.yaml is missing"):
        open_dataset(path)


def test_foreign_folders(tmp_path):
    for place, message in [(tmp_path / "none", "no such folder"), (tmp_path, "it has no manifest.json")]:
        with pytest.raises(DatasetError, match=message):
            open_dataset(place)
    (tmp_path / "manifest.json").write_text('{"format": "other"}')
    with pytest.raises(DatasetError, match='does not say "format": "dawnstream"'):
        open_dataset(tmp_path)


def test_no_such_band(path):
    with pytest.raises(DatasetError, match="no band 2; it has bands 0 to 1"):
        open_dataset(path).band(2)


def test_description(path):
    described = describe_dataset(path)
    json.dumps(described)
    assert described["name"] == "sample"
    assert (described["stations"], described["baselines"], described["dumps"]) == (5, 10, 7)
    assert [band["channels"] for band in described["bands"]] == [[0, 36], [36, 72]]
    assert described["bytes"] == sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert (described["state"], described["bands_complete"]) == ("complete", 2)
    shutil.rmtree(path / band_name(0))
    assert describe_dataset(path)["stations"] == 5
    shutil.rmtree(path / BAND)
    assert describe_dataset(path)["stations"] is None
