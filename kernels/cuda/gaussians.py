"""Visibilities of elliptical Gaussian sources on CUDA: one thread per baseline, sums as in the products."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from kernels import bodies
from kernels.bodies import LEAST_OCTAVE_DOUBLE, LEAST_OCTAVE_SINGLE, OCTAVES_PER_NEPER
from kernels.cuda.launch import THREADS, blocks
from kernels.cuda.operands import kind_left, kind_right

Array = Any

_SIDE = 16
_TERMS_PER_SUM = 32

_octaves_of_envelope = cuda.jit(bodies.octaves_of_envelope, device=True)
_nearest_whole = cuda.jit(bodies.nearest_whole, device=True)


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
    n_items = out.shape[0] * out.shape[1]
    if n_items:
        _along_axes[blocks(n_items), THREADS](station_uvw, epoch, axes, source, frequency_hz, offset_hz, out)


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
        (term,) int32: row of ``station_uvw``.
    station_uvw
        (epoch, station, 3) float64, m: du, dv are the differences of u and v.
    baseline_index
        (station, station) int32: row of ``out`` for p <= q, -1 where not kept.
    out
        (baseline, 4) complex64 or complex128, Jy, added to, rounded once: XX, XY, YX, YY.
    """
    n_across = -(-phasors.shape[2] // _SIDE)
    is_single, has_kinds = phasors.dtype == np.float32, jones.shape[0] > 0
    factors = (phasors, jones, kind, source, coherency) if has_kinds else (phasors, coherency)
    kernel = _KERNELS[is_single, has_kinds]
    kernel[(n_across, n_across), (_SIDE, _SIDE)](factors, envelope, epoch, station_uvw, baseline_index, out)


@cuda.jit(device=True)
def _add_alike(factors: Any, t: int, p: int, q: int, envelope: Any, sums: Array) -> None:
    """Add envelope * K_p conj(K_q) C of one term to the sums of XX, XY, YX, YY."""
    phasors, coherency = factors
    p_re, p_im, q_re, q_im = phasors[0, t, p], phasors[1, t, p], phasors[0, t, q], phasors[1, t, q]
    re, im = envelope * (p_re * q_re + p_im * q_im), envelope * (p_im * q_re - p_re * q_im)
    xx, yy, a, b = coherency[t, 0], coherency[t, 1], coherency[t, 2], coherency[t, 3]
    sums[0, 0] += xx * re
    sums[1, 0] += xx * im
    sums[0, 1] += a * re - b * im
    sums[1, 1] += a * im + b * re
    sums[0, 2] += a * re + b * im
    sums[1, 2] += a * im - b * re
    sums[0, 3] += yy * re
    sums[1, 3] += yy * im


@cuda.jit(device=True)
def _add_kinds(factors: Any, t: int, p: int, q: int, envelope: Any, sums: Array) -> None:
    """Add envelope * K_p J_p C * (K_q J_q)^H of one term to the sums of XX, XY, YX, YY."""
    for pol in range(4):
        for k in range(2):
            a, b = kind_left(factors, 2 * t + k, p, pol)
            c, d = kind_right(factors, 2 * t + k, q, pol)
            sums[0, pol] += envelope * (a * c + b * d)
            sums[1, pol] += envelope * (b * c - a * d)


def _gaussian_kernel(add: Any, exp2: Any, real: type, least: float) -> Any:
    """Make the kernel of one precision, for stations that are alike or of several kinds."""

    def kernel(
        factors: Any, envelope: Array, epoch: Array, station_uvw: Array, baseline_index: Array, out: Array
    ) -> None:
        q, p = cuda.grid(2)
        n_stations, n_terms = baseline_index.shape[0], envelope.shape[0]
        if p >= n_stations or q >= n_stations or baseline_index[p, q] < 0:
            return
        sums, totals = cuda.local.array((2, 4), real), cuda.local.array((2, 4), np.float64)
        for pol in range(4):
            sums[0, pol] = sums[1, pol] = 0
            totals[0, pol] = totals[1, pol] = 0
        for t in range(n_terms):
            e = epoch[t]
            du = station_uvw[e, p, 0] - station_uvw[e, q, 0]
            dv = station_uvw[e, p, 1] - station_uvw[e, q, 1]
            octaves = OCTAVES_PER_NEPER * _octaves_of_envelope(envelope[t, 0], envelope[t, 1], envelope[t, 2], du, dv)
            octaves = max(octaves, least)
            whole = _nearest_whole(octaves)
            add(factors, t, p, q, exp2(real(octaves - whole), real(whole)), sums)
            if (t + 1) % _TERMS_PER_SUM == 0 or t == n_terms - 1:
                for pol in range(4):
                    totals[0, pol] += sums[0, pol]
                    totals[1, pol] += sums[1, pol]
                    sums[0, pol] = sums[1, pol] = 0
        for pol in range(4):
            out[baseline_index[p, q], pol] += complex(totals[0, pol], totals[1, pol])

    return cuda.jit(kernel)


_exp2_single = cuda.jit(bodies.exp2_single, device=True)
_exp2_double = cuda.jit(bodies.exp2_double, device=True)
_KERNELS = {
    (True, False): _gaussian_kernel(_add_alike, _exp2_single, np.float32, LEAST_OCTAVE_SINGLE),
    (True, True): _gaussian_kernel(_add_kinds, _exp2_single, np.float32, LEAST_OCTAVE_SINGLE),
    (False, False): _gaussian_kernel(_add_alike, _exp2_double, np.float64, LEAST_OCTAVE_DOUBLE),
    (False, True): _gaussian_kernel(_add_kinds, _exp2_double, np.float64, LEAST_OCTAVE_DOUBLE),
}


@cuda.jit
def _along_axes(
    station_uvw: Array, epoch: Array, axes: Array, source: Array, frequency_hz: float, offset_hz: Array, out: Array
) -> None:
    n_stations = out.shape[1]
    for k in range(cuda.grid(1), out.shape[0] * n_stations, cuda.gridsize(1)):
        t, p = k // n_stations, k % n_stations
        hz, e, s = frequency_hz + offset_hz[t], epoch[t], source[t]
        u, v, w = station_uvw[e, p, 0], station_uvw[e, p, 1], station_uvw[e, p, 2]
        for i in range(2):
            out[t, p, i] = hz * (axes[s, i, 0] * u + axes[s, i, 1] * v + axes[s, i, 2] * w)
        out[t, p, 2] = 0.0
