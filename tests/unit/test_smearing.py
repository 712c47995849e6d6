"""Smearing: node numbers against the analytic sinc, and bounds against phases that the geometry really makes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.observation.geometry import Geometry
from pipeline.observation.skies.components import Components
from pipeline.observation.sky import Sky
from pipeline.observation.smearing import (
    MAX_NODES,
    SPEED_OF_LIGHT_M_S,
    distances,
    half_turns,
    nodes_within,
    quadrature_error,
    rule,
)
from pipeline.observation.telescope import Telescope

DAY = 61366.0  # 2026-11-22


@pytest.mark.parametrize("error", [1e-3, 1e-6, 3e-10])
def test_nodes_reach_the_sinc_and_no_node_is_idle(error):
    half_turn = np.append(np.random.default_rng(1).uniform(0, 9, 301) ** 2 / 9, 1e-6)
    needed = nodes_within(half_turn, error)
    assert needed.min() == 1
    for a, n in zip(half_turn[needed <= MAX_NODES], needed[needed <= MAX_NODES], strict=True):
        nodes, weights = rule(int(n))
        assert abs((weights * np.exp(2j * a * nodes)).sum() - math.sin(a) / a) <= error + 1e-15
        assert n == 1 or quadrature_error(a, int(n) - 1) > error


def test_a_turn_that_no_rule_follows_is_marked():
    assert nodes_within(np.array([0.0, 30.0]), 1e-6).tolist() == [1, MAX_NODES + 1]


@pytest.mark.parametrize("n_nodes", [1, 2, 3, 7, MAX_NODES])
def test_weights_add_up_to_one_within_the_interval(n_nodes):
    nodes, weights = rule(n_nodes)
    assert weights.sum() == pytest.approx(1, abs=1e-15)
    assert np.abs(nodes).max() < 0.5
    # Exact for polynomials up to degree 2 n - 1; the mean of x^2 over -1/2 <= x <= 1/2 is 1/12.
    assert n_nodes == 1 or (weights * nodes**2).sum() == pytest.approx(1 / 12, rel=1e-14)


@pytest.mark.parametrize("centre_deg", [(10.0, -27.0), (200.0, -89.9), (150.0, 20.0)])
def test_half_turns_bound_what_the_geometry_makes(centre_deg):
    """Phases at both ends of a long dump and of a channel, on baselines in all directions."""
    rng = np.random.default_rng(2)
    n, length_m, hz, width_hz, integration_s = 41, 5e3, 200e6, 1e5, 40.0
    centre = tuple(np.radians(centre_deg))
    dec = np.clip(centre[1] + rng.uniform(-0.3, 0.3, n), -1.57, 1.57)
    sky = Sky((_points(centre[0] + rng.uniform(-0.4, 0.4, n), dec),))
    ends = rng.normal(size=(500, 3))
    enu_m = length_m * ends / np.linalg.norm(ends, axis=1, keepdims=True)
    array = Telescope("sphere", tuple(map(str, range(500))), enu_m, math.radians(116.7), math.radians(-26.8), 365.0)
    geometry = Geometry(array, sky, *centre, (DAY, 0.3), integration_s)
    # l, m and n - 1 need no horizon, so nothing is left out here.
    first, last = geometry.moments(np.array([0.0, 1.0]))
    paths = [moment.station_uvw @ moment.lmn().T for moment in (first, last)]
    in_dump = 2 * np.pi * hz / SPEED_OF_LIGHT_M_S * np.abs(paths[1] - paths[0]).max(axis=0)
    in_channel = 2 * np.pi * width_hz / SPEED_OF_LIGHT_M_S * np.abs(paths[0]).max(axis=0)
    bound_channel, bound_dump = half_turns(sky.ra_rad, sky.dec_rad, centre, length_m, hz, width_hz, integration_s)
    assert (in_channel <= 2 * bound_channel * (1 + 1e-4)).all()  # aberration moves sources by 1e-4 rad
    assert (in_dump <= 2 * bound_dump * (1 + 1e-4)).all()
    # Not loose: 500 directions come near the worst one.
    assert (in_channel >= 0.95 * 2 * bound_channel).all()
    assert (in_dump >= 0.8 * 2 * bound_dump).all()


def test_distances_from_the_phase_centre():
    found = distances(np.array([0.1, 0.1, 3.1]), np.array([0.0, 0.5, 0.0]), (0.1, 0.0))
    np.testing.assert_allclose(found, [0, 2 * math.sin(0.25), 2 * math.sin(1.5)], rtol=1e-14)


def _points(ra, dec) -> Components:
    ones = np.ones(len(ra))
    stokes = np.stack([ones, 0 * ones, 0 * ones, 0 * ones], axis=1)
    return Components(tuple(map(str, range(len(ra)))), ra, dec, stokes, 1e8 * ones, 0 * ones)
