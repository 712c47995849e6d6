"""Noise, gains and a phase screen on the CPU: exact values, statistics, independence of how work is shared."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import corruption_oracle as oracle
import numba
import numpy as np
import pytest

from kernels import corruption_bodies, cpu, reference
from kernels.reference.corruptions import philox

MIRRORS = pytest.mark.parametrize("kernels", [reference, cpu], ids=lambda module: module.__name__)
DTYPES = pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
SEED = 2**63 + 12345


def noise_of(kernels: ModuleType, stations: Any, seed: int = 1, channel: int = 0, dump: int = 0) -> Any:
    out = np.zeros((len(stations), 4), complex)
    kernels.add_noise(stations, np.ones(stations.max() + 1), seed, channel, dump, out)
    return out


@pytest.mark.parametrize(("counter", "key", "known"), oracle.PHILOX_KNOWN)
def test_philox_gives_the_published_words(counter, key, known):
    seed = key[0] + (key[1] << 32)
    assert [int(word) for word in philox(tuple(counter), seed)] == known
    compiled = numba.njit(corruption_bodies.philox)
    for function in (compiled, corruption_bodies.philox):
        assert [int(word) for word in function(*(np.uint64(word) for word in (*counter, seed)))] == known
    assert oracle.philox(counter, key) == known


@MIRRORS
@DTYPES
def test_noise_is_the_function_of_its_counters_that_is_documented(kernels, dtype):
    stations = oracle.pairs(24, autos=True)  # 300 baselines: more than a thread takes at a time
    sigma = np.random.default_rng(3).uniform(0.5, 2, 24)
    before = np.random.default_rng(4).normal(size=(len(stations), 8)).view(complex).astype(dtype)
    out = before.copy()
    kernels.add_noise(stations, sigma, SEED, 55_295, 70_001, out)
    expected = [oracle.noise(p, q, np.sqrt(sigma[p] * sigma[q]), SEED, 55_295, 70_001) for p, q in stations.tolist()]
    assert np.abs(out - (before + np.array(expected))).max() < 20 * np.finfo(dtype).eps


@MIRRORS
def test_noise_does_not_depend_on_which_baselines_are_kept(kernels):
    stations = oracle.pairs(37, autos=False)
    kept = np.random.default_rng(5).permutation(len(stations))[:311]
    assert np.array_equal(noise_of(kernels, stations)[kept], noise_of(kernels, stations[kept]))


def test_noise_does_not_depend_on_the_number_of_threads():
    stations = oracle.pairs(60, autos=True)
    several = noise_of(cpu, stations)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        assert np.array_equal(noise_of(cpu, stations), several)
    finally:
        numba.set_num_threads(before)


@MIRRORS
@DTYPES
def test_autocorrelations_stay_hermitian(kernels, dtype):
    stations = np.stack([np.arange(51)] * 2, axis=1).astype(np.int32)
    rng = np.random.default_rng(6)
    half = rng.normal(size=(51, 2))
    cross = rng.normal(size=(51, 2)) @ [1, 1j]
    out = np.stack([half[:, 0], cross, cross.conj(), half[:, 1]], axis=1).astype(dtype)
    kernels.add_noise(stations, np.full(51, 0.7), 9, 1, 2, out)
    kernels.apply_gains(stations, rng.normal(size=(51, 2)) + 1j * rng.normal(size=(51, 2)), out)
    assert not out[:, [0, 3]].imag.any()
    assert np.array_equal(out[:, 2], out[:, 1].conj())


def test_noise_is_normal_with_the_variance_asked_for():
    stations = oracle.pairs(400, autos=False)
    sigma = np.linspace(1, 3, 400)
    out = np.zeros((len(stations), 4), complex)
    cpu.add_noise(stations, sigma, 11, 3, 4, out)
    expected = np.sqrt(sigma[stations[:, 0]] * sigma[stations[:, 1]])
    x = (out / expected[:, None]).view(float)  # (baseline, 8) of variance one
    n = len(x)
    assert np.abs(x.mean(axis=0)).max() < 4.5 / np.sqrt(n)
    assert np.abs(x.var(axis=0) - 1).max() < 4.5 * np.sqrt(2 / n)
    assert np.abs((x**3).mean(axis=0)).max() < 4.5 * np.sqrt(15 / n)
    assert np.abs((x**4).mean(axis=0) - 3).max() < 4.5 * np.sqrt(96 / n)
    assert np.abs(np.corrcoef(x.T) - np.eye(8)).max() < 4.5 / np.sqrt(n)


@pytest.mark.parametrize("other", [{"channel": 1}, {"dump": 1}, {"seed": 2}, {"seed": 1 + 2**32}])
def test_noise_of_other_counters_is_independent(other):
    stations = oracle.pairs(300, autos=False)
    x, y = noise_of(cpu, stations).view(float).ravel(), noise_of(cpu, stations, **other).view(float).ravel()
    assert abs(x @ y) / x.size < 4.5 / np.sqrt(x.size)
    assert (x == y).sum() < 3


def test_noise_of_baselines_is_independent():
    stations = oracle.pairs(9, autos=True)
    samples = np.stack([noise_of(reference, stations, channel=k) for k in range(3000)])
    cross = samples[:, stations[:, 0] != stations[:, 1]].view(float).reshape(3000, -1)
    assert np.abs(np.corrcoef(cross.T) - np.eye(cross.shape[1])).max() < 5.2 / np.sqrt(3000)  # of 41,328 pairs
    auto = samples[:, stations[:, 0] == stations[:, 1]]
    assert abs(auto[..., [0, 3]].real.var() - 2) < 4.5 * 2 * np.sqrt(2 / (18 * 3000))
    assert abs(np.ascontiguousarray(auto[..., 1]).view(float).var() - 1) < 4.5 * np.sqrt(2 / (18 * 3000))


@MIRRORS
@DTYPES
def test_gains_are_products_of_matrices(kernels, dtype):
    rng = np.random.default_rng(7)
    stations = oracle.pairs(13, autos=True)
    gains = rng.normal(size=(13, 2)) + 1j * rng.normal(size=(13, 2))
    before = (rng.normal(size=(len(stations), 4)) + 1j * rng.normal(size=(len(stations), 4))).astype(dtype)
    auto = stations[:, 0] == stations[:, 1]
    before[auto, 0], before[auto, 3] = before[auto, 0].real, before[auto, 3].real
    before[auto, 2] = before[auto, 1].conj()
    out = before.copy()
    kernels.apply_gains(stations, gains, out)
    expected = [
        (np.diag(gains[p]) @ v.reshape(2, 2) @ np.diag(gains[q]).conj().T).reshape(4)
        for (p, q), v in zip(stations, before, strict=True)
    ]
    assert np.abs(out - expected).max() < 4 * np.finfo(dtype).eps * np.abs(expected).max()


def screen_case(real: Any) -> tuple[Any, ...]:
    """Stations over 70 km, directions, terms in no order and of no source, and phasors."""
    rng = np.random.default_rng(8)
    stations, enu = rng.normal(scale=2e4, size=(11, 3)), oracle.directions(7, 9)
    source = rng.permutation(np.repeat(np.arange(6), 3)).astype(np.int32)
    turns = rng.uniform(size=(18, 11))
    return stations, enu, source, np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)]).astype(real)


@MIRRORS
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_a_parabolic_screen_gives_its_phases_exactly(kernels, real):
    stations, enu, source, phasors = screen_case(real)

    def content(east: Any, north: Any) -> Any:
        x, y = east / 1e5, north / 1e5
        return 20 + 0.3 * x - 0.2 * y + 0.05 * x**2 - 0.07 * x * y + 0.03 * y**2

    east, north = -6.7e5 + 5e3 * np.arange(-1, 267), -6.4e5 + 5e3 * np.arange(-1, 259)
    screen = content(east[None, :], north[:, None])
    expected = oracle.rotate(phasors, stations, enu, source, 3e5, content, 8.96)
    kernels.phase_screen(stations, enu, source, screen, (-6.7e5, -6.4e5, 5e3, 3e5), 8.96, phasors)
    # Slant contents up to 40 TECU make 700 turns; eight roundings of these.
    bound = 4 * np.finfo(real).eps + 2 * np.pi * 700 * 8 * 2.0**-52
    assert np.abs(phasors[0] + 1j * phasors[1] - expected).max() < bound


@MIRRORS
def test_a_periodic_screen_repeats_itself(kernels):
    stations, enu, source, phasors = screen_case(np.float64)
    rng = np.random.default_rng(10)
    n, m, pixel = 31, 26, 7e3
    period = rng.normal(size=(n, m))
    # Cubic convolution once more, as Hermite polynomials of values and central differences.

    def hermite(a: Any, b: Any, c: Any, d: Any, f: Any) -> Any:
        slope0, slope1 = (c - a) / 2, (d - b) / 2
        h00, h10 = (1 + 2 * f) * (1 - f) ** 2, f * (1 - f) ** 2
        return h00 * b + h10 * slope0 + f**2 * (3 - 2 * f) * c + f**2 * (f - 1) * slope1

    def content(east: float, north: float) -> float:
        x, y = (east + 1.2e4) / pixel, (north - 3e3) / pixel
        i, j = int(np.floor(y)), int(np.floor(x))
        rows = [hermite(*(period[(i + r) % n, (j + c) % m] for c in (-1, 0, 1, 2)), x - j) for r in (-1, 0, 1, 2)]
        return float(hermite(*rows, y - i))

    expected = oracle.rotate(phasors, stations, enu, source, 3e5, content, 2.5)
    padded = np.pad(period, (1, 2), mode="wrap")
    kernels.phase_screen(stations, enu, source, padded, (-1.2e4, 3e3, pixel, 3e5), 2.5, phasors)
    assert np.abs(phasors[0] + 1j * phasors[1] - expected).max() < 1e-11


def test_more_content_to_the_east_moves_sources_to_the_east():
    """Phase velocity is larger where there are more electrons, so wave fronts arrive in the east first."""
    stations = np.array([[0.0, 0, 0], [1e3, 0, 0]])
    content = 1e-4 * np.arange(-10, 13) * np.ones((23, 1))  # TECU, per pixel of 1 km
    phasors = np.stack([np.ones((1, 2)), np.zeros((1, 2))])
    enu, source = np.array([[0.0, 0, 1]]), np.zeros(1, np.int32)
    cpu.phase_screen(stations, enu, source, content, (-9e3, -9e3, 1e3, 3e5), 8.96, phasors)
    seen = phasors[0] + 1j * phasors[1]
    shift = np.angle(seen[0, 1] / seen[0, 0]) / (2 * np.pi)  # as K of a source at l > 0, (u l) nu / c
    assert shift == pytest.approx(8.96e-4, rel=1e-9)


@pytest.mark.parametrize(("pixels_per_wave", "bound"), [(4, 9.3e-2), (8, 9.0e-3), (16, 1.0e-3), (32, 1.3e-4)])
def test_the_error_of_interpolation_is_what_the_documents_say(pixels_per_wave, bound):
    """Of a wave of amplitude one, sampled with so many pixels."""
    n = 2 * pixels_per_wave
    padded = np.pad(np.ones((n, 1)) * np.cos(2 * np.pi * np.arange(n) / pixels_per_wave), (1, 2), mode="wrap")
    east = np.linspace(0, n, 999)
    phasors = np.stack([np.ones((1, 999)), np.zeros((1, 999))])
    stations = np.stack([east, np.zeros(999), np.zeros(999)], axis=1)
    cpu.phase_screen(stations, np.array([[0.0, 0, 1]]), np.zeros(1, np.int32), padded, (0.0, 0, 1, 3e5), 0.01, phasors)
    content = np.arctan2(phasors[1, 0], phasors[0, 0]) / (2 * np.pi * 0.01)
    error = np.abs(content - np.cos(2 * np.pi * east / pixels_per_wave)).max()
    assert 0.9 * bound < error < bound


@MIRRORS
def test_nothing_to_do_is_done(kernels):
    nothing = np.zeros((0, 2), np.int32)
    visibilities = np.zeros((0, 4), np.complex64)
    kernels.add_noise(nothing, np.ones(2), 1, 0, 0, visibilities)
    kernels.apply_gains(nothing, np.ones((2, 2), complex), visibilities)
    phasors, source = np.zeros((2, 0, 3), np.float32), np.zeros(0, np.int32)
    kernels.phase_screen(np.zeros((3, 3)), np.zeros((0, 3)), source, np.zeros((4, 4)), (0.0, 0, 1, 1), 1.0, phasors)
