"""Positions and flux densities of sources in a finished cube, against the catalogue.

    python benchmarks/image_fidelity.py DATASET CUBE [--band N] [--count N] [--json FILE]

All sources of the observation are fitted together to the pixels around them: dirty image = sum of flux density
times the response to a point source there, positions free, starting up to 0.3 beams off the catalogue. The
response at each source is a direct sum over the visibilities' uvw and weights in float64, taken here: in a
snapshot the point-spread function is not the same all over the field, as the array is seen under another angle
from each part of it. That response is worked out once for a band without width, and once with the average over
the band's fine channels, which smears sources far from the phase centre. Positions go through the cube's world
coordinates. Nothing of the imager is used, so its gridding, weights, scale, axes and header are all tested.

The image must have natural weights.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray

from pipeline.configfile import load_config
from pipeline.dataset.reader import open_dataset
from pipeline.observation.sky import load_sky

SPEED_OF_LIGHT_M_S = 299_792_458.0
HALF_WINDOW = 1  # pixels from a source that are fitted
CHUNK = 32768  # baselines x dumps whose phasors are held at once
ITERATIONS = 6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """uvw (row, 3) in wavelengths at the band's centre, weights (row,), offsets of the fine channels / centre."""

    uvw: Floats
    weight: Floats
    channel_offset: Floats


def read_rows(path: Path, band: int) -> Rows:
    """Read the uvw and weights of a band's cross-correlations."""
    dataset = open_dataset(path)
    uvw, weight = [], []
    with dataset.band(band, variables=("station_uvw", "weight")) as reader:
        header = reader.header
        pairs = header.baselines[header.baselines[:, 0] != header.baselines[:, 1]]
        for block in reader:
            for time in range(len(block.dump)):
                station = block.station_uvw[time]
                uvw.append(station[pairs[:, 0]] - station[pairs[:, 1]])
                weight.append(block.weight[time, 0, header.baselines[:, 0] != header.baselines[:, 1]])
    centre_hz, n_fine = float(header.channel_hz[0]), header.channels[1] - header.channels[0]
    fine_hz = float(header.channel_width_hz[0]) / n_fine * (np.arange(n_fine) - (n_fine - 1) / 2)
    scale = centre_hz / SPEED_OF_LIGHT_M_S
    return Rows(np.concatenate(uvw) * scale, np.concatenate(weight).astype(float), fine_hz / centre_hz)


def lmn(directions: Floats) -> Floats:
    """Return (3, direction): l, m, n - 1 of (direction, 2)."""
    squared = (directions**2).sum(axis=1)
    return np.stack([*directions.T, -squared / (1 + np.sqrt(1 - squared))])


def mean_over_channels(turns: Floats, offsets: Floats) -> Floats:
    """Return the mean of exp(2 pi i turns x offset) over the channels, whose offsets are symmetric about 0."""
    n, step = len(offsets), offsets[1] - offsets[0] if len(offsets) > 1 else 0.0
    half = np.pi * turns * step
    small = np.abs(half) < 1e-9
    return np.where(small, 1.0, np.sin(n * half) / (n * np.sin(np.where(small, 1.0, half))))


def phasor(turns: Floats) -> NDArray[np.complex64]:
    """Return exp(2 pi i turns), the turns reduced in float64: good to 1e-7, and fast."""
    angle = ((turns - np.rint(turns)) * (2 * np.pi)).astype(np.float32)
    out = np.empty(turns.shape, np.complex64)
    np.cos(angle, out=out.real)
    np.sin(angle, out=out.imag)
    return out


def responses(rows: Rows, pixels: Floats, sources: Floats, smeared: bool) -> tuple[Floats, Floats, Floats]:
    """Return what each pixel (pixel, 2) sees of a source of 1 Jy, and its slope in the source's l and m."""
    total = np.zeros((3, len(pixels), len(sources)))
    at_pixels, at_sources = lmn(pixels), lmn(sources)
    root = np.sqrt(1 - (sources**2).sum(axis=1))
    for first in range(0, len(rows.weight), CHUNK):
        part = slice(first, first + CHUNK)
        uvw, weight = rows.uvw[part], rows.weight[part]
        seen = phasor(-(at_pixels.T @ uvw.T))
        turns = uvw @ at_sources
        sent = phasor(turns) * weight[:, None].astype(np.float32)
        if smeared:
            sent *= mean_over_channels(turns, rows.channel_offset).astype(np.float32)
        total[0] += (seen @ sent).real
        for axis in (0, 1):
            slope = 2j * np.pi * (uvw[:, axis, None] - uvw[:, 2, None] * sources[:, axis] / root)
            total[1 + axis] += (seen @ (sent * slope).astype(np.complex64)).real
    value, along_l, along_m = total / rows.weight.sum()
    return value, along_l, along_m


def fit(image: Floats, rows: Rows, start: Floats, flux: Floats, cell: float, smeared: bool) -> tuple[Floats, Floats]:
    """Fit positions (source, 2) and flux densities by Gauss-Newton to the pixels around `start`."""
    size = len(image)
    x = np.rint(size // 2 - start[:, 0] / cell).astype(int)
    y = np.rint(size // 2 + start[:, 1] / cell).astype(int)
    offset = np.arange(-HALF_WINDOW, HALF_WINDOW + 1)
    dx, dy = (axis.ravel() for axis in np.meshgrid(offset, offset))
    window = np.stack([x[:, None] + dx, y[:, None] + dy], axis=-1).reshape(-1, 2)
    index = np.unique(window.clip(0, size - 1), axis=0)
    pixels = (index - size // 2) * np.array([-cell, cell])
    data = image[index[:, 1], index[:, 0]]
    place = start.copy()
    for _ in range(ITERATIONS):
        value, along_l, along_m = responses(rows, pixels, place, smeared)
        matrix = np.concatenate([value, along_l * flux * cell, along_m * flux * cell], axis=1)
        step = np.linalg.lstsq(matrix, data - value @ flux, rcond=None)[0].reshape(3, -1)
        flux = flux + step[0]
        # A step of more than a pixel would leave the window in which the model is nearly linear.
        move = (step[1:] * cell).T.clip(-cell, cell)
        place += move
        if np.abs(move).max() < 1e-3 * cell:
            break
    return place, flux


def main(arguments: list[str]) -> int:
    """Fit, print the table, and return 0 if ten isolated sources or more are within the limits."""
    parser = argparse.ArgumentParser(description="positions and flux densities in a cube against the catalogue")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("cube", type=Path)
    parser.add_argument("--band", type=int, default=0)
    parser.add_argument("--count", type=int, default=15, help="how many isolated sources to show")
    parser.add_argument("--isolation", type=float, default=3.0, help="beams to the nearest other source")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    table = compare(given.dataset, given.cube, given.band, given.count, given.isolation)
    print_table(table)
    if given.json:
        given.json.write_text(json.dumps(table, indent=2) + "\n")
    return 0 if table["n_good"] >= 10 else 1


def compare(path: Path, cube: Path, band: int, count: int, isolation: float) -> dict:
    """Fit both models and put results beside the catalogue."""
    with fits.open(cube) as hdus:
        header = hdus[0].header
        image = hdus[0].data[0, band].astype(float)
        beam_deg = [hdus["BEAMS"].data[key][band] / 3600 for key in ("BMAJ", "BMIN")]
    if header["WEIGHT"] != "natural":
        raise SystemExit(f"{cube}: weighted {header['WEIGHT']!r}; this comparison models natural weights")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)  # it works out the array's longitude and latitude
        wcs = WCS(header).celestial
    cell = np.radians(header["CDELT2"])
    hz = header["CRVAL3"] + band * header["CDELT3"]
    sky, _ = load_sky(load_config(path / "observation.yaml").sky)
    coordinates = SkyCoord(sky.ra_rad, sky.dec_rad, unit="rad")
    x, y = wcs.world_to_pixel(coordinates)
    inside = (x > HALF_WINDOW) & (x < len(image) - HALF_WINDOW) & (y > HALF_WINDOW) & (y < len(image) - HALF_WINDOW)
    names = np.array(sky.names)[inside]
    coordinates, expected = coordinates[inside], sky.stokes_at(hz)[inside, 0]
    true = np.stack([(len(image) // 2 - x[inside]) * cell, (y[inside] - len(image) // 2) * cell], 1)
    # The geometric mean of the axes stands for the beam.
    beam = np.radians(np.sqrt(beam_deg[0] * beam_deg[1]))
    rng = np.random.default_rng(20)
    angle, reach = rng.uniform(0, 2 * np.pi, len(true)), rng.uniform(0.1, 0.3, len(true)) * beam
    start = true + np.stack([np.cos(angle), np.sin(angle)], 1) * reach[:, None]
    separation = np.array([np.sort(c.separation(coordinates).rad)[1] for c in coordinates]) / beam
    rows = read_rows(path, band)
    chosen = [i for i in np.argsort(-expected) if separation[i] >= isolation][:count]
    result: dict = {"beam_arcsec": float(np.degrees(beam) * 3600), "frequency_hz": float(hz), "sources": []}
    fits_by_model = {}
    place, flux = start, np.full(len(true), float(expected.mean()))
    for model, smeared in (("point", False), ("band", True)):
        place, flux = fit(image, rows, place, flux, cell, smeared)
        found = wcs.pixel_to_world(len(image) // 2 - place[:, 0] / cell, len(image) // 2 + place[:, 1] / cell)
        fits_by_model[model] = (flux / expected, found.separation(coordinates).rad / beam)
    for i in chosen:
        row = {"name": str(names[i]), "catalogue_jy": float(expected[i]), "nearest_beams": float(separation[i])}
        row["from_centre_deg"] = float(np.degrees(np.hypot(*true[i])))
        for model, (ratio, offset) in fits_by_model.items():
            row |= {f"{model}_ratio": float(ratio[i]), f"{model}_offset_beams": float(offset[i])}
        result["sources"].append(row)
    for model in fits_by_model:
        result[f"n_{model}"] = sum(
            abs(row[f"{model}_ratio"] - 1) <= 0.01 and row[f"{model}_offset_beams"] <= 0.1 for row in result["sources"]
        )
    return result | {"n_good": result["n_point"], "n_fitted": len(true)}


def print_table(table: dict) -> None:
    """Print for people."""
    megahertz = table["frequency_hz"] / 1e6
    print(f"{megahertz:.4f} MHz, beam {table['beam_arcsec']:.1f} arcsec; fitted together: {table['n_fitted']}")
    print(f"{'':24}{'from':>7}{'nearest':>9}{'catalogue':>11}   {'no width':^18}{'band averaged':^18}")
    print(f"{'source':24}{'centre':>7}{'beams':>9}{'Jy':>11}   {'ratio':>9}{'offset':>9}{'ratio':>9}{'offset':>9}")
    for row in table["sources"]:
        print(
            f"{row['name']:24}{row['from_centre_deg']:7.2f}{row['nearest_beams']:9.1f}{row['catalogue_jy']:11.4f}   "
            f"{row['point_ratio']:9.5f}{row['point_offset_beams']:9.4f}{row['band_ratio']:9.5f}{row['band_offset_beams']:9.4f}"
        )
    n = len(table["sources"])
    print(f"within 1 % and 0.1 beam: {table['n_point']} of {n} (no width), {table['n_band']} of {n} (band averaged)")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
