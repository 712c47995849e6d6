"""Where sources are, and how bright they appear: the obvious NumPy float64 form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


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
    l, m, n = np.einsum("dtij,dtm,mtj->idt", axes[:, epoch], weights[:, epoch], nodes[:, row])  # noqa: E741
    out[..., 0], out[..., 1] = l, m
    out[..., 2] = np.where(n >= 0, -(l * l + m * m) / (1.0 + np.abs(n)), n - 1.0)


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
    i, q, u, v = stokes[row].T
    matrix = np.stack([i + q + 0j, u + 1j * v, u - 1j * v, i - q + 0j], axis=-1).reshape(-1, 2, 2)
    seen = np.broadcast_to(matrix, (len(out), *matrix.shape))
    if response.shape[1]:
        jones = response.astype(np.complex128)[:, source]
        jones = jones[..., None, None] * np.eye(2) if response.ndim == 2 else jones
        seen = jones @ seen @ jones.conj().swapaxes(-1, -2)
    up = np.einsum("dsi,di->ds", lmn + np.array([0.0, 0.0, 1.0]), zenith)[:, source] > 0
    seen = np.where(up[..., None, None], seen * weight[:, None, None], 0.0)
    xx, xy, yy = seen[..., 0, 0], seen[..., 0, 1], seen[..., 1, 1]
    if out.ndim == 2:
        out[...] = xx.real
    else:
        out[...] = np.stack([xx.real, yy.real, xy.real, xy.imag], axis=-1)
