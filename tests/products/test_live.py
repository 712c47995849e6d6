"""Imaging from streams while the run goes, with the commands as users start them, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from test_cube import BANDS_HZ, CELL, EXTENT_M, sky_around

from pipeline.dataset.manifest import BandEntry, Manifest
from pipeline.dataset.storage import contact_name
from pipeline.errors import ConfigError, IncompleteError
from pipeline.products.cube import image_dataset
from pipeline.products.follow import Follower
from pipeline.products.live import check_streamed
from pipeline.products.settings import ImageSettings
from pipeline.units import UNITS

ROOT = Path(__file__).parents[2]
DONE = 0


def command(*arguments):
    return [sys.executable, "-m", "pipeline", *(str(argument) for argument in arguments)]


def config(folder, name, output):
    text = (ROOT / "configs" / "tiny.yaml").read_text()
    path = folder / name
    path.write_text(text.replace("output: {path: ../out/tiny.dawn}", f"output: {output}"))
    return path


def end(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


def start(*arguments):
    return subprocess.Popen(command(*arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.timeout(200)
def test_a_run_that_is_only_streamed_is_imaged_as_its_files_would_be(tmp_path):
    only = config(tmp_path, "s.yaml", "{path: s.dawn, stream: {engine: sst, readers: 1, files: false}}")
    filed = start("run", config(tmp_path, "f.yaml", "{path: f.dawn}"), "--progress", "none")
    options = ("--stokes", "IV", "--size", 64, "--progress", "none", "--refresh", "0 s", "--timeout", "60 s")
    imaging = start("image", tmp_path / "s.dawn", "-o", tmp_path / "s.fits", "--follow", "--stream", *options)
    assert end(start("run", only, "--progress", "none"))[0] == DONE
    code, said = end(imaging)
    assert code == DONE, said
    assert end(filed)[0] == DONE
    settings = ImageSettings(size=64, cell_rad=60 * UNITS["angle"]["arcsec"], stokes="IV")
    image_dataset(tmp_path / "f.dawn", tmp_path / "f.fits", settings)
    for name in ("{}.fits", "{}-psf.fits", "{}-sampling.fits"):
        assert (tmp_path / name.format("s")).read_bytes() == (tmp_path / name.format("f")).read_bytes()


def streamed(tmp_path, files):
    """Return a dataset that is whole, and whose streams are over."""
    sources, _ = sky_around(0.4, -0.47)
    path = datasets.make(tmp_path / "s.dawn", (0.4, -0.47), sources, BANDS_HZ, EXTENT_M)
    content = json.loads((path / "manifest.json").read_text())
    content["files"] = files
    for band in content["bands"]:
        band["stream"] = contact_name(band["index"])
    (path / "manifest.json").write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("weight", ["natural", "uniform"])
def test_what_streams_did_not_bring_comes_from_the_files(tmp_path, weight):
    path = streamed(tmp_path, files=True)
    settings = ImageSettings(size=16, cell_rad=CELL, weight=weight)
    report = image_dataset(path, tmp_path / "live.fits", settings, follower=Follower(5.0, streams=True))
    assert report.missing == {}
    image_dataset(path, tmp_path / "after.fits", settings)
    assert (tmp_path / "live.fits").read_bytes() == (tmp_path / "after.fits").read_bytes()


def test_what_streams_did_not_bring_is_missing_where_there_are_no_files(tmp_path):
    path = streamed(tmp_path, files=False)
    with pytest.raises(IncompleteError, match="the stream is over"):
        image_dataset(path, tmp_path / "c.fits", ImageSettings(size=8), follower=Follower(5.0, streams=True))
    assert not (tmp_path / "c.fits").exists()


def manifest(stream="stream/band-00000.sst", files=True):
    band = BandEntry(index=0, path="band-00000.bp", channels=(0, 36), frequency_hz=1e8, steps=1, stream=stream)
    return Manifest(software="s", config_sha256="0", plan={}, files=files, bands=(band,))


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        ({"stream": None}, {}, "--stream: the bands are not streamed"),
        ({}, {"continuum": True}, "image.continuum"),
        ({"files": False}, {"weight": "briggs"}, "image.weight: 'briggs' needs the bands twice"),
    ],
)
def test_what_streams_cannot_give_is_refused(given, settings, message):
    with pytest.raises(ConfigError, match=message):
        check_streamed(manifest(**given), ImageSettings(**settings))
    check_streamed(manifest(), ImageSettings(weight="briggs"))
    check_streamed(manifest(files=False), ImageSettings())


def test_a_stream_is_followed_or_not_read_at_all(tmp_path):
    code, said = end(start("image", tmp_path, "-o", tmp_path / "c.fits", "--stream"))
    assert code == 2
    assert "--stream goes with --follow" in said
