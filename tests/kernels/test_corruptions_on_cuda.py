"""Noise, gains and a phase screen on CUDA: on a GPU where there is one, else in Numba's simulator.

As in `test_kernels_on_cuda`, the simulator runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import corruption_oracle as oracle
import numpy as np
import pytest
from numba import cuda

from kernels import cuda as kernels

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1"
MISSING = not SIMULATED and not cuda.is_available()
N_STATIONS = 3 if SIMULATED else 600

on_gpu_or_simulator = pytest.mark.skipif(MISSING, reason="runs in the simulator, started by another test")
DTYPES = pytest.mark.parametrize("dtype", [np.complex64, np.complex128])


def on_device(kernel: Any, *arguments: Any) -> Any:
    """Run a kernel on copies of arrays, and give back the last one."""
    copies = [cuda.to_device(each) if isinstance(each, np.ndarray) else each for each in arguments]
    kernel(*copies)
    return copies[-1].copy_to_host()


@on_gpu_or_simulator
@DTYPES
def test_noise(dtype: Any) -> None:
    stations = oracle.pairs(N_STATIONS, autos=True)
    sigma = np.linspace(0.5, 2, N_STATIONS)
    before = np.random.default_rng(4).normal(size=(len(stations), 8)).view(complex).astype(dtype)
    seed = 2**63 + 12345
    out = on_device(kernels.add_noise, stations, sigma, seed, 55_295, 70_001, before)
    some = np.random.default_rng(5).permutation(len(stations))[:1000]
    expected = np.array(
        [oracle.noise(p, q, np.sqrt(sigma[p] * sigma[q]), seed, 55_295, 70_001) for p, q in stations[some].tolist()]
    )
    assert np.abs(out[some] - (before[some] + expected)).max() < 20 * np.finfo(dtype).eps
    auto = stations[:, 0] == stations[:, 1]
    assert np.array_equal((out - before)[auto, 0].imag, np.zeros(N_STATIONS))


@on_gpu_or_simulator
@DTYPES
def test_gains(dtype: Any) -> None:
    rng = np.random.default_rng(7)
    stations = oracle.pairs(N_STATIONS, autos=True)
    gains = rng.normal(size=(N_STATIONS, 2)) + 1j * rng.normal(size=(N_STATIONS, 2))
    half = rng.normal(size=(len(stations), 2, 2)) + 1j * rng.normal(size=(len(stations), 2, 2))
    before = (half + half.conj().swapaxes(1, 2)).reshape(-1, 4).astype(dtype)
    out = on_device(kernels.apply_gains, stations, gains, before)
    p, q = stations.T
    expected = np.einsum("bi,bij,bj->bij", gains[p], before.reshape(-1, 2, 2), gains[q].conj()).reshape(-1, 4)
    assert np.abs(out - expected).max() < 4 * np.finfo(dtype).eps * np.abs(expected).max()
    auto = p == q
    assert not out[auto][:, [0, 3]].imag.any()
    assert np.array_equal(out[auto, 2], out[auto, 1].conj())


@on_gpu_or_simulator
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_phase_screen(real: Any) -> None:
    rng = np.random.default_rng(8)
    stations, enu = rng.normal(scale=2e4, size=(3, 3)), oracle.directions(4, 9)
    source = np.array([3, 0, 2, 3, 0], np.int32)
    turns = rng.uniform(size=(5, 3))
    phasors = np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)]).astype(real)

    def content(east: Any, north: Any) -> Any:
        return 20 + 3e-6 * east - 2e-6 * north + 5e-12 * east**2 - 7e-12 * east * north

    east, north = -6.7e5 + 5e3 * np.arange(-1, 267), -6.4e5 + 5e3 * np.arange(-1, 259)
    screen = content(east[None, :], north[:, None])
    expected = oracle.rotate(phasors, stations, enu, source, 3e5, content, 8.96)
    place = (-6.7e5, -6.4e5, 5e3, 3e5)
    out = on_device(kernels.phase_screen, stations, enu, source, screen, place, 8.96, phasors)
    bound = 4 * np.finfo(real).eps + 2 * np.pi * 700 * 8 * 2.0**-52
    assert np.abs(out[0] + 1j * out[1] - expected).max() < bound


@on_gpu_or_simulator
def test_a_screen_repeats_itself() -> None:
    rng = np.random.default_rng(10)
    screen = np.pad(rng.normal(size=(5, 6)), (1, 2), mode="wrap")
    enu, source = np.array([[0.0, 0, 1]]), np.zeros(1, np.int32)
    stations = np.array([[0.3, 0.2, 0], [6.3, -4.8, 0], [-11.7, 10.2, 0]])
    phasors = np.stack([np.ones((1, 3)), np.zeros((1, 3))])
    out = on_device(kernels.phase_screen, stations, enu, source, screen, (0.0, 0.0, 1.0, 3e5), 0.3, phasors)
    assert np.abs(out[:, :, 1:] - out[:, :, :1]).max() < 1e-13
    assert np.abs(out[1]).min() > 1e-3


@pytest.mark.skipif(not MISSING, reason="this process has a GPU or the simulator")
def test_in_the_simulator() -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", Path(__file__).name]
    done = subprocess.run(command, env=environment, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout
