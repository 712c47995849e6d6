"""Responses of aperture arrays and dipoles, and scalar responses of stations, against NumPy in long double."""

from __future__ import annotations

import itertools
from types import ModuleType
from typing import Any

import dipole_oracle
import direct_sum
import numba
import numpy as np
import pytest
from interpolation_oracle import Sizes, interpolated

from kernels import cpu, reference

MODULES = [pytest.param(reference, id="reference"), pytest.param(cpu, id="cpu")]


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("precision", list(direct_sum.PRECISIONS))
@pytest.mark.parametrize(("n_stations", "n_terms", "n_kinds"), [(1, 1, 1), (13, 37, 3), (67, 0, 2), (9, 8, 9)])
def test_scale(module: ModuleType, precision: str, n_stations: int, n_terms: int, n_kinds: int) -> None:
    real, complex_ = direct_sum.PRECISIONS[precision]
    rng = np.random.default_rng(3)
    kind, source = rng.integers(0, n_kinds, n_stations), rng.integers(0, 5, n_terms)
    response = (rng.normal(size=(3, n_kinds, 5, 2)) @ [1, 1j]).astype(complex_)
    phasors = rng.normal(size=(3, 2, n_terms, n_stations)).astype(real)
    before = np.clongdouble(phasors[:, 0]) + 1j * np.clongdouble(phasors[:, 1])
    results = []
    for n_threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(n_threads)
        results.append(phasors.copy())
        module.scale(response, kind.astype(np.int32), source.astype(np.int32), results[-1])
    assert all(result.tobytes() == results[0].tobytes() for result in results)
    for d, t, p in itertools.product(range(3), range(n_terms), range(n_stations)):
        expected = before[d, t, p] * np.clongdouble(response[d, kind[p], source[t]])
        error = complex(*results[0][d, :, t, p]) - expected
        assert abs(error) <= 2 * np.finfo(real).eps * abs(expected)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(n_moments=4, n_rows=3, n_between=1501, n_others=7, n_looks=13, n_parts=6),
        Sizes(n_moments=4, n_rows=2, n_between=37, n_others=5, n_looks=11, n_parts=8),
        Sizes(n_moments=1, n_rows=1, n_between=1, n_others=1, n_looks=3, n_parts=1),
        Sizes(n_moments=3, n_rows=2, n_between=512, n_others=1, n_looks=1, n_parts=8),
        Sizes(n_moments=4, n_rows=5, n_between=0, n_others=11, n_looks=17, n_parts=2),
        Sizes(n_moments=2, n_rows=3, n_between=5, n_others=0, n_looks=0, n_parts=8),
        Sizes(n_moments=4, n_rows=3, n_between=5, n_others=7, n_looks=0, n_parts=2),
        Sizes(n_moments=4, n_rows=2, n_between=0, n_others=7, n_looks=0, n_parts=2),
        Sizes(n_moments=4, n_rows=2, n_between=0, n_others=0, n_looks=0, n_parts=2),
        Sizes(n_moments=4, n_rows=0, n_between=5, n_others=2, n_looks=3, n_parts=2),
    ],
    ids=str,
)
def test_interpolate(module: ModuleType, real: Any, sizes: Sizes) -> None:
    arguments, results = sizes.arguments(real), []
    for n_threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(n_threads)
        results.append(sizes.garbage(real))
        module.interpolate(*arguments, results[-1])
    assert all(result.tobytes() == results[0].tobytes() for result in results)
    expected, bound = interpolated(*arguments)
    assert (np.abs(results[0] - expected) <= bound).all()


def array_factors(enu: Any, weight: Any, first: Any, offset: Any, frequency_hz: float) -> Any:
    """Sum over elements one by one, in long double."""
    out = np.zeros((first.size - 1, len(offset)), np.clongdouble)
    for k in range(first.size - 1):
        for e in range(first[k], first[k + 1]):
            path = sum(np.longdouble(enu[e, axis]) * np.longdouble(offset[:, axis]) for axis in range(3))
            angle = 2 * np.arccos(np.longdouble(-1)) * path * np.longdouble(frequency_hz) / 299792458
            out[k] += np.clongdouble(weight[e]) * (np.cos(angle) + 1j * np.sin(angle)) / (first[k + 1] - first[k])
    return out


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    ("counts", "n_sources"), [((1,), 1), ((256,), 131), ((7, 1, 33), 67), ((3, 4), 64), ((2, 2), 0)]
)
@pytest.mark.parametrize("n_values", [1, 4])
@pytest.mark.parametrize(("dtype", "bound"), [(np.complex128, 2e-13), (np.complex64, 3e-7)])
def test_array_responses(
    module: ModuleType, counts: tuple[int, ...], n_sources: int, n_values: int, dtype: Any, bound: float
) -> None:
    """Of 60 turns float64 keeps 1e-14; float32 is that of sines and of sums of some elements.

    Of the product with the field: a product of complex numbers, the square root of five halves of an epsilon at most,
    and half of one as it is stored.
    """
    rng, first = np.random.default_rng(4), np.concatenate([[0], np.cumsum(counts)])
    enu, weight = rng.uniform(-19, 19, (first[-1], 3)), rng.normal(size=(first[-1], 2)) @ [1, 1j]
    offset = rng.uniform(-1, 1, (n_sources, 3))
    offset[:1] = 0.0  # the pointing itself: the mean of the weights
    field = (rng.normal(size=(n_sources, n_values, 2)) @ [1, 1j]).astype(dtype)
    results = []
    for n_threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(n_threads)
        results.append(np.full((len(counts), n_sources, n_values), np.nan, dtype))
        module.array_responses(enu, weight, first, offset, 350e6, field, results[-1])
    assert all(result.tobytes() == results[0].tobytes() for result in results)
    factor = array_factors(enu, weight, first, offset, 350e6)
    mean_weight = np.array([np.abs(weight[a:b]).mean() for a, b in itertools.pairwise(first)])
    for k, s, i in np.ndindex(results[0].shape):
        value = np.clongdouble(field[s, i])
        error = abs(results[0][k, s, i] - factor[k, s] * value)
        assert error <= (bound * mean_weight[k] + 2 * np.finfo(dtype).eps * abs(factor[k, s])) * abs(value)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize(("height", "half"), dipole_oracle.SHAPES)
@pytest.mark.parametrize(("n_looks", "rotation"), [(131, 0.0), (131, 0.3), (1, 0.3), (0, 0.3)])
def test_dipoles(module: ModuleType, n_looks: int, rotation: float, height: float, half: float, dtype: Any) -> None:
    arguments, results = (*dipole_oracle.looks(n_looks, rotation), height, half), []
    for n_threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(n_threads)
        results.append(np.full((n_looks, 4), np.nan, dtype))
        module.dipoles(*arguments, results[-1])
    assert all(result.tobytes() == results[0].tobytes() for result in results)
    expected, bound = dipole_oracle.responses(*arguments, dtype)
    assert (np.abs(results[0] - expected) <= bound).all()
