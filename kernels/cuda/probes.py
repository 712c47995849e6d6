"""Roofs of a CUDA device: kernels that only multiply and add, on the ordinary and on the tensor cores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from kernels.cuda.launch import THREADS
from kernels.cuda.vector import warp_product

Array = Any

CHAINS, UNROLLED = 16, 16
"""Sums of a thread that do not wait for each other; multiply-adds of each in a row."""

_ZERO = np.float32(0)


def multiply_adds(n_blocks: int, n_turns: int, out: Array) -> float:
    """Multiply and add in float32; return the floating-point operations.

    Parameters
    ----------
    n_blocks, n_turns
        Blocks of threads; how often each repeats itself.
    out
        (n_blocks * 256,) float32, overwritten, so that the work cannot be left out.
    """
    _multiply_adds[n_blocks, THREADS](n_turns, out)
    return 2.0 * n_blocks * THREADS * n_turns * CHAINS * UNROLLED


def matrix_products(n_blocks: int, n_turns: int, out: Array) -> float:
    """Multiply half-precision matrices on the tensor cores, as the products do; return the floating-point operations.

    Parameters
    ----------
    n_blocks, n_turns
        Blocks of threads; how often each repeats itself.
    out
        (n_blocks * 256,) float32, overwritten.
    """
    _matrix_products[n_blocks, THREADS](n_turns, out)
    return 2.0 * 16 * 16 * 8 * 8 * n_turns * n_blocks * THREADS / 32


@cuda.jit
def _multiply_adds(n_turns: int, out: Array) -> None:
    sums = cuda.local.array(CHAINS, np.float32)
    x, y = np.float32(1 + 1e-7 * cuda.threadIdx.x), np.float32(1e-9)
    for k in range(CHAINS):
        sums[k] = k
    for _ in range(n_turns):
        for _again in range(UNROLLED):
            for k in range(CHAINS):
                sums[k] = cuda.fma(sums[k], x, y)
    total = _ZERO
    for k in range(CHAINS):
        total += sums[k]
    out[cuda.grid(1)] = total


@cuda.jit
def _matrix_products(n_turns: int, out: Array) -> None:
    a = np.uint32(cuda.threadIdx.x)
    left = (a, a, a, a)
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = (_ZERO, _ZERO, _ZERO, _ZERO)
    for _ in range(n_turns):
        s0, s1 = warp_product(left, a, a, s0), warp_product(left, a, a, s1)
        s2, s3 = warp_product(left, a, a, s2), warp_product(left, a, a, s3)
        s4, s5 = warp_product(left, a, a, s4), warp_product(left, a, a, s5)
        s6, s7 = warp_product(left, a, a, s6), warp_product(left, a, a, s7)
    out[cuda.grid(1)] = s0[0] + s1[1] + s2[2] + s3[3] + s4[0] + s5[1] + s6[2] + s7[3]
