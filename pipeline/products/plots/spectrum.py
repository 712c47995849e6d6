"""Spectra: the mean amplitude of every channel of a dataset, or a pixel of a cube."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError
from pipeline.products.film.imagecube import ImageCube
from pipeline.products.plots.dumps import Dump

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """Values over frequency.

    Attributes
    ----------
    frequency_hz
        (channel,) float64, increasing.
    value
        (channel,) float64; NaN where there is none.
    """

    frequency_hz: Floats
    value: Floats


def measure_spectrum(dumps: Iterable[Dump]) -> Spectrum:
    """Return the weighted mean of the amplitudes of every channel, over baselines and dumps."""
    frequency: dict[int, Floats] = {}
    weight: dict[int, Floats] = {}
    weighted: dict[int, Floats] = {}
    for dump in dumps:
        band = dump.header.band
        if band not in frequency:
            frequency[band] = np.asarray(dump.header.channel_hz, np.float64)
            weight[band], weighted[band] = np.zeros(len(frequency[band])), np.zeros(len(frequency[band]))
        weight[band] += dump.weight.sum(axis=1)
        weighted[band] += (dump.weight * np.abs(dump.vis)).sum(axis=1)
    hz, sums, total = (np.concatenate(list(part.values())) for part in (frequency, weighted, weight))
    order = np.argsort(hz, kind="stable")
    mean = np.divide(sums, total, out=np.full(len(hz), np.nan), where=total > 0)
    return Spectrum(hz[order], mean[order])


def pixel_spectrum(cube: ImageCube, pixel: tuple[int, int], stokes: str) -> Spectrum:
    """Return a pixel (x, y) of all planes of a cube, in its unit."""
    value = cube.spectrum(*pixel, stokes)
    order = np.argsort(cube.frequency_hz, kind="stable")
    return Spectrum(cube.frequency_hz[order], value[order])


def find_pixel(cube: ImageCube, text: str | None, stokes: str) -> tuple[int, int]:
    """Return the pixel asked for, or else the brightest of the plane with data that is nearest the middle.

    Parameters
    ----------
    cube
        Where to look.
    text
        ``X,Y``, from 0, the first one in the lower left corner.
    stokes
        Of which polarisation.

    Raises
    ------
    ConfigError
        If it is not two whole numbers.
    """
    if text is not None:
        try:
            x, y = (int(part) for part in text.split(","))
        except ValueError:
            raise ConfigError(f"--pixel: {text!r} is not two whole numbers; write X,Y, such as 256,256") from None
        return x, y
    middle = cube.n_planes // 2
    for index in sorted(range(cube.n_planes), key=lambda index: abs(index - middle)):
        plane = cube.plane(index, stokes)
        if np.isfinite(plane).any():
            row, column = np.unravel_index(int(np.argmax(np.where(np.isfinite(plane), plane, -np.inf))), plane.shape)
            return int(column), int(row)
    return cube.shape[1] // 2, cube.shape[0] // 2


def draw_spectrum(figure: Any, measured: Spectrum, label: str, title: str) -> None:
    """Draw a spectrum; where there is no value there is a gap, marked on the axis."""
    axes = figure.add_subplot()
    megahertz = measured.frequency_hz / 1e6
    axes.plot(megahertz, measured.value, "-", color="#0072B2", lw=1.2, marker="o", ms=4 if len(megahertz) <= 200 else 0)
    blank = megahertz[~np.isfinite(measured.value)]
    if len(blank):
        # Along x frequencies, along y the height of the axes: a mark is no value.
        places = axes.get_xaxis_transform()
        axes.plot(blank, np.full(len(blank), 0.02), "x", color="0.4", ms=5, label="no data", transform=places)
        axes.legend()
    axes.set(xlabel="frequency  [MHz]", ylabel=label)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.ticklabel_format(axis="y", useOffset=False, scilimits=(-2, 4), useMathText=True)
    axes.grid(alpha=0.3)
    axes.set_title(title, fontsize=11)
