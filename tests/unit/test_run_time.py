"""How long a run takes: how stages overlap, what ranks send and write, sizes at their edges."""

from __future__ import annotations

import pytest
from cost_samples import machine, plan, task

from pipeline.costs.machine import default_machine
from pipeline.costs.runtime import count_averages, count_writing, exchanged_bytes, run_time
from pipeline.costs.task import Summed, count_channel


@pytest.mark.parametrize(
    "changes",
    [
        {"points": Summed(0, 0, 1)},
        {"points": Summed(), "n_sources": 0},
        {
            "n_stations": 2,
            "n_baselines": 1,
            "n_cells": 128,
            "n_packed": 4,
            "points": Summed(1, 1, 1),
            "n_sources": 1,
        },
    ],
    ids=["none up", "none at all", "two stations, one source"],
)
def test_sizes_at_their_edges_take_a_time(changes):
    said = run_time(plan(n_baselines=1), task(**changes), default_machine("cpu"), "mixed", 1)
    assert 0 < said.whole_s < 10
    assert all(value >= 0 for value in said.stages.values())


def test_cost_is_linear_in_sources_dumps_and_channels():
    few, many = task(points=Summed(100, 200, 1)), task(points=Summed(300, 600, 3))
    for key, number in count_channel(few).items():
        if key[0] in ("unpolarised", "phasors"):
            assert count_channel(many)[key] == 3 * number
    short, long = (run_time(plan(n_dumps=n), few, machine(), "mixed", 2) for n in (30, 90))
    assert long.predict_s == pytest.approx(3 * short.predict_s)
    assert long.write_s < 3 * short.write_s  # bands are opened once


def test_stages_that_overlap_take_as_long_as_the_slowest_and_what_fills_in():
    # On a GPU the host only averages and writes.
    said = run_time(plan(), task(), machine(backend="cuda", threads=4), "mixed", 4)
    behind = said.average_s + said.exchange_s + said.write_s
    assert said.whole_s == pytest.approx(max(said.predict_s + said.write_s, said.average_s) + said.fill_s)
    assert said.fill_s == pytest.approx(behind / (4 * 4))
    # On one core nothing overlaps.
    alone = run_time(plan(3, 3), task(), machine(threads=1), "mixed", 1)
    assert alone.whole_s == pytest.approx(alone.predict_s + alone.average_s + alone.exchange_s + alone.write_s)


def test_hours_are_those_of_all_ranks_and_nodes():
    said = run_time(plan(12, 6), task(), machine(), "mixed", 1)
    assert said.rank_hours == pytest.approx(12 * said.whole_s / 3600)
    assert said.node_hours == pytest.approx(2 * said.whole_s / 3600)


@pytest.mark.parametrize(("n_ranks", "ranks_per_node"), [(1, 1), (2, 2), (3, 3), (6, 1), (12, 6), (36, 6)])
def test_bytes_of_exchanges_are_what_ranks_send_one_by_one(n_ranks, ranks_per_node):
    one = plan(n_ranks, ranks_per_node)
    layout, n, cells = one.layout, one.sizes.n_baselines, 36 * one.n_dumps
    sent = {rank: [0, 0] for rank in range(n_ranks)}
    for rank in range(n_ranks):
        role = layout.role(rank)
        bands = role.bands[1] - role.bands[0]
        items = layout.items_per_rank()[role.node_rank]
        for other in range(n_ranks):
            to = layout.role(other)
            if other == rank or to.group != role.group:
                continue
            whole = [layout.baseline_slice(n, to.node_rank, node) for node in range(layout.nodes_per_group)]
            if to.node == role.node:
                sent[rank][0] += bands * items * sum(stop - start for start, stop in whole)
            elif to.node_rank == role.node_rank:
                start, stop = layout.baseline_slice(n, to.node_rank, to.group_node)
                sent[rank][1] += bands * layout.sextets_per_node * (stop - start)
        if layout.ranks_per_node * layout.nodes_per_group > 1:
            start, stop = layout.baseline_slice(n, role.node_rank, role.group_node)
            sent[rank][layout.nodes_per_group > 1] += bands * (stop - start)
    near, far = exchanged_bytes(one)
    # Slices differ by a baseline, and the busiest rank has the longest.
    slack = cells * 4 * (layout.group + max(layout.items_per_rank()) + 1)
    assert max(pair[0] for pair in sent.values()) * cells == pytest.approx(near, abs=slack)
    assert max(pair[1] for pair in sent.values()) * cells == pytest.approx(far, abs=slack)


def test_bands_are_written_in_turns():
    for n_ranks, most in ((1, 4), (2, 2), (3, 2), (4, 1), (12, 1)):
        written = count_writing(plan(n_ranks, n_ranks))
        assert written["write", "band"] == most
        assert written["write", "step"] == most * 4
        assert written["write", "byte"] == most * 10 * 131 * 36
    # A rank by itself sums bands where it predicts; three have a third of the baselines each, rounded up.
    assert count_averages(plan())["average", "item-baseline"] == 0
    assert count_averages(plan(3, 3))["average", "item-baseline"] == 4 * 10 * 6 * 44
