"""Geometry and sky, end to end, against visibilities that pyuvsim's authors computed and ship."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from scipy.constants import speed_of_light
from scipy.special import j1

from pipeline.config.sources import CatalogueEntry
from pipeline.observation.geometry import Geometry
from pipeline.observation.skies.catalogues import read_catalogue
from pipeline.observation.skies.components import Components
from pipeline.observation.sky import Sky
from pipeline.observation.telescope import Telescope

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "configs" / "skies" / "gleam_50srcs.vot"
REFERENCE = json.loads((ROOT / "tests" / "data" / "pyuvsim_gleam.json").read_text())


def flat_sky() -> Sky:
    """All 50 sources at the flux density of GLEAM's wide band, which our reader does not use."""
    table = Table.read(CATALOGUE)
    stokes = np.zeros((len(table), 4))
    stokes[:, 0] = table["Fintwide"]
    ra, dec = np.radians(table["RAJ2000"]), np.radians(table["DEJ2000"])
    ones = np.ones(len(table))
    return Sky((Components(tuple(table["GLEAM"]), np.array(ra), np.array(dec), stokes, ones, 0 * ones),))


def fitted_sky() -> Sky:
    entry = {"catalogue": CATALOGUE, "format": "gleam"}
    return Sky((read_catalogue(CatalogueEntry.model_validate(entry))[0],))


@pytest.mark.parametrize(("name", "make_sky"), [("flat", flat_sky), ("spectral_index", fitted_sky)])
def test_pyuvsim_visibilities(name, make_sky):
    """An isotropic and an Airy antenna; summed here in plain float64."""
    sky, frequency_hz = make_sky(), REFERENCE["frequency_hz"]
    # Two antennas, and a third station 1 m above the origin that tells where up is.
    enu_m = np.array([REFERENCE["enu_m"]["1"], REFERENCE["enu_m"]["3"], [0.0, 0.0, 1.0]])
    place = (*np.radians([REFERENCE["longitude_deg"], REFERENCE["latitude_deg"]]), REFERENCE["height_m"])
    mjd = REFERENCE["time_jd_utc"] - 2400000.5
    start = (float(np.floor(mjd)), mjd % 1 - 1.0 / 86400)
    geometry = Geometry(Telescope("triangle", ("1", "3", "up"), enu_m, *place), sky, 0.0, -1.5, start, 2.0)
    block = geometry.block(0, 1)
    lmn = block.lmn[0] + np.array([0.0, 0.0, 1.0])
    flux_jy = sky.stokes_at(frequency_hz)[block.visible[0], 0]
    assert len(flux_jy) == sky.n_sources
    expected = {pair: complex(*parts) for pair, parts in REFERENCE["xx_jy"][name].items()}
    # Half: pyuvsim splits Stokes I. The file holds complex64.
    assert 0.5 * flux_jy.sum() == pytest.approx(expected["1-1"].real, rel=2e-7)

    uvw_p, uvw_q, up = block.station_uvw[0]
    cos_zenith = lmn @ up
    x = np.pi * REFERENCE["airy_diameter_m"] * frequency_hz / speed_of_light * np.sqrt(1 - cos_zenith**2)
    airy = 2 * j1(x) / x
    # n instead of n - 1: pyuvsim does not stop the fringes.
    turns = frequency_hz / speed_of_light * (lmn @ (uvw_p - uvw_q))
    ours = 0.5 * (flux_jy * airy * np.exp(2j * np.pi * turns)).sum()
    summed = 0.5 * np.abs(flux_jy * airy).sum()
    # 4.7e-6 was found, as if the directions differed by 1e-7 rad (0.03 arcsec): pyuvsim went through another
    # version of astropy and its table of Earth rotation.
    assert abs(ours - expected["1-3"].conjugate()) < 1e-5 * summed
