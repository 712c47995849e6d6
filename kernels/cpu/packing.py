"""Packing of stations into panels and scattering of totals to baselines, for the products of `cpu`.

Panels are laid out as `tiles.add_block` wants them. Rows, columns and terms past the last station or
term keep what was there before: their products are never read.
"""

from __future__ import annotations

from typing import Any

from numba import njit
from numpy.typing import NDArray

from kernels.cpu.tiles import BLOCK, OPTIONS, total_of
from kernels.cpu.vector import TILE_BYTES, TILE_ROWS

Array = NDArray[Any]
Responses = tuple[Array, Array, Array]  # jones (kind, source, 2, 2), kind (station,), source (term,)


@njit(**OPTIONS)
def pack_rows(phasors: Array, coefficients: Array, t0: int, n_terms: int, p0: int, p1: int, left: Array) -> None:
    """Pack coefficient * K of stations p0 <= p < p1 as the left panel of every set of coefficients."""
    for c in range(coefficients.shape[1]):
        panel = left[c]
        for t in range(n_terms):
            coefficient = coefficients[t0 + t, c]
            re, im = phasors[0, t0 + t], phasors[1, t0 + t]
            for p in range(p0, p1):
                row = p - p0
                at = ((row // TILE_ROWS * BLOCK + t) * TILE_ROWS + row % TILE_ROWS) * 2
                panel[at] = coefficient * re[p]
                panel[at + 1] = coefficient * im[p]


@njit(**OPTIONS)
def pack_columns(phasors: Array, t0: int, n_terms: int, q0: int, q1: int, right: Array) -> None:
    """Pack K of stations q0 <= q < q1 as the right panel."""
    n_columns = TILE_BYTES // phasors.itemsize
    for j in range((q1 - q0 + n_columns - 1) // n_columns):
        start = q0 + j * n_columns
        width = min(n_columns, q1 - start)
        for t in range(n_terms):
            for part in range(2):
                at = ((j * BLOCK + t) * 2 + part) * n_columns
                row = phasors[part, t0 + t]
                for c in range(width):
                    right[at + c] = row[start + c]


@njit(**OPTIONS)
def row_of_left(
    phasors: Array, responses: Responses, coherency: Array, t: int, p: int, i: int
) -> tuple[complex, complex]:
    """Row i of K_p J_p C_t."""
    jones, kind, source = responses
    phasor = complex(phasors[0, t, p], phasors[1, t, p])
    xy, yx = complex(coherency[t, 2], coherency[t, 3]), complex(coherency[t, 2], -coherency[t, 3])
    jx, jy = phasor * jones[kind[p], source[t], i, 0], phasor * jones[kind[p], source[t], i, 1]
    return jx * coherency[t, 0] + jy * yx, jx * xy + jy * coherency[t, 1]


@njit(**OPTIONS)
def pack_jones_rows(
    phasors: Array, responses: Responses, coherency: Array, t0: int, t1: int, p0: int, p1: int, left: Array
) -> None:
    """Pack K_p J_p C_t as left rows (station, i) and inner terms (term, k)."""
    for p in range(p0, p1):
        for t in range(t0, t1):
            for i in range(2):
                row = 2 * (p - p0) + i
                at = ((row // TILE_ROWS * BLOCK + 2 * (t - t0)) * TILE_ROWS + row % TILE_ROWS) * 2
                first, second = row_of_left(phasors, responses, coherency, t, p, i)
                left[at], left[at + 1] = first.real, first.imag
                left[at + 2 * TILE_ROWS], left[at + 2 * TILE_ROWS + 1] = second.real, second.imag


@njit(**OPTIONS)
def pack_jones_columns(phasors: Array, responses: Responses, t0: int, t1: int, q0: int, q1: int, right: Array) -> None:
    """Pack K_q J_q as right columns (station, j) and inner terms (term, k)."""
    jones, kind, source = responses
    n_columns = TILE_BYTES // phasors.itemsize
    for q in range(q0, q1):
        of_kind, column = kind[q], 2 * (q - q0)
        start = column // n_columns * BLOCK * 2 * n_columns + column % n_columns
        for t in range(t0, t1):
            s, at = source[t], start + 4 * n_columns * (t - t0)
            re, im = phasors[0, t, q], phasors[1, t, q]
            for k in range(2):
                for j in range(2):
                    value = jones[of_kind, s, j, k]
                    right[at + 2 * k * n_columns + j] = re * value.real - im * value.imag
                    right[at + (2 * k + 1) * n_columns + j] = re * value.imag + im * value.real


@njit(**OPTIONS)
def scatter_scalar(totals: Array, baseline_index: Array, p0: int, p1: int, q0: int, q1: int, out: Array) -> None:
    """Add the totals of a macro tile to the rows of ``out``."""
    n_columns = totals.shape[3] // (2 * TILE_ROWS)
    for p in range(p0, p1):
        for q in range(max(p, q0), q1):
            row = baseline_index[p, q]
            if row < 0:
                continue
            xx = total_of(totals[0], n_columns, p - p0, q - q0)
            if totals.shape[0] == 1:
                out[row, 0] += xx
                out[row, 3] += xx
            else:
                real_xy = total_of(totals[2], n_columns, p - p0, q - q0)
                imag_xy = 1j * total_of(totals[3], n_columns, p - p0, q - q0)
                out[row, 0] += xx
                out[row, 1] += real_xy + imag_xy
                out[row, 2] += real_xy - imag_xy
                out[row, 3] += total_of(totals[1], n_columns, p - p0, q - q0)


@njit(**OPTIONS)
def scatter_matrix(totals: Array, baseline_index: Array, p0: int, p1: int, q0: int, q1: int, out: Array) -> None:
    """Add the 2 x 2 totals of a macro tile to the rows of ``out``."""
    n_columns = totals.shape[2] // (2 * TILE_ROWS)
    for p in range(p0, p1):
        for q in range(max(p, q0), q1):
            row = baseline_index[p, q]
            if row < 0:
                continue
            for i in range(2):
                for j in range(2):
                    out[row, 2 * i + j] += total_of(totals, n_columns, 2 * (p - p0) + i, 2 * (q - q0) + j)
