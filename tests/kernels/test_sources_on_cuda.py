"""Where sources are, and how bright they appear, on CUDA: on a GPU where there is one, else in Numba's simulator.

As in `test_kernels_on_cuda`, the simulator runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import source_oracle as oracle
from numba import cuda

from kernels import cuda as kernels

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1"
MISSING = not SIMULATED and not cuda.is_available()

on_gpu_or_simulator = pytest.mark.skipif(MISSING, reason="runs in the simulator, started by another test")
REALS = pytest.mark.parametrize("real", [np.float32, np.float64])


def computed(kernel: Any, arguments: tuple[Any, ...], shape: tuple[int, ...], real: Any) -> Any:
    """Return what a kernel makes of garbage."""
    out = cuda.to_device(np.full(shape, np.nan, real))
    kernel(*map(cuda.to_device, arguments), out)
    return out.copy_to_host()


@on_gpu_or_simulator
@pytest.mark.parametrize(("n_terms", "n_moments"), [(37, 4), (1, 1), (0, 4)])
def test_directions(n_terms: int, n_moments: int) -> None:
    track = oracle.track(n_terms, n_moments)
    found = computed(kernels.directions, track, (oracle.N_DUMPS, n_terms, 3), np.float64)
    expected, tolerance = oracle.directions(*track)
    assert (np.abs(found - expected) <= tolerance).all()


@on_gpu_or_simulator
@pytest.mark.parametrize("is_tilted", [False, True])
def test_n_minus_1_keeps_its_digits_near_the_phase_centre(is_tilted: bool) -> None:
    arguments, expected, tolerance = oracle.near_w(is_tilted)
    found = computed(kernels.directions, arguments, expected.shape, np.float64)
    assert (np.abs(found - expected) <= tolerance).all()


@on_gpu_or_simulator
def test_directions_of_several_dumps_are_the_same_bits_as_of_each_alone() -> None:
    nodes, weights, axes, *which = oracle.track(7, 4)
    together = computed(kernels.directions, (nodes, weights, axes, *which), (oracle.N_DUMPS, 7, 3), np.float64)
    for dump in range(oracle.N_DUMPS):
        alone = (nodes, weights[dump : dump + 1], axes[dump : dump + 1], *which)
        assert computed(kernels.directions, alone, (1, 7, 3), np.float64).tobytes() == together[dump].tobytes()


@on_gpu_or_simulator
@REALS
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize(
    ("kind", "n_terms"), [("none", 37), ("scalar", 37), ("matrix", 37), ("scalar", 1), ("matrix", 0)]
)
def test_apparent(kind: str, n_terms: int, dtype: Any, real: Any) -> None:
    """To the simulator complex64 times one of Python's numbers is complex64; to a GPU it is complex128."""
    terms = oracle.seen(n_terms, kind, dtype)
    found = computed(kernels.apparent, terms.arguments, (oracle.N_DUMPS, n_terms, 4), real)
    expected, size = oracle.apparent(terms)
    arithmetic = dtype if SIMULATED and kind == "matrix" else np.float64
    assert (np.abs(found - expected) <= oracle.tolerance(size, real, arithmetic)).all()


@on_gpu_or_simulator
@REALS
@pytest.mark.parametrize(("kind", "n_terms"), [("none", 37), ("scalar", 37), ("scalar", 1), ("scalar", 0)])
def test_apparent_of_an_unpolarised_sky(kind: str, n_terms: int, real: Any) -> None:
    terms = oracle.seen(n_terms, kind, np.complex128, is_polarised=False)
    found = computed(kernels.apparent, terms.arguments, (oracle.N_DUMPS, n_terms), real)
    expected, size = oracle.apparent(terms)
    assert (np.abs(found - expected[..., 0]) <= oracle.tolerance(size[..., 0], real)).all()


@on_gpu_or_simulator
@pytest.mark.parametrize(("kind", "polarisations"), [("scalar", ()), ("scalar", (4,)), ("matrix", (4,))])
def test_no_response_makes_sources_below_the_horizon_seen(kind: str, polarisations: tuple[int, ...]) -> None:
    """However large it is there: its square is infinite."""
    terms = oracle.seen(37, kind, np.complex128, is_polarised=bool(polarisations))
    up = oracle.is_up(terms)
    assert not up[:, :2].any(), "the first is on the horizon, the second below"
    terms.response[~up] = 1e300 * (1 - 1j)
    found = computed(kernels.apparent, terms.arguments, (oracle.N_DUMPS, 37, *polarisations), np.float64)
    assert (found[~up[:, terms.source]] == 0).all()
    assert (found[up[:, terms.source]] != 0).all()


@on_gpu_or_simulator
@pytest.mark.parametrize(("kind", "polarisations"), [("scalar", ()), ("scalar", (4,)), ("matrix", (4,))])
def test_several_dumps_at_once_are_the_same_bits_as_each_alone(kind: str, polarisations: tuple[int, ...]) -> None:
    terms = oracle.seen(7, kind, np.complex128, is_polarised=bool(polarisations))
    together = computed(kernels.apparent, terms.arguments, (oracle.N_DUMPS, 7, *polarisations), np.float64)
    for dump in range(oracle.N_DUMPS):
        alone = terms.of_dumps(slice(dump, dump + 1))
        found = computed(kernels.apparent, alone.arguments, (1, 7, *polarisations), np.float64)
        assert found.tobytes() == together[dump].tobytes()


@pytest.mark.skipif(not MISSING, reason="this process has a GPU or the simulator")
def test_in_the_simulator() -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", Path(__file__).name]
    done = subprocess.run(command, env=environment, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "40 passed" in done.stdout
