"""Stations along the axes of Gaussians, number by number in long double: no line shared with kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LongDouble = NDArray[np.longdouble]

#: Terms and stations.
SIZES = ((37, 13), (1, 13), (0, 13), (37, 1))

_N_EPOCHS, _N_SOURCES = 3, 5

# Of a product, two sums, the sum of both frequencies, and the product with it.
_ROUNDINGS = 5


def arguments(n_terms: int, n_stations: int, seed: int = 41) -> tuple[Any, ...]:
    """Arguments of `along_axes` but the last: sources of 0.1 to 10 arcsec in any direction, from 50 to 350 MHz.

    Epochs and sources are in no order; a single term has neither the first nor the last.
    """
    rng = np.random.default_rng(seed)
    station_uvw = rng.normal(scale=1e4, size=(_N_EPOCHS, n_stations, 3))
    axes = 10 ** rng.uniform(-14.5, -12.5, (_N_SOURCES, 2, 1)) * rng.normal(size=(_N_SOURCES, 2, 3))
    epoch, source = ((first + 2 * np.arange(n_terms)) % n for first, n in ((1, _N_EPOCHS), (3, _N_SOURCES)))
    return station_uvw, epoch.astype(np.int32), axes, source.astype(np.int32), 200e6, rng.uniform(-15e7, 15e7, n_terms)


def garbage(n_terms: int, n_stations: int) -> NDArray[np.float64]:
    """Return what stands in the output before."""
    return np.full((n_terms, n_stations, 3), np.nan)


def along_axes(
    station_uvw: NDArray[Any],
    epoch: NDArray[Any],
    axes: NDArray[Any],
    source: NDArray[Any],
    frequency_hz: float,
    offset_hz: NDArray[Any],
) -> tuple[LongDouble, LongDouble]:
    """Return stations along the axes of every term, and by how much they may be off: not at all at the end."""
    n_terms, n_stations = len(source), station_uvw.shape[1]
    out = np.zeros((n_terms, n_stations, 3), np.longdouble)
    size = np.zeros_like(out)
    for t, p, i, k in np.ndindex(n_terms, n_stations, 2, 3):
        part = np.longdouble(axes[source[t], i, k]) * np.longdouble(station_uvw[epoch[t], p, k])
        part *= np.longdouble(frequency_hz) + np.longdouble(offset_hz[t])
        out[t, p, i] += part
        size[t, p, i] += abs(part)
    return out, size * _ROUNDINGS * np.finfo(np.float64).eps / 2
