"""The communicators of a run, made once from a layout and freed together."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

from mpi4py import MPI

from pipeline.errors import DawnstreamError, PlanError
from pipeline.layout import Layout, Role

T = TypeVar("T")


class World:
    """All ranks, in the order that nodes and node-ranks give them.

    Parameters
    ----------
    ranks_per_machine
        Take so many ranks for a machine, whatever machines they really are on; None takes the real ones.

    Attributes
    ----------
    comm
        Every rank, ordered by node and then node-rank.
    local_rank, n_local, n_threads
        Which of the ranks on its real machine this one is, which tells its GPU; how many there are; the
        processor cores it may use.
    """

    def __init__(self, ranks_per_machine: int | None = None) -> None:
        self._everyone = world = MPI.COMM_WORLD
        self._local = world.Split_type(MPI.COMM_TYPE_SHARED)
        self.local_rank, self.n_local = self._local.rank, self._local.size
        self.n_threads = self._share_of_cores()
        if ranks_per_machine is None:
            self.comm, self._per_machine = self._by_machine(world)
        else:
            self.comm, self._per_machine = world.Dup(), [ranks_per_machine]

    def _share_of_cores(self) -> int:
        """Divide the cores this rank may run on among the ranks that may run on the same ones."""
        mine = frozenset(os.sched_getaffinity(0))
        sharing: int = sum(theirs == mine for theirs in self._local.allgather(mine))
        return max(1, len(mine) // sharing)

    def _by_machine(self, world: MPI.Intracomm) -> tuple[MPI.Comm, list[int]]:
        """Order the ranks by machine, machines by their lowest rank, and count the ranks of each."""
        first: int = self._local.allreduce(world.rank, MPI.MIN)
        comm = world.Split(0, key=first * world.size + self._local.rank)
        return comm, comm.allgather(self._local.size)

    @property
    def ranks_per_machine(self) -> int:
        """Ranks on a machine.

        Raises
        ------
        PlanError
            If the machines have different numbers.
        """
        fewest, most = min(self._per_machine), max(self._per_machine)
        if fewest < most:
            raise PlanError(
                f"the machines have from {fewest} to {most} ranks; start the same number on each, "
                "or say with --ranks-per-node how many to take for one"
            )
        return most

    @property
    def rank(self) -> int:
        """Rank, as the layout counts them."""
        return self.comm.rank

    @property
    def size(self) -> int:
        """Number of ranks."""
        return self.comm.size

    def abort(self, exit_code: int) -> None:
        """End every rank at once."""
        self._everyone.Abort(exit_code)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.comm.Free()
        self._local.Free()


class Topology:
    """The communicators a layout needs.

    Attributes
    ----------
    role
        What this rank does.
    node
        The ranks of its node: the first averaging step.
    across
        The ranks with its node-rank in the nodes of its group: the second step.
    group
        All ranks of its group, one or all of which write a band. Only the writing stage uses it.
    """

    def __init__(self, world: World, layout: Layout) -> None:
        role = layout.role(world.rank)
        self.role: Role = role
        self.node = world.comm.Split(role.node, key=role.node_rank)
        self.group = world.comm.Split(role.group, key=role.rank)
        self.across = self.group.Split(role.node_rank, key=role.group_node)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for comm in (self.across, self.group, self.node):
            comm.Free()


def together(comm: MPI.Comm, action: Callable[[], T]) -> T:
    """Do something on every rank; if it fails on any, raise on all.

    Ranks so agree on failure before the first collective of a phase, and every rank raises the error of
    the first that failed.

    Parameters
    ----------
    comm
        The ranks.
    action
        What to do; it must not communicate.

    Raises
    ------
    DawnstreamError
        The error of the first rank that failed; another rank's error of any other kind comes as
        RuntimeError.
    """
    failure: Exception | None = None
    try:
        value = action()
    except Exception as error:
        failure = error
    first = comm.allreduce(comm.size if failure is None else comm.rank, MPI.MIN)
    if first == comm.size:
        return value
    theirs = comm.bcast(_portable(failure), root=first)
    raise failure if comm.rank == first and failure is not None else theirs


def _portable(failure: Exception | None) -> Exception | None:
    """Return an error that any rank can unpickle and that keeps its exit code."""
    if failure is None or isinstance(failure, DawnstreamError):
        return failure
    return RuntimeError(f"{socket.gethostname()}: {type(failure).__name__}: {failure}")


def require_threads() -> None:
    """Check that MPI may be used from several threads, as writing and averaging do at once.

    Raises
    ------
    PlanError
        If this MPI, or the way it was started, does not allow it.
    """
    if MPI.Query_thread() < MPI.THREAD_MULTIPLE:
        raise PlanError(
            "an MPI build of ADIOS2 writes from a thread of its own, and this MPI does not provide "
            "MPI_THREAD_MULTIPLE; use an MPI that does, or the plain ADIOS2 wheel"
        )


@contextmanager
def guarded(world: World) -> Iterator[None]:
    """End all ranks if the body fails on this one: between collectives nothing else can.

    The error is printed by the rank that failed. With a single rank it goes on as usual.
    """
    try:
        yield
    except BaseException as error:
        if world.size == 1:
            raise
        where = f"rank {world.rank} on {socket.gethostname()}"
        if isinstance(error, DawnstreamError):
            print(f"dawnstream: {where}: {error}", file=sys.stderr, flush=True)
        else:
            print(f"dawnstream: {where}:", file=sys.stderr)
            traceback.print_exception(error)
            sys.stderr.flush()
        world.abort(getattr(error, "exit_code", DawnstreamError.exit_code))
