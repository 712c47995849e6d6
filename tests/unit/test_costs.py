"""The cost model: counts against loops that count one by one, fits that find what was put in, sizes at their edges."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.costs.calibrate import fit
from pipeline.costs.machine import Machine, Roof, default_machine, load_machine, machine_for, save_machine, shipped
from pipeline.costs.observed import cells_of, evaluations
from pipeline.costs.runtime import count_averages, count_writing, exchanged_bytes, run_time
from pipeline.costs.stages import KERNELS, STAGES, Work, added, kernel_stage, product_of, times, work_of
from pipeline.costs.task import Summed, Task, count_channel, count_directions
from pipeline.errors import ConfigError, PlanError
from pipeline.layout import lay_out
from pipeline.plan import Plan, Sizes


def task(**changes) -> Task:
    plain = Task(
        n_stations=37,
        n_baselines=666,
        n_cells=1000,
        n_sources=11,
        n_epochs=2,
        points=Summed(7, 14, 9, 2),
        extended=Summed(),
        channels_per_item=2,
        block_dumps=3,
    )
    return dataclasses.replace(plain, **changes)


def plan(n_ranks=1, ranks_per_node=1, n_dumps=10, block_dumps=3, n_baselines=131) -> Plan:
    layout = lay_out(144, 6, 6, n_ranks, ranks_per_node)
    sizes = Sizes(17, n_baselines, 11, 1000.0, n_terms=14, terms_at_once=9)
    return Plan(layout, sizes, n_dumps, block_dumps, memory_bytes=1, kept_bytes=0, decorrelation=0.0)


def machine(unit_s=1e-6, backend="cpu", threads=2, **changes) -> Machine:
    """All units take the same."""
    seconds = {precision: {s: dict.fromkeys(STAGES[s], unit_s) for s in STAGES} for precision in ("mixed", "double")}
    made = Machine("even", backend, threads, "2026-11-25", (), Roof(1e12, 5e11, 1e11, "made up"), 1e11, seconds)
    return dataclasses.replace(made, **changes)


@pytest.mark.parametrize("columns", [8, 16])
def test_cells_are_those_of_tiles_with_a_kept_baseline(columns):
    rng = np.random.default_rng(5)
    pairs = np.array([(p, q) for p in range(53) for q in range(p + 1, 53) if rng.uniform() < 0.03], np.int32)
    tiles = {(p // 8, q // columns) for p, q in pairs.tolist()}
    assert cells_of(pairs, columns) == len(tiles) * 8 * columns
    assert cells_of(pairs[:0], columns) == 0
    assert cells_of(np.array([[0, 1]], np.int32), columns) == 8 * columns


@pytest.mark.parametrize(
    ("cell", "dumps", "block"), [(1, 9, 2), (8, 8, 2), (8, 9, 2), (8, 64, 16), (10, 33, 7), (64, 64, 64), (9, 1, 1)]
)
@pytest.mark.parametrize("is_kept", [False, True])
def test_evaluations_are_counted_as_blocks_ask_for_cells(cell, dumps, block, is_kept):
    known: set[int] = set()
    worked_out = 0
    for first in range(0, dumps, block):
        if not is_kept:
            known = set()
        for dump in range(first, min(first + block, dumps)):
            if cell == 1:
                worked_out += 1
            elif dump // cell not in known:
                known.add(dump // cell)
                worked_out += 4
    assert evaluations(cell, dumps, block, is_kept) == pytest.approx(worked_out / dumps)


def test_work_of_a_product_is_eight_operations_a_term_and_cell():
    counts = count_channel(task())
    flops, flops_double, _ = work_of(counts, "unpolarised", "mixed")
    assert flops == 14 * (8 * 1000 + 8 * 37)
    assert flops_double == 0
    # Phasors of two reals each are written; twice the bytes in double precision.
    assert work_of(counts, "phasors", "mixed")[2] == 14 * 37 * 2 * 4
    assert work_of(counts, "phasors", "double")[2] == 14 * 37 * 2 * 8
    matrices = count_channel(task(n_kinds=37, is_scalar=False, is_intensity=False))
    assert matrices["all different", "term-cell"] == 14 * 1000
    assert work_of({("all different", "term-cell"): 1.0}, "all different", "mixed")[0] == 64


@pytest.mark.parametrize(
    ("n_kinds", "is_scalar", "is_intensity", "product"),
    [
        (1, True, True, "unpolarised"),
        (1, True, False, "common"),
        (1, False, False, "common"),
        (5, True, True, "unpolarised"),
        (5, True, False, "common"),
        (2, False, False, "few kinds"),
        (64, False, False, "all different"),
    ],
)
def test_the_product_is_the_one_that_summing_calls(n_kinds, is_scalar, is_intensity, product):
    assert product_of(n_kinds, 64, is_scalar, is_intensity) == product
    assert (product, "term-cell") in count_channel(
        task(n_stations=64, n_kinds=n_kinds, is_scalar=is_scalar, is_intensity=is_intensity)
    )


def test_constants_are_the_kernels_own():
    from kernels.cpu import products, vector
    from pipeline.costs import stages
    from pipeline.costs.memory import N_MOMENTS as MOMENTS_PLANNED
    from pipeline.prediction.responses import N_MOMENTS

    # When these fail, the machines that come with Dawnstream want measuring again, too (docs/costs.md).
    assert (stages.TILE_ROWS, stages.TILE_BYTES) == (vector.TILE_ROWS, vector.TILE_BYTES)
    assert products._STATIONS_PER_KIND == stages.STATIONS_PER_KIND
    assert N_MOMENTS == MOMENTS_PLANNED


def test_every_kernel_of_a_prediction_has_a_stage():
    import kernels.cpu

    known = {name for name in kernels.cpu.__all__ if kernel_stage(name, 1, 9, True) is not None}
    assert set(kernels.cpu.__all__) == known
    for name in known:
        assert kernel_stage(name, 3, 9, False) in KERNELS


@pytest.mark.parametrize("precision", ["mixed", "double"])
@pytest.mark.parametrize("backend", ["cpu", "cuda"])
def test_shipped_machines_have_a_figure_for_everything(backend, precision):
    stations = itertools.product((1, 2, 64), (True, False), (True, False), ("plain", "beam", "matrix"))
    for n_kinds, is_scalar, is_intensity, pattern in stations:
        everything = task(
            n_stations=64,
            n_kinds=n_kinds,
            is_scalar=is_scalar,
            is_intensity=is_intensity,
            extended=Summed(3, 4, 3, 1),
            pattern=pattern,
            n_elements=256,
            evaluations=0.5,
            is_interpolated=True,
            transform_sources=100.0,
            transform_cells=1e5,
            transform_points=1e3,
            has_gains=True,
            has_noise=True,
            has_screen=True,
        )
        counts = added(count_channel(everything), count_directions(everything))
        seconds = default_machine(backend).time(counts, precision, 2)
        assert all(0 <= value < 1 and math.isfinite(value) for value in seconds.values())
        assert sum(seconds.values()) > 1e-5


@pytest.mark.parametrize(
    "changes",
    [
        {"points": Summed(0, 0, 0, 1)},
        {"points": Summed(), "n_sources": 0},
        {"n_stations": 2, "n_baselines": 1, "n_cells": 128, "points": Summed(1, 1, 1, 1), "n_sources": 1},
    ],
    ids=["none up", "none at all", "two stations, one source"],
)
def test_sizes_at_their_edges_take_a_time(changes):
    said = run_time(plan(n_baselines=1), task(**changes), default_machine("cpu"), "mixed", 1)
    assert 0 < said.whole_s < 10
    assert all(value >= 0 for value in said.stages.values())


def test_cost_is_linear_in_sources_dumps_and_channels():
    few, many = task(points=Summed(100, 200, 150, 1)), task(points=Summed(300, 600, 450, 3))
    for key, number in count_channel(few).items():
        if key[0] in ("unpolarised", "phasors"):
            assert count_channel(many)[key] == 3 * number
    short, long = (run_time(plan(n_dumps=n), few, machine(), "mixed", 2) for n in (30, 90))
    assert long.predict_s == pytest.approx(3 * short.predict_s)
    assert long.write_s < 3 * short.write_s  # bands are opened once


def test_fit_finds_the_seconds_that_were_put_in():
    truth = {"term-cell": 3e-11, "term-station": 2e-9, "baseline": 7e-9, "call": 1e-5}
    samples = []
    for terms, n, chunks in itertools.product((10, 300, 5000), (8, 64, 500), (1, 2)):
        counts = {
            ("common", "term-cell"): terms * n**2 / 2,
            ("common", "term-station"): terms * n,
            ("common", "baseline"): chunks * n * (n - 1) / 2,
            ("common", "call"): chunks,
        }
        seconds = sum(number * truth[unit] for (_, unit), number in counts.items())
        samples.append(SimpleNamespace(counts=counts, seconds={"common": seconds, "whole": 9.0}))
    found = fit(samples)
    assert found == {"common": pytest.approx(truth, rel=1e-6)}


def test_kernels_are_shared_among_threads_and_the_host_is_not():
    counts = {("phasors", "term-station"): 1e6, ("phasors", "call"): 10.0, ("host", "term"): 1e6}
    two, four = (machine(threads=2).time(counts, "mixed", threads) for threads in (2, 4))
    assert two == {"phasors": pytest.approx(1 + 1e-5), "host": pytest.approx(1.0)}
    assert four == {"phasors": pytest.approx(0.5 + 1e-5), "host": pytest.approx(1.0)}
    assert machine(backend="cuda").time(counts, "mixed", 4)["phasors"] == pytest.approx(1 + 1e-5)


def test_roof_is_arithmetic_or_memory_whichever_is_more():
    roof = Roof(flops=100.0, flops_double=50.0, bytes_per_s=10.0, source="")
    assert roof.seconds(Work(flops=8, flops_double=5), "mixed") == pytest.approx(0.18)
    assert roof.seconds(Work(flops=8), "double") == pytest.approx(0.16)
    assert roof.seconds(Work(flops=8, reals=4, n_bytes=2), "mixed") == pytest.approx(1.8)


def test_stages_that_overlap_take_as_long_as_the_slowest_and_what_fills_in():
    # On a GPU the host only averages and writes.
    said = run_time(plan(), task(), machine(backend="cuda", threads=4), "mixed", 4)
    behind = said.average_s + said.exchange_s + said.write_s
    assert said.whole_s == pytest.approx(max(said.predict_s, said.average_s, said.write_s) + said.fill_s)
    assert said.fill_s == pytest.approx(behind / (4 * 4))
    # On one core nothing overlaps.
    alone = run_time(plan(), task(), machine(threads=1), "mixed", 1)
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
    assert count_averages(plan())["average", "item-baseline"] == 4 * 10 * 6 * 131


def test_a_machine_reads_back_as_it_was_written(tmp_path):
    path = tmp_path / "one.json"
    save_machine(machine(load=0.5), path, overwrite=False)
    assert load_machine(str(path)) == machine(load=0.5)
    with pytest.raises(ConfigError, match=r"is there already.*--overwrite"):
        save_machine(machine(), path, overwrite=False)
    save_machine(machine(3e-6), path, overwrite=True)
    assert load_machine(str(path)).seconds["mixed"]["host"]["term"] == 3e-6
    with pytest.raises(ConfigError, match="is no folder"):
        save_machine(machine(), tmp_path / "missing/one.json", overwrite=False)


def _broken(change) -> str:
    values = machine().as_dict()
    change(values)
    return json.dumps(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a machine's file of format 1"),
        ('{"format": 2}', "is not a machine's file of format 1"),
        (_broken(lambda values: values.pop("roof")), "'roof'"),
        (_broken(lambda values: values["roof"].pop("flops")), "flops"),
        (_broken(lambda values: values["seconds"]["mixed"]["host"].update(term=-1.0)), "-1.0, which is no number of"),
        (_broken(lambda values: values["seconds"]["mixed"]["host"].update(term="fast")), "fast"),
    ],
)
def test_a_file_that_is_no_machine_is_refused(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_machine(str(path))


def test_a_machine_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match=r"'h300' is neither one of amd-epyc, h200-data-sheet nor a file"):
        load_machine("h300")
    assert shipped() == ["amd-epyc", "h200-data-sheet"]


def test_a_machine_must_have_the_backend_asked_for(tmp_path):
    path = tmp_path / "gpu.json"
    save_machine(machine(backend="cuda"), path, overwrite=False)
    assert machine_for("auto", str(path)).backend == "cuda"
    with pytest.raises(ConfigError, match=r"kernels of even run on cuda, and compute\.backend is cpu"):
        machine_for("cpu", str(path))


def test_a_figure_that_is_missing_is_named():
    poor = machine(seconds={"mixed": {"phasors": {"call": 1e-6}}})
    with pytest.raises(PlanError, match=r"no figure for phasors per term-station in mixed.*dawnstream bench"):
        poor.time({("phasors", "term-station"): 1.0}, "mixed", 1)
    # What does not come up needs none.
    assert poor.time({("phasors", "term-station"): 0.0, ("phasors", "call"): 2.0}, "mixed", 1) == {"phasors": 2e-6}


def test_counts_add_and_multiply():
    one = {("host", "term"): 2.0, ("host", "call"): 1.0}
    assert added(one, {("host", "term"): 3.0}) == {("host", "term"): 5.0, ("host", "call"): 1.0}
    assert times(one, 4) == {("host", "term"): 8.0, ("host", "call"): 4.0}
