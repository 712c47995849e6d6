"""What the tensor cores do to a sum, in NumPy: the splitting, a pessimistic adder, and the compensated totals.

Adders of tensor cores take 4 to 16 products and the sum so far, shift all to the exponent of the largest, cut off what
does not fit, add, and cut off again [Fasi, Higham, Mikaitis & Pranesh 2021, PeerJ Computer Science 7, e330]. How many
bits beyond float32's 24 are kept differs between generations; here there are none, the worst case.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK = 16


def cut(values: NDArray[np.float64], quantum: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut values off to multiples of a quantum, towards zero."""
    return np.trunc(values / quantum) * quantum


def quantum_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of float32 numbers at values; the smallest at zero."""
    _, exponent = np.frexp(np.abs(values))
    return np.ldexp(1.0, np.maximum(exponent - 24, -149))


def add(products: NDArray[np.float64], total: NDArray[np.float64], n_adder: int) -> NDArray[np.float64]:
    """Add products (16, ...) to a total, ``n_adder`` at a time."""
    for first in range(0, CHUNK, n_adder):
        addends = np.concatenate([products[first : first + n_adder], total[np.newaxis]])
        quantum = quantum_of(np.abs(addends).max(axis=0))
        total = cut(addends, quantum).sum(axis=0)
        total = cut(total, quantum_of(total))
    return total


def split(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split float32 values into two half-precision numbers."""
    high = values.astype(np.float16)
    low = (values - high.astype(np.float32)).astype(np.float16)
    return high.astype(np.float64), low.astype(np.float64)


def scaled(values: NDArray[np.float32], largest: float) -> tuple[NDArray[np.float32], int]:
    """Scale values by a power of two, so that the largest is below 2^12."""
    exponent = min(12 - int(np.frexp(np.float32(largest))[1]), 100)
    return values * np.float32(2.0**exponent), exponent


def product(left: Any, right: Any, n_adder: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return real and imaginary part of the sum over terms of left times conjugate right, both pairs (term, baseline).

    Chunks do not depend on each other, so that they are an axis, until their sums are added.
    """

    def chunks(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        padded = np.pad(values, ((0, -len(values) % CHUNK), (0, 0)))
        return split(padded.reshape(-1, CHUNK, values.shape[1]).swapaxes(0, 1))

    (a, a_low), (b, b_low) = map(chunks, left)
    (c, c_low), (d, d_low) = map(chunks, right)
    nothing = np.zeros(a.shape[1:])
    parts = []
    for steps, last in (
        (((a_low, c), (b_low, d), (a, c_low), (b, d_low), (a, c)), (b, d)),
        (((b_low, c), (a_low, -d), (b, c_low), (a, -d_low), (b, c)), (a, -d)),
    ):
        total = nothing
        for x, y in steps:
            total = add(x * y, total, n_adder)
        apart = add(last[0] * last[1], nothing, n_adder)
        parts.append(compensated(total.astype(np.float32) + apart.astype(np.float32)))
    return parts[0], parts[1]


def compensated(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Add float32 values along the first axis as Kahan does, in float32."""
    total, lost = np.zeros_like(values[0]), np.zeros_like(values[0])
    for each in values:
        value = each - lost
        more = total + value
        lost = (more - total) - value
        total = more
    return total.astype(np.float64) - lost
