"""Where sources are, and how bright they appear, against sums in long double."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numba
import numpy as np
import pytest
import source_oracle as oracle

from kernels import cpu, reference

MODULES = pytest.mark.parametrize("module", [pytest.param(reference, id="reference"), pytest.param(cpu, id="cpu")])
REALS = pytest.mark.parametrize("real", [np.float32, np.float64])
TERMS = pytest.mark.parametrize("n_terms", [37, 1, 0])
COMPLEX = pytest.mark.parametrize("dtype", [np.complex64, np.complex128])


def computed(kernel: Any, arguments: tuple[Any, ...], shape: tuple[int, ...], real: Any) -> Any:
    """Return what a kernel makes of garbage, the same to the bit for any number of threads."""
    results = []
    for n_threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(n_threads)
        results.append(np.full(shape, np.nan, real))
        kernel(*arguments, results[-1])
    assert all(result.tobytes() == results[0].tobytes() for result in results)
    return results[0]


@MODULES
@TERMS
@pytest.mark.parametrize("n_moments", [1, 4])
def test_directions(module: ModuleType, n_terms: int, n_moments: int) -> None:
    track = oracle.track(n_terms, n_moments)
    found = computed(module.directions, track, (oracle.N_DUMPS, n_terms, 3), np.float64)
    expected, tolerance = oracle.directions(*track)
    assert (np.abs(found - expected) <= tolerance).all()


@MODULES
@pytest.mark.parametrize("is_tilted", [False, True])
def test_n_minus_1_keeps_its_digits_near_the_phase_centre(module: ModuleType, is_tilted: bool) -> None:
    arguments, expected, tolerance = oracle.near_w(is_tilted)
    found = computed(module.directions, arguments, expected.shape, np.float64)
    assert (np.abs(found - expected) <= tolerance).all()
    if not is_tilted:
        assert (tolerance[..., 2] <= 9 * np.finfo(np.float64).eps * np.abs(expected[..., 2])).all()


@MODULES
@REALS
@COMPLEX
@TERMS
@pytest.mark.parametrize("kind", ["none", "scalar", "matrix"])
def test_apparent(module: ModuleType, kind: str, n_terms: int, dtype: Any, real: Any) -> None:
    terms = oracle.seen(n_terms, kind, dtype)
    found = computed(module.apparent, terms.arguments, (oracle.N_DUMPS, n_terms, 4), real)
    expected, size = oracle.apparent(terms)
    assert (np.abs(found - expected) <= oracle.tolerance(size, real)).all()


@MODULES
@REALS
@COMPLEX
@TERMS
@pytest.mark.parametrize("kind", ["none", "scalar"])
def test_apparent_of_an_unpolarised_sky(module: ModuleType, kind: str, n_terms: int, dtype: Any, real: Any) -> None:
    terms = oracle.seen(n_terms, kind, dtype, is_polarised=False)
    found = computed(module.apparent, terms.arguments, (oracle.N_DUMPS, n_terms), real)
    expected, size = oracle.apparent(terms)
    assert np.array_equal(expected[..., 0], expected[..., 1])
    assert not expected[..., 2:].any()
    assert (np.abs(found - expected[..., 0]) <= oracle.tolerance(size[..., 0], real)).all()


@MODULES
@REALS
@COMPLEX
@pytest.mark.parametrize(("kind", "polarisations"), [("scalar", ()), ("scalar", (4,)), ("matrix", (4,))])
def test_no_response_makes_sources_below_the_horizon_seen(
    module: ModuleType, kind: str, polarisations: tuple[int, ...], dtype: Any, real: Any
) -> None:
    """However large it is there: its square is infinite in float64 where it is complex128."""
    terms = oracle.seen(37, kind, dtype, is_polarised=bool(polarisations))
    up = oracle.is_up(terms)
    assert not up[:, :2].any(), "the first is on the horizon, the second below"
    terms.response[~up] = (1 - 1j) * (1e38 if dtype == np.complex64 else 1e300)
    with np.errstate(over="ignore", invalid="ignore"):
        found = computed(module.apparent, terms.arguments, (oracle.N_DUMPS, 37, *polarisations), real)
    assert (found[~up[:, terms.source]] == 0).all()
    assert (found[up[:, terms.source]] != 0).all()


@MODULES
@pytest.mark.parametrize(
    ("kind", "polarisations"), [("none", ()), ("scalar", ()), ("none", (4,)), ("scalar", (4,)), ("matrix", (4,))]
)
def test_several_dumps_at_once_are_the_same_bits_as_each_alone(
    module: ModuleType, kind: str, polarisations: tuple[int, ...]
) -> None:
    terms = oracle.seen(37, kind, np.complex128, is_polarised=bool(polarisations))
    together = computed(module.apparent, terms.arguments, (oracle.N_DUMPS, 37, *polarisations), np.float64)
    for dump in range(oracle.N_DUMPS):
        alone = terms.of_dumps(slice(dump, dump + 1))
        found = computed(module.apparent, alone.arguments, (1, 37, *polarisations), np.float64)
        assert found.tobytes() == together[dump].tobytes()


@MODULES
def test_directions_of_several_dumps_are_the_same_bits_as_of_each_alone(module: ModuleType) -> None:
    nodes, weights, axes, *which = oracle.track(37, 4)
    together = computed(module.directions, (nodes, weights, axes, *which), (oracle.N_DUMPS, 37, 3), np.float64)
    for dump in range(oracle.N_DUMPS):
        alone = (nodes, weights[dump : dump + 1], axes[dump : dump + 1], *which)
        assert computed(module.directions, alone, (1, 37, 3), np.float64).tobytes() == together[dump].tobytes()
