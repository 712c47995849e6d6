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

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1"

# The simulator runs every CUDA thread as a Python thread: seconds for the smallest tile.
SIZES = [(2, 1, "cross"), (5, 37, "all"), (66, 3, "few")]
PRODUCTS = ("unpolarised", "common", "per_station")
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
    n_stations, n_sources, keep = size
    real, complex_ = direct_sum.PRECISIONS[precision]
    rng = np.random.default_rng(8)
    uvw, lmn = direct_sum.stations(n_stations, 3), direct_sum.sources(n_sources, 4)
    index, fringe = direct_sum.index_of(n_stations, keep), direct_sum.fringes(uvw, lmn, 350e6)
    stokes = rng.normal(size=(n_sources, 4))
    flux = direct_sum.fluxes(n_sources, "mixed", 6)
    unpolarised = np.stack([flux, 0 * flux, 0 * flux, 0 * flux], axis=1)
    jones = rng.normal(size=(n_stations, n_sources, 2, 2, 2)) @ [1, 1j]
    i, q, u, v = stokes.T
    coherency = cuda.to_device(np.stack([i + q, i - q, u, v], axis=1).astype(real))
    phasors = cuda.to_device(np.full((2, n_sources, n_stations), np.nan, real))
    kernels.phasors(cuda.to_device(uvw), cuda.to_device(lmn), 350e6, phasors)
    phase_error = np.abs(to_host(phasors) - np.array(fringe)).max()
    same = np.broadcast_to(np.eye(2, dtype=complex), jones.shape)
    gain = np.linalg.norm(jones, axis=(2, 3)).max(axis=0) ** 2
    index_on_device = cuda.to_device(index)
    errors = [("phasors", float(phase_error))]
    for name, factors, response, sky, scale in (
        ("unpolarised", (cuda.to_device(flux.astype(real)),), same, unpolarised, np.abs(flux).sum()),
        ("common", (coherency,), same, stokes, np.abs(stokes).sum()),
        (
            "per_station",
            (cuda.to_device(jones.astype(complex_)), coherency),
            jones,
            stokes,
            (gain * np.abs(stokes).sum(axis=1)).sum(),
        ),
    ):
        if name not in names:
            continue
        out = cuda.to_device(np.full((index.max() + 1, 4), np.nan + 1j * np.nan, complex_))
        getattr(kernels, name)(phasors, *factors, index_on_device, out)
        error = np.abs(to_host(out) - direct_sum.visibilities(fringe, index, response, sky)).max()
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
def test_no_source_makes_zeros() -> None:
    index = direct_sum.index_of(3, "all")
    out = cuda.to_device(np.full((6, 4), np.nan + 1j * np.nan, np.complex64))
    phasors = cuda.to_device(np.empty((2, 0, 3), np.float32))
    kernels.phasors(cuda.to_device(np.zeros((3, 3))), cuda.to_device(np.empty((0, 3))), 1e8, phasors)
    kernels.unpolarised(phasors, cuda.to_device(np.empty(0, np.float32)), cuda.to_device(index), out)
    assert not to_host(out).any()


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


@pytest.mark.skipif(SIMULATED or cuda.is_available(), reason="this process has a GPU or the simulator")
def test_in_the_simulator(pytestconfig: pytest.Config) -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", Path(__file__).name]
    done = subprocess.run(command, env=environment, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
