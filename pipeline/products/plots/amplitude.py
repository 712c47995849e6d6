"""How amplitudes go with the length of baselines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.products.plots.dumps import Dump
from pipeline.products.plots.growing import GrowingAxis

Floats = NDArray[np.float64]

PERCENTILES = (16.0, 50.0, 84.0)

_LENGTHS = 256  # cells of baseline length, at most; half of them in use, at least
_PER_DECADE = 64  # cells of amplitude: 3.7 % wide
_LEAST, _LARGEST = -12, 12  # decades of Jy; what lies outside goes into the outermost cells


@dataclass(frozen=True)
class AmplitudeByLength:
    """Amplitudes over the length of projected baselines.

    Attributes
    ----------
    length_edges
        (length + 1,) float64, wavelengths.
    amplitude_edges
        (amplitude + 1,) float64, Jy, even in their logarithm.
    weight
        (amplitude, length) float64: sum of weights in each cell.
    mean
        (length,) float64, Jy: weighted mean of the amplitudes; NaN where there are none.
    percentiles
        (percentile, length) float64, Jy, weighted, of `PERCENTILES`; good to half a cell of amplitude, 1.8 %.
    """

    length_edges: Floats
    amplitude_edges: Floats
    weight: Floats
    mean: Floats
    percentiles: Floats


def measure_amplitudes(dumps: Iterable[Dump]) -> AmplitudeByLength:
    """Measure amplitudes over sqrt(u^2 + v^2); samples of weight zero are left out.

    Raises
    ------
    DatasetError
        If no sample has a weight.
    """
    axis = GrowingAxis(_LENGTHS, centred=False)
    n_amplitudes = (_LARGEST - _LEAST) * _PER_DECADE
    weight = np.zeros((n_amplitudes, _LENGTHS))
    weighted = np.zeros(_LENGTHS)
    for dump in dumps:
        channel, baseline = np.nonzero(dump.weight > 0)
        if not len(channel):
            continue
        length = np.hypot(*dump.uvw_m[baseline, :2].T) * dump.wavenumber[channel]
        amplitude, w = np.abs(dump.vis[channel, baseline]), dump.weight[channel, baseline]
        for _ in range(axis.doublings(float(length.max()))):
            weight, weighted = axis.halve(weight, 1), axis.halve(weighted, 0)
        column, row = axis.index(length), _row(amplitude)
        weight += np.bincount(row * _LENGTHS + column, w, weight.size).reshape(weight.shape)
        weighted += np.bincount(column, w * amplitude, _LENGTHS)
    if not weight.any():
        raise DatasetError("no visibility has a weight: all are flagged, so there is nothing to plot")
    edges = 10 ** (np.arange(n_amplitudes + 1) / _PER_DECADE + _LEAST)
    total = weight.sum(axis=0)
    mean = np.divide(weighted, total, out=np.full(_LENGTHS, np.nan), where=total > 0)
    return AmplitudeByLength(axis.edges, edges, weight, mean, _percentiles(weight, edges))


def _row(amplitude: Floats) -> NDArray[np.intp]:
    """Return the cell of each amplitude; zero belongs to the lowest."""
    decade = np.log10(np.maximum(amplitude, 10.0**_LEAST))
    row = np.minimum(np.floor((decade - _LEAST) * _PER_DECADE), (_LARGEST - _LEAST) * _PER_DECADE - 1)
    cells: NDArray[np.intp] = row.astype(np.intp)
    return cells


def _percentiles(weight: Floats, edges: Floats) -> Floats:
    """Return the middle of the cell in which each percentile of each column lies; NaN where there is none."""
    cumulative = np.cumsum(weight, axis=0)
    middle = np.sqrt(edges[:-1] * edges[1:])
    found = np.full((len(PERCENTILES), weight.shape[1]), np.nan)
    for index, percentile in enumerate(PERCENTILES):
        reached = cumulative >= percentile / 100 * cumulative[-1]
        found[index] = np.where(cumulative[-1] > 0, middle[reached.argmax(axis=0)], np.nan)
    return found


def draw_amplitudes(figure: Any, measured: AmplitudeByLength, title: str) -> None:
    """Draw the density of samples, their mean and their percentiles."""
    from matplotlib.colors import LogNorm

    axes = figure.add_subplot()
    rows, columns = np.flatnonzero(measured.weight.any(axis=1)), np.flatnonzero(measured.weight.any(axis=0))
    high, wide = slice(rows[0], rows[-1] + 1), columns[-1] + 1
    unit, factor = ("kλ", 1e-3) if measured.length_edges[wide] >= 2000 else ("λ", 1.0)
    shown = np.where(measured.weight > 0, measured.weight, np.nan)[high, :wide]
    mesh = axes.pcolormesh(
        measured.length_edges[: wide + 1] * factor,
        measured.amplitude_edges[rows[0] : rows[-1] + 2],
        shown / np.nansum(shown),
        norm=LogNorm(),
        cmap="Greys",
        rasterized=True,
    )
    length = (measured.length_edges[:wide] + measured.length_edges[1 : wide + 1]) / 2 * factor
    low, median, upper = measured.percentiles[:, :wide]
    axes.plot(length, measured.mean[:wide], color="#D55E00", lw=1.8, label="mean")
    axes.plot(length, median, color="#0072B2", lw=1.8, label="median")
    axes.plot(length, low, "--", color="#0072B2", lw=1, label=f"{PERCENTILES[0]:g} and {PERCENTILES[2]:g} %")
    axes.plot(length, upper, "--", color="#0072B2", lw=1)
    axes.set(yscale="log", xlabel=f"projected baseline  [{unit}]", ylabel="amplitude  [Jy]", xlim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    axes.set_title(title, fontsize=11)
    figure.colorbar(mesh, ax=axes, label="share of the weight in a cell", shrink=0.9)
