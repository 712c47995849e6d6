"""The bounds on how fast responses change hold, and are not far from what is reached."""

from __future__ import annotations

import math

import numpy as np
import pytest
from station_samples import at

from kernels import reference
from pipeline.config.station import ApertureArrayConfig
from pipeline.observation.stations.aperture_array import ApertureArray
from pipeline.observation.stations.base import Directions, Rates, turning_rate
from pipeline.observation.stations.dipole import Dipole
from pipeline.observation.stations.layouts import Layouts, load_layouts
from pipeline.observation.stations.scalar import Airy, Gaussian, Isotropic

# Nine points and the polynomial through them: its derivatives at the middle, by the step to the order.
STENCIL = np.arange(-4, 5)
DERIVATIVES = np.linalg.inv(np.vander(STENCIL, increasing=True).astype(float))[1:5] * [[1], [2], [6], [24]]
REGULAR = np.stack([*np.meshgrid(np.arange(-4, 5) * 2.0, np.arange(-4, 5) * 2.0), np.zeros((9, 9))], -1).reshape(-1, 3)
SKA_LOW = load_layouts(ApertureArrayConfig.model_validate({}), 2)


def turn(axis, angle):
    """Matrix of a turn about an axis, by Rodrigues's formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def skies(farthest, n=1200):
    """Give sources up to a distance from a phase centre, for several phase centres, and axes the sky turns about."""
    rng = np.random.default_rng(11)
    for pointing in (at(0.05, 0.3).enu[0], at(0.9, 2.0).enu[0]):
        enu = pointing + rng.normal(size=(4 * n, 3)) * (0.6 * farthest)
        enu /= np.linalg.norm(enu, axis=-1, keepdims=True)
        enu = enu[(np.linalg.norm(enu - pointing, axis=-1) <= farthest) & (enu[:, 2] > 0.12)][:n]
        assert len(enu) > n / 4
        kept = at(np.arccos(enu[:, 2]), np.arctan2(enu[:, 0], enu[:, 1]), pointing)
        for axis in rng.normal(size=(3, 3)):
            yield kept, axis / np.linalg.norm(axis)


def size(response):
    """Spectral norm of responses of either shape."""
    return np.linalg.norm(response, ord=2, axis=(-2, -1)) if response.ndim == 4 else np.abs(response)


def found(response, frequency_hz, farthest, step_rad):
    """Largest first to fourth derivatives with angle, and the first by frequency, relative to the largest response."""
    by_angle, per_hz = np.zeros(4), 0.0
    everywhere = at(*(grid.ravel() for grid in np.meshgrid(np.linspace(0, 1.57, 300), np.linspace(0, 6.3, 37))))
    largest = size(response.respond(everywhere, frequency_hz, reference)).max()
    for sky, axis in skies(farthest):
        along = []
        for matrix in (turn(axis, step * step_rad) for step in STENCIL):
            turned = Directions(sky.enu @ matrix, sky.north @ matrix, sky.pointing @ matrix)
            along.append(response.respond(turned, frequency_hz, reference))
        derivatives = np.tensordot(DERIVATIVES, np.array(along), axes=1)
        by_angle = np.maximum(by_angle, [size(one).max() / step_rad**n for n, one in enumerate(derivatives, start=1)])
        higher = response.respond(sky, frequency_hz + 100.0, reference)
        per_hz = max(per_hz, size(higher - along[4]).max() / 100.0)
    return by_angle / largest, per_hz / largest


# Response, frequency, how far sources go, and by what factor the bounds may exceed what is found.
CASES = {
    "gaussian at the zenith": (Gaussian(1, 0.3, 1e8, "zenith"), 1.5e8, 2.0, 1.3, 1.2),
    "gaussian": (Gaussian(1, 0.3, 1e8, "phase-centre"), 1.5e8, 2.0, None, 1.2),
    "gaussian, near": (Gaussian(1, 0.3, 1e8, "phase-centre"), 1.5e8, 0.1, None, 1.2),
    "airy at the zenith": (Airy(1, 14.0, "zenith"), 1.5e8, 2.0, 1.5, 1.2),
    "airy": (Airy(1, 14.0, "phase-centre"), 1.5e8, 2.0, None, 1.2),
    "airy, near": (Airy(1, 14.0, "phase-centre"), 1.5e8, 0.05, None, 1.2),
    "free dipole": (Dipole(1, None, None, 0.0), 1.5e8, 2.0, 1.2, None),
    "dipole": (Dipole(1, 0.4, None, 0.2), 1.5e8, 2.0, 2.0, 1.2),
    "long dipole": (Dipole(1, 0.4, 1.2, 0.2), 1.5e8, 2.0, 3.5, 4.0),
    "high dipole": (Dipole(1, 1.3, None, 0.2), 1.5e8, 2.0, 1.8, 1.2),
    # One with grating lobes, where the bound is nearly reached away from the phase centre.
    "regular station": (ApertureArray(Layouts((REGULAR,), np.zeros(2, np.int32)), Isotropic(1)), 3e8, 2.0, 2.0, 3.0),
    "SKA-Low, near": (ApertureArray(SKA_LOW, Isotropic(1)), 1.5e8, 0.04, 2.2, 2.2),
    # Far sidelobes of 256 irregular elements: sixteen times as low.
    "SKA-Low": (ApertureArray(SKA_LOW, Dipole(1, 0.4, None, 0.0)), 1.5e8, 2.0, 4.0, 25.0),
}


@pytest.mark.parametrize("case", CASES)
def test_bounds_hold_and_are_close(case):
    response, frequency_hz, farthest, radian_room, hz_room = CASES[case]
    rates = response.rates(frequency_hz, frequency_hz + 1e3, farthest)
    # The polynomial of eighth order is good to 0.2^9, and rounding to 1e-16 / 0.2^4.
    by_angle, per_hz = found(response, frequency_hz, farthest, 0.2 / max(rates.per_radian, 1.0))
    orders = np.arange(1, 5)
    assert (by_angle <= rates.per_radian**orders * 1.001 + 1e-9).all()
    assert per_hz <= rates.per_hz * 1.001 + 1e-15
    if radian_room is None:
        assert rates.per_radian == 0
    else:
        assert rates.per_radian <= radian_room * (by_angle ** (1 / orders)).max()
    if hz_room is None:
        assert rates.per_hz == 0
    else:
        assert rates.per_hz <= hz_room * per_hz


def test_isotropic_stations_do_not_change():
    assert Isotropic(4).rates(1e8, 2e8) == Rates(0.0, 0.0)


@pytest.mark.parametrize("rate", [0.01, 1.0, 7.5])
def test_turning_rate_is_the_fourth_moment_of_poisson(rate):
    k = np.arange(60.0)
    probability = np.exp(k * np.log(rate) - rate - np.array([math.lgamma(n + 1) for n in k]))
    assert turning_rate(rate) == pytest.approx((probability @ k**4) ** 0.25, rel=1e-12)


def test_bounds_cover_a_whole_band():
    station = ApertureArray(SKA_LOW, Dipole(1, 0.4, 0.5, 0.0))
    band = station.rates(1e8, 2e8, 0.5)
    for frequency_hz in np.linspace(1e8, 2e8, 7):
        single = station.rates(frequency_hz, frequency_hz, 0.5)
        assert single.per_radian <= band.per_radian * (1 + 1e-3)
        assert single.per_hz <= band.per_hz * (1 + 1e-3)


def test_rate_of_a_filled_disc():
    # The mean of r^2 x^2 over a disc of radius R is R^4 / 6.
    rate = ApertureArray(SKA_LOW, Isotropic(1)).rates(3e8, 3e8, 1.0).per_hz
    assert rate == pytest.approx(2 * math.pi / 299792458.0 * 6**-0.25 * 38 / 2, rel=0.02)
