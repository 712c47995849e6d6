"""The cost model: counts against loops that count one by one, fits that find what was put in, machines' files."""

from __future__ import annotations

import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from cost_samples import machine, task

from pipeline.costs.calibrate import fit
from pipeline.costs.machine import Roof, default_machine, load_machine, machine_for, save_machine, shipped
from pipeline.costs.observed import cells_of, evaluations, packed_of
from pipeline.costs.stages import KERNELS, Work, added, kernel_stage, product_of, times, work_of
from pipeline.costs.task import Summed, count_channel, count_directions
from pipeline.errors import ConfigError, PlanError


@pytest.mark.parametrize("columns", [8, 16])
def test_cells_are_those_of_tiles_with_a_kept_baseline(columns):
    rng = np.random.default_rng(5)
    pairs = np.array([(p, q) for p in range(53) for q in range(p + 1, 53) if rng.uniform() < 0.03], np.int32)
    tiles = {(p // 8, q // columns) for p, q in pairs.tolist()}
    assert cells_of(pairs, columns) == len(tiles) * 8 * columns
    assert cells_of(pairs[:0], columns) == 0
    assert cells_of(np.array([[0, 1]], np.int32), columns) == 8 * columns


def test_packed_stations_are_those_of_the_kernels_tiles():
    from kernels.cpu.tiles import PANEL, find_tiles, rows_per_tile

    rng = np.random.default_rng(4)
    for n_stations in (5, 37, 200, 301):
        p, q = np.triu_indices(n_stations)
        kept = (rng.uniform(size=p.size) < 0.3) & (np.abs(p - q) < n_stations // 3)
        kept[0] = True
        index = np.full((n_stations, n_stations), -1, np.int32)
        index[p[kept], q[kept]] = np.arange(kept.sum())
        rows, packed = rows_per_tile(n_stations, 1), 0
        for i, j in np.argwhere(find_tiles(index, rows, PANEL) > 0):
            packed += len(range(i * rows, min((i + 1) * rows, n_stations)))
            packed += len(range(j * PANEL, min((j + 1) * PANEL, n_stations)))
        assert packed_of(np.stack([p[kept], q[kept]], axis=1).astype(np.int32), n_stations) == packed


@pytest.mark.parametrize(
    ("cell", "dumps", "block"), [(8, 8, 2), (8, 9, 2), (8, 64, 16), (10, 33, 7), (64, 64, 64), (9, 1, 1)]
)
@pytest.mark.parametrize("is_kept", [False, True])
def test_evaluations_are_counted_as_blocks_ask_for_cells(cell, dumps, block, is_kept):
    known: set[int] = set()
    worked_out = 0
    for first in range(0, dumps, block):
        if not is_kept:
            known = set()
        for dump in range(first, min(first + block, dumps)):
            if dump // cell not in known:
                known.add(dump // cell)
                worked_out += 4
    assert evaluations(cell, dumps, block, is_kept) == pytest.approx(worked_out / dumps)


def test_work_of_a_product_is_eight_operations_a_term_and_cell():
    counts = count_channel(task())
    flops, flops_double, _ = work_of(counts, "unpolarised", "mixed")
    assert flops == 14 * (8 * 1000 + 8 * 90)
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

    # When these fail, the machines that come with Dawnstream want measuring again, too (docs/costs.md).
    assert (stages.TILE_ROWS, stages.TILE_BYTES) == (vector.TILE_ROWS, vector.TILE_BYTES)
    assert products._STATIONS_PER_KIND == stages.STATIONS_PER_KIND


def test_every_kernel_of_a_prediction_has_a_stage():
    import kernels.cpu

    known = {name for name in kernels.cpu.__all__ if kernel_stage(name, 1, 9, True) is not None}
    assert set(kernels.cpu.__all__) == known
    for name in known:
        assert kernel_stage(name, 3, 9, False) in KERNELS


@pytest.mark.parametrize("precision", ["mixed", "double"])
@pytest.mark.parametrize("backend", ["cpu", "cuda"])
def test_shipped_machines_have_a_figure_for_everything(backend, precision):
    stations = itertools.product((1, 2, 64), (True, False), (True, False), ("plain", "beam", "dipole"))
    for n_kinds, is_scalar, is_intensity, pattern in stations:
        everything = task(
            n_stations=64,
            n_kinds=n_kinds,
            is_scalar=is_scalar,
            is_intensity=is_intensity,
            extended=Summed(3, 4, 1),
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


def test_fit_finds_the_seconds_that_were_put_in():
    truth = {"term-cell": 3e-11, "term-packed": 2e-9, "baseline": 7e-9, "call": 1e-5}
    samples = []
    for terms, n, chunks in itertools.product((10, 300, 5000), (8, 64, 500), (1, 2)):
        counts = {
            ("common", "term-cell"): terms * n**2 / 2,
            ("common", "term-packed"): terms * n,
            ("common", "baseline"): chunks * n * (n - 1) / 2,
            ("common", "call"): chunks,
        }
        seconds = sum(number * truth[unit] for (_, unit), number in counts.items())
        samples.append(SimpleNamespace(counts=counts, seconds={"common": seconds, "whole": 9.0}))
    found = fit(samples)
    assert found == {"common": pytest.approx(truth, rel=1e-6)}


def test_kernels_are_shared_among_threads_and_the_host_is_not():
    counts = {("phasors", "term-station"): 1e6, ("phasors", "call"): 10.0, ("host", "flux"): 1e6}
    two, four = (machine(threads=2).time(counts, "mixed", threads) for threads in (2, 4))
    assert two == {"phasors": pytest.approx(1 + 1e-5), "host": pytest.approx(1.0)}
    assert four == {"phasors": pytest.approx(0.5 + 1e-5), "host": pytest.approx(1.0)}
    assert machine(backend="cuda").time(counts, "mixed", 4)["phasors"] == pytest.approx(1 + 1e-5)


def test_roof_is_arithmetic_or_memory_whichever_is_more():
    roof = Roof(flops=100.0, flops_double=50.0, bytes_per_s=10.0, source="")
    assert roof.seconds(Work(flops=8, flops_double=5), "mixed") == pytest.approx(0.18)
    assert roof.seconds(Work(flops=8), "double") == pytest.approx(0.16)
    assert roof.seconds(Work(flops=8, reals=4, n_bytes=2), "mixed") == pytest.approx(1.8)


def test_a_machine_reads_back_as_it_was_written(tmp_path):
    path = tmp_path / "one.json"
    save_machine(machine(load=0.5), path, overwrite=False)
    assert load_machine(str(path)) == machine(load=0.5)
    with pytest.raises(ConfigError, match=r"is there already.*--overwrite"):
        save_machine(machine(), path, overwrite=False)
    save_machine(machine(3e-6), path, overwrite=True)
    assert load_machine(str(path)).seconds["mixed"]["host"]["flux"] == 3e-6
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
    with pytest.raises(ConfigError, match=r"'h300' is neither one of h200-data-sheet, x86-avx512 nor a file"):
        load_machine("h300")
    assert shipped() == ["h200-data-sheet", "x86-avx512"]


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
