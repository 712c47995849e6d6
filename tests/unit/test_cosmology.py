"""The 21 cm line's redshifts and distances, against integrals written here."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.constants import c as light_m_s
from scipy.constants import h as planck
from scipy.constants import k as boltzmann
from scipy.integrate import quad

from pipeline.config.diffuse import CosmologyConfig
from pipeline.errors import ConfigError
from pipeline.observation.cosmology import LINE_HZ, cosmology, depth_mpc, kelvin_to_jy, redshift, transverse_mpc

FLAT = CosmologyConfig(h0=67.7, om0=0.31)


def hubble_integral(low: float, high: float, h0: float, om0: float, or0: float = 0.0) -> float:
    """Integrate c/H over redshift: comoving Mpc in a flat universe of matter, radiation and a constant."""
    value, _ = quad(
        lambda z: 1 / np.sqrt(or0 * (1 + z) ** 4 + om0 * (1 + z) ** 3 + 1 - om0 - or0),
        low,
        high,
        epsabs=0,
        epsrel=1e-12,
    )
    return light_m_s / 1e3 / h0 * value


def test_redshift():
    np.testing.assert_allclose(redshift([LINE_HZ, LINE_HZ / 2, LINE_HZ / 9]), [0, 1, 8], rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("mhz", [61.3, 142.7, 349.0])
def test_transverse_distance(mhz):
    expected = hubble_integral(0, 1420.4057517667 / mhz - 1, 67.7, 0.31)
    assert transverse_mpc(cosmology(FLAT), mhz * 1e6) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("width_khz", [5.425347, 195.3, 8000.0])
def test_depth(width_khz):
    low, high = 1420.4057517667 / (150 + width_khz / 2e3) - 1, 1420.4057517667 / (150 - width_khz / 2e3) - 1
    # A difference of two distances of 9 Gpc: their rounding, 2e-12 Mpc each, stays.
    expected = hubble_integral(low, high, 67.7, 0.31)
    assert depth_mpc(cosmology(FLAT), 150e6, width_khz * 1e3) == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_planck18_beside_published_numbers():
    # Planck 2018 VI (A&A 641, A6), table 2, last column.
    planck18 = cosmology(CosmologyConfig(name="Planck18"))
    assert (planck18.H0.value, planck18.Om0) == (67.66, 0.30966)
    # Matter without neutrinos is 0.30966; one of three neutrinos, of 0.06 eV, is matter too, two and the photons of
    # 2.7255 K are radiation (Komatsu et al. 2011, ApJS 192, 18, eq. 22 and 25).
    radiation = 2.473e-5 / 0.6766**2 * (1 + 0.2271 * 3.046 * 2 / 3)
    matter = 0.30966 + 0.06 / 93.14 / 0.6766**2
    expected = hubble_integral(0, 8.5, 67.66, matter, radiation)
    assert transverse_mpc(planck18, LINE_HZ / 9.5) == pytest.approx(expected, rel=1e-4)


def test_arrays_keep_their_shape():
    frequencies = np.array([[100e6, 150e6, 200e6]])
    assert transverse_mpc(cosmology(FLAT), frequencies).shape == (1, 3)
    assert depth_mpc(cosmology(FLAT), frequencies, 1e5).shape == (1, 3)
    assert kelvin_to_jy(frequencies, np.ones((2, 1))).shape == (2, 3)


def test_brightness_beside_planck():
    # Planck's law at 1e6 K, where h nu / k T = 7e-9 is the relative difference from Rayleigh-Jeans.
    nu, temperature, omega = 150e6, 1e6, 1e-5
    law = 2 * planck * nu**3 / light_m_s**2 / np.expm1(planck * nu / (boltzmann * temperature))
    assert kelvin_to_jy(nu, omega) * temperature == pytest.approx(law * omega * 1e26, rel=1e-8)


@pytest.mark.parametrize("frequency", [1500e6, 0.0, -1.0, float("nan")])
def test_no_line_there(frequency):
    with pytest.raises(ConfigError, match=r"the 21 cm line is not seen at .* choose a spectrum below it"):
        transverse_mpc(cosmology(FLAT), frequency)


@pytest.mark.parametrize("keys", [{}, {"h0": 70}, {"name": "Planck18", "om0": 0.3}, {"h0": 0, "om0": 0.3}])
def test_half_a_cosmology(keys):
    with pytest.raises(ValidationError):
        CosmologyConfig.model_validate(keys)
