"""Scalar responses of stations against NumPy in long double."""

from __future__ import annotations

from types import ModuleType

import direct_sum
import numba
import numpy as np
import pytest

from kernels import cpu, reference

MODULES = [pytest.param(reference, id="reference"), pytest.param(cpu, id="cpu")]


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("precision", list(direct_sum.PRECISIONS))
@pytest.mark.parametrize(("n_stations", "n_terms", "n_kinds"), [(1, 1, 1), (13, 37, 3), (67, 0, 2), (9, 8, 9)])
def test_scale(module: ModuleType, precision: str, n_stations: int, n_terms: int, n_kinds: int) -> None:
    real, complex_ = direct_sum.PRECISIONS[precision]
    rng = np.random.default_rng(3)
    kind, source = rng.integers(0, n_kinds, n_stations), rng.integers(0, 5, n_terms)
    response = (rng.normal(size=(n_kinds, 5, 2)) @ [1, 1j]).astype(complex_)
    phasors = rng.normal(size=(2, n_terms, n_stations)).astype(real)
    before = np.clongdouble(phasors[0]) + 1j * np.clongdouble(phasors[1])
    results = []
    for n_threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(n_threads)
        results.append(phasors.copy())
        module.scale(response, kind.astype(np.int32), source.astype(np.int32), results[-1])
    assert all(result.tobytes() == results[0].tobytes() for result in results)
    for t in range(n_terms):
        for p in range(n_stations):
            factor = np.clongdouble(response[kind[p], source[t]])
            error = complex(*results[0][:, t, p]) - before[t, p] * factor
            assert abs(error) <= 2 * np.finfo(real).eps * abs(before[t, p] * factor)
