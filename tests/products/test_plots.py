"""What is plotted, against sums over the very visibilities that were written; and that there is a picture of it."""

from __future__ import annotations

import dataclasses
import math

import cubes
import numpy as np
import pytest
from astropy.io import fits
from matplotlib.image import imread
from plot_samples import N_DUMPS, WIDTH_HZ, make, samples

from pipeline.dataset.reader import open_dataset
from pipeline.errors import ConfigError, CorruptError, DatasetError
from pipeline.products.beam import Beam
from pipeline.products.film.imagecube import ImageCube
from pipeline.products.plots import dumps, waterfall
from pipeline.products.plots.amplitude import measure_amplitudes
from pipeline.products.plots.coverage import measure_coverage
from pipeline.products.plots.dumps import read_dumps
from pipeline.products.plots.growing import GrowingAxis
from pipeline.products.plots.make import PlotSettings, make_plot
from pipeline.products.plots.psf import measure_psf, psf_of
from pipeline.products.plots.spectrum import find_pixel, measure_spectrum, pixel_spectrum


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Give a dataset's path, and (header, block) of each band."""
    path = tmp_path_factory.mktemp("d") / "s.dawn"
    return path, make(path)


def read(path, polarisation, bands=(0, 1), progress=None):
    return read_dumps(open_dataset(path), bands, polarisation, progress)


def test_coverage_counts_samples_and_conjugates_in_the_right_cells(made):
    path, kept = made
    counted = []
    found = measure_coverage(read(path, None, progress=lambda done, total: counted.append((done, total))))
    width = found.edges[1] - found.edges[0]
    expected = {}
    longest, n = 0.0, 0
    for *_, uvw, _, _ in samples(kept):
        n += 1
        longest = max(longest, math.hypot(*uvw[:2]))
        for sign in (1, -1):
            cell = (math.floor(sign * uvw[1] / width), math.floor(sign * uvw[0] / width))
            expected[cell] = expected.get(cell, 0) + 1
    assert (found.n_samples, found.counts.sum()) == (n, 2 * n)
    assert found.longest == pytest.approx(longest, rel=1e-12)
    rows, columns = np.nonzero(found.counts)
    got = {
        (round(found.edges[row] / width), round(found.edges[column] / width)): found.counts[row, column]
        for row, column in zip(rows, columns, strict=True)
    }
    assert got == expected
    # At least half of the cells reach to the largest |u| or |v|.
    assert found.edges[-1] / 2 <= longest <= found.edges[-1] * math.sqrt(2)
    assert counted == [(step, 6) for step in range(1, 7)]


def test_doubled_cells_are_those_that_were_wide_from_the_start():
    random = np.random.default_rng(6)
    values = random.normal(size=2000) * 10 ** random.uniform(-3, 3, 2000)
    for centred in (True, False):
        axis, counts = GrowingAxis(64, centred), np.zeros(64)
        for part in np.array_split(values if centred else np.abs(values), 17):
            for _ in range(axis.doublings(float(np.abs(part).max()))):
                counts = axis.halve(counts, 0)
            counts += np.bincount(axis.index(part), minlength=64)
        direct, _ = np.histogram(values if centred else np.abs(values), axis.edges)
        np.testing.assert_array_equal(counts, direct)


def weighted_percentile(value, weight, percentile):
    order = np.argsort(value)
    cumulative = np.cumsum(weight[order])
    return value[order][np.searchsorted(cumulative, percentile / 100 * cumulative[-1])]


@pytest.mark.parametrize(
    ("name", "of"), [("I", lambda p: (p[0] + p[3]) / 2), ("V", lambda p: (p[1] - p[2]) / 2j), ("YX", lambda p: p[2])]
)
def test_amplitudes_are_weighted_and_flagged_ones_left_out(made, name, of):
    path, kept = made
    found = measure_amplitudes(read(path, name))
    length, amplitude, weight = np.array([(math.hypot(*u[:2]), abs(of(p)), w) for *_, u, w, p in samples(kept)]).T
    cell = np.digitize(length, found.length_edges) - 1
    assert found.weight.sum() == pytest.approx(weight.sum(), rel=1e-12)
    ratio = found.amplitude_edges[1] / found.amplitude_edges[0]
    for column in range(len(found.mean)):
        inside = cell == column
        if not inside.any():
            assert np.isnan(found.mean[column])
            assert np.isnan(found.percentiles[:, column]).all()
            continue
        mean = np.average(amplitude[inside], weights=weight[inside])
        assert found.mean[column] == pytest.approx(mean, rel=1e-6)
        for got, percentile in zip(found.percentiles[:, column], (16, 50, 84), strict=True):
            true = weighted_percentile(amplitude[inside], weight[inside], percentile)
            assert got / true == pytest.approx(1, abs=ratio**0.5 - 1 + 1e-6)


@pytest.mark.parametrize("baseline", [None, (1, 4)])
def test_a_waterfall_averages_what_has_a_weight(made, baseline):
    path, kept = made
    channels = [(h.band, hz, WIDTH_HZ) for h, _ in kept for hz in h.channel_hz]
    found = waterfall.measure_waterfall(read(path, "Q"), channels, N_DUMPS, 2.0, baseline)
    np.testing.assert_array_equal(found.time_edges_s, 2.0 * np.arange(N_DUMPS + 1))
    centres = np.sort([hz for _, hz, _ in channels])
    np.testing.assert_allclose((found.low_hz, found.high_hz), (centres - WIDTH_HZ / 2, centres + WIDTH_HZ / 2))
    sums = np.zeros((3, N_DUMPS, 6), complex)
    for band, dump, channel, pair, _, weight, p in samples(kept):
        if baseline in (None, pair):
            q = (p[0] - p[3]) / 2
            sums[:, dump, channel + (3 if band == 0 else 0)] += weight, weight * abs(q), weight * q
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(found.amplitude, (sums[1] / sums[0]).real, rtol=1e-6)
    np.testing.assert_allclose(found.phase, np.where(sums[0] != 0, np.angle(sums[2]), np.nan), atol=1e-5)
    assert np.isnan(found.amplitude[4]).all()
    edges, values = waterfall._with_gaps(found, found.amplitude)
    assert (len(edges), values.shape) == (8, (N_DUMPS, 7))
    assert np.isnan(values[:, 3]).all()


def test_a_long_waterfall_is_averaged_into_fewer_rows_and_columns(made, monkeypatch):
    path, kept = made
    channels = [(h.band, hz, WIDTH_HZ) for h, _ in kept for hz in h.channel_hz]
    fine = waterfall.measure_waterfall(read(path, "I"), channels, N_DUMPS, 2.0, None)
    monkeypatch.setattr(waterfall, "_MOST_ROWS", 3)
    monkeypatch.setattr(waterfall, "_MOST_COLUMNS", 4)
    coarse = waterfall.measure_waterfall(read(path, "I"), channels, N_DUMPS, 2.0, None)
    np.testing.assert_array_equal(coarse.time_edges_s, [0, 6, 12, 14])
    np.testing.assert_array_equal(coarse.low_hz, fine.low_hz[::2])
    np.testing.assert_array_equal(coarse.high_hz, fine.high_hz[1::2])
    assert waterfall.averaged_together(coarse) == "3 dumps and 2 channels"
    weight = np.zeros((N_DUMPS, 6))
    for band, dump, channel, _, _, w, _ in samples(kept):
        weight[dump, channel + (3 if band == 0 else 0)] += w
    amplitude = np.nan_to_num(fine.amplitude)
    for row in range(3):
        for column in range(3):
            part = np.s_[3 * row : 3 * row + 3, 2 * column : 2 * column + 2]
            mean = np.average(amplitude[part], weights=weight[part])
            assert coarse.amplitude[row, column] == pytest.approx(mean, rel=1e-12)


def test_a_spectrum_is_the_mean_amplitude_of_each_channel(made):
    path, kept = made
    found = measure_spectrum(read(path, "XX"))
    sums = {}
    for band, _, channel, _, _, weight, p in samples(kept):
        hz = kept[band][0].channel_hz[channel]
        sums[hz] = sums.get(hz, 0) + np.array([weight, weight * abs(p[0])])
    np.testing.assert_array_equal(found.frequency_hz, sorted(sums))
    np.testing.assert_allclose(found.value, [sums[hz][1] / sums[hz][0] for hz in sorted(sums)], rtol=1e-6)


def test_a_pixel_of_a_cube(tmp_path):
    data = cubes.write(tmp_path / "c.fits")
    with ImageCube(tmp_path / "c.fits") as cube:
        found = pixel_spectrum(cube, (7, 30), "V")
        np.testing.assert_array_equal(found.value, data[1, :, 30, 7])
        # The plane in the middle is blank: the one before it is taken.
        assert cubes.BLANK_PLANE == cubes.N_PLANES // 2
        row, column = np.unravel_index(np.nanargmax(data[1, cubes.BLANK_PLANE - 1]), data.shape[2:])
        assert find_pixel(cube, None, "V") == (column, row)
        assert find_pixel(cube, "3,4", "V") == (3, 4)
        with pytest.raises(DatasetError, match="no pixel 45,3; they are 0,0 to 44,36"):
            pixel_spectrum(cube, (45, 3), "I")


MAJOR, MINOR, ANGLE = math.radians(0.6), math.radians(0.35), math.radians(25.0)


def psf_cube(path, peak=1.0, shift=0, n=65, rotation=0.0):
    """Write a Gaussian of known widths and position angle, on pixels as they lie on the sky."""
    header = cubes.header(cell=0.05)
    header["CDELT2"] = 0.05
    turn = math.radians(rotation)
    matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    for (row, column), value in np.ndenumerate(matrix):
        header[f"PC{row + 1}_{column + 1}"] = value
    y, x = np.indices((n, n)) - n // 2
    east, north = (np.diag([-1, 1]) @ matrix @ np.stack([x.ravel(), y.ravel()]) * math.radians(0.05)).reshape(2, n, n)
    along = north * math.cos(ANGLE) + east * math.sin(ANGLE)
    across = east * math.cos(ANGLE) - north * math.sin(ANGLE)
    image = peak * np.exp(-4 * math.log(2) * ((along / MAJOR) ** 2 + (across / MINOR) ** 2))
    image = np.roll(image, shift, axis=1)
    fits.PrimaryHDU(np.stack([[image, np.full_like(image, np.nan)]]).astype(np.float32), header).writeto(path)
    return image


@pytest.mark.parametrize("rotation", [0, 37])
def test_the_psf_is_cut_through_its_peak_with_its_beam(tmp_path, rotation):
    image = psf_cube(tmp_path / "c-psf.fits", rotation=rotation)
    with ImageCube(tmp_path / "c-psf.fits") as cube:
        found = measure_psf(cube, 0)
    assert found.beam.major_rad == pytest.approx(MAJOR, rel=1e-3)
    assert found.beam.angle_rad == pytest.approx(ANGLE, abs=1e-3)
    assert isinstance(found.beam, Beam)
    np.testing.assert_allclose(found.offset_arcmin, np.arange(-32, 33) * 3, atol=1e-9)
    np.testing.assert_allclose(found.along_x, image[32], atol=1e-6)
    np.testing.assert_allclose(found.along_y, image[:, 32], atol=1e-6)
    # The point-spread function is a Gaussian here: the beam along the cuts is the cuts.
    np.testing.assert_allclose(found.beam_along_x, image[32], atol=2e-3)
    np.testing.assert_allclose(found.beam_along_y, image[:, 32], atol=2e-3)


def test_what_is_no_psf_is_refused(tmp_path):
    psf_cube(tmp_path / "weak-psf.fits", peak=0.5)
    psf_cube(tmp_path / "off-psf.fits", shift=3)
    psf_cube(tmp_path / "c-psf.fits")
    cubes.write(tmp_path / "c.fits")
    cubes.write(tmp_path / "alone.fits")
    for name in ("weak", "off"):
        with ImageCube(tmp_path / f"{name}-psf.fits") as cube, pytest.raises(DatasetError, match="peaks at"):
            measure_psf(cube, 0)
    with ImageCube(tmp_path / "c-psf.fits") as cube, pytest.raises(DatasetError, match="plane 1 is blank"):
        measure_psf(cube, 1)
    assert psf_of(tmp_path / "c.fits") == psf_of(tmp_path / "c-psf.fits") == tmp_path / "c-psf.fits"
    with pytest.raises(DatasetError, match=r"alone-psf.fits, are not beside it"):
        psf_of(tmp_path / "alone.fits")


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("uv-coverage", {}, "visibilities and their conjugates"),
        ("amplitude", {"polarisation": "XY", "bands": "1"}, "plotted   XY   150.0000 MHz   2026-11-22 12:00:00 UTC"),
        ("waterfall", {"phase": True, "baseline": "st4,1"}, "st1-st4"),
        ("waterfall", {}, "Stokes I   150.0000 to 151.5000 MHz"),
        ("spectrum", {}, "Stokes I"),
        ("spectrum of a cube", {"polarisation": "V"}, "pixel "),
        ("psf", {}, "point-spread function at 150.1000 MHz"),
    ],
)
def test_pictures_are_drawn(made, tmp_path, kind, settings, said):
    source = made[0]
    if kind == "psf":
        source = tmp_path / "c-psf.fits"
        psf_cube(source)
    elif kind == "spectrum of a cube":
        source = tmp_path / "c.fits"
        cubes.write(source)
    title = make_plot(source, tmp_path / "p.png", PlotSettings(kind=kind.split(" ")[0], dpi=40, **settings))
    assert said in title
    picture = imread(tmp_path / "p.png")[..., :3]
    assert min(picture.shape[:2]) > 150
    assert picture.min() < 0.3
    # Something with colours is drawn, besides black on white.
    assert (np.ptp(picture, axis=2) > 0.2).mean() > 1e-3
    assert sorted(entry.name for entry in tmp_path.glob("*p*.png")) == ["p.png"]


def test_a_visibility_with_a_weight_that_is_not_finite_is_an_error(made):
    header, block = made[1][0]
    block = dataclasses.replace(block, weight=np.ones_like(block.weight))
    factors = dumps.polarisation_factors("I", header.polarisations)
    with pytest.raises(CorruptError, match="here: a visibility with a weight is not finite"):
        dumps._chosen(block.vis[0], factors, block.weight[0].astype(float), "here")


@pytest.mark.parametrize(
    ("source", "name", "settings", "message"),
    [
        ("data", "p.jpeg", {"kind": "spectrum"}, "a plot ends in .png, .pdf, .svg; '.jpeg'"),
        ("data", "p.png", {"kind": "spectrum", "bands": "2"}, "--bands: '2' holds none of the bands 0 to 1"),
        ("data", "p.png", {"kind": "amplitude", "polarisation": "RR"}, "--pol: 'RR' is not known; use one of I, Q"),
        ("data", "p.png", {"kind": "waterfall", "baseline": "0,6"}, "--baseline: '0,6' does not name two stations"),
        ("data", "p.png", {"kind": "waterfall", "baseline": "st2,2"}, "does not name two stations"),
        ("data", "p.png", {"kind": "amplitude", "pixel": "1,2"}, "--pixel means nothing to --kind amplitude"),
        ("data", "p.png", {"kind": "uv-coverage", "polarisation": "Q"}, "--pol means nothing"),
        ("data", "p.png", {"kind": "psf"}, "image the dataset first"),
        ("data", "there.png", {"kind": "spectrum"}, "exists; choose another"),
        ("cube", "p.png", {"kind": "waterfall"}, "is of a dataset"),
        ("cube", "p.png", {"kind": "spectrum", "pixel": "a,1"}, "--pixel: 'a,1' is not two whole numbers"),
        ("cube", "p.png", {"kind": "spectrum", "pixel": "99,1"}, "no pixel 99,1"),
        ("cube", "p.png", {"kind": "spectrum", "polarisation": "Q"}, "of Stokes Q; it holds"),
        ("cube", "p.png", {"kind": "spectrum", "bands": "1"}, "--bands means nothing to --kind spectrum of cubes"),
        ("nothing", "p.png", {"kind": "uv-coverage"}, "nothing"),
        ("nothing", "p.png", {"kind": "spectrum"}, "nothing"),
        ("data", "p.png", {"kind": "pie"}, "--kind: 'pie' is not known"),
    ],
)
def test_bad_wishes_are_refused_and_nothing_is_lost(made, tmp_path, source, name, settings, message):
    (tmp_path / "there.png").write_text("precious")
    cubes.write(tmp_path / "c.fits")
    path = {"data": made[0], "cube": tmp_path / "c.fits", "nothing": tmp_path / "nothing"}[source]
    with pytest.raises((ConfigError, DatasetError), match=message):
        make_plot(path, tmp_path / name, PlotSettings(**settings))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["c.fits", "there.png"]
    assert (tmp_path / "there.png").read_text() == "precious"
