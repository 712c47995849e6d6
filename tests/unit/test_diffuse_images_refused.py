"""Images and cubes that are refused, with what to do about it."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from diffuse_images import frequency_axis, load, write

from pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("data", "keys", "more", "message"),
    [
        ((3, 5), {}, {"BUNIT": " "}, r"BUNIT: there is no unit, .*set 'unit'"),
        ((3, 5), {}, {"BUNIT": "Jy"}, r"BUNIT: 'Jy' is not a unit of brightness; it must be Jy/pixel, Jy/beam"),
        ((3, 5), {}, {"BUNIT": "W/m2"}, r"'W/m2' is not a unit of brightness"),
        ((3, 5), {"unit": "K/beam"}, {"BUNIT": ""}, r"'K/beam' is not a unit of brightness"),
        ((3, 5), {"unit": "K"}, {}, r"the file has 'Jy/pixel' and the configuration 'K'; remove 'unit'"),
        ((3, 5), {}, {"BUNIT": "Jy/beam"}, r"has no single beam \(BMAJ, BMIN are None, None\)"),
        ((3, 5), {}, {"BUNIT": "Jy/beam", "BMAJ": 0.1, "BMIN": 0.0}, r"no single beam"),
        ((3, 5), {}, {"BUNIT": "Jy/beam", "BMAJ": 0.1, "BMIN": 0.1, "CASAMBM": True}, r"no single beam"),
        ((3, 5), {}, {"BUNIT": "K"}, r"the file has no frequency, .*set 'reference'"),
        ((3, 5), {"spectral_index": -0.7}, {}, r"the file has no frequency, .*set 'reference'"),
        ((1, 3, 5), {"reference": "151 MHz"}, frequency_axis(3, 150e6, 1e3), r"file is at 150.0\d+ MHz and reference"),
        ((4, 3, 5), {"spectral_index": 0.0}, frequency_axis(3, 150e6, 1e5), r"is a cube of 4 planes"),
        ((4, 3, 5), {}, frequency_axis(3, 150.01e6, 1e4), r"planes cover 150\.005000 MHz to 150\.045000 MHz, and freq"),
        (
            (4, 3, 5),
            {},
            frequency_axis(3, 150e6, 5e3),
            r"cover 149\.997500 MHz to 150\.017500 MHz, .* nothing is extra",
        ),
        ((4, 3, 5), {}, frequency_axis(3, 150e6, 0.0), r"cannot be read|frequencies of the planes"),
        ((4, 3, 5), {}, frequency_axis(3, -150e6, 1e3), r"frequencies of the planes go from -1.5e\+08 Hz"),
        (
            (4, 3, 5),
            {},
            {"CTYPE3": "VRAD", "CUNIT3": "m/s"},
            r"the spectral axis is 'VRAD'; give a cube with an axis FREQ",
        ),
        ((4, 3, 5), {}, {"CTYPE3": "PARAM"}, r"axis 3 \('PARAM', 4 long\) is neither of the sky, FREQ nor STOKES"),
        (
            (2, 3, 5),
            {},
            {"CTYPE3": "STOKES", "CRVAL3": -5.0, "CRPIX3": 1.0, "CDELT3": -1.0},
            r"STOKES values are -5, -6",
        ),
        ((3, 5), {}, {"CTYPE1": "X", "CTYPE2": "Y"}, r"has no pair of celestial axes \(CTYPE: 'X', 'Y'\)"),
        (
            (3, 5),
            {},
            {"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN"},
            r"coordinates \(ELON-TAN, ELAT-TAN, .*are not known",
        ),
        ((3, 5), {}, {"CRPIX1": 4000.0, "CDELT1": -1.0}, r"no pixel lies on the sky"),
    ],
)
def test_bad_headers(tmp_path, data, keys, more, message):
    path = write(tmp_path / "bad.fits", np.ones(data), more=more)
    with pytest.raises(ConfigError, match=message):
        load(path, **keys)


def test_polarisation_relative_to_another_north(tmp_path):
    more = {"CTYPE3": "STOKES", "CRPIX3": 1.0, "CRVAL3": 1.0, "CDELT3": 1.0}
    path = write(tmp_path / "iq.fits", np.ones((2, 3, 5)), ctype=("GLON-SIN", "GLAT-SIN"), more=more)
    with pytest.raises(ConfigError, match=r"Q, U, V are relative to the north of its own coordinates \(GLON-SIN"):
        load(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_blank_pixels_are_refused(tmp_path, bad):
    data = np.ones((3, 5))
    data[2, 1] = bad
    with pytest.raises(ConfigError, match=r"plane 1 has 1 blank pixels .*the first at 2, 3; set 'blank: zero'"):
        load(write(tmp_path / "blank.fits", data))


def test_what_is_no_image(tmp_path):
    text, table = tmp_path / "text.fits", tmp_path / "table.fits"
    text.write_text("SIMPLE? no")
    fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])]).writeto(table)
    with pytest.raises(ConfigError, match=r"text\.fits: cannot be read as FITS"):
        load(text)
    with pytest.raises(ConfigError, match=r"table\.fits: holds no image"):
        load(table)


def test_an_empty_image(tmp_path):
    with pytest.raises(ConfigError, match=r"sky: holds no source"):
        load(write(tmp_path / "zero.fits", np.zeros((3, 5))))
