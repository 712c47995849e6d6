"""The instructions that Numba has no words for do on a GPU what their stand-ins do in the simulator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import cuda

from kernels.cuda.vector import from_halves, halves, load4, store4, warp_product


@cuda.jit
def copy_in_fours(source: Any, target: Any) -> None:
    k = 4 * cuda.grid(1)
    shared = cuda.shared.array(0, np.float32)
    place = 4 * cuda.threadIdx.x
    store4(shared, place, load4(source, k))
    cuda.syncthreads()
    store4(target, k, load4(shared, place))


@cuda.jit
def to_halves_and_back(values: Any, pairs: Any, back: Any) -> None:
    k = cuda.grid(1)
    pairs[k] = halves(values[2 * k], values[2 * k + 1])
    back[2 * k], back[2 * k + 1] = from_halves(pairs[k])


@cuda.jit
def multiply(left: Any, right: Any, before: Any, out: Any) -> None:
    """Left (16, 16) times right (16, 8), packed in pairs as the fragments want them."""
    g, j = cuda.threadIdx.x // 4, cuda.threadIdx.x % 4
    a = (left[g, j], left[g + 8, j], left[g, j + 4], left[g + 8, j + 4])
    c = (before[g, 2 * j], before[g, 2 * j + 1], before[g + 8, 2 * j], before[g + 8, 2 * j + 1])
    d = warp_product(a, right[g, j], right[g, j + 4], c)
    out[g, 2 * j], out[g, 2 * j + 1], out[g + 8, 2 * j], out[g + 8, 2 * j + 1] = d


def test_four_at_once() -> None:
    source = np.random.default_rng(1).normal(size=4 * 96).astype(np.float32)
    target = cuda.to_device(np.full(4 * 96, np.nan, np.float32))
    copy_in_fours[3, 32, 0, 4 * 32 * 4](cuda.to_device(source), target)
    assert np.array_equal(target.copy_to_host(), source)


def test_halves() -> None:
    rng = np.random.default_rng(2)
    values = (10 ** rng.uniform(-9, 4.8, 128) * rng.choice([-1, 1], 128)).astype(np.float32)
    values[:4] = 0, 2**-24, 65504, -(2**-14)
    pairs, back = cuda.to_device(np.zeros(64, np.uint32)), cuda.to_device(np.full(128, np.nan, np.float32))
    to_halves_and_back[1, 64](cuda.to_device(values), pairs, back)
    expected = values.astype(np.float16)
    assert np.array_equal(pairs.copy_to_host().view(np.float16), expected)
    assert np.array_equal(back.copy_to_host(), expected.astype(np.float32))


def test_a_matrix_product_of_a_warp() -> None:
    if cuda.get_current_device().compute_capability < (8, 0):
        pytest.xfail("tensor cores are used from compute capability 8.0 on")
    rng = np.random.default_rng(3)
    left, right = rng.normal(size=(16, 16)).astype(np.float16), rng.normal(size=(16, 8)).astype(np.float16)
    before, out = rng.normal(size=(16, 8)).astype(np.float32), cuda.to_device(np.full((16, 8), np.nan, np.float32))
    pairs = (left.view(np.uint32), np.ascontiguousarray(right.T).view(np.uint32), before)
    multiply[1, 32](*map(cuda.to_device, pairs), out)
    exact = before + left.astype(np.float64) @ right.astype(np.float64)
    assert np.abs(out.copy_to_host() - exact).max() <= 17 * 2**-23 * np.abs(exact).max()


def test_small_operands_of_a_matrix_product_are_not_lost() -> None:
    """Halves below 2^-14 count: the low parts of faint sources are such."""
    if cuda.get_current_device().compute_capability < (8, 0):
        pytest.xfail("tensor cores are used from compute capability 8.0 on")
    left, right = np.full((16, 16), 2**-24, np.float16), np.ones((16, 8), np.float16)
    out = cuda.to_device(np.full((16, 8), np.nan, np.float32))
    pairs = (left.view(np.uint32), np.ascontiguousarray(right.T).view(np.uint32), np.zeros((16, 8), np.float32))
    multiply[1, 32](*map(cuda.to_device, pairs), out)
    assert np.array_equal(out.copy_to_host(), np.full((16, 8), 2**-20, np.float32))
