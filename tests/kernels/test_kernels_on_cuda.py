"""CUDA kernels against the direct sum in long double: on a GPU where there is one, else in Numba's simulator.

The simulator must be chosen before Numba is imported, so without a GPU these tests run in a process of their own,
which `test_in_the_simulator` starts. Its integers and some float32 arithmetic are not a GPU's: the bounds hold there
too, but only a GPU proves them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import direct_sum
import numpy as np
import pytest
from numba import cuda

from kernels import cuda as kernels
from kernels.cuda import operands

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1"

# The simulator runs every CUDA thread as a Python thread: seconds for the smallest tile.
SIZES = [(2, 1, "cross"), (5, 37, "all"), (66, 3, "few")]
PRODUCTS = ("unpolarised", "common", "per_kind")
BIG_SIZES = [(67, 130, "all"), (5, 50_000, "all"), (131, 300, "few")]


def on_gpu(function: Any) -> Any:
    """Mark a test that needs a GPU."""
    missing = SIMULATED or not cuda.is_available()
    return pytest.mark.gpu(pytest.mark.skipif(missing, reason="no CUDA device")(function))


def on_gpu_or_simulator(function: Any) -> Any:
    """Mark a test that is skipped only in a process with neither."""
    missing = not SIMULATED and not cuda.is_available()
    return pytest.mark.skipif(missing, reason="runs in the simulator, started by another test")(function)


def to_host(array: Any) -> Any:
    return array.copy_to_host()


def predict(size: tuple[int, int, str], precision: str, names: tuple[str, ...]) -> list[tuple[str, float]]:
    """Run every product and give its name and error relative to the flux it may be measured by."""
    n_stations, n_terms, keep = size
    real, complex_ = direct_sum.PRECISIONS[precision]
    rng = np.random.default_rng(8)
    terms, index = direct_sum.terms(n_stations, n_terms), direct_sum.index_of(n_stations, keep)
    fringe = direct_sum.fringes(terms)
    stokes, flux = rng.normal(size=(n_terms, 4)), direct_sum.fluxes(n_terms, "mixed", 6)
    unpolarised = np.stack([flux, 0 * flux, 0 * flux, 0 * flux], axis=1)
    kind_jones = (rng.normal(size=(3, 7, 2, 2, 2)) @ [1, 1j]).astype(complex_)
    kind = rng.integers(0, 3, n_stations).astype(np.int32)
    jones = kind_jones[kind][:, terms.source]
    i, q, u, v = stokes.T
    coherency = cuda.to_device(np.stack([i + q, i - q, u, v], axis=1).astype(real))
    phasors = cuda.to_device(np.full((2, n_terms, n_stations), np.nan, real))
    kernels.phasors(*map(cuda.to_device, terms.arguments), phasors)
    phase_error = np.abs(to_host(phasors) - np.array(fringe)).max()
    same = np.broadcast_to(np.eye(2, dtype=complex), jones.shape)
    gain = np.linalg.norm(jones, axis=(2, 3)).max(axis=0) ** 2
    index_on_device = cuda.to_device(index)
    errors = [("phasors", float(phase_error))]
    for name, factors, response, sky, scale in (
        ("unpolarised", (cuda.to_device(flux.astype(real)),), same, unpolarised, np.abs(flux).sum()),
        ("common", (coherency,), same, stokes, np.abs(stokes).sum()),
        (
            "per_kind",
            (*map(cuda.to_device, (kind_jones, kind, terms.source)), coherency),
            jones,
            stokes,
            (gain * np.abs(stokes).sum(axis=1)).sum(),
        ),
    ):
        if name not in names:
            continue
        out = cuda.to_device(np.full((index.max() + 1, 4), 0.5 - 0.25j, complex_))
        getattr(kernels, name)(phasors, *factors, index_on_device, out)
        error = np.abs(to_host(out) - (0.5 - 0.25j) - direct_sum.visibilities(fringe, index, response, sky)).max()
        errors.append((name, float(error / scale)))
    return errors


def check(size: tuple[int, int, str], precision: str, names: tuple[str, ...] = PRODUCTS) -> None:
    bound = {"mixed": 1e-6, "double": 1e-9}[precision]
    for name, error in predict(size, precision, names):
        assert error <= bound, name  # also false for NaN


@on_gpu_or_simulator
@pytest.mark.parametrize("precision", ["mixed", "double"])
@pytest.mark.parametrize("size", SIZES)
def test_products(size: tuple[int, int, str], precision: str) -> None:
    if SIMULATED and precision == "double" and size[0] > 2:
        pytest.skip("as for mixed precision, and slow in the simulator")
    check(size, precision, PRODUCTS[:1] if SIMULATED and size[0] > 5 else PRODUCTS)


@on_gpu
@pytest.mark.parametrize("precision", ["mixed", "double"])
@pytest.mark.parametrize("size", BIG_SIZES)
def test_products_of_more_stations_and_sources(size: tuple[int, int, str], precision: str) -> None:
    check(size, precision)


@on_gpu_or_simulator
def test_several_dumps_at_once() -> None:
    n_stations, n_terms, n_dumps = 3, 5, 2
    index, terms = direct_sum.index_of(n_stations, "cross"), direct_sum.terms(n_stations, n_terms * n_dumps)
    fringe = tuple(np.longdouble(np.float32(part)) for part in direct_sum.fringes(terms))
    flux = direct_sum.fluxes(n_terms * n_dumps, "mixed", 6).astype(np.float32)
    stokes, same = np.outer(flux, [1, 0, 0, 0]), np.broadcast_to(np.eye(2), (n_stations, n_terms, 2, 2))
    out = cuda.to_device(np.full((n_dumps, 3, 4), 0.5 - 0.25j, np.complex64))
    kernels.unpolarised(*map(cuda.to_device, (np.array(fringe, np.float32), flux, index)), out)
    for dump in range(n_dumps):
        own = slice(dump * n_terms, (dump + 1) * n_terms)
        expected = direct_sum.visibilities(tuple(part[own] for part in fringe), index, same, stokes[own])
        error = np.abs(to_host(out)[dump] - (0.5 - 0.25j) - expected).max()
        assert error <= 1e-6 * np.abs(flux[own]).sum() + 2**-24


@on_gpu_or_simulator
def test_responses_are_multiplied_in_slab_by_slab(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two dumps of five terms, two terms at a time: the last slab is half empty."""
    n_stations, n_terms, n_dumps, slab = 3, 5, 2, 2
    monkeypatch.setattr(operands, "SLAB_BYTES", slab * 16 * 4 * n_dumps * n_stations + 100)
    rng = np.random.default_rng(9)
    phasors = rng.normal(size=(2, n_terms * n_dumps, n_stations)).astype(np.float32)
    jones = (rng.normal(size=(2, 7, 2, 2, 2)) @ [1, 1j]).astype(np.complex64)
    kind, source = np.array([0, 1, 0], np.int32), rng.integers(0, 7, n_terms * n_dumps).astype(np.int32)
    coherency = rng.normal(size=(n_terms * n_dumps, 4)).astype(np.float32)
    arrays = tuple(map(cuda.to_device, (phasors, jones, kind, source, coherency)))
    slabs = [to_host(packed).copy() for packed in operands.pack_in_slabs(arrays, n_dumps)]
    assert [each.shape for each in slabs] == [(2, 2, 2, 2 * slab * n_dumps, n_stations)] * 3
    xx, yy, re, im = coherency.T
    sky = np.stack([xx + 0j, re + 1j * im, re - 1j * im, yy + 0j], axis=1).reshape(-1, 2, 2)
    for dump in range(n_dumps):
        for t in range(3 * slab):
            for p in range(n_stations):
                rows = slice(2 * (dump * slab + t % slab), 2 * (dump * slab + t % slab) + 2)
                left, right = (side[:, 0, rows, p] + 1j * side[:, 1, rows, p] for side in slabs[t // slab])
                if t >= n_terms:
                    assert not left.any()
                    assert not right.any()
                    continue
                term = dump * n_terms + t
                wave = phasors[0, term, p] + 1j * phasors[1, term, p]
                seen = jones[kind[p], source[term]]
                assert np.abs(left - wave * seen @ sky[term]).max() <= 1e-5
                assert np.abs(right - wave * seen).max() <= 1e-5


@on_gpu_or_simulator
def test_no_source_makes_zeros() -> None:
    index = direct_sum.index_of(3, "all")
    out = cuda.to_device(np.full((6, 4), 0.5 - 0.25j, np.complex64))
    phasors = cuda.to_device(np.empty((2, 0, 3), np.float32))
    kernels.phasors(*map(cuda.to_device, direct_sum.terms(3, 0).arguments), phasors)
    kernels.unpolarised(phasors, cuda.to_device(np.empty(0, np.float32)), cuda.to_device(index), out)
    assert (to_host(out) == 0.5 - 0.25j).all()


@on_gpu_or_simulator
@pytest.mark.parametrize("precision", ["mixed", "double"])
def test_scale(precision: str) -> None:
    real, complex_ = direct_sum.PRECISIONS[precision]
    rng = np.random.default_rng(3)
    kind, source = rng.integers(0, 2, 19).astype(np.int32), rng.integers(0, 5, 15).astype(np.int32)
    response, phasors = (rng.normal(size=(2, 5, 2)) @ [1, 1j]).astype(complex_), rng.normal(size=(2, 15, 19))
    on_device = cuda.to_device(phasors.astype(real))
    kernels.scale(*map(cuda.to_device, (response, kind, source)), on_device)
    re, im = to_host(on_device)
    expected = (phasors[0] + 1j * phasors[1]) * response[kind][:, source].T
    assert np.abs(re + 1j * im - expected).max() <= 4 * np.finfo(real).eps * np.abs(expected).max()


@on_gpu_or_simulator
@pytest.mark.parametrize(("precision", "n_kinds", "n_terms"), [("mixed", 0, 35), ("mixed", 2, 3), ("double", 2, 3)])
def test_gaussians(precision: str, n_kinds: int, n_terms: int) -> None:
    n_stations, (real, complex_) = 5, direct_sum.PRECISIONS[precision]
    terms, index = direct_sum.terms(n_stations, n_terms), direct_sum.index_of(n_stations, "few")
    rng, fringe, form = np.random.default_rng(8), direct_sum.fringes(terms), direct_sum.envelopes(n_terms, 31)
    stokes, kind_jones = rng.normal(size=(n_terms, 4)), (rng.normal(size=(n_kinds, 7, 2, 2, 2)) @ [1, 1j])
    kind, before = np.arange(n_stations, dtype=np.int32) % 2, rng.normal(size=(index.max() + 1, 4)).astype(complex_)
    jones = np.broadcast_to(np.eye(2), (n_stations, n_terms, 2, 2))
    if n_kinds:
        jones = kind_jones[kind][:, terms.source]

    def envelope(p: int, q: int) -> Any:
        du, dv = np.longdouble(terms.station_uvw[terms.epoch, p] - terms.station_uvw[terms.epoch, q]).T[:2]
        return np.exp(-(form[:, 0] * du**2 + form[:, 1] * du * dv + form[:, 2] * dv**2))

    i, q_, u, v = stokes.T
    coherency = np.stack([i + q_, i - q_, u, v], axis=1).astype(real)
    inputs = (np.array(fringe, real), kind_jones.astype(complex_), kind, terms.source, coherency, form, terms.epoch)
    out = cuda.to_device(before)
    kernels.gaussians(*map(cuda.to_device, (*inputs, terms.station_uvw, index)), out)
    expected = before + direct_sum.visibilities(fringe, index, jones, stokes, envelope)
    gain = np.linalg.norm(jones, axis=(2, 3)).max(axis=0) ** 2
    bound = {"mixed": 1e-6, "double": 1e-9}[precision] * (gain * np.abs(stokes).sum(axis=1)).sum()
    assert np.abs(to_host(out) - expected).max() <= bound


@on_gpu_or_simulator
@pytest.mark.parametrize(("dtype", "error"), [(np.complex128, 1e-12), (np.complex64, 3e-7)])
def test_array_factors(dtype: Any, error: float) -> None:
    rng, first = np.random.default_rng(4), np.array([0, 5, 6])
    enu, weight = rng.uniform(-19, 19, (6, 3)), rng.normal(size=(6, 2)) @ [1, 1j]
    offset, out = rng.uniform(-1, 1, (7, 3)), cuda.to_device(np.full((2, 7), np.nan, dtype))
    kernels.array_factors(*map(cuda.to_device, (enu, weight, first, offset)), 350e6, out)
    each = weight[:, None] * np.exp(2j * np.pi * 350e6 / 299792458 * (enu @ offset.T))
    assert np.abs(to_host(out) - [each[:5].mean(axis=0), each[5]]).max() <= error * np.abs(weight).max()


@on_gpu_or_simulator
def test_accumulate() -> None:
    rng = np.random.default_rng(9)
    values = (rng.normal(size=(67, 4)) + 1j * rng.normal(size=(67, 4))).astype(np.complex64)
    weights, sum_weights = rng.uniform(0, 3, 67).astype(np.float32), rng.uniform(size=67).astype(np.float32)
    sums = (rng.normal(size=(67, 4)) + 1j).astype(np.complex64)
    exact = np.clongdouble(sums) + np.longdouble(weights)[:, None] * np.clongdouble(values)
    arrays = [cuda.to_device(array) for array in (values, weights, sums, sum_weights)]
    kernels.accumulate(*arrays)
    assert np.abs(to_host(arrays[2]) - exact).max() <= np.finfo(np.float32).eps * np.abs(exact).max()
    assert np.array_equal(to_host(arrays[3]), sum_weights + weights)


@on_gpu_or_simulator
def test_accumulate_several_dumps_with_the_same_weights() -> None:
    rng = np.random.default_rng(10)
    values = rng.normal(size=(3, 5, 8)).astype(np.float32).view(np.complex64)
    weights, counts = np.array([0, 1, 1, 0, 1], np.float32), cuda.to_device(np.full((3, 5), 2, np.float32))
    sums = cuda.to_device(np.zeros((3, 5, 4), np.complex64))
    kernels.accumulate(cuda.to_device(values), cuda.to_device(weights), sums, counts)
    assert np.array_equal(to_host(sums), values * weights[:, np.newaxis])
    assert np.array_equal(to_host(counts), np.tile(2 + weights, (3, 1)))


@pytest.mark.skipif(SIMULATED or cuda.is_available(), reason="this process has a GPU or the simulator")
def test_in_the_simulator(pytestconfig: pytest.Config) -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", Path(__file__).name]
    done = subprocess.run(command, env=environment, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
