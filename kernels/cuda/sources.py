"""Where sources are, and how bright they appear, on CUDA."""

from __future__ import annotations

from typing import Any

from numba import cuda

from kernels import bodies
from kernels.cuda.launch import THREADS, blocks

Array = Any

_direction_cosines = cuda.jit(bodies.direction_cosines, device=True)
_is_up = cuda.jit(bodies.is_up, device=True)
_power = cuda.jit(bodies.power, device=True)
_seen = cuda.jit(bodies.seen, device=True)


def directions(nodes: Array, weights: Array, axes: Array, row: Array, epoch: Array, out: Array) -> None:
    """Directions of terms, interpolated between moments and turned: out = axes[d, e] sum_m weights[d, e, m] nodes[m].

    Parameters
    ----------
    nodes
        (moment, source of the sky, 3) float64: unit vectors in axes that do not turn with the Earth.
    weights
        (dump, epoch, moment) float64: Lagrange's polynomials at the epochs of every dump.
    axes
        (dump, epoch, 3, 3) float64: the unit vectors of u, v and w as rows, in the axes of ``nodes``.
    row, epoch
        (term,) int32: which source of the sky, and which of the dump's epochs.
    out
        (dump, term, 3) float64: l, m, n - 1. In front n - 1 is -(l^2 + m^2) / (1 + n), which keeps its digits near
        the phase centre.
    """
    n_items = out.shape[0] * out.shape[1]
    if n_items:
        _directions[blocks(n_items), THREADS](nodes, weights, axes, row, epoch, out)


def apparent(
    stokes: Array,
    row: Array,
    weight: Array,
    lmn: Array,
    zenith: Array,
    source: Array,
    response: Array,
    out: Array,
) -> None:
    """Brightness J B J^H of every term as stations alike see it, with B = [[I + Q, U + iV], [U - iV, I - Q]].

    Sources on or below the horizon in the middle of a dump have none.

    Parameters
    ----------
    stokes
        (source of the sky, 4) float64, Jy: I, Q, U, V.
    row, weight
        (term,) int32, float64: which source of the sky; what its brightness is multiplied by.
    lmn, zenith
        (dump, source, 3), (dump, 3) float64: l, m, n - 1 of sources in the middle of a dump, and the unit vector to
        the zenith in the same axes.
    source
        (term,) int32: which of the sources of ``lmn`` and ``response``.
    response
        (dump, source) or (dump, source, 2, 2) complex; (dump, 0) where the brightness is the sky's.
    out
        (dump, term, 4) float32 or float64, Jy: XX, YY, Re XY, Im XY; or (dump, term): XX = YY, all there is of an
        unpolarised sky and scalar responses. Computed in float64.
    """
    n_items = out.shape[0] * out.shape[1]
    kernel = _intensities if len(out.shape) == 2 else _coherencies
    kernel = _coherencies_of_matrices if len(response.shape) == 4 else kernel
    if n_items:
        kernel[blocks(n_items), THREADS](stokes, row, weight, lmn, zenith, source, response, out)


@cuda.jit
def _directions(nodes: Array, weights: Array, axes: Array, row: Array, epoch: Array, out: Array) -> None:
    n_terms = out.shape[1]
    for k in range(cuda.grid(1), out.shape[0] * n_terms, cuda.gridsize(1)):
        d, t = k // n_terms, k % n_terms
        s, e = row[t], epoch[t]
        x = y = z = 0.0
        for m in range(nodes.shape[0]):
            x += weights[d, e, m] * nodes[m, s, 0]
            y += weights[d, e, m] * nodes[m, s, 1]
            z += weights[d, e, m] * nodes[m, s, 2]
        u, v, w = axes[d, e, 0], axes[d, e, 1], axes[d, e, 2]
        out[d, t, 0], out[d, t, 1], out[d, t, 2] = _direction_cosines(
            u[0] * x + u[1] * y + u[2] * z, v[0] * x + v[1] * y + v[2] * z, w[0] * x + w[1] * y + w[2] * z
        )


@cuda.jit
def _intensities(
    stokes: Array, row: Array, weight: Array, lmn: Array, zenith: Array, source: Array, response: Array, out: Array
) -> None:
    n_terms = out.shape[1]
    for k in range(cuda.grid(1), out.shape[0] * n_terms, cuda.gridsize(1)):
        d, t = k // n_terms, k % n_terms
        s = source[t]
        out[d, t] = weight[t] * _power(response, d, s) * stokes[row[t], 0] if _is_up(lmn, zenith, d, s) else 0.0


@cuda.jit
def _coherencies(
    stokes: Array, row: Array, weight: Array, lmn: Array, zenith: Array, source: Array, response: Array, out: Array
) -> None:
    n_terms = out.shape[1]
    for k in range(cuda.grid(1), out.shape[0] * n_terms, cuda.gridsize(1)):
        d, t = k // n_terms, k % n_terms
        s, r = source[t], row[t]
        scale = weight[t] * _power(response, d, s) if _is_up(lmn, zenith, d, s) else 0.0
        i, q, u, v = stokes[r, 0], stokes[r, 1], stokes[r, 2], stokes[r, 3]
        out[d, t, 0], out[d, t, 1], out[d, t, 2], out[d, t, 3] = (
            scale * (i + q),
            scale * (i - q),
            scale * u,
            scale * v,
        )


@cuda.jit
def _coherencies_of_matrices(
    stokes: Array, row: Array, weight: Array, lmn: Array, zenith: Array, source: Array, response: Array, out: Array
) -> None:
    n_terms = out.shape[1]
    for k in range(cuda.grid(1), out.shape[0] * n_terms, cuda.gridsize(1)):
        d, t = k // n_terms, k % n_terms
        s, r, scale = source[t], row[t], weight[t]
        xx = yy = re = im = 0.0
        if _is_up(lmn, zenith, d, s):
            j, i, q, u, v = response[d, s], stokes[r, 0], stokes[r, 1], stokes[r, 2], stokes[r, 3]
            xx, yy, re, im = _seen(j[0, 0], j[0, 1], j[1, 0], j[1, 1], i, q, u, v)
        out[d, t, 0], out[d, t, 1], out[d, t, 2], out[d, t, 3] = scale * xx, scale * yy, scale * re, scale * im
