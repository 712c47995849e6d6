"""Scalar responses of stations on CUDA."""

from __future__ import annotations

from typing import Any

from numba import cuda

from kernels.cuda.launch import THREADS, blocks

Array = Any


def scale(response: Array, kind: Array, source: Array, phasors: Array) -> None:
    """Multiply phasors by a scalar response, in place: K_p(t) *= response[kind[p], source[t]].

    Of stations whose responses differ, but are the same for both polarisations: the products are then
    `unpolarised` or `common`.

    Parameters
    ----------
    response
        (kind, source) complex of the phasors' precision.
    kind
        (station,) int32: row of ``response``.
    source
        (term,) int32: column of ``response``.
    phasors
        (2, term, station) float32 or float64, changed in place.
    """
    n_phasors = phasors.shape[1] * phasors.shape[2]
    if n_phasors:
        _scale[blocks(n_phasors), THREADS](response, kind, source, phasors)


@cuda.jit
def _scale(response: Array, kind: Array, source: Array, phasors: Array) -> None:
    n_stations = phasors.shape[2]
    for k in range(cuda.grid(1), phasors.shape[1] * n_stations, cuda.gridsize(1)):
        t, p = k // n_stations, k % n_stations
        factor, re, im = response[kind[p], source[t]], phasors[0, t, p], phasors[1, t, p]
        phasors[0, t, p] = factor.real * re - factor.imag * im
        phasors[1, t, p] = factor.real * im + factor.imag * re
