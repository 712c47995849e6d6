"""The innermost loops of Gaussian sources on the CPU: one row station, COLUMNS column stations in vectors.

Terms are weighed one by one and then added a few at a time, which saves most loads and stores of the sums. Indices
of inner loops are unsigned, as Numba's vectoriser is stopped by the test for negative ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload
from numpy.typing import NDArray

from kernels import bodies
from kernels.cpu.tiles import OPTIONS

Array = NDArray[Any]

SLOTS_ALIKE, SLOTS_KINDS = 8, 2
"""Terms that are added at a time: where all stations are alike, and where there are kinds."""

ALIGNED = 16
"""Columns begin at a multiple of this: a vector of float32."""

COLUMNS = 64
"""Column stations of a tile: what is held of them for every term stays in the fastest cache."""

_ZERO, _COLUMNS, _PAIR = np.uint64(0), np.uint64(COLUMNS), np.uint64(2 * COLUMNS)

# Compiled into their callers, which are cached.
_octaves_of_envelope = njit(bodies.octaves_of_envelope, fastmath={"contract"})
_nearest_whole = njit(bodies.nearest_whole)
_exp2_single = njit(bodies.exp2_single, fastmath={"contract"})
_exp2_double = njit(bodies.exp2_double, fastmath={"contract"})


def _exp2(rest: Any, whole: Any) -> Any:
    """2^(rest + whole) in the precision of its arguments; see `bodies`."""
    raise NotImplementedError("for compiled code")


@overload(_exp2)
def _exp2_of_type(rest, whole):  # type: ignore[no-untyped-def]  # Numba compares the signatures
    compiled = _exp2_single if rest == types.float32 else _exp2_double
    return lambda rest, whole: compiled(rest, whole)


@njit(**OPTIONS)
def split_octaves(apart: Array, form: tuple[float, float, float], least: float, first: int, powers: Array) -> None:
    """Write the power of two of every column's envelope as a rest and a whole number.

    Parameters
    ----------
    apart
        (2 COLUMNS,) float64, m: du, dv of every column.
    form
        float64, 1/m^2: a, b, c times `bodies.OCTAVES_PER_NEPER`.
    least
        The least whole number.
    first
        First column, uint64, a multiple of ALIGNED.
    powers
        (2 COLUMNS,) of the phasors' precision: rest and whole number.
    """
    a, b, c = form
    for q in range(first, _COLUMNS):
        octaves = max(_octaves_of_envelope(a, b, c, apart[q], apart[_COLUMNS + q]), least)
        whole = _nearest_whole(octaves)
        powers[q], powers[_COLUMNS + q] = octaves - whole, whole


@njit(**OPTIONS)
def weigh_alike(
    powers: Array, k: tuple[float, float], columns: Array, term: int, first: int, weighted: Array, slot: int
) -> None:
    """Write envelope * K_p conj(K_q), real and imaginary parts, of every column."""
    k_re, k_im = k
    at, to = np.uint64(term) * _PAIR, np.uint64(slot) * _PAIR
    for q in range(first, _COLUMNS):
        envelope = _exp2(powers[q], powers[_COLUMNS + q])
        q_re, q_im = columns[at + q], columns[at + _COLUMNS + q]
        weighted[to + q] = envelope * (k_re * q_re + k_im * q_im)
        weighted[to + _COLUMNS + q] = envelope * (k_im * q_re - k_re * q_im)


@njit(**OPTIONS)
def weigh_kinds(powers: Array, columns: Array, term: int, first: int, weighted: Array, slot: int) -> None:
    """Write envelope * K_q J_q, parts (j, k, re and im), of every column."""
    at, to = np.uint64(term * 8 * COLUMNS), np.uint64(slot * 8 * COLUMNS)
    for q in range(first, _COLUMNS):
        envelope = _exp2(powers[q], powers[_COLUMNS + q])
        for part in range(8):
            column = np.uint64(part * COLUMNS) + q
            weighted[to + column] = envelope * columns[at + column]


@njit(**OPTIONS)
def sum_alike(weighted: Array, left: Array, sums: Array) -> None:
    """Add (XX, YY, Re XY, Im XY) * envelope * K_p conj(K_q) of eight terms.

    Parameters
    ----------
    weighted
        (SLOTS_ALIKE * 2 COLUMNS,): what `weigh_alike` wrote, term by term.
    left
        (SLOTS_ALIKE, 4): coherency of the terms.
    sums
        (4 * 2 COLUMNS,): for each of the four, real and imaginary parts of every column.
    """
    for k in range(4):
        a, b, c, d = left[0, k], left[1, k], left[2, k], left[3, k]
        e, f, g, h = left[4, k], left[5, k], left[6, k], left[7, k]
        start = np.uint64(k) * _PAIR
        for q in range(_ZERO, _PAIR):
            near = a * weighted[q] + b * weighted[_PAIR + q]
            near += c * weighted[np.uint64(4 * COLUMNS) + q] + d * weighted[np.uint64(6 * COLUMNS) + q]
            far = e * weighted[np.uint64(8 * COLUMNS) + q] + f * weighted[np.uint64(10 * COLUMNS) + q]
            far += g * weighted[np.uint64(12 * COLUMNS) + q] + h * weighted[np.uint64(14 * COLUMNS) + q]
            sums[start + q] += near + far


@njit(**OPTIONS)
def sum_kinds(weighted: Array, left: Array, sums: Array) -> None:
    """Add K_p J_p C * envelope * (K_q J_q)^H of two terms.

    Parameters
    ----------
    weighted
        (SLOTS_KINDS * 8 COLUMNS,): what `weigh_kinds` wrote, term by term.
    left
        (SLOTS_KINDS, 8): K_p J_p C (i, k, re and im) of the terms.
    sums
        (4 * 2 COLUMNS,): for XX, XY, YX, YY, real and imaginary parts of every column.
    """
    for pol in range(4):
        i, j = pol // 2, pol % 2
        a_re, a_im, b_re, b_im = left[0, 4 * i], left[0, 4 * i + 1], left[0, 4 * i + 2], left[0, 4 * i + 3]
        c_re, c_im, d_re, d_im = left[1, 4 * i], left[1, 4 * i + 1], left[1, 4 * i + 2], left[1, 4 * i + 3]
        at, start = np.uint64(4 * j * COLUMNS), np.uint64(pol) * _PAIR
        then = at + np.uint64(8 * COLUMNS)
        for q in range(_ZERO, _COLUMNS):
            x_re, x_im = weighted[at + q], weighted[at + _COLUMNS + q]
            y_re, y_im = weighted[at + _PAIR + q], weighted[at + _PAIR + _COLUMNS + q]
            re = a_re * x_re + a_im * x_im + (b_re * y_re + b_im * y_im)
            im = a_im * x_re - a_re * x_im + (b_im * y_re - b_re * y_im)
            x_re, x_im = weighted[then + q], weighted[then + _COLUMNS + q]
            y_re, y_im = weighted[then + _PAIR + q], weighted[then + _PAIR + _COLUMNS + q]
            re += c_re * x_re + c_im * x_im + (d_re * y_re + d_im * y_im)
            im += c_im * x_re - c_re * x_im + (d_im * y_re - d_re * y_im)
            sums[start + q] += re
            sums[start + _COLUMNS + q] += im
