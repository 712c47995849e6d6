"""Making, replacing and finishing the folder; room and rights on the disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import dataset_samples as samples
import numpy as np
import pytest

from pipeline.dataset.manifest import Manifest, config_sha256, create_dataset, finish_dataset, read_manifest
from pipeline.dataset.reader import open_dataset
from pipeline.dataset.storage import band_name, check_space, check_writable, leave_mark
from pipeline.dataset.writer import BandWriter
from pipeline.errors import CorruptError, DatasetError, IncompleteError, WriterDiedError


def snapshot(folder):
    return {entry: entry.read_bytes() for entry in sorted(folder.rglob("*")) if entry.is_file()}


def test_created_and_finished(tmp_path):
    path = samples.start(tmp_path / "deep" / "a.dawn", n_bands=2)
    assert (path / "observation.yaml").read_bytes() == samples.CONFIG.encode()
    manifest = json.loads((path / "manifest.json").read_text())
    assert (manifest["format"], manifest["version"], manifest["state"]) == ("dawnstream", 1, "running")
    assert finish_dataset(path, [True, False]).state == "running"
    assert [band.complete for band in read_manifest(path).bands] == [True, False]
    finish_dataset(path, [True, True])
    assert read_manifest(path).state == "complete"
    assert sorted(entry.name for entry in path.iterdir()) == ["manifest.json", "observation.yaml"]
    with pytest.raises(DatasetError, match="1 flags for 2 bands"):
        finish_dataset(path, [True])


def test_the_hash_must_be_that_of_the_configuration(tmp_path):
    manifest = Manifest(software="x", config_sha256=config_sha256("other"), plan={}, bands=())
    with pytest.raises(DatasetError, match="config_sha256 of the manifest"):
        create_dataset(tmp_path / "a.dawn", samples.CONFIG, manifest, overwrite=False)


def test_what_exists_is_kept_unless_asked(tmp_path):
    path = samples.make(tmp_path / "a.dawn")
    before = snapshot(path)
    with pytest.raises(DatasetError, match="exists already"):
        samples.start(path)
    assert snapshot(path) == before
    samples.start(path, overwrite=True)
    assert read_manifest(path).state == "running"
    assert not (path / band_name(0)).exists()


def foreign_things(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "thesis.tex").write_text("all of it")
    yield folder, "is not a Dawnstream dataset"
    other = tmp_path / "other"
    other.mkdir()
    (other / "manifest.json").write_text('{"format": "other"}')
    yield other, "is not a Dawnstream dataset"
    file = tmp_path / "file"
    file.write_text("a file")
    yield file, "is not a Dawnstream dataset"
    ours = samples.make(tmp_path / "ours")
    yield_link = tmp_path / "link"
    yield_link.symlink_to(ours)
    yield yield_link, "is not a Dawnstream dataset"
    mixed = samples.make(tmp_path / "mixed")
    (mixed / "notes.txt").write_text("mine")
    yield mixed, r"holds notes.txt, which is not part of a dataset"
    written = samples.make(tmp_path / "written")
    leave_mark(written / band_name(0))
    yield written, "is being written by process"


def test_nothing_but_a_dataset_of_ours_is_deleted(tmp_path):
    things = list(foreign_things(tmp_path))
    before = snapshot(tmp_path)
    for path, message in things:
        with pytest.raises(DatasetError, match=message):
            samples.start(path, overwrite=True)
    assert snapshot(tmp_path) == before


def test_room(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    check_space(tmp_path / "not" / "there", 1)
    with pytest.raises(DatasetError, match=f"{free * 1000:,} bytes are needed and [0-9,]+ are free"):
        check_space(tmp_path / "not" / "there", free * 1000)


def test_rights(tmp_path):
    check_writable(tmp_path / "not" / "there")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="is a file; a folder is needed"):
        check_writable(tmp_path / "file" / "a.dawn")
    with pytest.raises(DatasetError, match="cannot be written"):
        check_writable(Path("/proc/a.dawn"))


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"a full disk needs the right to mount one: {made.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.timeout(60)
def test_full_disk(small_disk):
    """The error comes at once; what was whole stays readable, and its reader knows that it is not all."""
    path = samples.start(small_disk / "a.dawn")
    of = samples.header(n_dumps=600, n_channels=40)
    writer = BandWriter(path / band_name(0), of, n_block_dumps=3)
    written = []

    def fill():
        for first in range(0, of.n_dumps, 3):
            writer.write(samples.block(of, first, 3))
            written.append(first)

    with pytest.raises(DatasetError, match=r"band-00000.bp: .*No space left on device; free some space"):
        fill()
    n_written = 3 * len(written)
    assert n_written > 0
    with pytest.raises(DatasetError, match="closed, or failed before"):
        writer.write(samples.block(of, n_written, 3))
    writer.close()
    found = []
    with pytest.raises((WriterDiedError, IncompleteError)), open_dataset(path).band(0) as reader:
        found.extend(block.dump for block in reader)
    assert np.array_equal(np.concatenate(found), np.arange(n_written))


def test_full_disk_is_said_before_anything_else(small_disk):
    (small_disk / "filler").write_bytes(bytes(900_000))
    with pytest.raises(DatasetError, match="2,000,000 bytes are needed"):
        check_space(small_disk / "a.dawn", 2_000_000)


def test_manifest_is_replaced_whole(tmp_path, monkeypatch):
    """A writer of the manifest that is cut off leaves the old one."""
    path = samples.start(tmp_path / "a.dawn")
    before = (path / "manifest.json").read_text()
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError("power cut")))
    with pytest.raises(OSError, match="power cut"):
        finish_dataset(path, [True])
    assert (path / "manifest.json").read_text() == before
    monkeypatch.undo()
    samples.start(path, overwrite=True)


def test_corrupt_band_description_names_the_place(tmp_path):
    path = samples.start(tmp_path / "a.dawn")
    content = json.loads((path / "manifest.json").read_text())
    content["state"] = "perhaps"
    (path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(CorruptError, match=r"manifest.json: state: "):
        read_manifest(path)
