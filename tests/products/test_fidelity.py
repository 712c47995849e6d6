"""From a configuration to a cube through the command line: sources where astropy says, as bright as written."""

import math
import subprocess
import sys

import numpy as np
import pytest
import yaml
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

SIZE, CELL_ARCSEC = 256, 40
#: Offsets to the east and north, degrees, and flux densities: far apart, and without any symmetry.
SOURCES = [(0.21, 0.32, 5.0), (-0.93, 0.54, 4.0), (0.71, -0.83, 3.0), (-0.38, -1.07, 3.5), (1.12, 0.91, 2.5)]


def sky_around(centre):
    """Return the sources' coordinates, by the sphere's own trigonometry."""
    east, north, _ = np.radians(SOURCES).T
    return centre.directional_offset_by(np.arctan2(east, north) * units.rad, np.hypot(east, north) * units.rad)


def configuration(folder, centre, places):
    sources = [
        {"ra": f"{p.ra.deg:.12f} deg", "dec": f"{p.dec.deg:.12f} deg", "i": f"{flux} Jy"}
        for p, (_, _, flux) in zip(places, SOURCES, strict=True)
    ]
    return {
        "name": "fidelity",
        "telescope": {"array": "ska-low-aastar", "baselines": {"min": "1 km", "max": "3 km"}},
        "sky": [{"sources": sources}],
        "phase_centre": {"ra": f"{centre.ra.deg} deg", "dec": f"{centre.dec.deg} deg"},
        "time": {"start": "2026-11-22T12:00:00", "integration": "0.84934656 s", "dumps": 1},
        "spectrum": {"start": "150 MHz", "width": "5.425347 kHz", "channels": 12},
        "averaging": {"node": 3, "group": 2},
        "output": {"path": str(folder / "f.dawn")},
        "image": {"size": SIZE, "cell": f"{CELL_ARCSEC} arcsec", "weight": "natural"},
    }


def run(*arguments):
    done = subprocess.run([sys.executable, "-m", "pipeline", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def responses(folder, band, lm_of, pixels):
    """Return the dirty image at each pixel (l, m) of 1 Jy at each source: direct sums, float64."""
    from pipeline.dataset.reader import open_dataset

    total, n = 0, 0
    with open_dataset(folder).band(band, variables=("station_uvw", "weight")) as reader:
        p, q = reader.header.baselines.T
        for block in reader:
            for xyz in block.station_uvw:
                uvw = (xyz[p] - xyz[q]) * reader.header.channel_hz[0] / 299792458.0
                seen, sent = (np.exp(2j * np.pi * (uvw @ lmn(lm).T)) for lm in (pixels, lm_of))
                total = total + (seen.conj().T @ sent).real
                n += len(p)
    return total / n


def lmn(lm):
    return np.column_stack([lm, np.sqrt(1 - (lm**2).sum(axis=1)) - 1])


def fit(image, folder, start):
    """Fit positions (l, m) and flux densities of all sources together, by finite differences."""
    cell, half = math.radians(CELL_ARCSEC / 3600), SIZE // 2
    step = np.arange(-3, 4)
    x = (np.rint(half - start[:, 0] / cell).astype(int)[:, None, None] + step).repeat(7, axis=1).ravel()
    y = (np.rint(half + start[:, 1] / cell).astype(int)[:, None, None] + step[:, None]).repeat(7, axis=2).ravel()
    pixels = np.stack([(half - x) * cell, (y - half) * cell], 1)
    place, flux = start.copy(), np.full(len(start), 3.0)
    for _ in range(5):
        value = responses(folder, 0, place, pixels)
        d = 0.05 * cell
        east, north = (responses(folder, 0, place + move, pixels) - value for move in ([[d, 0]], [[0, d]]))
        matrix = np.hstack([value, east * flux, north * flux])
        change = np.linalg.lstsq(matrix, image[y, x] - value @ flux, rcond=None)[0].reshape(3, -1)
        flux = flux + change[0]
        place = place + (change[1:].T * d).clip(-cell, cell)
    return half - place[:, 0] / cell, half + place[:, 1] / cell, flux


@pytest.mark.parametrize("dec", [-27, -89])
def test_sources_are_where_and_as_bright_as_the_configuration_says(tmp_path, dec):
    centre = SkyCoord(40.0, dec, unit="deg")
    places = sky_around(centre)
    config = tmp_path / "f.yaml"
    config.write_text(yaml.safe_dump(configuration(tmp_path, centre, places)))
    run("run", config, "--progress", "none")
    run("image", tmp_path / "f.dawn", "-o", tmp_path / "f.fits", "--progress", "none")
    with fits.open(tmp_path / "f.fits") as hdus:
        image, header = hdus[0].data[0, 0].astype(float), hdus[0].header
        minor_rad = math.radians(header["BMIN"])
    # The starts are off by up to 0.3 beams; nothing but the pixels leads to the right places.
    rng = np.random.default_rng(4)
    east, north, flux = np.array(SOURCES).T
    distance = np.radians(np.hypot(east, north))
    true = np.stack([np.radians(east), np.radians(north)], 1) * (np.sin(distance) / distance)[:, None]
    x, y, found = fit(image, tmp_path / "f.dawn", true + rng.uniform(-0.3, 0.3, true.shape) * minor_rad)
    offset = WCS(header).celestial.pixel_to_world(x, y).separation(places).rad
    assert offset.max() < 0.1 * minor_rad
    # Averaging six channels dims nothing here: 33 kHz x 3 km x 1.4 degrees are 0.05 rad across the band.
    np.testing.assert_allclose(found, flux, rtol=0.01)
