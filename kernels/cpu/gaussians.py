"""Visibilities of elliptical Gaussian sources on the CPU.

The envelope is another one for every baseline and term, so there is no matrix product. A macro tile of stations is
taken row by row: 64 columns stand in vectors, while terms follow one another. Sums run over 32 terms in the phasors'
precision and beyond in float64, always in this order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange
from numpy.typing import NDArray

from kernels import bodies
from kernels.cpu.envelopes import (
    ALIGNED,
    COLUMNS,
    SLOTS_ALIKE,
    SLOTS_KINDS,
    split_octaves,
    sum_alike,
    sum_kinds,
    weigh_alike,
    weigh_kinds,
)
from kernels.cpu.packing import Responses, row_of_left
from kernels.cpu.tiles import OPTIONS, find_tiles, rows_per_tile, share_tiles

Array = NDArray[Any]
Terms = tuple[Array, Array, Array, Array]  # coherency (term, 4), epoch (term,), form and reach as `_prepare` makes them
Scratch = tuple[Array, Array, Array, Array, Array, Array]

# Terms whose sum is held in the phasors' precision.
_BLOCK = 32


def along_axes(
    station_uvw: Array, epoch: Array, axes: Array, source: Array, frequency_hz: float, offset_hz: Array, out: Array
) -> None:
    """Stations along the axes of every Gaussian, in one dump: out[t, p, i] = nu_t axes[source[t], i] . uvw_p.

    Parameters
    ----------
    station_uvw
        (epoch, station, 3) float64, m.
    epoch
        (term,) int32: which of the dump's epochs.
    axes
        (source, 2, 3) float64, 1/(m Hz): so that exp(-(nu a_0 . b)^2 - (nu a_1 . b)^2) is the visibility of a Gaussian
        of 1 Jy on a baseline b.
    source
        (term,) int32: row of ``axes``.
    frequency_hz, offset_hz
        Hz; (term,) float64, Hz: the frequency of a term is the sum of both.
    out
        (term, station, 3) float64: what `gaussians` takes as stations, with an envelope of (1, 0, 1); zero at the end.
    """
    _along_axes(station_uvw, epoch, axes, source, frequency_hz, offset_hz, out)


def gaussians(
    phasors: Array,
    jones: Array,
    kind: Array,
    source: Array,
    coherency: Array,
    envelope: Array,
    epoch: Array,
    station_uvw: Array,
    baseline_index: Array,
    out: Array,
) -> None:
    """Add visibilities of Gaussians: V_pq += sum_t exp(-(a du^2 + b du dv + c dv^2)) K_p conj(K_q) J_p C_t J_q^H.

    Parameters
    ----------
    phasors
        (2, term, station) float32 or float64.
    jones
        (kind, source, 2, 2) complex of the same precision; with no kinds, (0, source, 2, 2), all stations are alike
        and ``coherency`` is already J C J^H.
    kind
        (station,) int32: row of ``jones``.
    source
        (term,) int32: column of ``jones``.
    coherency
        (term, 4) float of the same precision, Jy: (XX, YY, Re XY, Im XY), times the weight of the term.
    envelope
        (term, 3) float64, 1/m^2: a, b, c, for baselines in metres; a >= 0, c >= 0, b^2 <= 4 a c.
    epoch
        (term,) int32: row of ``station_uvw``. Terms of one epoch in a run are faster.
    station_uvw
        (epoch, station, 3) float64, m: du, dv are the differences of u and v.
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (baseline, 4) complex64 or complex128, Jy, added to, rounded once: XX, XY, YX, YY.
    """
    uv = np.ascontiguousarray(station_uvw.transpose(0, 2, 1)[:, :2])
    terms = (coherency, epoch, *_prepare(envelope, phasors.dtype))
    _gaussians(phasors, (jones, kind, source), terms, uv, baseline_index, get_num_threads(), out)


def _prepare(envelope: Array, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Turn envelopes into powers of two.

    Returns
    -------
    form
        (term, 3) float64, 1/m^2: the quadratic form.
    reach
        (term,) float64, 1/m^2: no more than its smallest eigenvalue, over the power of two that counts as zero.
    """
    form = envelope * bodies.OCTAVES_PER_NEPER
    a, b, c = form.T
    least = bodies.LEAST_OCTAVE_SINGLE if dtype == np.float32 else bodies.LEAST_OCTAVE_DOUBLE
    smallest = (a + c - np.hypot(a - c, b)) / 2 - 1e-15 * (a + c)
    return form, np.maximum(smallest, 0.0) / -least


@njit(**OPTIONS)
def _separate(uv: Array, baseline_index: Array, e: int, p: int, q0: int, q1: int, apart: Array) -> float:
    """Write du and dv of station p and stations q0 <= q < q1; give the shortest squared length kept, m^2."""
    shortest = np.inf
    u, v = uv[e, 0, p], uv[e, 1, p]
    for q in range(q0, q1):
        du, dv = u - uv[e, 0, q], v - uv[e, 1, q]
        apart[q - q0], apart[COLUMNS + q - q0] = du, dv
        if q >= p and baseline_index[p, q] >= 0:
            shortest = min(shortest, du * du + dv * dv)
    return shortest


@njit(**OPTIONS)
def _pack(phasors: Array, responses: Responses, t0: int, t1: int, q0: int, q1: int, columns: Array) -> None:
    """Pack K_q (re and im) or, where there are kinds, K_q J_q (j, k, re and im) of every term and column."""
    jones, kind, source = responses
    for t in range(t0, t1):
        for q in range(q0, q1):
            if jones.shape[0] == 0:
                at = 2 * (t - t0) * COLUMNS + q - q0
                columns[at], columns[at + COLUMNS] = phasors[0, t, q], phasors[1, t, q]
                continue
            phasor = complex(phasors[0, t, q], phasors[1, t, q])
            for jk in range(4):
                value = phasor * jones[kind[q], source[t], jk // 2, jk % 2]
                at = (8 * (t - t0) + 2 * jk) * COLUMNS + q - q0
                columns[at], columns[at + COLUMNS] = value.real, value.imag


@njit(**OPTIONS)
def _add_row(
    phasors: Array,
    responses: Responses,
    terms: Terms,
    uv: Array,
    baseline_index: Array,
    station: tuple[int, int, int],
    span: tuple[int, int],
    scratch: Scratch,
) -> None:
    """Add terms t0 <= t < t1 to the sums of station p with stations q0 <= q < q1."""
    coherency, epoch, form, reach = terms
    (p, q0, q1), (t0, t1) = station, span
    columns, weighted, left, apart, powers, sums = scratch
    is_alike, n_slots, slot = responses[0].shape[0] == 0, left.shape[0], 0
    first, last_epoch, shortest = np.uint64(max(p - q0, 0) // ALIGNED * ALIGNED), -1, np.inf
    least = bodies.LEAST_OCTAVE_SINGLE if phasors.itemsize == 4 else bodies.LEAST_OCTAVE_DOUBLE
    for t in range(t0, t1):
        if epoch[t] != last_epoch:
            last_epoch = epoch[t]
            shortest = _separate(uv, baseline_index, last_epoch, p, q0, q1, apart)
        if reach[t] * shortest < 1.0:
            split_octaves(apart, (form[t, 0], form[t, 1], form[t, 2]), least, first, powers)
            if is_alike:
                k = (phasors[0, t, p], phasors[1, t, p])
                weigh_alike(powers, k, columns, t - t0, first, weighted, slot)
                for pol in range(4):
                    left[slot, pol] = coherency[t, pol]
            else:
                weigh_kinds(powers, columns, t - t0, first, weighted, slot)
                for i in range(2):
                    x, y = row_of_left(phasors, responses, coherency, t, p, i)
                    left[slot, 4 * i], left[slot, 4 * i + 1] = x.real, x.imag
                    left[slot, 4 * i + 2], left[slot, 4 * i + 3] = y.real, y.imag
            slot += 1
        if slot == n_slots or (slot > 0 and t == t1 - 1):
            for empty in range(slot, n_slots):
                for part in range(8):
                    left[empty, part] = 0.0
            if is_alike:
                sum_alike(weighted, left, sums)
            else:
                sum_kinds(weighted, left, sums)
            slot = 0


@njit(**OPTIONS)
def _scatter(totals: Array, is_alike: bool, p: int, q0: int, q1: int, baseline_index: Array, out: Array) -> None:
    """Add the totals (8 COLUMNS,) of a row to ``out``, rounding once."""
    for q in range(max(p, q0), q1):
        row = baseline_index[p, q]
        if row < 0:
            continue
        at = q - q0
        first = complex(totals[at], totals[COLUMNS + at])
        second = complex(totals[2 * COLUMNS + at], totals[3 * COLUMNS + at])
        third = complex(totals[4 * COLUMNS + at], totals[5 * COLUMNS + at])
        fourth = complex(totals[6 * COLUMNS + at], totals[7 * COLUMNS + at])
        if is_alike:  # XX, YY and the factors of Re XY and Im XY
            first, second, third, fourth = first, third + 1j * fourth, third - 1j * fourth, second
        out[row, 0] += first
        out[row, 1] += second
        out[row, 2] += third
        out[row, 3] += fourth


@njit(parallel=True, **OPTIONS)
def _gaussians(
    phasors: Array, responses: Responses, terms: Terms, uv: Array, baseline_index: Array, n_threads: int, out: Array
) -> None:
    """Add all Gaussians, tile by tile."""
    n_total, n_station, is_alike = phasors.shape[1], phasors.shape[2], responses[0].shape[0] == 0
    n_rows = min(COLUMNS, rows_per_tile(n_station, n_threads))
    n_parts, n_slots = 2 if is_alike else 8, SLOTS_ALIKE if is_alike else SLOTS_KINDS
    tiles, first = share_tiles(find_tiles(baseline_index, n_rows, COLUMNS), n_threads)
    for thread in prange(n_threads):
        columns = np.zeros(_BLOCK * n_parts * COLUMNS, phasors.dtype)
        weighted, left = np.zeros(n_slots * n_parts * COLUMNS, phasors.dtype), np.zeros((n_slots, 8), phasors.dtype)
        apart, powers = np.zeros(2 * COLUMNS, np.float64), np.zeros(2 * COLUMNS, phasors.dtype)
        sums, totals = np.empty(8 * COLUMNS, phasors.dtype), np.empty((n_rows, 8 * COLUMNS), np.float64)
        scratch = (columns, weighted, left, apart, powers, sums)
        for tile in range(first[thread], first[thread + 1]):
            p0, q0 = tiles[tile, 0] * n_rows, tiles[tile, 1] * COLUMNS
            p1, q1 = min(p0 + n_rows, n_station), min(q0 + COLUMNS, n_station)
            totals[...] = 0.0
            for t0 in range(0, n_total, _BLOCK):
                t1 = min(t0 + _BLOCK, n_total)
                _pack(phasors, responses, t0, t1, q0, q1, columns)
                for p in range(p0, p1):
                    sums[:] = 0.0
                    _add_row(phasors, responses, terms, uv, baseline_index, (p, q0, q1), (t0, t1), scratch)
                    totals[p - p0] += sums
            for p in range(p0, p1):
                _scatter(totals[p - p0], is_alike, p, q0, q1, baseline_index, out)


@njit(parallel=True, **OPTIONS)
def _along_axes(
    station_uvw: Array, epoch: Array, axes: Array, source: Array, frequency_hz: float, offset_hz: Array, out: Array
) -> None:
    for t in prange(out.shape[0]):
        hz, a, b = frequency_hz + offset_hz[t], axes[source[t], 0], axes[source[t], 1]
        for p in range(out.shape[1]):
            uvw = station_uvw[epoch[t], p]
            out[t, p, 0] = hz * (a[0] * uvw[0] + a[1] * uvw[1] + a[2] * uvw[2])
            out[t, p, 1] = hz * (b[0] * uvw[0] + b[1] * uvw[1] + b[2] * uvw[2])
            out[t, p, 2] = 0.0
