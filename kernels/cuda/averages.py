"""Running averages on CUDA."""

from __future__ import annotations

from typing import Any

from numba import cuda

from kernels import bodies
from kernels.cuda.launch import THREADS, blocks

Array = Any

_added_rounded = cuda.jit(bodies.added_rounded, device=True)


def accumulate(visibilities: Array, weights: Array, sums: Array, sum_weights: Array) -> None:
    """Add weighted visibilities to a running average: sums += weights * visibilities, all in float32.

    Parameters
    ----------
    visibilities
        (dump, baseline, 4) complex64 or complex128, Jy.
    weights
        (baseline,) float32, the same for all dumps.
    sums
        (dump, baseline, 4) complex64, changed in place.
    sum_weights
        (dump, baseline) float32, changed in place.
    """
    rows = sum_weights.size
    flat = (visibilities.reshape(rows, 4), weights, sums.reshape(rows, 4), sum_weights.reshape(rows))
    _accumulate[blocks(4 * rows), THREADS](*flat)


def add(values: Array, out: Array) -> None:
    """Add an array to another: out += values.

    Parameters
    ----------
    values, out
        Contiguous, of the same shape and dtype, float32 or complex64; ``out`` is changed in place.
    """
    if out.size:
        _add[blocks(out.size), THREADS](values.reshape(out.size), out.reshape(out.size))


def clear(out: Array) -> None:
    """Set an array to zero.

    Parameters
    ----------
    out
        Contiguous, of any shape and dtype.
    """
    if out.size:
        _clear[blocks(out.size), THREADS](out.reshape(out.size))


@cuda.jit
def _accumulate(visibilities: Array, weights: Array, sums: Array, sum_weights: Array) -> None:
    for k in range(cuda.grid(1), 4 * sum_weights.shape[0], cuda.gridsize(1)):
        b, pol = k // 4, k % 4
        weight = weights[b % weights.shape[0]]
        total, value = sums[b, pol], visibilities[b, pol]
        re = _added_rounded(total.real, weight, value.real)
        im = _added_rounded(total.imag, weight, value.imag)
        sums[b, pol] = complex(re, im)
        if pol == 0:
            sum_weights[b] += weight


@cuda.jit
def _clear(out: Array) -> None:
    for k in range(cuda.grid(1), out.shape[0], cuda.gridsize(1)):
        out[k] = 0


@cuda.jit
def _add(values: Array, out: Array) -> None:
    for k in range(cuda.grid(1), out.shape[0], cuda.gridsize(1)):
        out[k] += values[k]
