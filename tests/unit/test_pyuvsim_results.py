"""GLEAM as our reader takes it, against the sources that pyuvsim's shipped results were made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from comparison.case import load

from pipeline.config.sources import CatalogueEntry
from pipeline.observation.skies.catalogues import read_catalogue
from pipeline.observation.sky import Sky

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "configs" / "skies" / "gleam_50srcs.vot"


@pytest.mark.parametrize("spectrum", ["fit", "subbands"])
def test_sources_are_those_of_the_results(spectrum):
    """test_comparisons.py holds what follows from these positions and flux densities to the results themselves."""
    name = {"fit": "spectral_index", "subbands": "subband"}[spectrum]
    case, _ = load(ROOT / "tests" / "data" / f"pyuvsim_gleam_{name}.npz")
    options = {"fit": {}, "subbands": {"spectrum": "subbands", "interpolation": "cubic"}}[spectrum]
    entry = {"catalogue": CATALOGUE, "format": "gleam", **options}
    sky = Sky((read_catalogue(CatalogueEntry.model_validate(entry))[0],))
    # pyradiosky takes J2000 for FK5, we take it for ICRS.
    theirs = SkyCoord(case.ra_deg * u.deg, case.dec_deg * u.deg, frame="icrs").fk5
    ours = SkyCoord(sky.ra_rad * u.rad, sky.dec_rad * u.rad, frame="fk5")
    index, separation, _ = theirs.match_to_catalog_sky(ours)
    assert separation.rad.max() < 1e-12
    flux_jy = sky.stokes_at(case.frequency_hz[0])[index, 0]
    np.testing.assert_allclose(flux_jy, case.stokes_at(case.frequency_hz[0])[:, 0], rtol=1e-12)
