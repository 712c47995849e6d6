"""Imaging while the data arrive: the end is that of imaging afterwards, and what is shown is true."""

import shutil
import threading
import time

import datasets
import numpy as np
import oracle
import pytest
from astropy.io import fits
from test_cube import BANDS_HZ, CELL, EXTENT_M, run_ranks, sky_around

import pipeline.products.follow as follow_module
from pipeline.dataset.manifest import finish_dataset
from pipeline.dataset.storage import mark_failed
from pipeline.errors import DatasetError
from pipeline.products.cube import image_dataset, psf_path, sampling_path
from pipeline.products.follow import Follower, QuickLook, quick_look_path
from pipeline.products.settings import ImageSettings

CENTRE = (0.4, -0.47)
SIZE = 21
LONG_S = 60.0


class Writing:
    """A run in another thread, which goes on a block at a time, whenever it is told to."""

    def __init__(self, path):
        self._steps, self._stopped = threading.Semaphore(0), False
        self._thread = threading.Thread(target=self._write, args=(path,), daemon=True)

    def _write(self, path):
        sources, _ = sky_around(*CENTRE)
        datasets.make(path, CENTRE, sources, BANDS_HZ, EXTENT_M, before=lambda band, dump: self._steps.acquire())

    def go(self, steps=1):
        for _ in range(steps):
            self._steps.release()

    def start(self, path):
        self._thread.start()
        while not (path / "manifest.json").exists():
            self._thread.join(0.01)

    def end(self):
        self.go(100)
        self._thread.join(LONG_S)


@pytest.fixture
def writing(tmp_path):
    running = Writing(tmp_path / "grows.dawn")
    running.start(tmp_path / "grows.dawn")
    yield running
    running.end()


def quick_look(tmp_path, seen, writing):
    """Return a quick look at every block, which keeps what it shows and lets the run go on."""

    def draw(path):
        with fits.open(path) as hdus:
            seen.append((hdus[0].header["BAND"], hdus[0].header["DUMPS"], hdus[0].data[0, 0].astype(float)))
        writing.go(2 if seen[-1][1] == datasets.N_DUMPS else 1)

    return QuickLook(quick_look_path(tmp_path / "live.fits"), {"OBJECT": "o", "TELESCOP": "t"}, draw, every_s=0.0)


def expected_after(n_dumps, hz):
    """Return the naturally weighted image of the first dumps of a band, by the direct sum, (y, x)."""
    sources, _ = sky_around(*CENTRE)
    uvw_m, pairs = datasets.tracks(EXTENT_M)
    lm = np.stack(datasets.direction_cosines(*sources[:, :2].T, *CENTRE), 1)
    vis = oracle.visibilities(uvw_m[:n_dumps], pairs, [hz], np.concatenate([lm, sources[:, 2:]], 1)).reshape(-1, 4)
    uvw = ((uvw_m[:n_dumps, pairs[:, 0]] - uvw_m[:n_dumps, pairs[:, 1]]) * hz / oracle.C).reshape(-1, 3)
    along_x, along_y = oracle.pixel_directions(SIZE, CELL)
    lm = np.stack([grid.ravel() for grid in np.meshgrid(along_x, along_y)])
    return oracle.dirty_at(uvw, np.ones(len(uvw)), oracle.stokes_of(vis)["I"], lm).reshape(SIZE, SIZE)


@pytest.mark.parametrize("weight", ["natural", "briggs"])
@pytest.mark.parametrize("continuum", [False, True])
def test_following_ends_as_imaging_afterwards_and_shows_the_image_so_far(
    tmp_path, writing, monkeypatch, weight, continuum
):
    settings = ImageSettings(size=SIZE, cell_rad=CELL, stokes="IV", weight=weight, continuum=continuum)
    monkeypatch.setattr(follow_module, "_SHARE", 1)
    seen = []
    look = quick_look(tmp_path, seen, writing)
    # The run goes on by a block after each quick look; a continuum of Briggs weights has none.
    writing.go(100 if continuum and weight == "briggs" else 1)
    path = tmp_path / "grows.dawn"
    image_dataset(path, tmp_path / "live.fits", settings, follower=Follower(LONG_S, look))
    writing.end()
    image_dataset(path, tmp_path / "after.fits", settings)
    for of in (lambda output: output, psf_path, sampling_path):
        assert of(tmp_path / "live.fits").read_bytes() == of(tmp_path / "after.fits").read_bytes()
    shown = [] if continuum and weight != "natural" else [(b, d) for b in range(3) for d in (2, 4, 5)]
    assert [(band, dumps) for band, dumps, _ in seen] == shown
    for band, dumps, image in seen:
        np.testing.assert_allclose(image, expected_after(dumps, BANDS_HZ[band]), atol=1e-4)
    assert not quick_look_path(tmp_path / "live.fits").exists()


def test_ranks_follow_bands_that_are_begun_long_after_the_time_out(tmp_path, writing):
    settings = ImageSettings(size=8, cell_rad=CELL)
    # A step comes every 0.3 s: bands 1 and 2 are begun only after 1.5 s and 3 s, and nobody waits longer than 1 s.
    stop = threading.Event()

    def tick():
        while not stop.wait(0.3):
            writing.go()

    threading.Thread(target=tick, daemon=True).start()
    path = tmp_path / "grows.dawn"
    out = tmp_path / "c.fits"
    results = run_ranks(3, lambda comm: image_dataset(path, out, settings, comm, follower=Follower(1.0)))
    stop.set()
    writing.end()
    assert [result.missing for result in results] == [{}, {}, {}]
    image_dataset(path, tmp_path / "after.fits", settings)
    assert out.read_bytes() == (tmp_path / "after.fits").read_bytes()


def test_nothing_coming_any_more_is_an_error_for_that_band_alone(tmp_path, writing):
    settings = ImageSettings(size=8, cell_rad=CELL)
    writing.go(5)  # band 0 is whole, and band 1 has one block
    path = tmp_path / "grows.dawn"
    report = image_dataset(path, tmp_path / "c.fits", settings, follower=Follower(0.5))
    assert list(report.missing) == [1, 2]
    assert "dump 2 did not come within 0.5 s" in report.missing[1]
    assert "dump 0 did not come within 0.5 s" in report.missing[2]


def test_a_dead_writer_is_noticed_at_once(tmp_path, writing):
    writing.end()
    path = shutil.copytree(tmp_path / "grows.dawn", tmp_path / "dead.dawn")
    finish_dataset(path, [True, False, False])
    for band in (1, 2):
        shutil.rmtree(path / f"band-{band:05}.bp")
    mark_failed(path / "band-00001.bp")
    began = time.monotonic()
    report = image_dataset(path, tmp_path / "c.fits", ImageSettings(size=8), follower=Follower(LONG_S))
    assert time.monotonic() - began < LONG_S / 2
    assert list(report.missing) == [1, 2]
    assert "band-00001.bp" in report.missing[1]
    assert "failed or ended" in report.missing[1]
    assert "was not begun when" in report.missing[2]


def test_a_quick_look_that_is_there_is_left_alone_unless_told(tmp_path, writing):
    writing.end()
    path, look = tmp_path / "grows.dawn", quick_look_path(tmp_path / "live.fits")
    look.write_text("precious")
    follower = Follower(1.0, quick_look(tmp_path, [], writing))
    with pytest.raises(DatasetError, match=r"live-quicklook.fits exists; choose another output, or pass --overwrite"):
        image_dataset(path, tmp_path / "live.fits", ImageSettings(size=8), follower=follower)
    assert look.read_text() == "precious"
    image_dataset(path, tmp_path / "live.fits", ImageSettings(size=8), overwrite=True, follower=follower)
    assert not look.exists()
