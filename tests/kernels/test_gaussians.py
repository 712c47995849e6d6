"""Gaussian sources on CPU and in the reference against the direct sum in long double."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import axes_oracle
import direct_sum
import numba
import numpy as np
import pytest

from kernels import bodies, cpu, reference

MODULES = [pytest.param(reference, id="reference"), pytest.param(cpu, id="cpu")]
PRECISIONS = list(direct_sum.PRECISIONS)
BOUND = {"mixed": 1e-6, "double": 1e-9}  # of the summed |flux|, as for points


def arguments(n_stations: int, n_terms: int, n_kinds: int, precision: str) -> dict[str, Any]:
    """Everything `gaussians` takes but the baselines; kinds in no order."""
    real, complex_ = direct_sum.PRECISIONS[precision]
    terms, rng = direct_sum.terms(n_stations, n_terms), np.random.default_rng(30)
    phasors = np.full(terms.shape, np.nan, real)
    reference.phasors(*terms.arguments, phasors)
    return {
        "phasors": phasors[0],
        "jones": (rng.normal(size=(n_kinds, 7, 2, 2, 2)) @ [1, 1j]).astype(complex_),
        "kind": rng.permutation(np.arange(n_stations) % max(n_kinds, 1)).astype(np.int32),
        "source": terms.source,
        "coherency": rng.normal(size=(n_terms, 4)).astype(real),
        "envelope": direct_sum.envelopes(n_terms, 31),
        "epoch": terms.epoch,
        "station_uvw": terms.station_uvw[0],
    }


def envelope_of(given: dict[str, Any]) -> Callable[[int, int], Any]:
    """Envelope of all terms for a baseline, in long double."""
    a, b, c = np.longdouble(given["envelope"]).T
    uvw, epoch = np.longdouble(given["station_uvw"]), given["epoch"]

    def envelope(p: int, q: int) -> Any:
        du, dv = (uvw[epoch, p] - uvw[epoch, q]).T[:2]
        return np.exp(-(a * du * du + b * du * dv + c * dv * dv))

    return envelope


def filled(index: Any, precision: str, seed: int = 32) -> Any:
    """Visibilities from before, which `gaussians` adds to."""
    values = np.random.default_rng(seed).normal(size=(index.max() + 1, 4, 2)) @ [1, 1j]
    return values.astype(direct_sum.PRECISIONS[precision][1])


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("n_stations", "n_terms", "keep", "n_kinds"),
    [
        (2, 1, "all", 0),
        (2, 1, "cross", 1),
        (5, 1001, "all", 0),
        (5, 333, "all", 5),
        (67, 33, "all", 0),
        (67, 35, "few", 3),
        (131, 7, "few", 0),
        (130, 3, "few", 130),
    ],
)
def test_gaussians(module: ModuleType, precision: str, n_stations: int, n_terms: int, keep: str, n_kinds: int) -> None:
    given, index = arguments(n_stations, n_terms, n_kinds, precision), direct_sum.index_of(n_stations, keep)
    before = filled(index, precision)
    out = before.copy()
    module.gaussians(**given, baseline_index=index, out=out)
    jones = np.broadcast_to(np.eye(2), (n_stations, n_terms, 2, 2))
    if n_kinds:
        jones = given["jones"][given["kind"]][:, given["source"]]
    xx, yy, u, v = np.float64(given["coherency"]).T
    stokes = np.stack([(xx + yy) / 2, (xx - yy) / 2, u, v], axis=1)
    cosine, sine = direct_sum.fringes(direct_sum.terms(n_stations, n_terms))
    added = direct_sum.visibilities((cosine[0], sine[0]), index, jones, stokes, envelope_of(given))
    gain = np.linalg.norm(jones, axis=(2, 3)).max(axis=0) ** 2
    rounding = np.finfo(out.real.dtype).eps * np.abs(before + added).max()
    bound = BOUND[precision] * (gain * np.abs(stokes).sum(axis=1)).sum() + rounding
    assert np.abs(out - (before + added)).max() <= bound


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("n_kinds", [0, 2])
def test_no_term_adds_nothing(module: ModuleType, n_kinds: int) -> None:
    index = direct_sum.index_of(67, "all")
    before = filled(index, "mixed")
    out = before.copy()
    module.gaussians(**arguments(67, 0, n_kinds, "mixed"), baseline_index=index, out=out)
    assert np.array_equal(out, before)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("n_kinds", [0, 3])
def test_results_do_not_depend_on_threads(precision: str, n_kinds: int) -> None:
    given, index = arguments(131, 70, n_kinds, precision), direct_sum.index_of(131, "few")
    results = []
    for n_threads in range(1, min(numba.config.NUMBA_NUM_THREADS, 8) + 1):
        numba.set_num_threads(n_threads)
        out = filled(index, precision)
        cpu.gaussians(**given, baseline_index=index, out=out)
        results.append(out.tobytes())
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(("n_terms", "n_stations"), axes_oracle.SIZES)
def test_along_axes(module: ModuleType, n_terms: int, n_stations: int) -> None:
    given, results = axes_oracle.arguments(n_terms, n_stations), []
    for n_threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(n_threads)
        results.append(axes_oracle.garbage(n_terms, n_stations))
        module.along_axes(*given, results[-1])
    assert all(result.tobytes() == results[0].tobytes() for result in results)
    expected, tolerance = axes_oracle.along_axes(*given)
    assert (np.abs(results[0] - expected) <= tolerance).all()


@pytest.mark.parametrize(
    ("body", "real", "least", "bound"),
    [(bodies.exp2_single, np.float32, -127.0, 1.3e-7), (bodies.exp2_double, np.float64, -1023.0, 1e-15)],
)
def test_powers_of_two(body: Callable[..., Any], real: type, least: float, bound: float) -> None:
    compiled = numba.njit(body, fastmath={"contract"})
    exponents = np.concatenate([np.linspace(least + 1, 0, 20011), np.arange(-9, 1) / 2])
    for exponent in exponents:
        whole = np.rint(exponent)
        exact = np.exp2(np.longdouble(real(exponent - whole)) + np.longdouble(whole))
        assert abs(compiled(real(exponent - whole), real(whole)) - exact) <= bound * exact
    assert compiled(real(0), real(0)) == 1
    assert compiled(real(0), real(least)) == 0
