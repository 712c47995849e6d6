"""Amplitude or phase over time and frequency, of one baseline or of all together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError
from pipeline.products.plots.dumps import Dump

Floats = NDArray[np.float64]

_MOST_ROWS = 1024  # dumps beyond are averaged together, so memory does not grow with the observation
_MOST_COLUMNS = 1024  # and so are channels
_GAP = 0.01  # of a column's width; what is further from the next has a gap beside it


@dataclass(frozen=True)
class Waterfall:
    """Averages over time and frequency.

    Attributes
    ----------
    time_edges_s
        (row + 1,) float64, since the first dump began.
    low_hz, high_hz
        (column,) float64: edges of each column.
    amplitude
        (row, column) float64, Jy: weighted mean of the amplitudes; NaN where nothing has a weight.
    phase
        (row, column) float64, rad: of the weighted mean of the visibilities; NaN likewise.
    dumps_per_row, channels_per_column
        How many were averaged, besides baselines.
    """

    time_edges_s: Floats
    low_hz: Floats
    high_hz: Floats
    amplitude: Floats
    phase: Floats
    dumps_per_row: int
    channels_per_column: int


def find_baseline(text: str, names: Sequence[str]) -> tuple[int, int]:
    """Return the stations of a baseline, the lower first.

    Parameters
    ----------
    text
        ``A,B``: two indices or names of stations.
    names
        Of the stations.

    Raises
    ------
    ConfigError
        If it does not name two stations.
    """
    parts = [part.strip() for part in text.split(",")]
    found = []
    for part in parts:
        if part in names:
            found.append(list(names).index(part))
        elif part.isdigit() and int(part) < len(names):
            found.append(int(part))
    if len(parts) != 2 or len(found) != 2 or found[0] == found[1]:
        raise ConfigError(
            f"--baseline: {text!r} does not name two stations; write A,B with indices 0 to {len(names) - 1} or names "
            f"such as {names[0]}"
        )
    return min(found), max(found)


class _Sums:
    """Sums over weights of what falls into each row and column."""

    def __init__(self, n_dumps: int, channels: Sequence[tuple[float, float]]) -> None:
        self.per_row, self.per_column = -(-n_dumps // _MOST_ROWS), -(-len(channels) // _MOST_COLUMNS)
        self.edges = channels
        shape = (-(-n_dumps // self.per_row), -(-len(channels) // self.per_column))
        self.weight, self.amplitude = np.zeros(shape), np.zeros(shape)
        self.vis = np.zeros(shape, np.complex128)

    def add(self, dump: int, places: NDArray[np.intp], weight: Floats, vis: NDArray[np.complex128]) -> None:
        """Add (channel, baseline) of a dump; `places` says which of all channels they are."""
        row, column = dump // self.per_row, places // self.per_column
        np.add.at(self.weight[row], column, weight.sum(axis=1))
        np.add.at(self.amplitude[row], column, (weight * np.abs(vis)).sum(axis=1))
        np.add.at(self.vis[row], column, (weight * vis).sum(axis=1))


def measure_waterfall(
    dumps: Iterable[Dump],
    channels: Sequence[tuple[int, float, float]],
    n_dumps: int,
    integration_s: float,
    baseline: tuple[int, int] | None,
) -> Waterfall:
    """Average visibilities over rows of dumps and columns of channels.

    Parameters
    ----------
    dumps
        Of all bands in `channels`.
    channels
        Band, centre and width (Hz) of every channel, in the order in which a band has them.
    n_dumps, integration_s
        Dumps of the observation, and their length.
    baseline
        Its stations; None for the average over all.

    Raises
    ------
    ConfigError
        If the dataset does not hold the baseline.
    """
    order = np.argsort([centre for _, centre, _ in channels], kind="stable")
    edges = [(channels[i][1] - channels[i][2] / 2, channels[i][1] + channels[i][2] / 2) for i in order]
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    band_of = np.array([band for band, _, _ in channels])
    sums = _Sums(n_dumps, edges)
    for dump in dumps:
        chosen = slice(None) if baseline is None else _columns_of(dump, baseline)
        places = place[band_of == dump.header.band]
        sums.add(dump.index, places, dump.weight[:, chosen], dump.vis[:, chosen])
    with np.errstate(invalid="ignore", divide="ignore"):
        amplitude = sums.amplitude / sums.weight
    rows = np.minimum(np.arange(len(sums.weight) + 1) * sums.per_row, n_dumps)
    starts = range(0, len(edges), sums.per_column)
    return Waterfall(
        time_edges_s=rows * integration_s,
        low_hz=np.array([edges[i][0] for i in starts]),
        high_hz=np.array([edges[min(i + sums.per_column, len(edges)) - 1][1] for i in starts]),
        amplitude=amplitude,
        phase=np.where(sums.weight > 0, np.angle(sums.vis), np.nan),
        dumps_per_row=sums.per_row,
        channels_per_column=sums.per_column,
    )


def _columns_of(dump: Dump, baseline: tuple[int, int]) -> slice:
    found = np.flatnonzero((np.sort(dump.pairs, axis=1) == baseline).all(axis=1))
    if not len(found):
        raise ConfigError(
            f"--baseline: {baseline[0]},{baseline[1]} is not among the {len(dump.pairs)} baselines of the dataset, "
            f"which may have been cut by telescope.baselines"
        )
    return slice(int(found[0]), int(found[0]) + 1)


def draw_waterfall(
    figure: Any, measured: Waterfall, what: Literal["amplitude", "phase"], start_utc: str, title: str
) -> None:
    """Draw it, frequency to the right, time upwards; what has no weight is grey."""
    from matplotlib import colormaps

    axes = figure.add_subplot()
    last_s = float(measured.time_edges_s[-1])
    unit, seconds = next((u, s) for u, s in (("h", 3600.0), ("min", 60.0), ("s", 1.0)) if last_s >= 2 * s or s == 1)
    edges, values = _with_gaps(measured, measured.amplitude if what == "amplitude" else measured.phase)
    limits = {"vmin": -np.pi, "vmax": np.pi} if what == "phase" else {}
    colours = colormaps["twilight" if what == "phase" else "viridis"].with_extremes(bad="0.6")
    axes.set_facecolor("0.6")
    mesh = axes.pcolormesh(
        edges / 1e6,
        measured.time_edges_s / seconds,
        np.ma.masked_invalid(values),
        cmap=colours,
        rasterized=True,
        **limits,
    )
    axes.set(xlabel="frequency  [MHz]", ylabel=f"time since {start_utc} UTC  [{unit}]")
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.set_title(title, fontsize=11)
    figure.colorbar(mesh, ax=axes, label="amplitude  [Jy]" if what == "amplitude" else "phase  [rad]")


def _with_gaps(measured: Waterfall, values: Floats) -> tuple[Floats, Floats]:
    """Return edges and values of columns, with empty ones where frequencies are missing."""
    edges, columns = [float(measured.low_hz[0])], []
    for index, (low, high) in enumerate(zip(measured.low_hz, measured.high_hz, strict=True)):
        if low - edges[-1] > _GAP * (high - low):
            edges.append(float(low))
            columns.append(np.full(len(values), np.nan))
        edges.append(float(high))
        columns.append(values[:, index])
    return np.array(edges), np.stack(columns, axis=1)


def averaged_together(measured: Waterfall) -> str:
    """Say what was averaged besides baselines: nothing for small observations."""
    parts = ((measured.dumps_per_row, "dumps"), (measured.channels_per_column, "channels"))
    return " and ".join(f"{number} {name}" for number, name in parts if number > 1)
