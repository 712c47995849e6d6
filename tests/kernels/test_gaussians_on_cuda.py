"""Gaussian sources on CUDA: on a GPU where there is one, else in Numba's simulator.

As in `test_kernels_on_cuda`, the simulator runs in a process of its own.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import axes_oracle
import direct_sum
import numpy as np
import pytest
from numba import cuda

from kernels import cuda as kernels

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1"
MISSING = not SIMULATED and not cuda.is_available()

on_gpu_or_simulator = pytest.mark.skipif(MISSING, reason="runs in the simulator, started by another test")


@on_gpu_or_simulator
@pytest.mark.parametrize(("precision", "n_kinds", "n_terms"), [("mixed", 0, 35), ("mixed", 2, 3), ("double", 2, 3)])
def test_gaussians(precision: str, n_kinds: int, n_terms: int) -> None:
    n_stations, (real, complex_) = 5, direct_sum.PRECISIONS[precision]
    terms, index = direct_sum.terms(n_stations, n_terms), direct_sum.index_of(n_stations, "few")
    rng, form = np.random.default_rng(8), direct_sum.envelopes(n_terms, 31)
    (cosine,), (sine,) = direct_sum.fringes(terms)
    fringe, (uvw,) = (cosine, sine), terms.station_uvw
    stokes, kind_jones = rng.normal(size=(n_terms, 4)), (rng.normal(size=(n_kinds, 7, 2, 2, 2)) @ [1, 1j])
    kind, before = np.arange(n_stations, dtype=np.int32) % 2, rng.normal(size=(index.max() + 1, 4)).astype(complex_)
    jones = np.broadcast_to(np.eye(2), (n_stations, n_terms, 2, 2))
    if n_kinds:
        jones = kind_jones[kind][:, terms.source]

    def envelope(p: int, q: int) -> Any:
        du, dv = np.longdouble(uvw[terms.epoch, p] - uvw[terms.epoch, q]).T[:2]
        return np.exp(-(form[:, 0] * du**2 + form[:, 1] * du * dv + form[:, 2] * dv**2))

    i, q_, u, v = stokes.T
    coherency = np.stack([i + q_, i - q_, u, v], axis=1).astype(real)
    inputs = (np.array(fringe, real), kind_jones.astype(complex_), kind, terms.source, coherency, form, terms.epoch)
    out = cuda.to_device(before)
    kernels.gaussians(*map(cuda.to_device, (*inputs, uvw, index)), out)
    expected = before + direct_sum.visibilities(fringe, index, jones, stokes, envelope)
    gain = np.linalg.norm(jones, axis=(2, 3)).max(axis=0) ** 2
    bound = {"mixed": 1e-6, "double": 1e-9}[precision] * (gain * np.abs(stokes).sum(axis=1)).sum()
    assert np.abs(out.copy_to_host() - expected).max() <= bound


def along_axes(given: tuple[Any, ...], n_terms: int, n_stations: int) -> Any:
    """Stations along axes, where garbage stood."""
    out = cuda.to_device(axes_oracle.garbage(n_terms, n_stations))
    kernels.along_axes(*(cuda.to_device(each) if isinstance(each, np.ndarray) else each for each in given), out)
    return out.copy_to_host()


@on_gpu_or_simulator
@pytest.mark.parametrize(("n_terms", "n_stations"), axes_oracle.SIZES)
def test_along_axes(n_terms: int, n_stations: int) -> None:
    given = axes_oracle.arguments(n_terms, n_stations)
    expected, tolerance = axes_oracle.along_axes(*given)
    assert (np.abs(along_axes(given, n_terms, n_stations) - expected) <= tolerance).all()


@on_gpu_or_simulator
def test_along_axes_is_the_same_however_many_threads_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module, given = importlib.import_module("kernels.cuda.gaussians"), axes_oracle.arguments(37, 13)
    every = along_axes(given, 37, 13)
    monkeypatch.setattr(module, "blocks", lambda n_items: 1)
    assert module.THREADS < 37 * 13, "a thread has several items"
    assert along_axes(given, 37, 13).tobytes() == every.tobytes()


@pytest.mark.skipif(not MISSING, reason="this process has a GPU or the simulator")
def test_in_the_simulator() -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", Path(__file__).name]
    done = subprocess.run(command, env=environment, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout
