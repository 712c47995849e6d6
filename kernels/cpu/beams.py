"""Scalar responses of stations on the CPU."""

from __future__ import annotations

from typing import Any

from numba import njit, prange
from numpy.typing import NDArray

from kernels.cpu.tiles import OPTIONS

Array = NDArray[Any]

# Terms that a thread takes at a time: a cache line of responses, which lie source by source.
_TERMS = 8


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
    _scale(response, kind, source, phasors)


@njit(parallel=True, **OPTIONS)
def _scale(response: Array, kind: Array, source: Array, phasors: Array) -> None:
    """Multiply stations in turn, with a few terms each."""
    n_terms, n_stations = phasors.shape[1], phasors.shape[2]
    for block in prange((n_terms + _TERMS - 1) // _TERMS):
        t0, t1 = block * _TERMS, min((block + 1) * _TERMS, n_terms)
        for p in range(n_stations):
            of_kind = response[kind[p]]
            for t in range(t0, t1):
                factor, re, im = of_kind[source[t]], phasors[0, t, p], phasors[1, t, p]
                phasors[0, t, p] = factor.real * re - factor.imag * im
                phasors[1, t, p] = factor.real * im + factor.imag * re
