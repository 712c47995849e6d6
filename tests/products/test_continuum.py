"""All bands in one image: against direct sums over all samples, for any number of ranks, and without bands."""

import warnings

import datasets
import numpy as np
import oracle
import pytest
from astropy.io import fits
from test_cube import CELL, EXTENT_M, damaged, direct_samples, run_ranks, sky_around

from pipeline.config.image import UVDistance
from pipeline.products.cube import image_dataset, psf_path, sampling_path
from pipeline.products.settings import ImageSettings

CENTRE = (0.4, -0.47)
#: Off an even axis, as a continuum may be; far apart, so that the uv coverage grows.
BANDS_HZ = (140e6, 150e6, 163e6)
FILES = (lambda output: output, psf_path, sampling_path)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    sources, _ = sky_around(*CENTRE)
    return datasets.make(tmp_path_factory.mktemp("d") / "three.dawn", CENTRE, sources, BANDS_HZ, EXTENT_M)


def all_samples(bands_hz):
    sources, _ = sky_around(*CENTRE)
    parts = [direct_samples(sources, CENTRE, hz) for hz in bands_hz]
    return np.concatenate([uvw for uvw, _ in parts]), np.concatenate([vis for _, vis in parts])


def weights_of(uvw, settings):
    """Return imaging weights: natural ones are 36 each; uniform ones share the cells among all bands."""
    weight = np.full(len(uvw), 36.0)
    if settings.weight == "uniform":
        cells = {}
        keys = [tuple(key) for key in np.rint(uvw[:, :2] * settings.size * settings.cell_rad).astype(int)]
        for u, v in keys:
            cells[u, v] = cells.get((u, v), 0) + 36.0
            cells[-u, -v] = cells.get((-u, -v), 0) + 36.0
        weight /= [cells[key] for key in keys]
    return weight


@pytest.mark.parametrize("weight", ["natural", "uniform"])
def test_it_is_the_direct_sum_over_the_samples_of_all_bands(dataset, tmp_path, weight):
    settings = ImageSettings(size=31, cell_rad=CELL, weight=weight, stokes="IQUV", continuum=True)
    report = image_dataset(dataset, tmp_path / "c.fits", settings)
    uvw, vis = all_samples(BANDS_HZ)
    used = weights_of(uvw, settings)
    along_x, along_y = oracle.pixel_directions(31, CELL)
    x, y = np.random.default_rng(5).integers(0, 31, (2, 20))
    lm = np.stack([along_x[x], along_y[y]])
    image = fits.getdata(report.image)
    assert image.shape == (4, 1, 31, 31)
    tolerance = 1e-5 * np.abs(vis).max()
    for index, letter in enumerate("IQUV"):
        expected = oracle.dirty_at(uvw, used, oracle.stokes_of(vis)[letter], lm)
        np.testing.assert_allclose(image[index, 0][y, x], expected, atol=tolerance)
    one = np.ones(len(uvw), complex)
    np.testing.assert_allclose(fits.getdata(report.psf)[0, 0][y, x], oracle.dirty_at(uvw, used, one, lm), atol=1e-5)
    flat = oracle.dirty_at(uvw * [1, 1, 0], used, one, lm)
    np.testing.assert_allclose(fits.getdata(report.sampling)[0, 0][y, x], flat, atol=1e-5)


@pytest.mark.parametrize("weight", ["natural", "briggs"])
@pytest.mark.parametrize("n_ranks", [2, 3, 5])
def test_it_is_the_same_bytes_for_any_number_of_ranks(dataset, tmp_path, weight, n_ranks):
    settings = ImageSettings(size=29, cell_rad=CELL, weight=weight, stokes="IV", continuum=True)
    image_dataset(dataset, tmp_path / "1.fits", settings)
    reports = run_ranks(n_ranks, lambda comm: image_dataset(dataset, tmp_path / "n.fits", settings, comm))
    assert {str(report) for report in reports} == {str(reports[0])}
    for path in FILES:
        assert path(tmp_path / "1.fits").read_bytes() == path(tmp_path / "n.fits").read_bytes()


def test_the_header_says_what_went_in(dataset, tmp_path):
    settings = ImageSettings(
        size=24,
        cell_rad=CELL,
        continuum=True,
        taper_rad=2 * CELL,
        uv_min=UVDistance(10.0, True),
        uv_max=UVDistance(5000.0, False),
        stations=tuple(f"s{i}" for i in range(24)),
        without_stations=("s7",),
        primary_beam_cut=None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = image_dataset(dataset, tmp_path / "c.fits", settings)
    header = fits.getheader(report.image)
    low, high = BANDS_HZ[0] - datasets.WIDTH_HZ / 2, BANDS_HZ[2] + datasets.WIDTH_HZ / 2
    assert header["NAXIS3"] == 1
    assert header["CRVAL3"] == pytest.approx((low + high) / 2, abs=1e-3)
    assert header["CDELT3"] == pytest.approx(high - low, abs=1e-3)
    assert header["NBANDS"] == 3
    assert header["CHANAVG"] == 3 * 36
    # The taper and the uv range favour the low frequencies a little.
    assert BANDS_HZ[0] < header["EFFFREQ"] < np.mean(BANDS_HZ)
    assert header["TAPER"] == pytest.approx(2 / 60)
    assert (header["UVMIN"], header.comments["UVMIN"]) == (10.0, "[wavelengths] limit of (u, v)")
    assert (header["UVMAX"], header.comments["UVMAX"]) == (5000.0, "[m] limit of (u, v)")
    assert header["STATIONS"] == "s0, ... (24 names or patterns)"
    assert header["WITHOUT"] == "s7"
    assert report.bands[0].effective_hz == header["EFFFREQ"]


@pytest.mark.parametrize("how", ["missing", "changed"])
@pytest.mark.parametrize("weight", ["natural", "uniform"])
def test_bands_that_cannot_be_read_are_left_out_and_named(dataset, tmp_path, how, weight):
    settings = ImageSettings(size=30, cell_rad=CELL, weight=weight, continuum=True)
    path = damaged(dataset, tmp_path, how)
    reports = run_ranks(2, lambda comm: image_dataset(path, tmp_path / "c.fits", settings, comm))
    assert [list(report.missing) for report in reports] == [[1], [1]]
    assert reports[0].bands[0].n_bands == 2
    sources, _ = sky_around(*CENTRE)
    rest = datasets.make(tmp_path / "rest.dawn", CENTRE, sources, (BANDS_HZ[0], BANDS_HZ[2]), EXTENT_M)
    image_dataset(rest, tmp_path / "rest.fits", settings)
    for of in FILES:
        found, expected = fits.getdata(of(tmp_path / "c.fits")), fits.getdata(of(tmp_path / "rest.fits"))
        np.testing.assert_array_equal(found, expected)
