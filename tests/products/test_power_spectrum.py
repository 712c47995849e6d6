"""Power spectra from image cubes: of a box whose every mode is known, and their parts against matrices by hand."""

import math

import numpy as np
import power_samples as samples
import pytest

from pipeline.observation.skies.eor_power import PowerSpectrum
from pipeline.products.cube import image_dataset
from pipeline.products.power_spectrum import PowerSettings, measure_power
from pipeline.products.power_spectrum_modes import Grid, independent_share, inner_modes, taper_weights
from pipeline.products.power_spectrum_sky import REGULARISATION, Sampling, cut_field
from pipeline.products.power_spectrum_table import over_same_modes
from pipeline.products.settings import ImageSettings

#: Averaging folds power from beyond the planes' largest k_par onto k_par up to half of it: 0.4 % for P ~ k^-3. The
#: array's part is below the 1 % at which modes are dropped.
WITHIN = 0.015


def steep(k):
    """Return P(k) of a flat Delta^2 of 100 mK^2, and no mean."""
    return np.divide(2 * np.pi**2 * 100, k**3, out=np.zeros_like(k), where=k > 0)


def white(k):
    return np.full(k.shape, 1e4)


def image(folder, name, planes, weight="natural", size=2 * samples.SIZE):
    cube = folder / f"{name}.fits"
    settings = ImageSettings(size=size, cell_rad=samples.CELL_RAD, weight=weight)
    image_dataset(samples.make(folder / f"{name}.dawn", planes), cube, settings)
    return cube


@pytest.fixture(scope="module")
def box():
    return samples.draw(1, steep)


@pytest.fixture(scope="module")
def cube(tmp_path_factory, box):
    return image(tmp_path_factory.mktemp("p"), "box", samples.visibilities(box))


def test_power_comes_back_mode_by_mode(cube, box):
    measured = measure_power([cube], PowerSettings(n_bins=7))
    s = measured.spherical
    drawn = samples.power_over(box, measured.mode_bin)
    np.testing.assert_allclose(s.delta_squared, drawn, rtol=WITHIN)
    # What was asked for is met within its sampling error, and that error is the one reported.
    assert (np.abs(s.delta_squared - 100) < 4 * 100 / np.sqrt(s.n_modes)).all()
    # It is the root of a mean of squared powers, whose own scatter is that of an exponential's square: sqrt(5 / n).
    for held in (s, measure_power([cube], PowerSettings(n_bins=1)).spherical):
        error = 100 / np.sqrt(held.n_modes)
        assert (np.abs(held.delta_squared_error / error - 1) < 4 * np.sqrt(5 / 4 / held.n_modes)).all()
    k = samples.wavenumbers(samples.N_PLANES, samples.N_FINE)[2]
    np.testing.assert_allclose(measured.grid.k, k, rtol=1e-6)
    used = measured.mode_bin >= 0
    # A disc of 440 m is 6 cells of 35.8 wavelengths wide; half of k_par, without k = 0; one of k and -k counts.
    cells = np.count_nonzero(used.any(axis=0))
    # The outermost are left out.
    assert 0.6 * math.pi * 5**2 < cells < math.pi * 5.2**2
    assert s.n_modes.sum() * 2 == np.count_nonzero(used) == cells * 7 - 1
    assert not used[0, 0, 0]


def test_power_per_cylinder(cube, box):
    measured = measure_power([cube], PowerSettings(n_perp_bins=5))
    c = measured.cylindrical
    along, perp, _ = samples.wavenumbers(samples.N_PLANES, samples.N_FINE)
    drawn = samples.power_of_modes(box)
    edges = np.linspace(0, perp[(measured.mode_bin >= 0).any(axis=0)].max(), 6)
    np.testing.assert_allclose(c.k_perp, (edges[:-1] + edges[1:]) / 2, rtol=1e-6)
    np.testing.assert_allclose(c.k_par, along[:4], rtol=1e-6)
    for row in range(4):
        for column in range(5):
            low = edges[column] * (1 + 1e-5) if column else -1.0
            inside = (perp > low) & (perp <= edges[column + 1] * (1 + 1e-5))
            held = (measured.mode_bin >= 0) & inside & np.isclose(np.abs(along), along[row])[:, None, None]
            assert c.n_modes[row, column] * 2 == np.count_nonzero(held)
            if not held.any():
                assert math.isnan(c.power[row, column])
                continue
            # Few modes: what is folded onto them, 6 % of the amplitude at half of k_par, has not averaged out.
            chance = 4 * 0.06 / np.sqrt(np.count_nonzero(held))
            assert c.power[row, column] == pytest.approx(drawn[held].mean(), rel=WITHIN + chance)


@pytest.mark.parametrize("weight", ["uniform", "briggs"])
def test_imaging_weights_do_not_matter(tmp_path, box, weight):
    other = image(tmp_path, "weighted", samples.visibilities(box), weight)
    measured = measure_power([other], PowerSettings(n_bins=5))
    drawn = samples.power_over(box, measured.mode_bin)
    np.testing.assert_allclose(measured.spherical.delta_squared, drawn, rtol=WITHIN)


def test_an_odd_image_and_a_field_in_it(tmp_path, box):
    # 37 pixels: the field's 16 are less than half, and its middle is not that of an even image.
    path = image(tmp_path, "odd", samples.visibilities(box), size=37)
    measured = measure_power([path], PowerSettings(field_rad=16 * samples.CELL_RAD, n_bins=5))
    drawn = samples.power_over(box, measured.mode_bin)
    np.testing.assert_allclose(measured.spherical.delta_squared, drawn, rtol=WITHIN)


def test_a_taper_keeps_the_scale(cube, box):
    measured = measure_power([cube], PowerSettings(taper="hann", n_bins=5))
    taper = np.sin(np.pi * (np.arange(samples.N_PLANES) + 0.5) / samples.N_PLANES) ** 2
    np.testing.assert_allclose(measured.taper, taper, atol=1e-12)
    tapered = samples.power_over(box, measured.mode_bin, np.repeat(taper, samples.N_FINE))
    # The steps of the taper, a plane long, mix a little more than the taper.
    np.testing.assert_allclose(measured.spherical.delta_squared, tapered, rtol=0.05)


def test_what_is_expected_through_a_taper(cube):
    measured = measure_power([cube], PowerSettings(taper="blackman-harris", n_bins=1))
    n, k = samples.N_PLANES, measured.grid.k
    # By matrices: covariance of the planes at one k_perp from P, then the variance of each tapered mode.
    waves = np.exp(2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)
    expected = np.zeros(k.shape)
    assert (measured.mode_bin >= 0)[1, 0, 0]
    for y, x in np.argwhere((measured.mode_bin >= 0).any(axis=0)):
        covariance = waves @ np.diag(steep(k[:, y, x])) @ waves.conj().T / n
        tapered = np.diag(measured.taper) @ covariance @ np.diag(measured.taper)
        modes = np.einsum("ka,ab,kb->k", waves.conj().T, tapered, waves.T).real
        expected[:, y, x] = modes / n / np.mean(measured.taper**2)
    used = measured.mode_bin >= 0
    truth = PowerSpectrum(np.array([1.0]), np.array([100.0]), (0.0, 0.0))
    power, delta_squared = over_same_modes(truth, measured)
    assert power[0] == pytest.approx(expected[used].mean(), rel=1e-10)
    assert delta_squared[0] == pytest.approx((expected * k**3)[used].mean() / (2 * np.pi**2), rel=1e-10)


def test_the_stations_beam_is_divided_out(tmp_path):
    box = samples.draw(2, white)
    fwhm = 0.5 * samples.SIZE * samples.CELL_RAD
    offset = (np.arange(samples.SIZE) - samples.SIZE // 2) * samples.CELL_RAD
    beam = 2.0 ** (-((offset[:, None] ** 2 + offset**2) / (fwhm / 2) ** 2))
    path = image(tmp_path, "beam", samples.visibilities(box * beam))
    settings = PowerSettings(beam_fwhm_rad=fwhm, n_bins=1)
    power = measure_power([path], settings).spherical
    # The beam leaves a smaller volume, in which fewer modes are independent: the mean of B^4 over that of B^2, squared.
    share = (beam**2).mean() ** 2 / (beam**4).mean()
    assert power.power[0] == pytest.approx(1e4, rel=4 / np.sqrt(power.n_modes[0] * share))
    without = measure_power([path], PowerSettings(n_bins=1)).spherical
    assert without.power[0] / power.power[0] == pytest.approx((beam**2).mean(), rel=1e-12)


def test_noise_adds_to_one_cube_and_not_to_two(tmp_path, cube, box):
    noisy = [image(tmp_path, f"n{i}", samples.visibilities(box, 1e-3, 10 + i)) for i in (1, 2)]
    settings = PowerSettings(n_bins=4)
    clean, one = (measure_power([path], settings) for path in (cube, noisy[0]))
    two = measure_power(noisy, settings)
    s = two.spherical
    assert one.spherical.power[-1] > 3 * clean.spherical.power[-1]
    # The noise's own error: that of both cubes without the sampling error of the sky, which they share.
    assert (np.abs(s.power - clean.spherical.power) < 4 * s.power_error).all()
    assert s.power[-1] < 0.5 * one.spherical.power[-1]
    assert (s.power_error < one.spherical.power_error).all()


def test_cuts(cube):
    everything = measure_power([cube], PowerSettings())
    k, par, perp = everything.grid.k, np.abs(everything.grid.k_par)[:, None, None], everything.grid.k_perp
    z = samples.LINE_HZ / samples.MIDDLE_HZ - 1
    # Morales et al. 2012: k_par = k_perp sin(angle) D_M H / (c (1 + z)).
    from astropy import constants
    from astropy.cosmology import Planck18

    slope = (Planck18.comoving_transverse_distance(z) * Planck18.H(z) / constants.c / (1 + z)).to_value("")
    assert everything.grid.wedge_slope == pytest.approx(slope, rel=1e-5)
    cut = measure_power([cube], PowerSettings(wedge_rad=math.radians(30), wedge_margin_per_mpc=0.05, max_par=0.7))
    used = cut.mode_bin >= 0
    measured_across = (everything.mode_bin >= 0).any(axis=0)
    np.testing.assert_array_equal(
        used, measured_across & (par > slope * perp / 2 + 0.05) & (par < 0.7 * np.pi / everything.grid.depth_mpc)
    )
    ranged = measure_power([cube], PowerSettings(k_range_per_mpc=(0.1, 0.3)))
    used = ranged.mode_bin >= 0
    np.testing.assert_array_equal(used, (everything.mode_bin >= 0) & (k >= 0.1) & (k <= 0.3))
    assert ranged.spherical.low[0] >= 0.0999
    assert ranged.spherical.high[-1] <= 0.3001


@pytest.mark.parametrize("size", [5, 6])
def test_the_sky_behind_an_image_is_that_of_least_squares(size):
    rng = np.random.default_rng(3)
    cell, n_samples = 0.01, 400
    u, v = rng.uniform(-50, 50, (2, n_samples))
    weight = rng.uniform(0.2, 1, n_samples)
    weight /= weight.sum()
    offset = (np.arange(size) - size // 2) * cell
    m, l_east = (axis.ravel() for axis in np.meshgrid(offset, offset, indexing="ij"))
    waves = np.exp(2j * np.pi * (np.outer(u, l_east) + np.outer(v, m)))
    matrix = (waves.conj().T @ (weight[:, None] * waves)).real
    wide = np.arange(1 - size, size) * cell
    psf = np.einsum(
        "s,sy,sx->yx", weight, np.exp(2j * np.pi * np.outer(v, wide)), np.exp(2j * np.pi * np.outer(u, wide))
    )
    sampling = Sampling(psf.real, size)
    sky = rng.standard_normal((3, size, size))
    dirty = sampling.dirty(sky)
    np.testing.assert_allclose(dirty.reshape(3, -1), sky.reshape(3, -1) @ matrix, atol=1e-12)
    # The density of samples around each plane wave of the field is the matrix between plane waves.
    plane_waves = np.fft.fft2(np.eye(size * size).reshape(-1, size, size)).reshape(size * size, -1) / size
    diagonal = np.einsum("ka,ab,kb->k", plane_waves.T, matrix, plane_waves.T.conj()).real
    np.testing.assert_allclose(sampling.density.ravel(), diagonal, atol=1e-12)
    ridge = REGULARISATION * diagonal.max()
    exact = np.linalg.solve(matrix + ridge * np.eye(size * size), dirty.reshape(3, -1).T).T
    found = sampling.solve(dirty).reshape(3, -1)
    # Conjugate gradients stop at a residual of 1e-4.
    error = (found - exact) @ (matrix + ridge * np.eye(size * size))
    assert (np.linalg.norm(error, axis=1) <= 1.001e-4 * np.linalg.norm(dirty.reshape(3, -1), axis=1)).all()
    assert not sampling.solve(np.zeros((1, size, size))).any()


@pytest.mark.parametrize("n", [8, 9])
def test_modes_next_to_unmeasured_ones_are_left_out(n):
    measured = np.random.default_rng(1).uniform(size=(n, n)) > 0.04
    numbers = np.rint(np.fft.fftfreq(n, 1 / n)).astype(int)
    # By the signed numbers of the modes; the largest are of both signs where n is even.
    signs = {number: {number, -number} if 2 * abs(number) == n else {number} for number in numbers}
    held = {(y, x) for i, j in np.argwhere(measured) for y in signs[numbers[i]] for x in signs[numbers[j]]} | {(0, 0)}
    kept = inner_modes(measured)
    assert 3 < np.count_nonzero(kept) < np.count_nonzero(measured)
    for i, y in enumerate(numbers):
        for j, x in enumerate(numbers):
            around = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
            assert kept[i, j] == (around <= held and measured[i, j]), (y, x)


def test_the_field_is_cut_with_east_to_the_right():
    image_ = np.zeros((9, 9))
    image_[4, 4], image_[5, 2] = 1, 2  # the phase centre; two pixels to the east and one to the north of it
    for size in (4, 5):
        cut = cut_field(image_, size)
        assert cut.shape == (size, size)
        assert cut[size // 2, size // 2] == 1
        if size == 5:
            assert cut[3, 4] == 2


@pytest.mark.parametrize("n_fine", [1, 2, 5])
def test_what_averaging_leaves_of_a_wave(n_fine):
    grid = Grid(4, 6, 1.0, 2.0, n_fine, 1.0)
    z = np.arange(6 * n_fine) * 2.0 / n_fine
    for k_par, left in zip(grid.k_par, grid.averaging_response(), strict=True):
        planes = np.exp(1j * k_par * z).reshape(6, n_fine).mean(axis=1)
        np.testing.assert_allclose(np.abs(planes), abs(left), rtol=1e-12)


def test_tapers():
    n = 8
    assert (taper_weights("none", n) == 1).all()
    harris = taper_weights("blackman-harris", n)
    np.testing.assert_allclose(harris, harris[::-1], rtol=1e-12)
    # Harris 1978, table 1: equivalent noise bandwidth of 2.00 bins, n sum(w^2) / (sum w)^2.
    assert n * (harris**2).sum() / harris.sum() ** 2 == pytest.approx(2.0, abs=0.005)
    assert independent_share(np.ones(n)) == 1
    assert independent_share(np.array([1.0, 1, 0, 0])) == pytest.approx(0.5)
