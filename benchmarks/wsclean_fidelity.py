"""Twenty random polarised sources through run, Measurement Set and the imagers people use: WSClean and CASA's tclean.

    python benchmarks/wsclean_fidelity.py [--seed N] [--json FILE]

Needs `wsclean` on PATH; with CASA_PYTHON, the Python of an environment that has casatasks, tclean is run too
(it reads the measures data that python-casacore brings, so that nothing is downloaded). Each cleans images of
I, Q, U and V, from which positions and flux densities are fitted, source by source, with the image's own beam.
The sky has no symmetry, so that a mirrored or turned image, or a sign of Stokes parameters, cannot go unseen.

The dirty images of WSClean and of Dawnstream are compared, too, pixel by pixel: both with natural weights and
the w term in full. WSClean's `-no-small-inversion` keeps it from gridding at a coarser cell.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray
from scipy.optimize import least_squares

Floats = NDArray[np.float64]
N_SOURCES, RADIUS_DEG, APART_DEG = 20, 1.9, 0.25
CENTRE_DEG = (30.0, -40.0)
SIZE, CELL_ARCSEC = 768, 20
HALF_WINDOW = 4  # pixels around a peak that are fitted
WITHIN_BEAMS, WITHIN_FLUX, WITHIN_DIRTY = 0.1, 0.01, 1e-4
STOKES = "IQUV"

CONFIG = """
name: twenty
telescope: {{array: ska-low-aastar, baselines: {{max: 5 km}}}}
sky:
  - sources:
{sources}
phase_centre: {{ra: {ra} deg, dec: {dec} deg}}
time: {{start: 2026-11-22T12:00:00, integration: 60 s, dumps: 6}}
spectrum: {{start: 150 MHz, width: 20 kHz, channels: 8}}
averaging: {{node: 2, group: 1}}
compute: {{smearing: none}}
output: {{path: twenty.dawn}}
image: {{size: {size}, cell: {cell} arcsec}}
"""

TCLEAN = """
import sys
from casaconfig import config
config.measurespath, config.datapath = sys.argv[1], [sys.argv[1]]
config.measures_auto_update = config.data_auto_update = False
from casatasks import exportfits, tclean
tclean(vis="twenty.ms", imagename="tclean", imsize=[{size}], cell="{cell}arcsec", stokes="IQUV", specmode="mfs",
       gridder="wproject", wprojplanes=32, weighting="briggs", robust=0.0, niter=20000, threshold="3mJy",
       deconvolver="hogbom", restoringbeam="common", pblimit=-1.0, datacolumn="data")
exportfits("tclean.image", "tclean.fits")
"""


@dataclass(frozen=True)
class Sky:
    """What was simulated: places, and (source, 4) I, Q, U, V in Jy."""

    place: SkyCoord
    flux: Floats


@dataclass(frozen=True)
class Measured:
    """What an imager made of it: (source,) offsets in beams' minor axes, (source, 4) flux densities in Jy."""

    offset_beams: Floats
    flux: Floats

    def errors(self, sky: Sky) -> tuple[float, float, float]:
        """Return the largest offset, and of I and of Q, U, V the largest error, as a share of I."""
        share = np.abs(self.flux - sky.flux) / sky.flux[:, :1]
        return float(self.offset_beams.max()), float(share[:, 0].max()), float(share[:, 1:].max())


def random_sky(seed: int) -> Sky:
    """Draw sources that do not blend."""
    rng = np.random.default_rng(seed)
    centre = SkyCoord(*CENTRE_DEG, unit="deg")
    place = centre.directional_offset_by(0 * units.deg, 0 * units.deg).reshape(1)[:0]
    while len(place) < N_SOURCES:
        angle, radius = rng.uniform(0, 360), RADIUS_DEG * np.sqrt(rng.uniform())
        new = centre.directional_offset_by(angle * units.deg, radius * units.deg)
        if not len(place) or new.separation(place).deg.min() > APART_DEG:
            place = SkyCoord([*place, new])
    total = rng.uniform(1, 8, N_SOURCES)
    polarised = rng.uniform(-0.3, 0.3, (N_SOURCES, 3)) * total[:, None]
    return Sky(place, np.column_stack([total, polarised]))


def simulate(sky: Sky, folder: Path) -> None:
    """Run, export and image it in a folder: twenty.dawn, twenty.ms, first.ms, twenty.fits."""
    sources = [
        f"      - {{ra: {place.ra.deg:.9f} deg, dec: {place.dec.deg:.9f} deg, "
        + ", ".join(f"{letter}: {value:.9f} Jy" for letter, value in zip("iquv", flux, strict=True))
        + "}"
        for place, flux in zip(sky.place, sky.flux, strict=True)
    ]
    ra, dec = CENTRE_DEG
    text = CONFIG.format(sources="\n".join(sources), ra=ra, dec=dec, size=SIZE, cell=CELL_ARCSEC)
    (folder / "twenty.yaml").write_text(text, encoding="utf-8")
    for words in (
        ("run", "twenty.yaml"),
        ("export", "twenty.dawn", "-o", "twenty.ms"),
        ("export", "twenty.dawn", "-o", "first.ms", "--bands", "0"),
        ("image", "twenty.dawn", "-o", "twenty.fits"),
    ):
        call([sys.executable, "-m", "pipeline", *words, "--progress", "none"], folder)


def call(command: list[str], folder: Path) -> None:
    """Run a program; say what it said if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def wsclean(folder: Path, name: str, measurement_set: str, *options: str) -> None:
    """Run WSClean."""
    size, cell = str(SIZE), f"{CELL_ARCSEC}asec"
    common = ["-name", name, "-size", size, size, "-scale", cell, "-use-wgridder", "-wgridder-accuracy", "1e-6"]
    kept = ["-no-small-inversion", "-no-update-model-required"]
    call(["wsclean", *common, *kept, *options, measurement_set], folder)


def clean_with_wsclean(folder: Path) -> list[Any]:
    """Return WSClean's restored images of I, Q, U, V."""
    deep = ("-niter", "20000", "-mgain", "0.8", "-threshold", "0.003")
    wsclean(folder, "w", "twenty.ms", "-pol", "iquv", "-join-polarizations", "-weight", "briggs", "0", *deep)
    return [fits.open(folder / f"w-{letter}-image.fits")[0] for letter in STOKES]


def clean_with_tclean(folder: Path, python: str) -> list[Any]:
    """Return CASA's restored images of I, Q, U, V."""
    import casacore

    (folder / "clean.py").write_text(TCLEAN.format(size=SIZE, cell=CELL_ARCSEC), encoding="utf-8")
    call([python, "clean.py", str(Path(casacore.__file__).parent / "data")], folder)
    cube = fits.open(folder / "tclean.fits")[0]
    return [fits.PrimaryHDU(cube.data[index : index + 1], cube.header) for index in range(4)]


def measure(images: list[Any], sky: Sky) -> Measured:
    """Fit every source in the image of I, and its brightness at that place in the others."""
    header = images[0].header
    wcs, planes = WCS(header).celestial, [np.asarray(image.data, float).squeeze() for image in images]
    cell = abs(header["CDELT1"])
    beam = header["BMAJ"] / cell, header["BMIN"] / cell, np.radians(header["BPA"])
    offsets, fluxes = [], []
    for place in sky.place:
        x, y = (int(np.rint(value)) for value in wcs.world_to_pixel(place))
        near = planes[0][y - HALF_WINDOW : y + HALF_WINDOW + 1, x - HALF_WINDOW : x + HALF_WINDOW + 1]
        row, column = np.unravel_index(int(near.argmax()), near.shape)
        found = fit(planes, x - HALF_WINDOW + int(column), y - HALF_WINDOW + int(row), beam)
        offset = wcs.pixel_to_world(found[0], found[1]).separation(place).deg / header["BMIN"]
        offsets.append(float(offset))
        fluxes.append(found[2:])
    return Measured(np.array(offsets), np.array(fluxes))


def fit(planes: list[Floats], x: int, y: int, beam: tuple[float, float, float]) -> Floats:
    """Fit a beam near a pixel; return its place, and its peak in every plane."""
    step = np.arange(-HALF_WINDOW, HALF_WINDOW + 1)
    columns, rows = np.meshgrid(x + step, y + step)
    windows = np.stack([plane[rows, columns] for plane in planes])
    major, minor, angle = beam

    def shape(place: Floats) -> Floats:
        # East is left: the position angle runs from north (up) to the left.
        left, up = -(columns - place[0]), rows - place[1]
        along = up * np.cos(angle) + left * np.sin(angle)
        across = left * np.cos(angle) - up * np.sin(angle)
        gaussian: Floats = np.exp(-4 * np.log(2) * ((along / major) ** 2 + (across / minor) ** 2))
        return gaussian

    def left_over(found: Floats) -> Floats:
        difference: Floats = found[2] * shape(found[:2]) - windows[0]
        return difference.ravel()

    place: Floats = least_squares(left_over, [x, y, windows[0].max()]).x[:2]
    model = shape(place)
    peaks: Floats = (windows * model).sum(axis=(1, 2)) / (model**2).sum()
    return np.concatenate([place, peaks])


def dirty_difference(folder: Path) -> float:
    """Return the largest difference of the dirty images of the first band, over the peak."""
    wsclean(folder, "dirty", "first.ms", "-pol", "I", "-weight", "natural", "-niter", "0")
    theirs = fits.getdata(folder / "dirty-dirty.fits").squeeze()
    ours = fits.getdata(folder / "twenty.fits")[0, 0]
    return float(np.abs(theirs - ours).max() / np.abs(ours).max())


def main() -> None:
    """Compare and print; exit with 1 if a number is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if shutil.which("wsclean") is None:
        sys.exit("wsclean is not on PATH; on Debian: apt-get install wsclean")
    warnings.simplefilter("ignore", FITSFixedWarning)
    sky = random_sky(options.seed)
    results: dict[str, Any] = {"n_sources": N_SOURCES, "seed": options.seed}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(sky, folder)
        results["dirty"] = dirty_difference(folder)
        print(f"dirty images, WSClean - Dawnstream: {results['dirty']:.1e} of the peak")
        imagers = {"WSClean": measure(clean_with_wsclean(folder), sky)}
        if python := os.environ.get("CASA_PYTHON"):
            imagers["tclean"] = measure(clean_with_tclean(folder, python), sky)
        else:
            print("tclean: not run (CASA_PYTHON is not set)")
    good = results["dirty"] < WITHIN_DIRTY
    for imager, measured in imagers.items():
        offset, total, polarised = measured.errors(sky)
        results[imager] = {"offset_beams": offset, "i": total, "quv": polarised}
        good &= offset < WITHIN_BEAMS and total < WITHIN_FLUX and polarised < WITHIN_FLUX
        print(
            f"{imager}: positions within {offset:.4f} beam, I within {total:.2%}, Q, U, V within {polarised:.2%} of I"
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    sys.exit(not good)


if __name__ == "__main__":
    main()
