"""Averages of the power of Fourier modes: over spheres and over cylinders of wavenumbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.products.power_spectrum_modes import Grid

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]
Integers = NDArray[np.intp]


@dataclass(frozen=True)
class Spherical:
    """Power in bins of k; every array is (bin,) float64, empty bins left out.

    Attributes
    ----------
    k, low, high
        Mean over the modes, and edges, 1/Mpc.
    n_modes
        Independent modes.
    power, power_error
        mK^2 Mpc^3.
    delta_squared, delta_squared_error
        Mean over the modes of k^3 P / (2 pi^2), mK^2.
    """

    k: Floats
    low: Floats
    high: Floats
    n_modes: Floats
    power: Floats
    power_error: Floats
    delta_squared: Floats
    delta_squared_error: Floats


@dataclass(frozen=True)
class Cylindrical:
    """Power in bins of k_perp and k_par.

    Attributes
    ----------
    k_perp
        (perp,) float64 middles of the bins, 1/Mpc.
    k_par
        (par,) float64, 1/Mpc; modes of k_par and -k_par are one row.
    n_modes
        (par, perp) float64 independent modes.
    power
        (par, perp) float64, mK^2 Mpc^3; NaN where there is no mode.
    """

    k_perp: Floats
    k_par: Floats
    n_modes: Floats
    power: Floats


@dataclass(frozen=True)
class Powers:
    """Power of every mode, (plane, y, x) float64, mK^2 Mpc^3.

    Attributes
    ----------
    power
        What two cubes share, or that of one.
    variance
        An estimate of its variance, (mK^2 Mpc^3)^2.
    """

    power: Floats
    variance: Floats

    @classmethod
    def of(cls, modes: Sequence[Complex], volume_mpc3: float) -> Powers:
        """Take the transforms of one cube or two, mK Mpc^3.

        Notes
        -----
        For normal a and b the variance of Re(a b*) is half of what |a|^2 |b|^2 is on average, whatever they share.
        """
        one, other = modes[0], modes[-1]
        return cls((one * other.conj()).real / volume_mpc3, (np.abs(one) * np.abs(other) / volume_mpc3) ** 2 / 2)


def number_bins(k: Floats, kept: NDArray[np.bool_], n_bins: int) -> tuple[Integers, Floats, Floats]:
    """Sort modes into bins even in log k.

    Parameters
    ----------
    k
        (plane, y, x) 1/Mpc.
    kept
        (plane, y, x) which modes to use.
    n_bins
        How many bins, from the smallest k kept to the largest.

    Returns
    -------
    mode_bin
        (plane, y, x) int: numbers of the bins that hold modes, from 0; -1 for a mode that is not used.
    low, high
        (bin,) float64 their edges, 1/Mpc.
    """
    edges = np.geomspace(k[kept].min() * (1 - 1e-9), k[kept].max() * (1 + 1e-9), n_bins + 1)
    held, numbers = np.unique(np.digitize(k[kept], edges) - 1, return_inverse=True)
    mode_bin = np.full(k.shape, -1, np.intp)
    mode_bin[kept] = numbers
    return mode_bin, edges[held], edges[held + 1]


def average_over_spheres(
    powers: Powers, k: Floats, mode_bin: Integers, edges: tuple[Floats, Floats], share: float
) -> Spherical:
    """Average the power of the modes of each bin.

    Parameters
    ----------
    powers
        Of the modes.
    k, mode_bin
        (plane, y, x) their wavenumbers, 1/Mpc, and bins from `number_bins`.
    edges
        Of the bins.
    share
        Of the modes that is independent.

    Notes
    -----
    The field is real, so that a mode and the one opposite to it are one.
    """
    kept = mode_bin >= 0
    number, wavenumber = mode_bin[kept], k[kept]
    count = np.bincount(number)

    def mean(values: Floats) -> Floats:
        return np.asarray(np.bincount(number, weights=values) / count)

    n_modes = count * share / 2
    averages = []
    for factor in (np.ones_like(wavenumber), wavenumber**3 / (2 * np.pi**2)):
        averages += [mean(powers.power[kept] * factor), np.sqrt(mean(powers.variance[kept] * factor**2) / n_modes)]
    return Spherical(mean(wavenumber), *edges, n_modes, *averages)


def average_over_cylinders(
    power: Floats, grid: Grid, kept: NDArray[np.bool_], n_bins: int, share: float
) -> Cylindrical:
    """Average the power of modes of like k_perp (`n_bins` bins, even from zero to the largest kept) and |k_par|."""
    k_perp = np.broadcast_to(grid.k_perp, kept.shape)[kept]
    rows = np.broadcast_to(np.abs(np.fft.fftfreq(grid.n_planes, 1 / grid.n_planes))[:, None, None], kept.shape)[kept]
    edges = np.linspace(0, k_perp.max() * (1 + 1e-9), n_bins + 1)
    row = np.rint(rows).astype(np.intp)
    number = row * n_bins + np.digitize(k_perp, edges) - 1
    shape = (int(row.max()) + 1, n_bins)
    count = np.bincount(number, minlength=shape[0] * n_bins).reshape(shape)
    total = np.bincount(number, weights=power[kept], minlength=shape[0] * n_bins).reshape(shape)
    mean = np.divide(total, count, out=np.full(shape, np.nan), where=count > 0)
    step = 2 * np.pi / (grid.n_planes * grid.depth_mpc)
    middles = (edges[:-1] + edges[1:]) / 2
    k_par = np.asarray(step * np.arange(shape[0]), np.float64)
    return Cylindrical(middles, k_par, count * share / 2, mean)
