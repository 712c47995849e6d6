"""Products on the tensor cores: their error on a model of the hardware, and the kernels in the simulator or on a GPU.

The model proves the bound for any of the adders known, on the host, for 50,000 sources; the simulator that the kernels
multiply what they should; only a GPU that it multiplies as the model does.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import direct_sum
import numpy as np
import pytest
import tensor_model
from numba import cuda

from kernels import cuda as ordinary
from kernels.cuda import tensor_cores

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1"
MISSING = not SIMULATED and not cuda.is_available()

on_gpu_or_simulator = pytest.mark.skipif(MISSING, reason="runs in the simulator, started by another test")
on_gpu = pytest.mark.skipif(MISSING or SIMULATED, reason="no CUDA device")

N_SOURCES, N_BASELINES = 50_000, 5


def fluxes(kind: str) -> Any:
    """Fluxes in Jy: what float32 sums, half precision and cut-off sums each find hard."""
    rng = np.random.default_rng(12)
    if kind == "seven decades":
        return 10 ** rng.uniform(-7, 4, N_SOURCES) * rng.choice([-1.0, 1.0], N_SOURCES)
    if kind == "one bright":
        flux = np.full(N_SOURCES, 1e-3)
        flux[77] = 1e4
        return flux
    return np.full(N_SOURCES, -0.1 if kind == "negative" else 0.1)


@pytest.mark.parametrize("name", ordinary.__all__)
def test_the_module_has_the_kernels_of_the_ordinary_one(name: str) -> None:
    assert tensor_cores.__all__ == ordinary.__all__
    parameters = inspect.signature(getattr(tensor_cores, name)).parameters
    assert list(parameters) == list(inspect.signature(getattr(ordinary, name)).parameters)


@pytest.mark.parametrize("n_adder", [4, 8, 16])
@pytest.mark.parametrize("phases", ["all alike", "of a small field", "of a large field"])
@pytest.mark.parametrize("kind", ["seven decades", "one bright", "equal", "negative"])
def test_rounding_stays_within_the_bound(kind: str, phases: str, n_adder: int) -> None:
    rng = np.random.default_rng(13)
    spread = {"all alike": 0.0, "of a small field": 0.05, "of a large field": 1.0}[phases]
    turns = 0.123 + spread * rng.uniform(-0.5, 0.5, (2, N_SOURCES, N_BASELINES))
    p, q = np.exp(2j * np.pi * turns)
    left = [np.float32(fluxes(kind))[:, None] * np.float32(part) for part in (p.real, p.imag)]
    right = [np.float32(part) for part in (q.real, q.imag)]
    exact = ((left[0] + 1j * left[1]).astype(np.clongdouble) * (right[0] - 1j * right[1])).sum(axis=0)
    left_scaled, right_scaled = (
        [tensor_model.scaled(part, largest) for part in side]
        for side, largest in ((left, np.abs(fluxes(kind)).max()), (right, 1.0))
    )
    re, im = tensor_model.product([x for x, _ in left_scaled], [x for x, _ in right_scaled], n_adder)
    unscale = 2.0 ** -(left_scaled[0][1] + right_scaled[0][1])
    error = np.abs(unscale * (re + 1j * im) - exact).max() / np.abs(fluxes(kind)).sum()
    assert error <= 1e-6


def waves(n_dumps: int, n_terms: int, n_stations: int) -> Any:
    """Phasors of random phases, (dump, 2, term, station)."""
    turns = np.random.default_rng(7).uniform(size=(n_dumps, n_terms, n_stations))
    return np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=1).astype(np.float32)


def check(name: str, n_stations: int, n_terms: int, n_dumps: int, keep: str = "all") -> None:
    """Compare a product of several dumps with the direct sum in long double of the same float32 operands."""
    rng, shape = np.random.default_rng(8), (n_dumps, n_terms)
    index, phasors = direct_sum.index_of(n_stations, keep), waves(n_dumps, n_terms, n_stations)
    flux, coherency = 10 ** rng.uniform(-3, 4, shape), rng.normal(size=(*shape, 4))
    flux = (flux * rng.choice([-1.0, 1.0], shape)).astype(np.float32)
    kind, source = (rng.integers(0, n, m).astype(np.int32) for n, m in ((3, n_stations), (7, n_terms)))
    jones = np.broadcast_to(np.eye(2), (n_dumps, n_stations, n_terms, 2, 2))
    kinds = rng.normal(size=(n_dumps, 3, 7, 2, 2, 2)) @ [1, 1j]
    factors: tuple[Any, ...] = (coherency.astype(np.float32),)
    if name == "unpolarised":
        coherency, factors = np.stack([flux, flux, 0 * flux, 0 * flux], axis=-1), (flux,)
    if name == "per_kind":
        jones, factors = kinds[:, kind][:, :, source], (kinds.astype(np.complex64), kind, source, *factors)
    stokes = coherency @ [[0.5, 0.5, 0, 0], [0.5, -0.5, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    gain = np.linalg.norm(jones, axis=(3, 4)).max(axis=1) ** 2
    out = cuda.to_device(np.full((n_dumps, index.max() + 1, 4), 0.5 - 0.25j, np.complex64))
    getattr(tensor_cores, name)(*map(cuda.to_device, (phasors, *factors, index)), out)
    fringe = (np.longdouble(phasors[:, 0]), np.longdouble(phasors[:, 1]))
    expected = direct_sum.visibilities_of_dumps(fringe, index, jones, stokes)
    error = np.abs(out.copy_to_host() - (0.5 - 0.25j) - expected).max(axis=(1, 2))
    assert (error <= 1e-6 * (gain * np.abs(stokes).sum(axis=2)).sum(axis=1) + 2**-24).all()


@on_gpu_or_simulator
@pytest.mark.parametrize(
    ("name", "n_stations", "n_terms", "n_dumps"),
    [("unpolarised", 37, 19, 1), ("unpolarised", 2, 1, 2), ("common", 3, 5, 2), ("per_kind", 3, 3, 2)],
)
def test_products(name: str, n_stations: int, n_terms: int, n_dumps: int) -> None:
    check(name, n_stations, n_terms, n_dumps)


@on_gpu_or_simulator
def test_products_of_faint_dumps_are_those_of_each_alone() -> None:
    """The largest flux of a dump scales what half precision holds of it, and of no other dump."""
    n_stations, n_terms, brightest = 3, 5, (1e5, 1e-7, 0.0, 3.0)
    index, phasors = direct_sum.index_of(n_stations, "all"), waves(len(brightest), n_terms, n_stations)
    flux = np.array([peak * direct_sum.fluxes(n_terms, "mixed", d) / 100 for d, peak in enumerate(brightest)])
    flux = flux.astype(np.float32)

    def product(dumps: slice) -> Any:
        out = cuda.to_device(np.zeros((len(flux[dumps]), 6, 4), np.complex64))
        tensor_cores.unpolarised(*map(cuda.to_device, (phasors[dumps], flux[dumps], index)), out)
        return out.copy_to_host()

    together = product(slice(None))
    for dump in range(len(brightest)):
        assert product(slice(dump, dump + 1)).tobytes() == together[dump].tobytes()
    waves_of_all = phasors[:, 0].astype(np.clongdouble) + 1j * phasors[:, 1]
    products = np.einsum("dt,dtp,dtq->dpq", np.longdouble(flux), waves_of_all, waves_of_all.conj())
    expected = products[:, *np.triu_indices(n_stations)]
    for pol in (0, 3):
        error = np.abs(together[..., pol] - expected).max(axis=1)
        assert (error <= 1e-6 * np.abs(flux).sum(axis=1, dtype=np.float64)).all()
    assert not together[..., 1:3].any()


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("name", ["unpolarised", "common", "per_kind"])
@pytest.mark.parametrize("size", [(5, 9, 2), (67, 130, 3), (131, 300, 1)])
def test_products_of_more_stations_and_sources(name: str, size: tuple[int, int, int]) -> None:
    check(name, *size, keep="few" if size[0] > 100 else "all")


@pytest.mark.gpu
@on_gpu
def test_many_equal_sources() -> None:
    phasors = np.stack([np.ones((1, N_SOURCES, 3)), np.zeros((1, N_SOURCES, 3))], axis=1).astype(np.float32)
    flux, out = np.full((1, N_SOURCES), 0.1, np.float32), cuda.to_device(np.zeros((1, 6, 4), np.complex64))
    tensor_cores.unpolarised(*map(cuda.to_device, (phasors, flux, direct_sum.index_of(3, "all"))), out)
    assert np.abs(out.copy_to_host()[..., 0] - flux.astype(float).sum()).max() <= 1e-6 * 0.1 * N_SOURCES


@pytest.mark.skipif(not MISSING, reason="this process has a GPU or the simulator")
def test_in_the_simulator() -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", Path(__file__).name, "-k", "products"]
    done = subprocess.run(command, env=environment, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
