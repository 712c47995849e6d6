"""Terms, routes and cells: who is summed how, on skies and stations made for the purpose."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.observation.skies.components import Components
from pipeline.observation.sky import Sky
from pipeline.observation.smearing import Nodes
from pipeline.observation.stations.scalar import Isotropic
from pipeline.prediction.cells import MOST_DUMPS, Cells, dumps_per_cell
from pipeline.prediction.routes import choose_routes, count_nodes
from pipeline.prediction.terms import EXTENDED_PER_CHUNK, TERMS_PER_CHUNK, epoch_offsets, make_terms, split
from pipeline.prediction.transform import transform


def nodes(in_channel, in_dump) -> Nodes:
    return Nodes(np.asarray(in_channel, np.int64), np.asarray(in_dump, np.int64))


def test_every_source_has_its_nodes_once():
    counts = nodes([1, 2, 3, 1, 2, 2, 1], [3, 1, 2, 1, 3, 3, 2])
    offsets = epoch_offsets(counts)
    # One, two and three nodes; the middle is shared by the first and the last.
    np.testing.assert_allclose(offsets, [-math.sqrt(0.15), -math.sqrt(1 / 12), 0, math.sqrt(1 / 12), math.sqrt(0.15)])
    sources = np.array([4, 0, 1, 6, 5])
    terms = make_terms(counts.of(sources), offsets)
    assert len(terms.source) == 2 * 3 + 1 * 3 + 2 * 1 + 1 * 2 + 2 * 3
    for place, source in enumerate(sources):
        mine = terms.source == place
        assert terms.weight[mine].sum() == pytest.approx(1, abs=1e-15)
        pairs = set(zip(terms.epoch[mine].tolist(), terms.offset[mine].tolist(), strict=True))
        assert len(pairs) == mine.sum() == counts.in_channel[source] * counts.in_dump[source]
        # The mean of t^2 over the dump, and of nu^2 over the channel, where two nodes or more tell it.
        for count, x in ((counts.in_dump[source], offsets[terms.epoch]), (counts.in_channel[source], terms.offset)):
            assert (terms.weight * x**2)[mine].sum() == pytest.approx(1 / 12 if count > 1 else 0, abs=1e-15)


def test_no_source_makes_no_term():
    counts = nodes([2, 2], [1, 1])
    terms = make_terms(counts.of(np.empty(0, np.int64)), epoch_offsets(counts))
    assert [len(array) for array in (terms.source, terms.epoch, terms.offset, terms.weight)] == [0] * 4
    assert (terms.source.dtype, terms.epoch.dtype) == (np.int32, np.int32)


@pytest.mark.parametrize(("is_extended", "most"), [(False, TERMS_PER_CHUNK), (True, EXTENDED_PER_CHUNK)])
def test_chunks_hold_all_sources_in_order_within_their_bound(is_extended, most):
    rng = np.random.default_rng(3)
    counts = nodes(rng.integers(1, 9, 9001), rng.integers(1, 9, 9001))
    sources = np.flatnonzero(rng.uniform(size=9001) < 0.7)
    chunks = split(sources, counts, is_extended)
    np.testing.assert_array_equal(np.concatenate([chunk.sources for chunk in chunks]), sources)
    sizes = np.array([chunk.nodes.n_terms for chunk in chunks])
    assert sizes.max() <= most
    # A chunk ends only where the next source no longer fits.
    assert (sizes[:-1] > most - 64).all()
    assert all(chunk.is_extended == is_extended for chunk in chunks)
    assert split(np.empty(0, np.int64), counts, is_extended) == []


def sky_of(*degrees_apart: float, n: int = 7, v_jy: float = 0.0) -> Sky:
    """One part for each given size of field, around RA 0, dec -27 deg."""
    parts = []
    for number, size in enumerate(degrees_apart):
        rng = np.random.default_rng(number)
        ra, dec = np.radians(rng.uniform(-size, size, (2, n)) / 2)
        stokes = np.stack([np.ones(n), 0 * ra, 0 * ra, np.full(n, v_jy)], axis=1)
        ones = np.ones(n)
        parts.append(Components(tuple(map(str, range(n))), ra, dec - math.radians(27), stokes, 1e8 * ones, 0 * ones))
    return Sky(tuple(parts))


def config(route="auto", memory_bytes=2e9, smearing="both", accuracy=1e-6, integration_s=0.85, ionosphere=None):
    return SimpleNamespace(
        phase_centre=SimpleNamespace(ra_rad=0.0, dec_rad=math.radians(-27)),
        spectrum=SimpleNamespace(start_hz=150e6, width_hz=5425.347, channels=144),
        time=SimpleNamespace(integration_s=integration_s),
        compute=SimpleNamespace(
            route=route,
            memory_bytes=memory_bytes,
            smearing=smearing,
            accuracy=accuracy,
            backend="cpu",
            precision="mixed",
        ),
        ionosphere=ionosphere,
    )


def kinds(n_kinds: int) -> Isotropic:
    response = Isotropic(n_kinds)
    response.kind = np.arange(n_kinds, dtype=np.int32)
    return response


def test_dense_parts_are_transformed_and_sparse_ones_multiplied():
    sky = Sky((*sky_of(3.0, n=50_000).parts, *sky_of(20.0).parts))
    routes = choose_routes(config(), sky, Isotropic(512), 53_400, 3000.0)
    assert [len(part.sources) for part in routes.transformed] == [50_000]
    np.testing.assert_array_equal(np.concatenate([chunk.sources for chunk in routes.chunks]), 50_000 + np.arange(7))
    (note,) = routes.notes
    assert note.startswith("sky[0]: 50,000 sources summed by Fourier transform, about ")
    assert "by product about " in note


@pytest.mark.parametrize(
    ("changes", "response", "why"),
    [
        ({"route": "product"}, Isotropic(512), None),
        ({}, kinds(2), None),
        ({"ionosphere": "there"}, Isotropic(512), None),
        ({"memory_bytes": 1e8}, Isotropic(512), "Fourier transform with"),
    ],
    ids=["asked", "kinds", "ionosphere", "memory"],
)
def test_what_keeps_a_dense_part_from_being_transformed(changes, response, why):
    routes = choose_routes(config(**changes), sky_of(3.0, n=50_000), response, 53_400, 3000.0)
    assert not routes.transformed
    assert sum(len(chunk.sources) for chunk in routes.chunks) == 50_000
    assert why is None or why in routes.notes[0]


@pytest.mark.parametrize(
    ("changes", "response", "message"),
    [
        ({}, kinds(2), r"compute\.route: nufft cannot be had: stations answer in 2 different ways.*auto or product"),
        ({"ionosphere": "there"}, Isotropic(9), r"nufft cannot be had: the ionosphere"),
        ({"memory_bytes": 1e7}, Isotropic(9), r"nufft needs .* GB for sky\[0\], 0\.25 of compute\.memory may be taken"),
    ],
)
def test_a_transform_that_cannot_be_had_is_an_error(changes, response, message):
    with pytest.raises(ConfigError, match=message):
        choose_routes(config("nufft", **changes), sky_of(3.0), response, 100, 3000.0)


def test_smearing_counts_what_is_asked():
    sky = sky_of(10.0)
    both, channel, dump, none = (
        count_nodes(config(smearing=smearing), sky, 3000.0) for smearing in ("both", "channel", "dump", "none")
    )
    np.testing.assert_array_equal(channel.in_channel, both.in_channel)
    np.testing.assert_array_equal(dump.in_dump, both.in_dump)
    assert both.in_channel.max() > 1
    assert both.in_dump.max() > 1
    assert channel.in_dump.max() == dump.in_channel.max() == none.in_dump.max() == none.in_channel.max() == 1
    with pytest.raises(ConfigError, match=r"time\.integration: \d turns by .* within a dump .* 16 nodes"):
        count_nodes(config(integration_s=4000), sky, 30_000.0)


def test_cells_are_as_long_as_the_interpolation_is_good():
    """The worst function the bound allows, through a cell's moments, errs by what is asked for and not much less."""
    rate, integration_s, accuracy = 40.0, 0.85, 1e-6
    n_dumps, is_interpolated = dumps_per_cell(rate, integration_s, 10_000, accuracy)
    assert is_interpolated
    cells = Cells(10_000, n_dumps)
    turn = rate * 7.292115e-5 * integration_s
    at, x = cells.moments(3), np.linspace(*cells.bounds(3), 1001)
    error = np.abs(cells.weights(3, x) @ np.exp(1j * turn * at) - np.exp(1j * turn * x)).max()
    assert 0.7 * accuracy < error <= accuracy
    assert dumps_per_cell(rate, integration_s, 9, accuracy) == (9, True)
    # Four moments for fewer than eight dumps do not pay.
    assert dumps_per_cell(rate, integration_s, 7, accuracy) == (7, False)
    assert dumps_per_cell(rate, 100.0, 1000, accuracy) == (6, False)
    # What never changes is interpolated over as much as directions are.
    assert dumps_per_cell(0.0, integration_s, 1000, accuracy) == (MOST_DUMPS, True)
    assert dumps_per_cell(0.0, 3600.0, 1000, accuracy) == (1, False)


def test_every_dump_is_in_one_cell():
    cells = Cells(23, 7)
    assert [cells.bounds(cell) for cell in range(4)] == [(0, 7), (7, 14), (14, 21), (21, 23)]
    assert list(cells.stretches(5, 22)) == [(0, 5, 7), (1, 7, 14), (2, 14, 21), (3, 21, 22)]
    # A cubic is met exactly, also in the last cell, which is shorter, and at its very ends.
    x = np.array([[21.0, 21.5], [22.1, 23.0]])
    cubic = np.polynomial.Polynomial([3.0, -1.0, 0.25, 0.125])
    np.testing.assert_allclose(cells.weights(3, x) @ cubic(cells.moments(3)), cubic(x), rtol=1e-12)


def test_the_transform_is_the_sum():
    """Directions far from the phase centre and baselines in all directions, against the sum written out."""
    rng = np.random.default_rng(8)
    enu = rng.normal(size=(31, 3)) * [0.2, 0.2, 1]
    enu /= np.linalg.norm(enu, axis=1, keepdims=True)
    lmn = enu - [0, 0, 1]
    baseline_m, hz = rng.normal(scale=20, size=(43, 3)), 97e6
    products = rng.normal(size=(4, 31)) + 1j * rng.normal(size=(4, 31))
    expected = products @ np.exp(2j * np.pi * hz / 299792458.0 * lmn @ baseline_m.T)
    found = transform(products, lmn, baseline_m, hz, 1e-9)
    assert np.abs(found - expected).max() <= 1e-8 * np.abs(products).sum(axis=1).max()
