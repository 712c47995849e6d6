"""The sum over many sources at once, by a non-uniform Fourier transform.

Where all stations answer alike, the visibilities are the Fourier transform of the apparent sky, taken at the
baselines: from any directions to any baselines, in three dimensions, so that nothing is approximated for wide fields.
ducc0 does it within an accuracy that is asked for, in a time that hardly grows with the number of sources.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Complex128 = npt.NDArray[np.complex128]

SPEED_OF_LIGHT_M_S = 299792458.0

_BYTES_PER_CELL = 40
# The transform's grid is this much finer than the sampling theorem asks, and wider by the spreading kernel.
_OVERSAMPLING = 2.0
_KERNEL_CELLS = 12


@dataclasses.dataclass(frozen=True)
class Grid:
    """The grid of one transform: its cells, and the memory they take."""

    n_cells: float
    memory_bytes: int


def grid(lmn: Float64, longest_m: float, highest_hz: float) -> Grid:
    """Say how large the grid of one transform is.

    Parameters
    ----------
    lmn
        (source, 3) float64: l, m, n - 1, of which the extent counts.
    longest_m, highest_hz
        The longest baseline, the highest frequency.
    """
    extent = np.ptp(lmn, axis=0)
    wavelengths = 2 * longest_m * highest_hz / SPEED_OF_LIGHT_M_S
    n_cells = float(np.prod(_OVERSAMPLING * wavelengths * extent + _KERNEL_CELLS))
    return Grid(n_cells, int(_BYTES_PER_CELL * n_cells))


def transform(
    coherency: Complex128, lmn: Float64, baseline_m: Float64, frequency_hz: float, accuracy: float
) -> Complex128:
    """Sum C_s exp(+2 pi i nu/c (u l + v m + w (n - 1))) over sources.

    Parameters
    ----------
    coherency
        (product, source) complex128, Jy: the apparent brightness, product by product.
    lmn
        (source, 3) float64: l, m, n - 1.
    baseline_m
        (baseline, 3) float64: u, v, w, m.
    frequency_hz
        Frequency, Hz.
    accuracy
        Largest error, relative to the norm of the result.

    Returns
    -------
    (product, baseline) complex128, Jy
    """
    from ducc0.nufft import experimental

    visibilities: Complex128 = experimental.nu2nu(
        points_in=coherency,
        coord_in=lmn,
        coord_out=baseline_m * (2 * math.pi * frequency_hz / SPEED_OF_LIGHT_M_S),
        forward=False,
        epsilon=max(accuracy, 1e-12),
        # One, as several add in no fixed order.
        nthreads=1,
    )
    return visibilities
