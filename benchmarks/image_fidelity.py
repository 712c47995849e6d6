"""Positions and flux densities of sources in an image, beside the catalogue they were simulated from.

    python benchmarks/image_fidelity.py [--dataset DATASET --cube CUBE] [--band N] [--json FILE]

Without a dataset, runs and images configs/demo.yaml in a temporary folder through the command line.

All sources in the image are fitted together to the pixels around them, positions and flux densities free, from
starts off the catalogue by 0.1 to 0.3 beams: dirty image = sum of flux density x response to a point there. The
cube of point-spread functions would not do as that response: seen through a flat array in a snapshot it is not
the same all over the field. So responses are direct sums over the visibilities' weights in float64, and nothing
of the imager is used: its gridding, imaging weights, scale, axes and header are all tested. Averaging the band's
channels dims sources far from the phase centre; "expected" holds the factor, summed over baselines likewise.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from pipeline.config.file import load_config
from pipeline.dataset.reader import open_dataset
from pipeline.inputs import observed
from pipeline.observation.sky import load_sky

SPEED_OF_LIGHT_M_S = 299_792_458.0
DEMO = Path(__file__).parents[1] / "configs" / "demo.yaml"
HALF_WINDOW = 3  # pixels from a source that are fitted
ISOLATED_BEAMS = 3.0  # to the nearest other source, in major axes
N_ITERATIONS = 30
WITHIN_BEAMS, WITHIN_FLUX = 0.1, 0.01

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True)
class Sampling:
    """Where and how heavily a band samples the uv plane.

    Attributes
    ----------
    station_uvw
        (time, station, 3) wavelengths at the band's middle.
    weight
        (time, station, station) imaging weights, symmetric.
    channel_offset
        (channel,) of the fine channels averaged into the band, relative to its middle.
    """

    station_uvw: Floats
    weight: Floats
    channel_offset: Floats

    def turns(self, lm: Floats, time: int) -> Floats:
        """Return u l + v m + w (n - 1), (direction, station), of directions (direction, 2)."""
        squared = (lm**2).sum(axis=1)
        lmn = np.column_stack([lm, -squared / (1 + np.sqrt(1 - squared))])
        return lmn @ self.station_uvw[time].T

    def phasors(self, lm: Floats, time: int) -> Complex:
        """Return K (direction, station) of directions (direction, 2)."""
        return np.exp(2j * np.pi * self.turns(lm, time))

    def first_dump(self) -> Sampling:
        """Return the first dump's alone; the next ones hardly differ."""
        return Sampling(self.station_uvw[:1], self.weight[:1], self.channel_offset)

    def image(self, place: Floats, flux: Floats, pixels: Floats) -> Floats:
        """Return the dirty image at pixels (pixel, 2) of sources at `place` (source, 2)."""
        total = np.zeros(len(pixels))
        for time, weight in enumerate(self.weight):
            source, pixel = self.phasors(place, time), self.phasors(pixels, time)
            vis = (source.T * flux) @ source.conj()
            total += np.einsum("xp,xp->x", pixel.conj() @ (weight * vis), pixel).real
        return total / self.weight.sum()

    def dimming(self, place: Floats) -> Floats:
        """Return how much of each source's peak is left by averaging the band's channels."""
        total = np.zeros(len(place))
        for time, weight in enumerate(self.weight):
            turns = self.turns(place, time)
            for offset in self.channel_offset:
                station = np.exp(2j * np.pi * offset * turns)
                total += np.einsum("sp,sp->s", station.conj() @ weight, station).real
        return total / self.weight.sum() / len(self.channel_offset)


def read_sampling(path: Path, band: int, header: fits.Header) -> Sampling:
    """Read a band's uvw and weights, and weight it as the image's header says."""
    stations, weights = [], []
    with open_dataset(path).band(band, variables=("station_uvw", "weight")) as reader:
        about = reader.header
        first, second = about.baselines.T
        for block in reader:
            for time in range(len(block.dump)):
                square = np.zeros((len(about.station_names),) * 2)
                square[first, second] = square[second, first] = block.weight[time, 0]
                np.fill_diagonal(square, 0)
                stations.append(block.station_uvw[time])
                weights.append(square)
    middle_hz, n_fine = float(about.channel_hz[0]), about.channels[1] - about.channels[0]
    offset = (np.arange(n_fine) - (n_fine - 1) / 2) * float(about.channel_width_hz[0]) / n_fine / middle_hz
    uvw = np.stack(stations) * middle_hz / SPEED_OF_LIGHT_M_S
    return Sampling(uvw, imaging_weights(uvw, np.stack(weights), header), offset)


def imaging_weights(uvw: Floats, weight: Floats, header: fits.Header) -> Floats:
    """Return natural, uniform or Briggs weights (time, station, station) of natural ones (Briggs 1995, 3.1)."""
    u, v = (uvw[:, :, None, axis] - uvw[:, None, :, axis] for axis in (0, 1))
    cell = np.radians(header["CDELT2"])
    used = np.where(np.maximum(np.abs(u), np.abs(v)) <= 0.5 / cell, weight, 0.0)
    if header["WEIGHT"] == "natural":
        return used
    n = header["NAXIS1"]
    index = (np.rint(v * n * cell) * 4 * n + np.rint(u * n * cell)).astype(np.int64).ravel()
    _, inverse = np.unique(index, return_inverse=True)
    density = np.bincount(inverse, weights=used.ravel())
    held = density[inverse].reshape(used.shape)
    if header["WEIGHT"] == "uniform":
        return np.divide(used, held, out=np.zeros_like(used), where=used > 0)
    f_squared = (5 * 10 ** -header["ROBUST"]) ** 2 * density.sum() / (density**2).sum()
    return used / (1 + f_squared * held)


def fit(
    image: Floats, sampling: Sampling, start: Floats, outside: tuple[Floats, Floats], cell: float
) -> tuple[Floats, Floats]:
    """Fit positions (source, 2) and flux densities (source,) of all sources together, from `start`.

    Sources `outside` the image, whose sidelobes reach into it, are taken as the catalogue has them.

    Gauss-Newton. What is left is exact; the slopes are those of the first dump, and leave out what a source does
    to other sources' windows, which costs iterations, not accuracy.
    """
    size = len(image)
    step = np.arange(-HALF_WINDOW, HALF_WINDOW + 1)
    x = np.rint(size // 2 - start[:, 0] / cell).astype(int)[:, None, None] + step
    y = np.rint(size // 2 + start[:, 1] / cell).astype(int)[:, None, None] + step[:, None]
    x, y = (np.ascontiguousarray(a) for a in np.broadcast_arrays(x, y))
    pixels = np.stack([(size // 2 - x) * cell, (y - size // 2) * cell], -1).reshape(len(start), -1, 2)
    data = (image[y, x] - sampling.image(*outside, pixels.reshape(-1, 2)).reshape(x.shape)).reshape(len(start), -1)
    place, flux = start.copy(), data.max(axis=1)
    one, move, first = np.ones(1), cell / 10, sampling.first_dump()
    for _ in range(N_ITERATIONS):
        left = data - sampling.image(place, flux, pixels.reshape(-1, 2)).reshape(data.shape)
        change = np.empty((len(start), 3))
        for i, window in enumerate(pixels):
            east, west, north, south = (
                first.image(place[i : i + 1] + np.array(d) * move, one, window)
                for d in ((1, 0), (-1, 0), (0, 1), (0, -1))
            )
            here = first.image(place[i : i + 1], one, window)
            slopes = np.stack([here, flux[i] * (east - west) / 0.2, flux[i] * (north - south) / 0.2], 1)
            change[i] = np.linalg.lstsq(slopes, left[i], rcond=None)[0]
        flux = flux + change[:, 0]
        moved = change[:, 1:].clip(-1, 1)
        place = place + moved * cell
        if np.abs(moved).max() < 1e-3 and np.abs(change[:, 0] / flux).max() < 1e-4:
            break
    return place, flux


def tangent(places: SkyCoord, header: fits.Header) -> Floats:
    """Return l and m (source, 2) of places seen from the phase centre."""
    centre = SkyCoord(header["CRVAL1"], header["CRVAL2"], unit="deg")
    angle, distance = centre.position_angle(places).rad, centre.separation(places).rad
    return np.stack([np.sin(angle), np.cos(angle)], 1) * np.sin(distance)[:, None]


def compare(path: Path, cube: Path, band: int) -> dict[str, Any]:
    """Fit, and put the results beside the catalogue."""
    with fits.open(cube) as hdus:
        header, image = hdus[0].header, hdus[0].data[0, band].astype(float)
        major, minor = (np.radians(float(hdus["BEAMS"].data[key][band]) / 3600) for key in ("BMAJ", "BMIN"))
    wcs, cell = WCS(header).celestial, np.radians(header["CDELT2"])
    hz = header["CRVAL3"] + band * header["CDELT3"]
    config = load_config(path / "observation.yaml")
    sky, _ = load_sky(config.sky, observed(config))
    catalogue = SkyCoord(sky.ra_rad, sky.dec_rad, unit="rad")
    x, y = wcs.world_to_pixel(catalogue)
    edge, size = HALF_WINDOW + 1, len(image)
    inside = (x > edge) & (x < size - 1 - edge) & (y > edge) & (y < size - 1 - edge)
    flux, every = sky.stokes_at(hz)[:, 0], tangent(catalogue, header)
    outside = every[~inside], flux[~inside]
    catalogue, flux, true = catalogue[inside], flux[inside], every[inside]
    rng = np.random.default_rng(20)
    angle, reach = rng.uniform(0, 2 * np.pi, len(true)), rng.uniform(0.1, 0.3, len(true)) * minor
    sampling = read_sampling(path, band, header)
    start = true + (np.array([np.cos(angle), np.sin(angle)]) * reach).T
    place, fitted = fit(image, sampling, start, outside, cell)
    found = wcs.pixel_to_world(size // 2 - place[:, 0] / cell, size // 2 + place[:, 1] / cell)
    columns = {
        "catalogue_jy": flux,
        "expected_jy": flux * sampling.dimming(true),
        "fitted_jy": fitted,
        "ratio": fitted / flux,
        "offset_beams": found.separation(catalogue).rad / minor,
        "nearest_beams": [np.sort(one.separation(catalogue).rad)[1] / major for one in catalogue],
    }
    names = [sky.label(i) for i in np.flatnonzero(inside).tolist()]
    rows = [{"name": names[i]} | {key: float(column[i]) for key, column in columns.items()} for i in np.argsort(-flux)]
    beam = [float(np.degrees(width) * 3600) for width in (major, minor)]
    return {"frequency_hz": float(hz), "beam_arcsec": beam, "n_outside": int((~inside).sum()), "sources": rows}


def summarise(result: dict[str, Any]) -> dict[str, int]:
    """Count what is within the limits."""
    alone = [row for row in result["sources"] if row["nearest_beams"] >= ISOLATED_BEAMS]
    near = [row for row in alone if row["offset_beams"] <= WITHIN_BEAMS]
    good = [row for row in near if abs(row["ratio"] - 1) <= WITHIN_FLUX]
    expected = [row for row in near if abs(row["fitted_jy"] / row["expected_jy"] - 1) <= WITHIN_FLUX]
    return {
        "n_fitted": len(result["sources"]),
        "n_isolated": len(alone),
        "n_within_position": len(near),
        "n_within_both": len(good),
        "n_within_position_and_expected_flux": len(expected),
    }


def print_result(result: dict[str, Any], counts: dict[str, int]) -> None:
    """Print for people; offsets are in minor axes of the beam, distances in major axes."""
    major, minor = result["beam_arcsec"]
    print(f"{result['frequency_hz'] / 1e6:.4f} MHz, beam {major:.1f} x {minor:.1f} arcsec")
    print(f"{'source':22}{'catalogue':>10}{'expected':>10}{'fitted':>10}{'ratio':>9}{'offset':>9}{'nearest':>9}")
    print(f"{'':22}{'Jy':>10}{'Jy':>10}{'Jy':>10}{'':>9}{'beams':>9}{'beams':>9}")
    for row in result["sources"]:
        print(
            f"{row['name']:22}{row['catalogue_jy']:10.5f}{row['expected_jy']:10.5f}{row['fitted_jy']:10.5f}"
            f"{row['ratio']:9.5f}{row['offset_beams']:9.4f}{row['nearest_beams']:9.1f}"
        )
    print(f"outside the image: {result['n_outside']}; fitted together: {counts['n_fitted']}")
    print(
        f"of {counts['n_isolated']} sources {ISOLATED_BEAMS:g} beams from any other: {counts['n_within_position']} "
        f"within {WITHIN_BEAMS:g} beam, {counts['n_within_both']} of them within {WITHIN_FLUX:.0%} of the catalogue, "
        f"{counts['n_within_position_and_expected_flux']} within {WITHIN_FLUX:.0%} of what averaging leaves"
    )


def make_demo(folder: Path) -> tuple[Path, Path]:
    """Run and image the demo; return the dataset and the cube."""
    config = yaml.safe_load(DEMO.read_text())
    for entry in config["sky"]:
        entry["catalogue"] = str(DEMO.parent / entry["catalogue"])
    dataset, cube = folder / "demo.dawn", folder / "demo.fits"
    config["output"]["path"] = str(dataset)
    (folder / "demo.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "pipeline"]
    for arguments in (("run", str(folder / "demo.yaml")), ("image", str(dataset), "-o", str(cube))):
        subprocess.run([*command, *arguments, "--progress", "none"], check=True, stdout=subprocess.DEVNULL)
    return dataset, cube


def main() -> int:
    """Fit, print the table, and return 0 if at least ten isolated sources are within both limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, help="with --cube: take these and run nothing")
    parser.add_argument("--cube", type=Path)
    parser.add_argument("--band", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    given = parser.parse_args()
    if (given.dataset is None) != (given.cube is None):
        parser.error("--dataset and --cube belong together")
    with tempfile.TemporaryDirectory() as folder:
        dataset, cube = (given.dataset, given.cube) if given.cube else make_demo(Path(folder))
        result = compare(dataset, cube, given.band)
    counts = summarise(result)
    print_result(result, counts)
    if given.json:
        given.json.write_text(json.dumps(result | counts, indent=2) + "\n")
    return 0 if counts["n_within_both"] >= 10 else 1


if __name__ == "__main__":
    sys.exit(main())
