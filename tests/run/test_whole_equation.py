"""Whole runs against the measurement equation written out: every route, smearing, responses in between."""

from __future__ import annotations

import numpy as np
import pytest
from written_out import POLARISED, SHAPE, Direct, run

from pipeline.inputs import load_inputs

DIPOLES = "{type: aperture-array, element: dipole, rotation: {seed: 4}}"


@pytest.mark.parametrize(
    "changes",
    [
        {"station": "{type: airy, diameter: 20 m}"},
        {"station": "{type: gaussian, fwhm: 9 deg, reference: 150 MHz}", "polarised": POLARISED},
        {"station": "{type: dipole, height: 0.5 m}", "polarised": POLARISED, "shape": SHAPE},
        {"station": "{type: aperture-array}", "polarised": POLARISED},
        {"station": "{type: aperture-array, rotation: {seed: 4}}"},
        {"station": DIPOLES, "polarised": POLARISED},
        {"station": DIPOLES, "polarised": POLARISED, "shape": SHAPE},
    ],
    ids=["airy", "gaussian-polarised", "dipole-extended", "alike", "scalar-kinds", "kinds", "kinds-extended"],
)
def test_every_route_adds_up_the_same_equation(dawnstream, tmp_path, changes):
    config, vis, weight = run(dawnstream, tmp_path, **changes)
    expected, flux = Direct(config).bands()
    assert np.abs(vis - expected).max() <= 2e-7 * flux
    assert (weight == 2).all()
    # Nothing is compared with nothing.
    assert np.abs(expected).max() > 1e-2 * flux


def test_production_precision(dawnstream, tmp_path):
    changes = {"station": DIPOLES, "polarised": POLARISED, "shape": SHAPE, "precision": "mixed", "accuracy": "1e-6"}
    config, vis, _ = run(dawnstream, tmp_path, **changes)
    expected, flux = Direct(config).bands()
    assert np.abs(vis - expected).max() <= 1e-6 * flux


def test_responses_between_the_moments_they_are_worked_out_at(dawnstream, tmp_path):
    """Eleven long dumps share four moments, as many as the accuracy allows."""
    changes = {"station": DIPOLES, "polarised": POLARISED, "dumps": "11", "integration": "12 s", "accuracy": "1e-5"}
    config, vis, _ = run(dawnstream, tmp_path, **changes)
    direct = Direct(config)
    assert direct.inputs.sizes.cell_dumps == 11
    expected, flux = direct.bands()
    # The bound is for the worst source; these are a tenth of it apart.
    assert np.abs(vis - expected).max() <= 1e-6 * flux


@pytest.mark.parametrize(
    "changes",
    [
        {"route": "product", "longest": "6 km", "integration": "4 s", "width": "20 kHz"},
        {"route": "nufft", "far": "0h50m, dec: -31d", "integration": "60 s", "width": "500 kHz"},
    ],
    ids=["product", "nufft"],
)
def test_smearing_on_every_route(dawnstream, tmp_path, changes):
    """A long dump and a wide channel, against the mean over 24 x 24 moments and frequencies."""
    station = "{type: airy, diameter: 3 m}"
    config, vis, _ = run(
        dawnstream,
        tmp_path,
        polarised=POLARISED,
        dumps="1",
        station=station,
        smearing="both",
        accuracy="1e-6",
        **changes,
    )
    # The midpoint rule errs as 1 / n^2, which two of them tell and remove.
    n = 24
    coarse, flux = Direct(config, n // 2).bands()
    fine, _ = Direct(config, n).bands()
    expected = fine + (fine - coarse) / 3
    assert np.abs(vis - expected).max() <= 2e-6 * flux
    sharp, _ = Direct(config).bands()
    assert np.abs(sharp - expected).max() > 1e-4 * flux


def test_the_transform_is_the_product(dawnstream, tmp_path):
    """Both ways, to the accuracy asked for; and the transform's bits do not depend on ranks."""
    sky = {"station": "{type: aperture-array, element: dipole}", "polarised": POLARISED, "smearing": "both"}
    sky["far"] = "0h50m, dec: -31d"
    config, by_product, _ = run(dawnstream, tmp_path, accuracy="1e-7", **sky)
    _, by_transform, _ = run(dawnstream, tmp_path, accuracy="1e-7", **{**sky, "route": "nufft"})
    _, on_ranks, _ = run(dawnstream, tmp_path, ranks=2, accuracy="1e-7", **{**sky, "route": "nufft"})
    flux = np.abs(load_inputs(config).sky.stokes_at(150e6)).sum()
    assert np.abs(by_product - by_transform).max() <= 4e-7 * flux
    np.testing.assert_array_equal(by_transform, on_ranks)
