"""CUDA kernels against the direct sum in long double: on a GPU where there is one, else in Numba's simulator.

The simulator must be chosen before Numba is imported, so without a GPU these tests run in a process of their own,
which `test_in_the_simulator` starts. Its integers and some float32 arithmetic are not a GPU's: the bounds hold there
too, but only a GPU proves them.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dipole_oracle
import direct_sum
import numpy as np
import pytest
from interpolation_oracle import Sizes, interpolated
from numba import cuda

from kernels import cuda as kernels
from kernels.cuda import operands

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1"

# The simulator runs every CUDA thread as a Python thread: seconds for the smallest tile.
SIZES = [(2, 1, "cross"), (5, 37, "all"), (66, 3, "few")]
PRODUCTS = ("unpolarised", "common", "per_kind")
N_DUMPS = 2
BEFORE = 0.5 - 0.25j
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


def to_device(arguments: Iterable[Any]) -> list[Any]:
    """Arguments of a kernel: arrays on the device, numbers as they are."""
    return [cuda.to_device(each) if isinstance(each, np.ndarray) else each for each in arguments]


def phasors_of(terms: direct_sum.Terms, real: Any) -> Any:
    """Phasors on the device."""
    out = cuda.to_device(np.full(terms.shape, np.nan, real))
    kernels.phasors(*to_device(terms.arguments), out)
    return out


def begun(index: Any, complex_: Any, n_dumps: int) -> Any:
    """Visibilities on the device that products are added to."""
    return cuda.to_device(np.full((n_dumps, index.max() + 1, 4), BEFORE, complex_))


def predict(size: tuple[int, int, str], precision: str, names: tuple[str, ...]) -> list[tuple[str, float]]:
    """Run every product of two dumps and give its name and error relative to the flux it may be measured by."""
    n_stations, n_terms, keep = size
    real, complex_ = direct_sum.PRECISIONS[precision]
    rng = np.random.default_rng(8)
    terms, index = direct_sum.terms(n_stations, n_terms, N_DUMPS), direct_sum.index_of(n_stations, keep)
    fringe = direct_sum.fringes(terms)
    stokes = rng.normal(size=(N_DUMPS, n_terms, 4))
    flux = np.stack([(1 + dump) * direct_sum.fluxes(n_terms, "mixed", 6 + dump) for dump in range(N_DUMPS)])
    unpolarised = np.stack([flux, 0 * flux, 0 * flux, 0 * flux], axis=-1)
    kind_jones = (rng.normal(size=(N_DUMPS, 3, 7, 2, 2, 2)) @ [1, 1j]).astype(complex_)
    kind = rng.integers(0, 3, n_stations).astype(np.int32)
    jones = kind_jones[:, kind][:, :, terms.source]
    i, q, u, v = np.moveaxis(stokes, -1, 0)
    coherency = cuda.to_device(np.stack([i + q, i - q, u, v], axis=-1).astype(real))
    phasors = phasors_of(terms, real)
    phase_error = np.abs(to_host(phasors) - np.stack(fringe, axis=1)).max()
    same = np.broadcast_to(np.eye(2, dtype=complex), jones.shape)
    gain = np.linalg.norm(jones, axis=(3, 4)).max(axis=1) ** 2
    index_on_device = cuda.to_device(index)
    errors = [("phasors", float(phase_error))]
    for name, factors, response, sky, scale in (
        ("unpolarised", (cuda.to_device(flux.astype(real)),), same, unpolarised, np.abs(flux).sum(axis=1)),
        ("common", (coherency,), same, stokes, np.abs(stokes).sum(axis=(1, 2))),
        (
            "per_kind",
            (*map(cuda.to_device, (kind_jones, kind, terms.source)), coherency),
            jones,
            stokes,
            (gain * np.abs(stokes).sum(axis=2)).sum(axis=1),
        ),
    ):
        if name not in names:
            continue
        out = begun(index, complex_, N_DUMPS)
        getattr(kernels, name)(phasors, *factors, index_on_device, out)
        expected = direct_sum.visibilities_of_dumps(fringe, index, response, sky)
        error = np.abs(to_host(out) - BEFORE - expected).max(axis=(1, 2))
        errors.append((name, float((error / scale).max())))
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
@pytest.mark.parametrize("name", ["unpolarised", "per_kind"])
def test_several_dumps_at_once_are_the_same_bits_as_each_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Responses are multiplied in two terms at a time, of two dumps and then of the third."""
    n_stations, n_terms, n_dumps = 3, 3, 3
    monkeypatch.setattr(operands, "SLAB_TERMS", 2)
    monkeypatch.setattr(operands, "SLAB_BYTES", 2 * slab_bytes(2, n_stations) + 100)
    terms, index = direct_sum.terms(n_stations, n_terms, n_dumps), direct_sum.index_of(n_stations, "cross")
    rng, phasors = np.random.default_rng(7), to_host(phasors_of(terms, np.float32))
    flux = [direct_sum.fluxes(n_terms, "mixed", 6 + dump) for dump in range(n_dumps)]
    factors: tuple[Any, ...] = (np.stack(flux).astype(np.float32),)
    if name == "per_kind":
        jones = (rng.normal(size=(n_dumps, 2, 7, 2, 2, 2)) @ [1, 1j]).astype(np.complex64)
        coherency = rng.normal(size=(n_dumps, n_terms, 4)).astype(np.float32)
        factors = (jones, np.array([0, 1, 0], np.int32), terms.source, coherency)

    def product(dumps: slice) -> Any:
        out = begun(index, np.complex64, len(phasors[dumps]))
        own = [each[dumps] if each.ndim > 1 else each for each in (phasors, *factors)]
        getattr(kernels, name)(*map(cuda.to_device, (*own, index)), out)
        return to_host(out)

    together = product(slice(None))
    assert len({each.tobytes() for each in together}) == n_dumps
    for dump in range(n_dumps):
        assert product(slice(dump, dump + 1)).tobytes() == together[dump].tobytes()


def slab_bytes(n_terms: int, n_stations: int) -> int:
    """Bytes of one dump in a slab: left and right, i or j, real and imaginary, inner terms; in float32."""
    return 2 * 2 * 2 * (2 * n_terms) * n_stations * 4


@on_gpu_or_simulator
@pytest.mark.parametrize("is_given_space", [False, True])
def test_responses_are_multiplied_in_slab_by_slab(is_given_space: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three dumps of five terms, two dumps and two terms at a time: the last of either are one."""
    n_stations, n_terms, n_dumps, slab = 3, 5, 3, 2
    monkeypatch.setattr(operands, "SLAB_TERMS", slab)
    monkeypatch.setattr(operands, "SLAB_BYTES", 2 * slab_bytes(slab, n_stations) + 100)
    rng = np.random.default_rng(9)
    phasors = rng.normal(size=(n_dumps, 2, n_terms, n_stations)).astype(np.float32)
    jones = (rng.normal(size=(n_dumps, 2, 7, 2, 2, 2)) @ [1, 1j]).astype(np.complex64)
    kind, source = np.array([0, 1, 0], np.int32), rng.integers(0, 7, n_terms).astype(np.int32)
    coherency = rng.normal(size=(n_dumps, n_terms, 4)).astype(np.float32)
    arrays = tuple(map(cuda.to_device, (phasors, jones, kind, source, coherency)))
    out = cuda.to_device(np.arange(n_dumps, dtype=np.complex64)[:, np.newaxis, np.newaxis])
    space = np.full(operands.space(n_dumps, n_terms, n_stations, 4), np.nan, np.float32)
    slabs = []
    for packed, some in operands.pack_in_slabs(arrays, out, cuda.to_device(space) if is_given_space else None):
        slabs.append((int(to_host(some)[0, 0, 0].real), to_host(packed).copy()))
        assert some.shape[0] == packed.shape[0]
    assert [first for first, _ in slabs] == [0, 0, 0, 2, 2, 2]
    sizes = [(2, 4), (2, 4), (2, 2), (1, 4), (1, 4), (1, 2)]
    assert [packed.shape for _, packed in slabs] == [(some, 2, 2, 2, inner, n_stations) for some, inner in sizes]
    xx, yy, re, im = np.moveaxis(coherency, -1, 0)
    sky = np.stack([xx + 0j, re + 1j * im, re - 1j * im, yy + 0j], axis=-1).reshape(n_dumps, n_terms, 2, 2)
    for dump, t, p in itertools.product(range(n_dumps), range(n_terms), range(n_stations)):
        first, packed = slabs[3 * (dump // 2) + t // slab]
        rows = slice(2 * (t % slab), 2 * (t % slab) + 2)
        left, right = (side[:, 0, rows, p] + 1j * side[:, 1, rows, p] for side in packed[dump - first])
        wave, seen = phasors[dump, 0, t, p] + 1j * phasors[dump, 1, t, p], jones[dump, kind[p], source[t]]
        assert np.abs(left - wave * seen @ sky[dump, t]).max() <= 1e-5
        assert np.abs(right - wave * seen).max() <= 1e-5


@on_gpu_or_simulator
def test_no_source_makes_zeros() -> None:
    index, nothing = direct_sum.index_of(3, "all"), np.empty((2, 0), np.float32)
    out = begun(index, np.complex64, 2)
    phasors = phasors_of(direct_sum.terms(3, 0, 2), np.float32)
    kernels.unpolarised(phasors, cuda.to_device(nothing), cuda.to_device(index), out)
    assert (to_host(out) == BEFORE).all()
    jones, sky = np.empty((2, 1, 0, 2, 2), np.complex64), np.empty((2, 0, 4), np.float32)
    factors = (jones, np.zeros(3, np.int32), np.zeros(0, np.int32), sky, index)
    kernels.per_kind(phasors, *map(cuda.to_device, factors), out)
    assert (to_host(out) == BEFORE).all()


@on_gpu_or_simulator
@pytest.mark.parametrize("precision", ["mixed", "double"])
def test_scale(precision: str) -> None:
    real, complex_ = direct_sum.PRECISIONS[precision]
    rng = np.random.default_rng(3)
    kind, source = rng.integers(0, 2, 19).astype(np.int32), rng.integers(0, 5, 15).astype(np.int32)
    response, phasors = (rng.normal(size=(3, 2, 5, 2)) @ [1, 1j]).astype(complex_), rng.normal(size=(3, 2, 15, 19))
    on_device = cuda.to_device(phasors.astype(real))
    kernels.scale(*map(cuda.to_device, (response, kind, source)), on_device)
    re, im = to_host(on_device).swapaxes(0, 1)
    expected = (phasors[:, 0] + 1j * phasors[:, 1]) * response[:, kind][:, :, source].swapaxes(1, 2)
    assert np.abs(re + 1j * im - expected).max() <= 4 * np.finfo(real).eps * np.abs(expected).max()


@on_gpu_or_simulator
@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(n_moments=4, n_rows=3, n_between=19, n_others=5, n_looks=11, n_parts=2),
        Sizes(n_moments=1, n_rows=1, n_between=3, n_others=3, n_looks=5, n_parts=8),
        Sizes(n_moments=4, n_rows=2, n_between=0, n_others=3, n_looks=7, n_parts=2),
        Sizes(n_moments=2, n_rows=2, n_between=3, n_others=0, n_looks=0, n_parts=8),
        Sizes(n_moments=4, n_rows=2, n_between=5, n_others=3, n_looks=0, n_parts=2),
        Sizes(n_moments=4, n_rows=2, n_between=0, n_others=0, n_looks=0, n_parts=2),
        Sizes(n_moments=4, n_rows=0, n_between=5, n_others=2, n_looks=3, n_parts=2),
    ],
    ids=str,
)
def test_interpolate(real: Any, sizes: Sizes) -> None:
    arguments, out = sizes.arguments(real), cuda.to_device(sizes.garbage(real))
    kernels.interpolate(*to_device(arguments), out)
    expected, bound = interpolated(*arguments)
    assert (np.abs(to_host(out) - expected) <= bound).all()


@on_gpu_or_simulator
def test_add() -> None:
    values, before = np.random.default_rng(6).normal(size=(2, 3, 5, 4, 2)).astype(np.float32)
    exact = (values.astype(np.longdouble) + before).astype(np.float32)
    for dtype in (np.float32, np.complex64):
        out = cuda.to_device(before.view(dtype))
        kernels.add(cuda.to_device(values.view(dtype)), out)
        assert to_host(out).tobytes() == exact.tobytes()
    kernels.add(*(cuda.to_device(np.empty((0, 4), np.complex64)) for _ in range(2)))


@on_gpu_or_simulator
def test_clear() -> None:
    out = cuda.to_device(np.full((3, 5, 4), np.nan, np.complex64))
    kernels.clear(out)
    kernels.clear(cuda.to_device(np.empty((0, 4), np.complex64)))
    assert not to_host(out).any()


@on_gpu_or_simulator
@pytest.mark.parametrize(("dtype", "bound"), [(np.complex128, 1e-12), (np.complex64, 3e-7)])
@pytest.mark.parametrize(("n_sources", "n_values"), [(7, 1), (7, 4), (0, 1), (0, 4)])
def test_array_responses(dtype: Any, bound: float, n_sources: int, n_values: int) -> None:
    """To the simulator the product with the field is complex64 where that is; to a GPU it is complex128."""
    rng, first = np.random.default_rng(4), np.array([0, 5, 6])
    enu, weight = rng.uniform(-19, 19, (6, 3)), rng.normal(size=(6, 2)) @ [1, 1j]
    offset = rng.uniform(-1, 1, (n_sources, 3))
    field = (rng.normal(size=(n_sources, n_values, 2)) @ [1, 1j]).astype(dtype)
    out = cuda.to_device(np.full((2, n_sources, n_values), np.nan, dtype))
    elements = map(cuda.to_device, (enu, weight, first, offset))
    kernels.array_responses(*elements, 350e6, cuda.to_device(field), out)
    each = weight[:, None] * np.exp(2j * np.pi * 350e6 / 299792458 * (enu @ offset.T))
    expected = np.stack([each[:5].mean(axis=0), each[5]])[..., None] * field.astype(complex)
    allowed = (bound + 2 * np.finfo(dtype).eps) * np.abs(weight).max() * np.abs(field)
    assert (np.abs(to_host(out) - expected) <= allowed).all()


@on_gpu_or_simulator
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize(("height", "half"), dipole_oracle.SHAPES)
@pytest.mark.parametrize(("n_looks", "rotation"), [(7, 0.0), (7, 0.3), (1, 0.3), (0, 0.3)])
def test_dipoles(n_looks: int, rotation: float, height: float, half: float, dtype: Any) -> None:
    arguments = (*dipole_oracle.looks(n_looks, rotation), height, half)
    out = cuda.to_device(np.full((n_looks, 4), np.nan, dtype))
    kernels.dipoles(*to_device(arguments), out)
    expected, bound = dipole_oracle.responses(*arguments, dtype)
    assert (np.abs(to_host(out) - expected) <= bound).all()


@on_gpu_or_simulator
def test_accumulate() -> None:
    rng = np.random.default_rng(9)
    values = (rng.normal(size=(2, 67, 4)) + 1j * rng.normal(size=(2, 67, 4))).astype(np.complex64)
    weights, sum_weights = rng.uniform(0, 3, 67).astype(np.float32), rng.uniform(size=(2, 67)).astype(np.float32)
    sums = (rng.normal(size=(2, 67, 4)) + 1j).astype(np.complex64)
    exact = np.clongdouble(sums) + np.longdouble(weights)[:, None] * np.clongdouble(values)
    arrays = [cuda.to_device(array) for array in (values, weights, sums, sum_weights)]
    kernels.accumulate(*arrays)
    assert np.abs(to_host(arrays[2]) - exact).max() <= np.finfo(np.float32).eps * np.abs(exact).max()
    assert np.array_equal(to_host(arrays[3]), sum_weights + weights)


@on_gpu_or_simulator
def test_accumulate_several_dumps_with_the_same_weights() -> None:
    rng = np.random.default_rng(10)
    values = rng.normal(size=(3, 5, 8)).astype(np.float32).view(np.complex64)
    weights, counts = np.array([0, 1, 1, 0, 1], np.float32), cuda.to_device(np.full((3, 5), 2, np.float32))
    sums = cuda.to_device(np.zeros((3, 5, 4), np.complex64))
    kernels.accumulate(cuda.to_device(values), cuda.to_device(weights), sums, counts)
    assert np.array_equal(to_host(sums), values * weights[:, np.newaxis])
    assert np.array_equal(to_host(counts), np.tile(2 + weights, (3, 1)))


@pytest.mark.skipif(SIMULATED or cuda.is_available(), reason="this process has a GPU or the simulator")
def test_in_the_simulator(pytestconfig: pytest.Config) -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", Path(__file__).name]
    done = subprocess.run(command, env=environment, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
