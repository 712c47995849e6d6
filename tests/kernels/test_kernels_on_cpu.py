"""CPU kernels and the NumPy reference against the direct sum in long double."""

from __future__ import annotations

import dataclasses
import sys
from types import ModuleType
from typing import Any

import direct_sum
import numba
import numpy as np
import pytest

from kernels import cpu, reference

MODULES = [pytest.param(reference, id="reference"), pytest.param(cpu, id="cpu")]
PRECISIONS = list(direct_sum.PRECISIONS)

# Bounds relative to the summed |flux|. Double: the phase of 85,000 turns carries 2e-11 turns.
BOUND = {"mixed": 1e-6, "double": 1e-9}


N_DUMPS = 2


def phasors_of(module: ModuleType, terms: direct_sum.Terms, precision: str) -> Any:
    out = np.full(terms.shape, np.nan, direct_sum.PRECISIONS[precision][0])
    module.phasors(*terms.arguments, out)
    return out


# What products are added to: exact in float32.
BEFORE = 0.5 - 0.25j


def begun(index: Any, precision: str, n_dumps: int = N_DUMPS) -> Any:
    return np.full((n_dumps, index.max() + 1, 4), BEFORE, direct_sum.PRECISIONS[precision][1])


def wide_fluxes(n: int, dump: int) -> Any:
    """Stokes I from 1e-7 to 1e4 Jy, of both signs; the first is the brightest."""
    rng = np.random.default_rng(12 + dump)
    flux = 10 ** rng.uniform(-7, 4, n)
    flux[:1] = 1e4
    return flux * rng.choice([-1.0, 1.0], n)


def polarised(n_terms: int, n_dumps: int = N_DUMPS) -> Any:
    """Stokes parameters of sources as bright, (dump, term, 4)."""
    flux = np.stack([wide_fluxes(n_terms, dump) for dump in range(n_dumps)])
    return np.random.default_rng(8).normal(size=(n_dumps, n_terms, 4)) * flux[..., None]


def identity(n_stations: int, n_terms: int) -> Any:
    return np.broadcast_to(np.eye(2, dtype=complex), (N_DUMPS, n_stations, n_terms, 2, 2))


def stokes_i(flux: Any) -> Any:
    stokes = np.zeros((*flux.shape, 4))
    stokes[..., 0] = flux
    return stokes


def largest_error(out: Any, expected: Any) -> Any:
    """Largest error of every dump."""
    assert out.shape == expected.shape
    return np.abs(out - BEFORE - expected).max(axis=(1, 2))


def as_coherency(stokes: Any, real: Any) -> Any:
    i, q, u, v = np.moveaxis(stokes, -1, 0)
    return np.stack([i + q, i - q, u, v], axis=-1).astype(real)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(("precision", "bound"), [("mixed", 1.5e-7), ("double", 2e-10)])
def test_phasors_at_the_longest_baseline_and_highest_frequency(
    module: ModuleType, precision: str, bound: float
) -> None:
    terms = direct_sum.terms(67, 301, N_DUMPS)
    out = phasors_of(module, terms, precision)
    cosine, sine = direct_sum.fringes(terms)
    assert np.abs(out[:, 0] - cosine).max() < bound
    assert np.abs(out[:, 1] - sine).max() < bound


def test_phasors_at_every_part_of_a_turn() -> None:
    turns = np.concatenate([np.linspace(-2.5, 2.5, 40001), np.arange(-8, 9) / 8 + 1e-9, np.arange(-8, 9) / 8])
    uvw = np.zeros((1, 1, turns.size, 3))
    uvw[0, 0, :, 0] = turns
    along_u, first = np.array([[[1.0, 0.0, 0.0]]]), np.zeros(1, np.int32)
    terms = direct_sum.Terms(uvw, first, along_u, 299792458.0, np.zeros(1), first)
    for precision, bound in (("mixed", 1.2e-7), ("double", 4e-15)):
        out = phasors_of(cpu, terms, precision)
        assert np.abs(out[0, 0, 0] - np.cos(2 * np.pi * np.longdouble(turns))).max() < bound
        assert np.abs(out[0, 1, 0] - np.sin(2 * np.pi * np.longdouble(turns))).max() < bound


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("n_stations", "n_terms", "keep", "kind"),
    [
        (2, 1, "cross", "mixed"),
        (2, 1, "all", "negative"),
        (3, 129, "all", "mixed"),
        (5, 50_000, "all", "equal"),
        (4, 50_000, "all", "mixed"),
        (65, 33, "few", "mixed"),
        (67, 130, "all", "negative"),
        (130, 3, "few", "mixed"),
        (9, 1001, "all", "wide"),
    ],
)
def test_unpolarised(module: ModuleType, precision: str, n_stations: int, n_terms: int, keep: str, kind: str) -> None:
    terms, real = direct_sum.terms(n_stations, n_terms, N_DUMPS), direct_sum.PRECISIONS[precision][0]
    flux = np.stack(
        [
            wide_fluxes(n_terms, dump) if kind == "wide" else (1 + dump) * direct_sum.fluxes(n_terms, kind, 6 + dump)
            for dump in range(N_DUMPS)
        ]
    )
    index = direct_sum.index_of(n_stations, keep)
    phasors, out = phasors_of(module, terms, precision), begun(index, precision)
    module.unpolarised(phasors, flux.astype(real), index, out)
    same, fringe = identity(n_stations, n_terms), direct_sum.fringes(terms)
    expected = direct_sum.visibilities_of_dumps(fringe, index, same, stokes_i(flux))
    assert (largest_error(out, expected) <= BOUND[precision] * np.abs(flux).sum(axis=1)).all()
    assert (out[..., 1:3] == BEFORE).all()
    assert np.array_equal(out[..., 0], out[..., 3])


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("n_stations", "n_terms", "keep"),
    [(2, 1, "all"), (5, 1000, "cross"), (65, 35, "few"), (67, 9, "all"), (9, 63, "all")],
)
def test_common(module: ModuleType, precision: str, n_stations: int, n_terms: int, keep: str) -> None:
    terms, index = direct_sum.terms(n_stations, n_terms, N_DUMPS), direct_sum.index_of(n_stations, keep)
    stokes, out = polarised(n_terms), begun(index, precision)
    coherency = as_coherency(stokes, direct_sum.PRECISIONS[precision][0])
    module.common(phasors_of(module, terms, precision), coherency, index, out)
    same, fringe = identity(n_stations, n_terms), direct_sum.fringes(terms)
    expected = direct_sum.visibilities_of_dumps(fringe, index, same, stokes)
    assert (largest_error(out, expected) <= BOUND[precision] * np.abs(stokes).sum(axis=(1, 2))).all()


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("n_stations", "n_terms", "keep", "n_kinds"),
    [
        (2, 1, "all", 2),
        (5, 1000, "cross", 5),
        (65, 35, "few", 5),
        (67, 9, "all", 67),
        (17, 1, "cross", 1),
        (131, 131, "all", 4),
        (197, 5, "few", 2),
        (9, 65, "all", 9),
        (63, 129, "cross", 63),
    ],
)
def test_per_kind(module: ModuleType, precision: str, n_stations: int, n_terms: int, keep: str, n_kinds: int) -> None:
    terms, index = direct_sum.terms(n_stations, n_terms, N_DUMPS), direct_sum.index_of(n_stations, keep)
    real, complex_ = direct_sum.PRECISIONS[precision]
    rng, stokes = np.random.default_rng(9), polarised(n_terms)
    kind = rng.permutation(np.arange(n_stations) % n_kinds).astype(np.int32)
    jones = (rng.normal(size=(N_DUMPS, n_kinds, 7, 2, 2, 2)) @ [1, 1j]).astype(complex_)
    out, phasors = begun(index, precision), phasors_of(module, terms, precision)
    module.per_kind(phasors, jones, kind, terms.source, as_coherency(stokes, real), index, out)
    jones_of_all = jones[:, kind][:, :, terms.source]
    expected = direct_sum.visibilities_of_dumps(direct_sum.fringes(terms), index, jones_of_all, stokes)
    gain = np.linalg.norm(jones_of_all, axis=(3, 4)).max(axis=1) ** 2
    bound = BOUND[precision] * (gain * np.abs(stokes).sum(axis=2)).sum(axis=1)
    assert (largest_error(out, expected) <= bound).all()


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_term_adds_nothing(module: ModuleType, precision: str) -> None:
    real, complex_ = direct_sum.PRECISIONS[precision]
    terms, index = direct_sum.terms(67, 0, N_DUMPS), direct_sum.index_of(67, "all")
    phasors, sky = phasors_of(module, terms, precision), np.empty((N_DUMPS, 0, 4), real)
    few, all_differ = (np.ones((N_DUMPS, n, 7, 2, 2), complex_) for n in (2, 67))
    kind = np.zeros(67, np.int32)
    for run in (
        lambda out: module.unpolarised(phasors, sky[..., 0].copy(), index, out),
        lambda out: module.common(phasors, sky, index, out),
        lambda out: module.per_kind(phasors, few, kind, terms.source, sky, index, out),
        lambda out: module.per_kind(phasors, all_differ, kind, terms.source, sky, index, out),
    ):
        out = begun(index, precision)
        run(out)
        assert (out == BEFORE).all()


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_accumulate_rounds_as_if_what_is_added_had_travelled(module: ModuleType, dtype: Any) -> None:
    rng = np.random.default_rng(9)
    values = (rng.normal(size=(3, 131, 4)) + 1j * rng.normal(size=(3, 131, 4))).astype(dtype)
    weights = rng.uniform(0, 3, 131).astype(np.float32)
    sums = (rng.normal(size=(3, 131, 4)) * [1, 1e-6, 1e6, 1]).astype(np.complex64)
    sum_weights = rng.uniform(size=(3, 131)).astype(np.float32)
    travelled = (np.longdouble(weights)[:, None] * np.clongdouble(values)).astype(np.complex64)
    exact = np.clongdouble(sums) + np.clongdouble(travelled)
    expected_weights = sum_weights + weights
    module.accumulate(values, weights, sums, sum_weights)
    half_unit = np.finfo(np.float32).eps / 2 * (1 + 1e-6)
    assert (np.abs(sums.real - exact.real) <= half_unit * np.abs(exact.real)).all()
    assert (np.abs(sums.imag - exact.imag) <= half_unit * np.abs(exact.imag)).all()
    assert np.array_equal(sum_weights, expected_weights)


def products_of(precision: str, keep: str, n_dumps: int) -> tuple[Any, dict[str, tuple[Any, ...]]]:
    """Return the index of 131 stations, and what each product takes between phasors and index, by its name."""
    real, complex_ = direct_sum.PRECISIONS[precision]
    rng, source = np.random.default_rng(10), direct_sum.terms(131, 300, n_dumps).source
    sky = as_coherency(polarised(300, n_dumps), real)
    jones = (rng.normal(size=(n_dumps, 131, 7, 2, 2, 2)) @ [1, 1j]).astype(complex_)
    kind = rng.permutation(131).astype(np.int32)
    return direct_sum.index_of(131, keep), {
        "unpolarised": (sky[..., 0].copy(),),
        "common": (sky,),
        "per_kind": (jones, kind, source, sky),
        "per_kind, of few": (jones[:, :3].copy(), kind % 3, source, sky),
    }


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("keep", ["all", "few"])
def test_results_do_not_depend_on_threads(precision: str, keep: str) -> None:
    terms, (index, products) = direct_sum.terms(131, 300, N_DUMPS), products_of(precision, keep, N_DUMPS)
    results = []
    for n_threads in range(1, min(numba.config.NUMBA_NUM_THREADS, 8) + 1):
        numba.set_num_threads(n_threads)
        phasors, outs = phasors_of(cpu, terms, precision), [begun(index, precision) for _ in products]
        for (name, factors), out in zip(products.items(), outs, strict=True):
            getattr(cpu, name.split(",")[0])(phasors, *factors, index, out)
        sums, weights = np.zeros(outs[1].shape, np.complex64), np.ones(outs[1].shape[:2], np.float32)
        cpu.accumulate(outs[1], weights[0].copy(), sums, weights)
        results.append([array.tobytes() for array in (phasors, *outs, sums)])
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("keep", ["all", "few"])
def test_several_dumps_at_once_are_the_same_bits_as_each_alone(precision: str, keep: str) -> None:
    n_dumps = 3
    terms, (index, products) = direct_sum.terms(131, 300, n_dumps), products_of(precision, keep, n_dumps)
    phasors = phasors_of(cpu, terms, precision)
    for d in range(n_dumps):
        own = dataclasses.replace(terms, station_uvw=terms.station_uvw[d : d + 1], lmn=terms.lmn[d : d + 1])
        assert phasors_of(cpu, own, precision).tobytes() == phasors[d].tobytes()
    for name, factors in products.items():
        product, together = getattr(cpu, name.split(",")[0]), begun(index, precision, n_dumps)
        product(phasors, *factors, index, together)
        assert len({each.tobytes() for each in together}) == n_dumps
        for d in range(n_dumps):
            own_factors = [each[d : d + 1] if each.ndim > 1 else each for each in factors]
            alone = begun(index, precision, 1)
            product(phasors[d : d + 1], *own_factors, index, alone)
            assert alone.tobytes() == together[d].tobytes(), name


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("shape", [(3, 5, 4), (0, 4), (4099,)])
def test_add_rounds_once(module: ModuleType, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(6)
    values, before = (rng.normal(size=(2, *shape, 2)) * 10.0 ** rng.integers(-9, 9, (2, *shape, 2))).astype(np.float32)
    exact = (values.astype(np.longdouble) + before).astype(np.float32)
    for dtype in (np.float32, np.complex64):
        out = before.copy().view(dtype)
        module.add(values.view(dtype), out)
        assert out.tobytes() == exact.tobytes()


@pytest.mark.parametrize("module", MODULES)
def test_clear(module: ModuleType) -> None:
    for shape in ((3, 5, 4), (0, 4), (7,)):
        for dtype in (np.complex64, np.complex128, np.float32):
            out = np.full(shape, np.nan, dtype)
            module.clear(out)
            assert not out.any()


def test_this_long_double_is_longer() -> None:
    if sys.platform == "linux" and np.finfo(np.longdouble).eps > 2e-19:
        pytest.skip("long double is float64 here: the oracle is no better than the reference")
    assert np.finfo(np.longdouble).eps < 2e-19
