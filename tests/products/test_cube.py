"""Cubes of whole datasets: where sources land on the sky, what headers say, and what is refused."""

import copy
import math
import os
import shutil
import threading

import datasets
import numpy as np
import oracle
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS

from pipeline.errors import ConfigError, DatasetError, IncompleteError
from pipeline.products.cube import image_dataset, psf_path, sampling_path
from pipeline.products.settings import ImageSettings

CELL = math.radians(1 / 60)
BANDS_HZ = (150e6, 151e6, 152e6)
EXTENT_M = 0.2 / CELL * 2
#: Flux densities of an asymmetric sky, and its offsets from the phase centre in pixels to the east and north.
FLUX = [5.0, 4.0, 3.0]
OFFSETS = [(0, 0), (17, 6.0), (-8.3, 21.6)]


def sky_around(ra0, dec0):
    """Return sources (right ascension, declination, I, Q, U, V) and their coordinates."""
    centre = SkyCoord(ra0, dec0, unit="rad", frame="icrs")
    east, north = np.array(OFFSETS).T * CELL
    # From tangent-plane direction cosines to angles: the sphere's own trigonometry, done by astropy.
    distance, angle = np.arcsin(np.hypot(east, north)), np.arctan2(east, north)
    places = centre.directional_offset_by(angle * units.rad, distance * units.rad)
    stokes = [(f, 0.1 * f, 0.0, -0.2 * f) for f in FLUX]
    return np.column_stack([places.ra.rad, places.dec.rad, stokes]), places


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    sources, _ = sky_around(0.4, -0.47)
    return datasets.make(tmp_path_factory.mktemp("d") / "three.dawn", (0.4, -0.47), sources, BANDS_HZ, EXTENT_M)


@pytest.mark.parametrize("size", [64, 63])
@pytest.mark.parametrize("dec0", [-27, -90, -89, 10, 90, 89.7])
def test_pixels_lie_where_the_world_coordinates_say(tmp_path, dec0, size):
    centre = (math.radians(33.0), math.radians(dec0))
    sources, places = sky_around(*centre)
    path = datasets.make(tmp_path / "s.dawn", centre, sources, BANDS_HZ[:1], EXTENT_M)
    image_dataset(path, tmp_path / "c.fits", ImageSettings(size=size, cell_rad=CELL))
    image, header = fits.getdata(tmp_path / "c.fits", header=True)
    wcs = WCS(header).celestial
    # The dirty image at the directions astropy gives some pixels is the direct sum over the visibilities.
    x, y = np.random.default_rng(2).integers(0, size, (2, 30))
    world = wcs.pixel_to_world(x, y)
    uvw, vis = direct_samples(sources, centre, BANDS_HZ[0])
    lm = np.stack(datasets.direction_cosines(world.ra.rad, world.dec.rad, *centre))
    expected = oracle.dirty_at(uvw, np.ones(len(uvw)), oracle.stokes_of(vis)["I"], lm)
    np.testing.assert_allclose(image[0, 0, y, x], expected, atol=2e-5 * sum(FLUX))
    # And it is bright where the sources are: east of the centre is to the left, north of it up.
    for flux, place, (east, north) in zip(FLUX, places, OFFSETS, strict=True):
        x, y = (int(pixel) for pixel in np.rint(wcs.world_to_pixel(place)))
        assert (x, y) == (round(size // 2 - east), round(size // 2 + north))
        assert image[0, 0, y, x] == pytest.approx(flux, abs=0.6)


def direct_samples(sources, centre, hz):
    """Return uvw in wavelengths (sample, 3) and visibilities (sample, pol) of a dataset of `datasets.make`."""
    uvw_m, pairs = datasets.tracks(EXTENT_M)
    lm = np.stack(datasets.direction_cosines(*sources[:, :2].T, *centre), 1)
    vis = oracle.visibilities(uvw_m, pairs, [hz], np.concatenate([lm, sources[:, 2:]], 1))
    uvw = (uvw_m[:, pairs[:, 0]] - uvw_m[:, pairs[:, 1]]) * hz / oracle.C
    return uvw.reshape(-1, 3), vis.reshape(-1, 4)


def test_the_planes_are_the_direct_sums_of_the_visibilities(dataset, tmp_path):
    out = tmp_path / "c.fits"
    image_dataset(dataset, out, ImageSettings(size=21, cell_rad=CELL, stokes="IQUV"))
    image, psf = fits.getdata(out), fits.getdata(psf_path(out))
    assert image.shape == (4, 3, 21, 21)
    assert psf.shape == (1, 3, 21, 21)
    sources, _ = sky_around(0.4, -0.47)
    along_x, along_y = oracle.pixel_directions(21, CELL)
    x, y = np.array([0, 20, 10, 3, 4]), np.array([0, 4, 10, 20, 7])
    lm = np.stack([along_x[x], along_y[y]])
    for plane, hz in enumerate(BANDS_HZ):
        uvw, vis = direct_samples(sources, (0.4, -0.47), hz)
        one = np.ones(len(uvw))
        for stokes, letter in enumerate("IQUV"):
            expected = oracle.dirty_at(uvw, one, oracle.stokes_of(vis)[letter], lm)
            np.testing.assert_allclose(image[stokes, plane][y, x], expected, atol=2e-5 * sum(FLUX))
        expected = oracle.dirty_at(uvw, one, one + 0j, lm)
        np.testing.assert_allclose(psf[0, plane][y, x], expected, atol=2e-5)


def test_the_header_says_where_when_and_what(dataset, tmp_path):
    out = tmp_path / "new" / "c.fits"
    report = image_dataset(dataset, out, ImageSettings(size=48, cell_rad=CELL, stokes="IV", weight="briggs"))
    with fits.open(out) as hdus:
        hdus.verify("exception")
        header, table = hdus[0].header, hdus["BEAMS"]
        wcs = WCS(header)
        assert list(wcs.wcs.ctype) == ["RA---SIN", "DEC--SIN", "FREQ", "STOKES"]
        ra, dec, hz, stokes = wcs.wcs_pix2world([[24, 24, 2, 1]], 0)[0]
        assert (ra, dec) == pytest.approx((math.degrees(0.4), math.degrees(-0.47)), abs=1e-12)
        assert (hz, stokes) == (152e6, 4)
        found = {key: header[key] for key in ("BUNIT", "OBJECT", "TELESCOP", "ORIGIN", "RADESYS", "SPECSYS")}
        assert found == {
            "BUNIT": "Jy/beam",
            "OBJECT": datasets.NAME,
            "TELESCOP": "random.txt",
            "ORIGIN": "dawnstream 0",
            "RADESYS": "ICRS",
            "SPECSYS": "TOPOCENT",
        }
        assert Time(header["DATE-OBS"]).mjd == pytest.approx(61366.5, abs=1e-10)
        assert header["ROBUST"] == 0
        assert header["CASAMBM"] is True
        assert header["CHANAVG"] == 36
        assert header["BMAJ"] == pytest.approx(math.degrees(report.bands[1].beam.major_rad))
        assert list(table.data["CHAN"]) == [0, 1, 2, 0, 1, 2]
        assert list(table.data["POL"]) == [0, 0, 0, 1, 1, 1]
        np.testing.assert_allclose(table.data["BMAJ"][1] / 3600, header["BMAJ"], rtol=1e-6)
        assert (table.header["NCHAN"], table.header["NPOL"]) == (3, 2)
    assert sorted(os.listdir(out.parent)) == ["c-psf.fits", "c-sampling.fits", "c.fits"]


def test_two_neighbouring_ranks_write_the_bytes_of_one(dataset, tmp_path):
    settings = ImageSettings(size=40, cell_rad=CELL, weight="uniform")
    calls = []
    image_dataset(dataset, tmp_path / "1.fits", settings, progress=lambda done, n: calls.append((done, n)))
    assert calls == [(i, 18) for i in range(1, 19)]
    run_ranks(5, lambda comm: image_dataset(dataset, tmp_path / "5.fits", settings, comm))
    for one, five in (("1.fits", "5.fits"), ("1-psf.fits", "5-psf.fits"), ("1-sampling.fits", "5-sampling.fits")):
        assert (tmp_path / one).read_bytes() == (tmp_path / five).read_bytes()


class Rank:
    """One of several ranks that are threads."""

    def __init__(self, rank, size, board, barrier):
        self.rank, self.size, self._board, self._barrier = rank, size, board, barrier

    def allgather(self, sendobj):
        self._board[self.rank] = sendobj
        self._barrier.wait(60)
        everyone = list(self._board)
        self._barrier.wait(60)
        return everyone

    def alltoall(self, sendobj):
        # As MPI does, by copies: a receiver may add to what it got.
        sent = self.allgather([copy.deepcopy(part) for part in sendobj])
        return [parts[self.rank] for parts in sent]


def run_ranks(size, work):
    """Run work(comm) on every rank; return what each returned or raised."""
    board, barrier, results = [None] * size, threading.Barrier(size), [None] * size

    def one(rank):
        try:
            results[rank] = work(Rank(rank, size, board, barrier))
        except Exception as error:
            results[rank] = error

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return results


def test_one_rank_s_failure_is_every_rank_s(dataset, tmp_path):
    (tmp_path / "c.fits").write_text("precious")
    results = run_ranks(3, lambda comm: image_dataset(dataset, tmp_path / "c.fits", ImageSettings(size=8), comm))
    assert len({str(result) for result in results}) == 1
    assert isinstance(results[0], DatasetError)
    assert os.listdir(tmp_path) == ["c.fits"]


def damaged(dataset, tmp_path, how):
    """Return a copy of the dataset whose band 1 is missing, cut short or has another byte."""
    path = shutil.copytree(dataset, tmp_path / "damaged.dawn")
    band = path / "band-00001.bp"
    if how == "missing":
        shutil.rmtree(band)
    elif how == "cut":
        with open(band / "data.0", "r+b") as file:
            file.truncate(1000)
    else:
        with open(band / "data.0", "r+b") as file:
            file.seek(5000)
            byte = file.read(1)[0]
            file.seek(5000)
            file.write(bytes([byte ^ 1]))
    return path


@pytest.mark.parametrize("how", ["missing", "cut", "changed"])
@pytest.mark.parametrize("n_ranks", [1, 2, 4])
def test_a_band_that_cannot_be_read_is_blank_and_the_rest_as_ever(dataset, tmp_path, how, n_ranks):
    path = damaged(dataset, tmp_path, how)
    settings = ImageSettings(size=24, cell_rad=CELL, stokes="IV", weight="uniform")
    image_dataset(dataset, tmp_path / "whole.fits", settings)
    results = run_ranks(n_ranks, lambda comm: image_dataset(path, tmp_path / "c.fits", settings, comm))
    for report in results:
        assert list(report.missing) == [1]
        assert "band-00001" in report.missing[1]
        assert [band.missing is None for band in report.bands] == [True, False, True]
    for beside in (lambda output: output, psf_path, sampling_path):
        with fits.open(beside(tmp_path / "c.fits")) as found, fits.open(beside(tmp_path / "whole.fits")) as whole:
            assert np.isnan(found[0].data[:, 1]).all()
            np.testing.assert_array_equal(found[0].data[:, [0, 2]], whole[0].data[:, [0, 2]])
            assert found[0].header["NBLANK"] == 1
            for key in ("CRVAL3", "CDELT3", "NAXIS3"):
                assert found[0].header[key] == whole[0].header[key]
            assert list(found["BEAMS"].data["BMAJ"] > 0) == [True, False, True] * found[0].data.shape[0]


def test_no_band_that_can_be_read_is_an_error_and_leaves_nothing(dataset, tmp_path):
    path = shutil.copytree(dataset, tmp_path / "cut.dawn")
    for band in path.glob("band-*"):
        shutil.rmtree(band)
    for settings in (ImageSettings(size=8), ImageSettings(size=8, continuum=True, weight="uniform")):
        results = run_ranks(2, lambda comm, s=settings: image_dataset(path, tmp_path / "c.fits", s, comm))
        assert [type(result) for result in results] == [IncompleteError] * 2
        assert "band 0 is missing" in str(results[0])
        assert os.listdir(tmp_path) == ["cut.dawn"]


def test_what_exists_is_left_alone_unless_told(dataset, tmp_path):
    settings = ImageSettings(size=8, cell_rad=CELL)
    names = ("c.fits", "c-psf.fits", "c-sampling.fits")
    for name in names:
        (tmp_path / name).write_text("precious")
        with pytest.raises(DatasetError, match=f"{name} exists; choose another output, or pass --overwrite"):
            image_dataset(dataset, tmp_path / "c.fits", settings)
        assert (tmp_path / name).read_text() == "precious"
        image_dataset(dataset, tmp_path / "c.fits", settings, overwrite=True)
        assert fits.getdata(tmp_path / name).shape == (1, 3, 8, 8)
        for written in names:
            (tmp_path / written).unlink()
    (tmp_path / "c.fits").mkdir()
    with pytest.raises(DatasetError, match="is a folder"):
        image_dataset(dataset, tmp_path / "c.fits", settings, overwrite=True)


def test_an_output_that_cannot_be_written_is_said(dataset, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written there"):
        image_dataset(dataset, tmp_path / "file" / "c.fits", ImageSettings(size=8))


def test_a_disk_too_small_is_said_before_any_work(dataset, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DatasetError, match=r"an image of 0\.0 MB cannot be written there: No space left"):
        image_dataset(dataset, tmp_path / "c.fits", ImageSettings(size=8))
    assert os.listdir(tmp_path) == []


def test_bands_off_an_even_axis_are_refused(tmp_path):
    sources, _ = sky_around(0.4, -0.47)
    hz = (150e6, 151e6, 153e6)
    path = datasets.make(tmp_path / "s.dawn", (0.4, -0.47), sources, hz, EXTENT_M)
    with pytest.raises(DatasetError, match=r"band 1 lies at 151\.000000 MHz, off an even frequency axis"):
        image_dataset(path, tmp_path / "c.fits", ImageSettings(size=8))
    with pytest.raises(ConfigError):
        image_dataset(path, tmp_path / "c.fits", ImageSettings(size=8, stokes="XX"))
    assert os.listdir(tmp_path) == ["s.dawn"]
