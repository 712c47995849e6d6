"""Twenty polarised sources on a sky without symmetry: positions and Stokes parameters from our images.

What is fitted are responses of the array to points, by direct sums in float64; nothing of the imager is used but its
pixels and its header.
"""

import math

import datasets
import numpy as np
import oracle
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from scipy.optimize import least_squares

from pipeline.products.cube import image_dataset
from pipeline.products.settings import ImageSettings

CELL = math.radians(1 / 60)
CENTRE = (1.1, -0.6)
HZ = 150e6
EXTENT_M = 0.4 / CELL
SIZE, N_SOURCES = 97, 20
WITHIN_BEAMS, WITHIN_FLUX = 0.01, 1e-3  # ten times better than 0.1 beam and 1 %


def random_sky():
    """Return right ascension and declination (rad), I, Q, U, V of sources, none within 6 pixels of another."""
    rng = np.random.default_rng(12)
    lm = np.empty((0, 2))
    while len(lm) < N_SOURCES:
        one = rng.uniform(-44, 44, 2) * CELL
        if (np.hypot(*(lm - one).T) > 6 * CELL).all():
            lm = np.vstack([lm, one])
    angle, distance = np.arctan2(*lm.T), np.arcsin(np.hypot(*lm.T))
    places = SkyCoord(*CENTRE, unit="rad").directional_offset_by(
        SkyCoord(angle, 0 * angle, unit="rad").ra, SkyCoord(distance, 0 * distance, unit="rad").ra
    )
    total = rng.uniform(0.5, 4, N_SOURCES)
    parts = [total, *(total * rng.uniform(-limit, limit, N_SOURCES) for limit in (0.5, 0.5, 0.2))]
    return np.column_stack([places.ra.rad, places.dec.rad, *parts])


def samples():
    uvw_m, pairs = datasets.tracks(EXTENT_M)
    return ((uvw_m[:, pairs[:, 0]] - uvw_m[:, pairs[:, 1]]) * HZ / oracle.C).reshape(-1, 3)


def phasors(uvw, lm):
    """Return exp(+2 pi i (u l + v m + w (n - 1))) (sample, direction) of directions (direction, 2)."""
    n_minus_1 = np.sqrt(1 - (lm**2).sum(axis=1)) - 1
    return np.exp(2j * np.pi * (uvw @ np.column_stack([lm, n_minus_1]).T))


def fit(image, start_lm):
    """Fit positions (source, 2) and Stokes parameters (source, stokes) to the pixels of all images (stokes, y, x)."""
    uvw = samples()
    y, x = np.mgrid[:SIZE, :SIZE]
    pixels = np.stack([(SIZE // 2 - x) * CELL, (y - SIZE // 2) * CELL], -1)
    near = np.min([np.hypot(*(pixels - place).T).T for place in start_lm], axis=0) < 2.1 * CELL
    at_pixels, data = phasors(uvw, pixels[near]), image[:, near]

    def solved(lm):
        response = (at_pixels.conj().T @ phasors(uvw, lm)).real / len(uvw)
        flux = np.linalg.lstsq(response, data.T, rcond=None)[0]
        return flux, (response @ flux - data.T).ravel()

    found = least_squares(lambda p: solved(p.reshape(-1, 2) * CELL)[1], start_lm.ravel() / CELL, method="lm")
    lm = found.x.reshape(-1, 2) * CELL
    return lm, solved(lm)[0]


def test_positions_and_stokes_parameters_of_twenty_sources(tmp_path):
    sources = random_sky()
    path = datasets.make(tmp_path / "twenty.dawn", CENTRE, sources, [HZ], EXTENT_M)
    settings = ImageSettings(size=SIZE, cell_rad=CELL, stokes="IQUV")
    report = image_dataset(path, tmp_path / "twenty.fits", settings)
    image, header = fits.getdata(report.image, header=True)
    true = np.stack(datasets.direction_cosines(*sources[:, :2].T, *CENTRE), 1)
    off = np.random.default_rng(3).uniform(-0.4, 0.4, true.shape) * CELL
    lm, flux = fit(image[:, 0].astype(float), true + off)
    wcs = WCS(header).celestial
    found = wcs.pixel_to_world(SIZE // 2 - lm[:, 0] / CELL, SIZE // 2 + lm[:, 1] / CELL)
    catalogue = SkyCoord(*sources[:, :2].T, unit="rad")
    assert (found.separation(catalogue).rad < WITHIN_BEAMS * report.bands[0].beam.minor_rad).all()
    np.testing.assert_allclose(flux, sources[:, 2:], rtol=0, atol=WITHIN_FLUX * sources[:, 2].min())
