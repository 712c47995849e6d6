"""Where in uv there are samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.products.plots.dumps import Dump
from pipeline.products.plots.growing import GrowingAxis

Floats = NDArray[np.float64]

_CELLS = 1024  # along each axis, at most; half of them in use, at least
_FEW_CELLS = 20_000  # so many are drawn as points, which small arrays need to be seen at all


@dataclass(frozen=True)
class Coverage:
    """Samples in uv.

    Attributes
    ----------
    counts
        (v, u) float64: visibilities in each cell, and their conjugates.
    edges
        (cell + 1,) float64, wavelengths, of cells along both axes; a power of two apart.
    n_samples
        Visibilities that have a weight.
    longest
        Largest distance from the middle, wavelengths.
    """

    counts: Floats
    edges: Floats
    n_samples: int
    longest: float


def measure_coverage(dumps: Iterable[Dump]) -> Coverage:
    """Count the visibilities that have a weight, and their conjugates, in cells of the uv plane.

    Parameters
    ----------
    dumps
        Of one or several bands; every channel counts, at its own wavelength.
    """
    axis = GrowingAxis(_CELLS, centred=True)
    counts = np.zeros((_CELLS, _CELLS))
    n_samples, longest = 0, 0.0
    for dump in dumps:
        channel, baseline = np.nonzero(dump.weight > 0)
        uv = dump.uvw_m[baseline, :2] * dump.wavenumber[channel, None]
        if not len(uv):
            continue
        n_samples += len(uv)
        longest = max(longest, float(np.hypot(*uv.T).max()))
        for _ in range(axis.doublings(float(np.abs(uv).max()))):
            counts = axis.halve(axis.halve(counts, 0), 1)
        for sign in (1, -1):
            # A sample on the outermost edge has its conjugate in the first cell, or it in the conjugate's.
            column, row = axis.index(sign * uv).T
            counts += np.bincount(row * _CELLS + column, minlength=counts.size).reshape(counts.shape)
    return Coverage(counts, axis.edges, n_samples, longest)


def draw_coverage(figure: Any, coverage: Coverage, title: str) -> None:
    """Draw a coverage: points where there are few, densities where there are many."""
    from matplotlib.colors import LogNorm

    unit, factor = ("kλ", 1e-3) if coverage.longest >= 1000 else ("λ", 1.0)
    width = (coverage.edges[1] - coverage.edges[0]) * factor
    edges = coverage.edges * factor
    axes = figure.add_subplot()
    row, column = np.nonzero(coverage.counts)
    norm = LogNorm(1, max(float(coverage.counts.max()), 2))
    if len(row) <= _FEW_CELLS:
        u, v = edges[column] + width / 2, edges[row] + width / 2
        size = 2 if len(row) > 2000 else 9
        drawn = axes.scatter(u, v, s=size, c=coverage.counts[row, column], norm=norm, cmap="viridis", linewidths=0)
    else:
        shown = np.where(coverage.counts > 0, coverage.counts, np.nan)
        extent = (edges[0], edges[-1], edges[0], edges[-1])
        drawn = axes.imshow(shown, origin="lower", extent=extent, norm=norm, cmap="viridis", interpolation="nearest")
    reach = 1.05 * max(coverage.longest * factor, width)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel=f"u  [{unit}]", ylabel=f"v  [{unit}]")
    axes.grid(alpha=0.3)
    axes.set_title(title, fontsize=11)
    figure.colorbar(drawn, ax=axes, label=f"visibilities in {width:.3g} by {width:.3g} {unit}", shrink=0.9)
