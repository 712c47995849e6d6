"""Scalar responses of stations: the obvious NumPy float64 form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


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
    factor = response.astype(np.complex128)[np.ix_(kind, source)].T
    product = factor * (phasors[0].astype(np.float64) + 1j * phasors[1])
    phasors[0], phasors[1] = product.real, product.imag
