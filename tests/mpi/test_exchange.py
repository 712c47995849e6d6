"""The ordered exchange under real ranks: sums are those of a plain loop in order, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import ConfigError, PlanError
from pipeline.layout import partition

pytestmark = [pytest.mark.mpi, pytest.mark.timeout(60)]

N_DUMPS = 3


@pytest.fixture
def comm():
    from mpi4py import MPI

    return MPI.COMM_WORLD


def everything(n_items, n_baselines):
    """Items of every magnitude, the same on every rank, so that any other order of addition shows."""
    random = np.random.default_rng(20261122)
    shape = (N_DUMPS, n_items, n_baselines)
    scale = 10.0 ** random.uniform(-6, 6, (*shape, 4))
    values = (random.normal(size=(*shape, 4)) + 1j * random.normal(size=(*shape, 4))) * scale
    return values.astype(np.complex64), random.integers(0, 3, shape).astype(np.float32)


def in_order(values, weights, run):
    """Add runs of items one by one, element by element: what the product is defined to be."""
    n_out = values.shape[1] // run
    sums = np.zeros((values.shape[0], n_out, *values.shape[2:]), np.complex64)
    sum_weights = np.zeros((values.shape[0], n_out, values.shape[2]), np.float32)
    for item in range(values.shape[1]):
        sums[:, item // run] = sums[:, item // run] + values[:, item]
        sum_weights[:, item // run] = sum_weights[:, item // run] + weights[:, item]
    return sums, sum_weights


@pytest.mark.parametrize("n_baselines", [1, 7, 131])
@pytest.mark.parametrize("run", [1, 2, 6])
def test_sums_are_those_of_a_loop_in_order(comm, n_baselines, run):
    from pipeline.parallel.exchange import OrderedSum, Sums

    n_items = 12 if comm.size != 5 else 12 + 3
    values, weights = everything(n_items, n_baselines)
    bounds = partition(n_items, comm.size)
    start, stop = bounds[comm.rank]
    first, last = partition(n_baselines, comm.size)[comm.rank]
    sums = OrderedSum(comm, [b - a for a, b in bounds], n_baselines, N_DUMPS, run)
    for n_dumps in (N_DUMPS, 2, N_DUMPS):  # a shorter block in between leaves nothing behind
        mine = Sums.empty(N_DUMPS, stop - start, n_baselines).first(n_dumps)
        mine.values[...] = values[:n_dumps, start:stop]
        mine.weights[...] = weights[:n_dumps, start:stop]
        result = sums(mine)
        expected = in_order(values[:n_dumps], weights[:n_dumps], run)
        assert result.values.tobytes() == expected[0][:, :, first:last].tobytes()
        assert result.weights.tobytes() == expected[1][:, :, first:last].tobytes()


@pytest.mark.parametrize("n_baselines", [1, 7, 131])
def test_gather_puts_every_slice_in_its_place(comm, n_baselines):
    from pipeline.parallel.exchange import SliceGather, Sums

    values, weights = everything(1, n_baselines)
    slices = partition(n_baselines, comm.size)[::-1]  # not in rank order
    start, stop = slices[comm.rank]
    mine = Sums(np.ascontiguousarray(values[:, :, start:stop]), np.ascontiguousarray(weights[:, :, start:stop]))
    out, writer = None, comm.size // 2
    if comm.rank == writer:
        out = Sums.empty(N_DUMPS, 1, n_baselines)
        out.values[...], out.weights[...] = np.nan, np.nan
    SliceGather(comm, slices)(mine, out, writer)
    if out is not None:
        assert out.values.tobytes() == values.tobytes()
        assert out.weights.tobytes() == weights.tobytes()


def test_an_error_on_one_rank_is_raised_on_all(comm):
    from pipeline.parallel.topology import together

    culprit = comm.size - 1

    def action():
        if comm.rank == culprit:
            raise ConfigError(f"rank {culprit} cannot")
        return comm.rank

    with pytest.raises(ConfigError, match=f"rank {culprit} cannot"):
        together(comm, action)
    assert together(comm, lambda: comm.rank) == comm.rank


def test_any_other_error_on_one_rank_names_its_kind_on_all(comm):
    from pipeline.parallel.topology import together

    def action():
        if comm.rank == 0:
            raise ZeroDivisionError("of all things")

    with pytest.raises((ZeroDivisionError, RuntimeError), match="of all things"):
        together(comm, action)


@pytest.mark.parametrize("ranks_per_machine", [1, 2, 3, 6])
def test_communicators_are_those_of_every_layout(comm, ranks_per_machine):
    from pipeline.layout import lay_out
    from pipeline.parallel.topology import Topology, World

    if comm.size % ranks_per_machine:
        pytest.skip(f"{comm.size} ranks do not make machines of {ranks_per_machine}")
    with World(ranks_per_machine) as world:
        layouts = lay_out(216, 6, 6, world.size, world.ranks_per_machine)
        assert {layout.ranks_per_node for layout in layouts} >= {1, ranks_per_machine}
        for layout in layouts:
            with Topology(world, layout) as topology:
                role = topology.role
                assert role == layout.role(comm.rank)
                assert topology.node.allgather(role.node) == [role.node] * layout.ranks_per_node
                assert topology.node.rank == role.node_rank
                assert (
                    topology.across.allgather((role.group, role.node_rank))
                    == [(role.group, role.node_rank)] * layout.nodes_per_group
                )
                assert topology.across.rank == role.group_node
                assert topology.group.allgather(role.group) == [role.group] * topology.group.size


def test_real_nodes_are_the_machines(comm):
    from pipeline.parallel.topology import World

    with World() as world:
        assert world.ranks_per_machine == comm.size
        assert world.local_rank == comm.rank
        assert world.n_threads >= 1


def test_uneven_machines_are_refused(comm, monkeypatch):
    from pipeline.parallel.topology import World

    with World() as world:
        monkeypatch.setattr(world, "_per_machine", [2, 3])
        with pytest.raises(PlanError, match="from 2 to 3 ranks"):
            world.ranks_per_machine  # noqa: B018


def test_ranks_on_different_devices_are_refused(comm):
    from pipeline.errors import DeviceError
    from pipeline.parallel.topology import World
    from pipeline.prepare import check_alike

    with World() as world:
        check_alike([True] * comm.size if comm.rank == 0 else None, world)
        if comm.size > 1:
            mixed = [True] * (comm.size - 1) + [False]
            with pytest.raises(DeviceError, match=f"on {comm.size - 1} of {comm.size} ranks"):
                check_alike(mixed if comm.rank == 0 else None, world)


def test_averages_are_sums_over_weights_and_nothing_has_weight_zero():
    from pipeline.parallel.exchange import Sums, divide

    values, weights = everything(2, 7)
    weights[0, 1, 3] = 0
    for case in (weights, np.maximum(weights, 1)):
        sums = Sums(values.copy(), case)
        divide(sums)
        for place in np.ndindex(*case.shape):
            for pol in range(4):
                value, weight = values[place][pol], case[place]
                expected = complex(value.real / weight, value.imag / weight) if weight else 0
                assert sums.values[place][pol] == np.complex64(expected)
