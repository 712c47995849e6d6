"""Directions interpolated within a cell, against those worked out dump by dump."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pipeline.observation.geometry import Geometry, Moment
from pipeline.observation.skies.components import Components
from pipeline.observation.sky import Sky
from pipeline.observation.smearing import Nodes
from pipeline.observation.stations.base import Directions
from pipeline.observation.telescope import Telescope
from pipeline.parallel.host_device import CpuDevice
from pipeline.prediction.cells import Cell, Cells, dumps_per_cell
from pipeline.prediction.present import Present
from pipeline.prediction.terms import split

DAY = 61366.0  # 2026-11-22


def whole_sky(n: int) -> Sky:
    rng = np.random.default_rng(4)
    ra, dec = rng.uniform(0, 2 * math.pi, n), np.arcsin(rng.uniform(-1, 1, n))
    return Sky((Components(tuple(map(str, range(n))), ra, dec, np.eye(4)[np.zeros(n, int)], np.full(n, 1e8), 0 * ra),))


def geometry(n_sources: int, integration_s: float) -> Geometry:
    telescope = Telescope("test", ("a",), np.zeros((1, 3)), math.radians(116.76), math.radians(-26.82), 365.0)
    return Geometry(telescope, whole_sky(n_sources), 0.3, -0.5, (DAY, 0.5), integration_s)


@pytest.mark.parametrize(("integration_s", "n_dumps"), [(0.85, 301), (60.0, 23), (3600.0, 2)])
def test_directions_between_a_cells_moments(integration_s, n_dumps):
    """To rounding, but for dumps of an hour: aberration bends most over the longest cells."""
    n_sources = 997
    here = geometry(n_sources, integration_s)
    cells = Cells(n_dumps, dumps_per_cell(1e9, integration_s, n_dumps, 1e-6)[0])
    sources = np.arange(n_sources)
    for index in {0, (n_dumps - 1) // cells.cell_dumps}:
        cell = Cell(here, cells, index, integration_s)
        first, stop = cells.bounds(index)
        for elapsed in (first + 0.01, first + 0.5, stop - 0.37):
            (exact,) = here.moments(np.array([elapsed]))
            enu = cell.enu_at(cell.weights(np.array(elapsed)), exact, sources)
            assert np.abs(enu - exact.enu()).max() <= (2e-11 if integration_s == 3600 else 3e-15)


def test_sources_that_rise_and_set_are_present_and_seen_while_they_are_up():
    n_sources, integration_s = 4001, 3.0
    here = geometry(n_sources, integration_s)
    (chunk,) = split(np.arange(n_sources), Nodes(np.ones(n_sources, np.int64), np.ones(n_sources, np.int64)), False)
    cell = Cell(here, Cells(97, 60), 0, integration_s)
    up = np.array([moment.enu()[:, 2] > 0 for moment in here.moments(np.arange(60) + 0.5)])
    present = Present(CpuDevice("double", "test", 1), cell, 0, chunk, True)
    always, never = np.flatnonzero(up.all(axis=0)), np.flatnonzero(~up.any(axis=0))
    changing = np.flatnonzero(up.any(axis=0) & ~up.all(axis=0))
    assert len(changing) > 5
    assert set(always) | set(changing) <= set(present.sources.tolist())
    assert set(present.sources[: present.n_up].tolist()) <= set(always.tolist()) | set(changing.tolist())
    # Little that is never up is worked through.
    assert len(set(present.sources.tolist()) & set(never.tolist())) < n_sources / 100
    for looks, first in ((present.looks, 0), (present.looks_at_dumps(57, 60), 57)):
        since, n_dumps, directions = looks.n_between, 60 - first, looks.directions.host
        found = np.zeros((n_dumps, n_sources), bool)
        found[:, present.sources[since:]] = looks.look >= 0
        expected = up[first:].copy()
        expected[:, present.sources[:since]] = False
        np.testing.assert_array_equal(found, expected)
        assert sorted(looks.look[looks.look >= 0]) == list(range(4 * since, len(directions.enu)))

        def agree(moment: Moment, sources: Any, mine: Any, seen: Directions = directions) -> None:
            assert np.abs(seen.enu[mine] - moment.enu(sources)).max(initial=0) <= 3e-15
            # A difference over 2e-3 rad: rounding counts a thousandfold.
            assert np.abs(seen.north[mine] - moment.north(sources)).max(initial=0) <= 3e-12
            assert np.abs(seen.pointing[mine] - moment.uvw_axes[2]).max(initial=0) <= 3e-15

        for k, moment in enumerate(here.moments(Cells(97, 60).moments(0))):
            agree(moment, present.sources[:since], slice(k * since, (k + 1) * since))
        for dump, moment in enumerate(here.moments(np.arange(first, 60) + 0.5)):
            is_up = looks.look[dump] >= 0
            agree(moment, present.sources[since:][is_up], looks.look[dump][is_up])
    assert present.looks.n_between == present.n_up > 0
