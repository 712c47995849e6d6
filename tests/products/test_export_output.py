"""Exports that go wrong lose nothing; ranks share the work and write the same bytes; some bands, and damaged ones."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import export_samples as samples
import h5py
import numpy as np
import pytest

from pipeline.errors import CorruptError, DatasetError, IncompleteError
from pipeline.parallel.topology import World
from pipeline.products.export.apparent import ApparentPlace, ApparentPlaces
from pipeline.products.export.export import export_dataset
from pipeline.products.export.output import Output
from pipeline.products.export.selection import chosen_bands, format_of
from pipeline.products.export.settings import ExportSettings
from pipeline.products.export.tiles import Tiles, TileWriter

ROOT = Path(__file__).parents[2]
UVH5 = ExportSettings("uvh5")
PLACE = ("lst_array", "phase_center_app_ra", "phase_center_app_dec", "phase_center_frame_pa")


@pytest.fixture
def world():
    with World() as world:
        yield world


@pytest.fixture(autouse=True)
def _no_sidereal_time(monkeypatch):
    """Leave out reading the Earth's rotation, a second each time; test_export_uvh5 has it."""
    nothing = ApparentPlace(*(np.zeros(samples.N_DUMPS) for _ in range(4)))
    monkeypatch.setattr(ApparentPlaces, "at", lambda *_: nothing)


@pytest.fixture
def sample(tmp_path):
    return samples.make(tmp_path / "odd.dawn")


def dawnstream(*words, ranks=0):
    """Call the command line, under `ranks` MPI ranks if asked."""
    launcher = [str(ROOT / "scripts/mpirun"), "-n", str(ranks)] if ranks else []
    command = [*launcher, sys.executable, "-m", "pipeline", *map(str, words)]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, cwd=ROOT, check=False)


def damage(sample, band):
    """Change one byte in the middle of a band's data."""
    file = sample.path / f"band-{band:05d}.bp/data.0"
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        byte = opened.read(1)
        opened.seek(-1, 1)
        opened.write(bytes([byte[0] ^ 0xFF]))


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


class Pool:
    """Writes at once."""

    def submit(self, call, *arguments):
        import concurrent.futures

        future = concurrent.futures.Future()
        try:
            future.set_result(call(*arguments))
        except OSError as error:
            future.set_exception(error)
        return future


@pytest.mark.parametrize("pieces", [(19,), (8, 8, 3), (1,) * 19, (5, 9, 5)])
@pytest.mark.parametrize("bits", [False, True])
def test_rows_fill_tiles_wherever_these_are(tmp_path, pieces, bits):
    # 19 rows of 3 x 4 values in tiles of 8, in no order, between garbage that must stay.
    rows = np.random.default_rng(1).integers(0, 2, (19, 3, 4)).astype(bool)
    tile_bytes = 12 if bits else 96
    offsets = np.array([7 + 2 * tile_bytes, 7, 7 + 4 * tile_bytes])
    path = tmp_path / "file"
    before = np.full(7 + 5 * tile_bytes, 0xA5, np.uint8)
    before.tofile(path)
    with TileWriter(Tiles(path, np.dtype(bool), (3, 4), 8, offsets, bits=bits), Pool()) as writer:
        first = 0
        for n_rows in pieces:
            writer.write(rows[first : first + n_rows])
            first += n_rows
    after = np.fromfile(path, np.uint8)
    expected = before.copy()
    for tile, offset in enumerate(offsets):
        values = rows[8 * tile : 8 * tile + 8].ravel()
        if bits:
            # The lowest bit first; what is left of the last byte is zero.
            values = [
                int("".join(str(int(bit)) for bit in values[at : at + 8][::-1]), 2) for at in range(0, len(values), 8)
            ]
        expected[offset : offset + len(values)] = values
    np.testing.assert_array_equal(after, expected)


@pytest.mark.parametrize(
    ("text", "bands"), [(None, (0, 1, 2, 3)), ("2", (2,)), ("0-1,3", (0, 1, 3)), ("3, 0 - 1 ,1", (0, 1, 3))]
)
def test_bands_are_chosen(text, bands):
    assert chosen_bands(text, 4) == bands


@pytest.mark.parametrize("text", ["", "4", "2-1", "a", "-1", "1-", "0;1", "1,,2"])
def test_bands_that_are_not_there(text):
    with pytest.raises(DatasetError, match="--bands"):
        chosen_bands(text, 4)


def test_the_format_is_named_or_seen():
    assert format_of(Path("a.ms"), None) == "ms"
    assert format_of(Path("a.ms"), "uvh5") == "uvh5"
    with pytest.raises(DatasetError, match="--format"):
        format_of(Path("folder"), None)


def test_what_is_there_stays(sample, world):
    output = sample.path.with_name("odd.uvh5")
    output.write_bytes(b"\x89HDF\r\n\x1a\nprecious")
    with pytest.raises(DatasetError, match=r"exists.*--overwrite"):
        export_dataset(sample.path, output, UVH5, world)
    damage(sample, 1)
    with pytest.raises(CorruptError, match="CRC-32C"):
        export_dataset(sample.path, output, UVH5, world, overwrite=True)
    assert output.read_bytes().endswith(b"precious")
    assert names(sample.path.parent) == ["odd.dawn", "odd.uvh5"]


@pytest.mark.parametrize("content", ["empty", "thesis.tex", "link"])
def test_what_no_export_made_is_never_deleted(sample, world, content):
    output = sample.path.with_name("mine")
    if content == "link":
        output.symlink_to(sample.path)
    else:
        output.mkdir()
    if content == "thesis.tex":
        (output / content).write_text("years of work")
    with pytest.raises(DatasetError, match="not deleted"):
        export_dataset(sample.path, output, ExportSettings("uvh5", split=True), world, overwrite=True)
    assert output.is_symlink() or names(output) == ([content] if content != "empty" else [])


def test_an_export_is_replaced(sample, world):
    for split, bands in ((True, None), (True, "1"), (False, "1"), (False, None)):
        output = sample.path.with_name("odd" if split else "odd.uvh5")
        export_dataset(sample.path, output, ExportSettings("uvh5", split, bands), world, overwrite=True)
    assert names(sample.path.with_name("odd")) == ["band-00001.uvh5"]
    with h5py.File(sample.path.with_name("odd.uvh5")) as file:
        assert file["Data/visdata"].shape[1] == samples.N_BANDS * samples.N_CHANNELS
    assert names(sample.path.parent) == ["odd", "odd.dawn", "odd.uvh5"]


def test_a_full_disk_leaves_nothing(sample, world, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(DatasetError, match="No space left on device"):
        export_dataset(sample.path, sample.path.with_name("odd.uvh5"), UVH5, world)
    assert names(sample.path.parent) == ["odd.dawn"]


def test_a_disk_too_small_is_seen_before(sample, world, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6 - 5, 5))
    with pytest.raises(DatasetError, match="bytes are needed and 5 are free"):
        export_dataset(sample.path, sample.path.with_name("odd.uvh5"), UVH5, world)
    assert names(sample.path.parent) == ["odd.dawn"]


def test_bands_that_do_not_belong_together(tmp_path, world):
    sample = samples.make(tmp_path / "odd.dawn", moved_band=2)
    with pytest.raises(CorruptError, match=r"band 2: its times or uvw differ from band 0.*--split"):
        export_dataset(sample.path, tmp_path / "odd.uvh5", UVH5, world)
    assert names(tmp_path) == ["odd.dawn"]
    export_dataset(sample.path, tmp_path / "odd", ExportSettings("uvh5", split=True), world)
    assert len(names(tmp_path / "odd")) == samples.N_BANDS


def test_an_unfinished_partial_is_cleared_away(tmp_path):
    output = Output(tmp_path / "a.uvh5")
    output.partial.mkdir()
    (output.partial / "rest").touch()
    output.prepare(as_folder=False)
    assert names(tmp_path) == []


@pytest.mark.parametrize("how", ["missing", "damaged", "not complete"])
def test_a_band_that_is_not_whole(sample, world, how):
    output = sample.path.with_name("odd.uvh5")
    if how == "missing":
        shutil.rmtree(sample.path / "band-00001.bp")
    elif how == "damaged":
        damage(sample, 1)
    else:
        manifest = json.loads((sample.path / "manifest.json").read_text())
        manifest["bands"][1]["complete"] = False
        (sample.path / "manifest.json").write_text(json.dumps(manifest))
        shutil.rmtree(sample.path / "band-00001.bp")
    with pytest.raises((IncompleteError, CorruptError), match=r"[Bb]and.*1"):
        export_dataset(sample.path, output, UVH5, world)
    assert names(sample.path.parent) == ["odd.dawn"]
    report = export_dataset(sample.path, output, ExportSettings("uvh5", skip_incomplete=True), world)
    assert (report.bands, list(report.left_out)) == ((0, 2), [1])
    with h5py.File(output) as file:
        np.testing.assert_array_equal(file["Data/visdata"][:], sample.rows(sample.vis, (0, 2)).conj())


def test_a_partial_export_is_said_and_ends_with_a_code_of_its_own(sample):
    damage(sample, 1)
    output = sample.path.with_name("odd.uvh5")
    done = dawnstream("export", sample.path, "-o", output, "--skip-incomplete", "--progress", "none")
    assert done.returncode == DatasetError.exit_code, done.stderr
    assert "left out band 1" in done.stderr
    assert "holds 2 of 3 bands" in done.stderr
    assert output.exists()


def test_ranks_write_the_same_bytes(sample, world):
    pytest.importorskip("casacore", reason="python-casacore is not installed")
    folder = sample.path.parent
    for name in ("0.ms", "0.uvh5"):
        export_dataset(sample.path, folder / name, ExportSettings(format_of(folder / name, None)), world)
    for name in ("2.ms", "2.uvh5"):
        done = dawnstream("export", sample.path, "-o", folder / name, "--progress", "none", "--json", ranks=2)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["bands"] == [0, 1, 2]
    tiles = sorted((folder / "0.ms").glob("table.f*_TSM0"))
    assert len(tiles) == 9
    for file in tiles:
        assert file.read_bytes() == (folder / "2.ms" / file.name).read_bytes(), file
    with h5py.File(folder / "0.uvh5") as one, h5py.File(folder / "2.uvh5") as two:
        for group in ("Data", "Header"):
            for name, dataset in one[group].items():
                if isinstance(dataset, h5py.Dataset) and name not in PLACE:
                    np.testing.assert_array_equal(dataset[()], two[group][name][()])


def test_ranks_fail_together_and_the_first_says_it_once(sample):
    damage(sample, 2)
    output = sample.path.with_name("odd.uvh5")
    done = dawnstream("export", sample.path, "-o", output, "--progress", "none", ranks=2)
    assert done.returncode == DatasetError.exit_code, done.stderr
    assert done.stderr.count("CRC-32C") == 1
    assert "Traceback" not in done.stderr
    assert names(sample.path.parent) == ["odd.dawn"]
