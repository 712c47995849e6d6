"""FITS images for tests, made here, and read as skies."""

from __future__ import annotations

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits

from pipeline.config.diffuse import ImageEntry
from pipeline.observation.skies.base import Observed
from pipeline.observation.sky import load_sky

OBSERVED = Observed((0.0, -0.5), 150e6, 5e3, 7)
CENTRE = SkyCoord(31.0, -27.0, unit="deg")
CELL_DEG = 0.05


def write(path, data, unit="Jy/pixel", ctype=("RA---SIN", "DEC--SIN"), more=()):
    """Write an image whose pixel (4, 3), counted from 1, is on `CENTRE`."""
    data = np.asarray(data)
    header = fits.Header({"CTYPE1": ctype[0], "CTYPE2": ctype[1], "CRPIX1": 4.0, "CRPIX2": 3.0})
    header.update({"CRVAL1": 31.0, "CRVAL2": -27.0, "CDELT1": -CELL_DEG, "CDELT2": CELL_DEG})
    header.update({"CUNIT1": "deg", "CUNIT2": "deg", "BUNIT": unit})
    header.update(dict(more))
    if unit is None:
        del header["BUNIT"]
    fits.PrimaryHDU(data.astype(np.float64), header).writeto(path, overwrite=True)
    return path


def load(path, observed=OBSERVED, **keys):
    entry = ImageEntry.model_validate({"image": str(path), **keys})
    sky, notes = load_sky([entry], observed)
    return sky, notes


def frequency_axis(number, start_hz, step_hz):
    return {f"CTYPE{number}": "FREQ", f"CRPIX{number}": 1.0, f"CRVAL{number}": start_hz, f"CDELT{number}": step_hz}


def one_bright(shape, *at):
    data = np.zeros(shape)
    data[at] = 2.5
    return data
