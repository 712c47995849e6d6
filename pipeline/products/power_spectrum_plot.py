"""A measured power spectrum as a picture: spheres above their ratio to what is known, cylinders beside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.observation.skies.eor_power import PowerSpectrum
from pipeline.products.power_spectrum import PowerMeasurement
from pipeline.products.power_spectrum_table import over_same_modes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]


def plot_power(
    measured: PowerMeasurement,
    out: Path,
    truth: PowerSpectrum | None = None,
    drawn: Floats | None = None,
    dpi: int = 150,
) -> None:
    """Draw a measurement.

    Parameters
    ----------
    measured
        What to draw.
    out
        The picture; its suffix says of which kind, usually ``.png``.
    truth
        A known power spectrum to draw with it.
    drawn
        (bin,) Delta^2, mK^2, of the very field that was observed, over the same modes; to compare with.
    dpi
        Dots per inch; the picture is about 11 inches wide.

    Raises
    ------
    ConfigError
        If the known power spectrum does not cover the modes.
    DatasetError
        If the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(11, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subfigures(1, 2, width_ratios=(1.25, 1))
    known = None if truth is None else over_same_modes(truth, measured)[1]
    if known is None and drawn is None:
        above = left.subplots()
        above.set_xlabel("k  [1/Mpc]")
    else:
        above, below = left.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        _draw_ratios(below, measured, known, drawn)
    _draw_spheres(above, measured, known, drawn)
    _draw_cylinders(right, measured)
    try:
        figure.savefig(out, dpi=dpi)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{out}: the picture cannot be written: {error}") from error


def _draw_spheres(axes: Axes, measured: PowerMeasurement, known: Floats | None, drawn: Floats | None) -> None:
    """Draw Delta^2 over k."""
    s = measured.spherical
    if known is not None:
        axes.plot(s.k, known, color="0.4", label="known power spectrum")
    if drawn is not None:
        axes.plot(s.k, drawn, "s", mfc="none", color="tab:blue", ms=8, label="the field that was observed")
    axes.errorbar(s.k, s.delta_squared, s.delta_squared_error, fmt="o", ms=4, color="tab:red", label="from the cube")
    axes.set(xscale="log", yscale="log", ylabel=r"$\Delta^2(k)$  [mK$^2$]")
    axes.set_title(f"21 cm power spectrum at z = {measured.redshift:.2f}")
    axes.legend(fontsize=9)
    axes.grid(alpha=0.3)


def _draw_ratios(axes: Axes, measured: PowerMeasurement, known: Floats | None, drawn: Floats | None) -> None:
    """Draw what was measured over what is known."""
    s = measured.spherical
    axes.axhspan(0.95, 1.05, color="0.9", label="5 %")
    axes.axhline(1, color="0.4", lw=0.8)
    if known is not None:
        error = s.delta_squared_error / known
        axes.errorbar(s.k, s.delta_squared / known, error, fmt="o", ms=4, color="0.4", label="to the known one")
    if drawn is not None:
        axes.plot(s.k, s.delta_squared / drawn, "o", ms=4, color="tab:red", label="to the field's own")
        # What cosmic variance moves may leave the panel; what must lie within the band may not.
        reach = 2 * max(0.05, float(np.abs(s.delta_squared / drawn - 1).max()))
        axes.set_ylim(1 - reach, 1 + reach)
    axes.set(xlabel="k  [1/Mpc]", ylabel="ratio")
    axes.legend(fontsize=8, ncols=3)
    axes.grid(alpha=0.3)


def _draw_cylinders(figure: Any, measured: PowerMeasurement) -> None:
    """Draw P over k_perp and k_par, and the edge of the wedge of foregrounds at the horizon."""
    from matplotlib.colors import LogNorm

    c = measured.cylindrical
    axes = figure.subplots()
    step = (c.k_perp[0], c.k_par[1] / 2 if len(c.k_par) > 1 else 1.0)
    shown = np.where(c.power > 0, c.power, np.nan)
    mesh = axes.pcolormesh(
        np.append(c.k_perp - step[0], c.k_perp[-1] + step[0]),
        np.append(c.k_par - step[1], c.k_par[-1] + step[1]),
        shown,
        norm=LogNorm() if np.isfinite(shown).any() else None,
        cmap="viridis",
    )
    edge = np.array([0, c.k_perp[-1] + step[0]])
    axes.plot(edge, measured.grid.wedge_slope * edge, "--", color="white", lw=1.2)
    axes.plot(edge, measured.grid.wedge_slope * edge, ":", color="black", lw=1.2, label="horizon")
    axes.set(xlabel=r"$k_\perp$  [1/Mpc]", ylabel=r"$k_\parallel$  [1/Mpc]", ylim=(0, c.k_par[-1] + step[1]))
    axes.legend(fontsize=8, loc="upper right")
    figure.colorbar(mesh, ax=axes, label=r"$P$  [mK$^2$ Mpc$^3$]")
