"""Small cubes on the sky, made with astropy alone."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

N_X, N_Y, N_PLANES = 45, 37, 7
BLANK_PLANE = 3


def header(dec=-27.3, lonpole=None, rotation=0.0, cell=0.05):
    """Return a header of right ascension, declination, frequency, Stokes; `rotation` in deg turns the pixels."""
    cos, sin = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
    made = fits.Header()
    for axis, (kind, pixel, value, step, unit) in enumerate(
        [
            ("RA---SIN", 20.25, 359.9, -cell, "deg"),
            ("DEC--SIN", 17, dec, 1.25 * cell, "deg"),
            ("FREQ", 2, 150.3, 0.2, "MHz"),
            ("STOKES", 1, 1, 3, ""),
        ],
        start=1,
    ):
        for key, held in zip(
            ("CTYPE", "CRPIX", "CRVAL", "CDELT", "CUNIT"), (kind, pixel, value, step, unit), strict=True
        ):
            made[f"{key}{axis}"] = held
    made["PC1_1"], made["PC1_2"], made["PC2_1"], made["PC2_2"] = cos, -sin * 1.25, sin / 1.25, cos
    if lonpole is not None:
        made["LONPOLE"] = lonpole
    made["RADESYS"], made["BUNIT"], made["OBJECT"] = "ICRS", "Jy/beam", "a <b> & </script> @planes@"
    made["DATE-OBS"], made["BMAJ"], made["BMIN"], made["BPA"] = "2026-11-22T12:00:00", 0.3, 0.15, 30.0
    return made


def pixels(seed=1):
    """Return (stokes, plane, y, x) float32 of random numbers, with a blank plane and blank pixels."""
    random = np.random.default_rng(seed)
    data = random.normal(size=(2, N_PLANES, N_Y, N_X)).astype(np.float32)
    data *= 10.0 ** np.arange(-2, N_PLANES - 2)[:, None, None]
    data[:, BLANK_PLANE] = np.nan
    data[:, :, 5:9, 11:14] = np.nan
    return data


def write(path, data=None, **words):
    """Write a cube; return its pixels."""
    data = pixels() if data is None else data
    fits.PrimaryHDU(data, header(**words)).writeto(path)
    return data


def frequency_hz():
    return (150.3 + 0.2 * (np.arange(N_PLANES) - 1)) * 1e6
