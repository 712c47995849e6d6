"""Packing of stations into panels and scattering of totals to baselines, for the products of `cpu`.

Panels are laid out as `tiles.add_block` wants them. Rows and columns past the last station hold what comes next in
memory or was there before, terms past the last what was there before: their products are never read.
"""

from __future__ import annotations

from typing import Any

from numba import njit
from numpy.typing import NDArray

from kernels.cpu.tiles import BLOCK, OPTIONS, total_of
from kernels.cpu.vector import TILE_BYTES, TILE_ROWS
from kernels.cpu.vectorpack import MIXING, copy_columns, copy_rows, pack_jones_column, pack_jones_row

Array = NDArray[Any]
Responses = tuple[Array, Array, Array]  # jones (kind, source, 2, 2), kind (station,), source (term,)


@njit(**OPTIONS)
def pack_rows(phasors: Array, coefficients: Array, t0: int, n_terms: int, p0: int, p1: int, left: Array) -> None:
    """Pack coefficient * K of stations p0 <= p < p1 as the left panel of every set of coefficients."""
    flat, n_total, n_station = phasors.reshape(-1), phasors.shape[1], phasors.shape[2]
    n_sets, per_set, panel = coefficients.shape[1], left.shape[1], left.reshape(-1)
    for i in range((p1 - p0 + TILE_ROWS - 1) // TILE_ROWS):
        width = min(TILE_ROWS, p1 - p0 - i * TILE_ROWS)
        for t in range(n_terms):
            for part in range(2):
                start = (part * n_total + t0 + t) * n_station + p0 + i * TILE_ROWS
                for c in range(n_sets):
                    at = c * per_set + ((i * BLOCK + t) * 2 + part) * TILE_ROWS
                    factor = coefficients[t0 + t, c]
                    if start + TILE_ROWS <= flat.size:
                        copy_rows(flat, start, factor, panel, at)
                    else:
                        for r in range(width):
                            panel[at + r] = factor * flat[start + r]


@njit(**OPTIONS)
def pack_columns(phasors: Array, t0: int, n_terms: int, q0: int, q1: int, right: Array) -> None:
    """Pack K of stations q0 <= q < q1 as the right panel."""
    flat, n_total, n_station = phasors.reshape(-1), phasors.shape[1], phasors.shape[2]
    n_columns = TILE_BYTES // phasors.itemsize
    one = phasors.dtype.type(1.0)
    for j in range((q1 - q0 + n_columns - 1) // n_columns):
        width = min(n_columns, q1 - q0 - j * n_columns)
        for t in range(n_terms):
            for part in range(2):
                start = (part * n_total + t0 + t) * n_station + q0 + j * n_columns
                at = ((j * BLOCK + t) * 2 + part) * n_columns
                if start + n_columns <= flat.size:
                    copy_columns(flat, start, one, right, at)
                else:
                    for c in range(width):
                        right[at + c] = flat[start + c]


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
def mix(coherency: Array, t0: int, t1: int, mixing: Array) -> None:
    """Write C_t as `pack_jones_row` multiplies with it: what J[j, 0] and J[j, 1] give to column k, turned or not.

    Lanes are (k, re or im, j); the imaginary part of a factor takes the imaginary part from the real one.
    """
    for t in range(t0, t1):
        xx, yy, re, im = coherency[t, 0], coherency[t, 1], coherency[t, 2], coherency[t, 3]
        at = MIXING * (t - t0)
        for lane in range(4):
            turned = -im if lane < 2 else im
            mixing[at + lane], mixing[at + 4 + lane] = xx, re
            mixing[at + 8 + lane], mixing[at + 12 + lane] = 0.0, turned
            mixing[at + 16 + lane], mixing[at + 20 + lane] = re, yy
            mixing[at + 24 + lane], mixing[at + 28 + lane] = -turned, 0.0


@njit(**OPTIONS)
def pack_jones_rows(
    phasors: Array, responses: Responses, mixing: Array, t0: int, t1: int, p0: int, p1: int, left: Array
) -> None:
    """Pack K_p J_p C_t as left rows (station, i) and inner terms (term, k)."""
    jones, kind, source = responses
    flat, per_kind = jones.reshape(-1), jones.shape[1]
    for p in range(p0, p1):
        row, of_kind = 2 * (p - p0), kind[p] * per_kind
        start = row // TILE_ROWS * BLOCK * 2 * TILE_ROWS + row % TILE_ROWS
        for t in range(t0, t1):
            at = start + 4 * TILE_ROWS * (t - t0)
            re, im = phasors[0, t, p], phasors[1, t, p]
            pack_jones_row(flat, 8 * (of_kind + source[t]), mixing, MIXING * (t - t0), re, im, left, at)


@njit(**OPTIONS)
def pack_jones_columns(phasors: Array, responses: Responses, t0: int, t1: int, q0: int, q1: int, right: Array) -> None:
    """Pack K_q J_q as right columns (station, j) and inner terms (term, k)."""
    jones, kind, source = responses
    flat, per_kind, n_columns = jones.reshape(-1), jones.shape[1], TILE_BYTES // phasors.itemsize
    for q in range(q0, q1):
        column, of_kind = 2 * (q - q0), kind[q] * per_kind
        start = column // n_columns * BLOCK * 2 * n_columns + column % n_columns
        for t in range(t0, t1):
            at = start + 4 * n_columns * (t - t0)
            pack_jones_column(flat, 8 * (of_kind + source[t]), phasors[0, t, q], phasors[1, t, q], right, at)


@njit(**OPTIONS)
def scatter_scalar(
    totals: Array, wanted: Array, baseline_index: Array, p0: int, p1: int, q0: int, q1: int, out: Array
) -> None:
    """Add the totals of a macro tile to the rows of ``out``, register tile by register tile."""
    n_columns = totals.shape[3] // (2 * TILE_ROWS)
    for i in range(wanted.shape[0]):
        for j in range(wanted.shape[1]):
            if not wanted[i, j]:
                continue
            first_p, first_q = p0 + i * TILE_ROWS, q0 + j * n_columns
            for p in range(first_p, min(first_p + TILE_ROWS, p1)):
                re = 2 * (p - first_p) * n_columns - first_q
                im = re + n_columns
                for q in range(max(p, first_q), min(first_q + n_columns, q1)):
                    row = baseline_index[p, q]
                    if row < 0:
                        continue
                    xx = complex(totals[0, i, j, re + q], totals[0, i, j, im + q])
                    if totals.shape[0] == 1:
                        out[row, 0] += xx
                        out[row, 3] += xx
                    else:
                        real_xy = complex(totals[2, i, j, re + q], totals[2, i, j, im + q])
                        imag_xy = 1j * complex(totals[3, i, j, re + q], totals[3, i, j, im + q])
                        out[row, 0] += xx
                        out[row, 1] += real_xy + imag_xy
                        out[row, 2] += real_xy - imag_xy
                        out[row, 3] += complex(totals[1, i, j, re + q], totals[1, i, j, im + q])


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
