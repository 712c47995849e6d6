"""The ordered exchange: averages that are the same bits whatever the number of ranks.

MPI_Reduce may add in any order. Here every rank of a communicator receives a slice of baselines of every
item and adds the items in order, so all ranks work and all links carry data: a reduce-scatter with a
fixed order. Sums and weights travel apart and are divided once, at the end.

What travels is whole stretches of memory, a message each: MPI copies these once between the ranks of a machine, and
packs anything that is described by a derived datatype, at several times the cost.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from pipeline.layout import partition

N_POLARISATIONS = 4

#: Short beside a block, long beside asking.
_SECONDS_BETWEEN_TESTS = 5e-4


@dataclasses.dataclass(frozen=True)
class Sums:
    """Weighted sums on their way to an average.

    Attributes
    ----------
    values
        (time, item, baseline, pol) complex64, Jy: sums of weight times visibility.
    weights
        (time, item, baseline) float32: sums of weight.
    """

    values: npt.NDArray[np.complex64]
    weights: npt.NDArray[np.float32]

    @classmethod
    def empty(cls, n_dumps: int, n_items: int, n_baselines: int) -> Sums:
        """Allocate without setting."""
        return cls(
            np.empty((n_dumps, n_items, n_baselines, N_POLARISATIONS), np.complex64),
            np.empty((n_dumps, n_items, n_baselines), np.float32),
        )

    def first(self, n_dumps: int) -> Sums:
        """Return the first dumps as a view; the last block of an observation is shorter."""
        return Sums(self.values[:n_dumps], self.weights[:n_dumps])


def finish(requests: list[MPI.Request]) -> None:
    """Wait for messages without using the core.

    MPI waits by asking again and again; on a machine whose cores are all predicting, the ranks that wait
    would take them from the ranks that are waited for.
    """
    while not MPI.Request.Testall(requests):
        time.sleep(_SECONDS_BETWEEN_TESTS)


def meet(comm: MPI.Comm) -> None:
    """Wait until all ranks are here, without using the core."""
    finish([comm.Ibarrier()])


class OrderedSum:
    """Sums runs of items over a communicator, each rank ending with a slice of the baselines.

    Parameters
    ----------
    comm
        The ranks; their items follow each other in rank order.
    items_per_rank
        Items each rank sends.
    n_baselines
        Baselines every item has.
    n_dumps
        Largest number of dumps.
    run
        Items summed into one, in order.
    """

    def __init__(self, comm: MPI.Comm, items_per_rank: list[int], n_baselines: int, n_dumps: int, run: int) -> None:
        self._comm = comm
        self._items = list(itertools.pairwise(itertools.accumulate(items_per_rank, initial=0)))
        self._slices = partition(n_baselines, comm.size)
        self._run = run
        start, stop = self._slices[comm.rank]
        n_items = sum(items_per_rank)
        self._received = Sums.empty(n_dumps, n_items, stop - start) if comm.size > 1 else None
        self._summed = Sums.empty(n_dumps, n_items // run, stop - start) if run > 1 else None

    def __call__(self, mine: Sums) -> Sums:
        """Exchange and sum.

        Parameters
        ----------
        mine
            This rank's items, of all baselines.

        Returns
        -------
        Sums
            Every sum, of this rank's slice of the baselines. It is overwritten by the next call.
        """
        n_dumps = len(mine.values)
        everyone = mine
        if self._received is not None:
            everyone = self._received.first(n_dumps)
            self._exchange(mine, everyone)
        if self._summed is None:
            return everyone
        summed = self._summed.first(n_dumps)
        _sum_runs(everyone.values, self._run, summed.values)
        _sum_runs(everyone.weights, self._run, summed.weights)
        return summed

    def _exchange(self, mine: Sums, everyone: Sums) -> None:
        rank, others = self._comm.rank, [rank for rank in range(self._comm.size) if rank != self._comm.rank]
        (start, stop), (first, last) = self._slices[rank], self._items[rank]
        requests: list[MPI.Request] = []
        pairs = ((mine.values, everyone.values), (mine.weights, everyone.weights))
        for sent, taken in pairs:
            for other in others:
                requests += _receive(self._comm, taken[:, slice(*self._items[other])], other)
                requests += _send(self._comm, sent[:, :, slice(*self._slices[other])], other)
        for sent, taken in pairs:
            taken[:, first:last] = sent[:, :, start:stop]
        finish(requests)


def _send(comm: MPI.Comm, array: npt.NDArray[Any], to: int) -> list[MPI.Request]:
    """Begin to send (time, item, baseline, …), an item at a time; they arrive in this order."""
    return [comm.Isend(item, dest=to) for items in array for item in items]


def _receive(comm: MPI.Comm, array: npt.NDArray[Any], source: int) -> list[MPI.Request]:
    """Begin to receive what `_send` sends."""
    return [comm.Irecv(item, source=source) for items in array for item in items]


def divide(sums: Sums) -> None:
    """Turn weighted sums into averages, in place; what has no weight becomes zero with weight zero."""
    # As pairs of floats: NumPy would divide by a complex weight, several times slower.
    parts = sums.values.view(np.float32)
    weights = sums.weights[..., np.newaxis]
    if weights.all():
        np.divide(parts, weights, out=parts)
    else:
        np.divide(parts, weights, out=parts, where=weights != 0)
        parts[sums.weights == 0] = 0


class SliceGather:
    """Brings the slices of baselines of a group's band together on the rank that writes it.

    Parameters
    ----------
    comm
        The ranks of the group.
    slices
        First and last + 1 baseline of every rank.
    """

    def __init__(self, comm: MPI.Comm, slices: list[tuple[int, int]]) -> None:
        self._comm, self._slices = comm, slices

    def __call__(self, mine: Sums, out: Sums | None, writer: int) -> None:
        """Gather.

        Parameters
        ----------
        mine
            This rank's slice, of any number of items.
        out
            On the rank that writes, where all baselines go; elsewhere None.
        writer
            The rank that writes.
        """
        requests: list[MPI.Request] = []
        if out is None:
            for array in (mine.values, mine.weights):
                requests += _send(self._comm, array, writer)
        else:
            for rank, bounds in enumerate(self._slices):
                for array, own in ((out.values, mine.values), (out.weights, mine.weights)):
                    part = array[:, :, slice(*bounds)]
                    if rank == writer:
                        part[...] = own
                    else:
                        requests += _receive(self._comm, part, rank)
        finish(requests)


def _sum_runs(items: npt.NDArray[Any], run: int, out: npt.NDArray[Any]) -> None:
    """Add runs of items, strictly in order: out[:, k] = items[:, k run] + items[:, k run + 1] + …."""
    runs = items.reshape(items.shape[0], items.shape[1] // run, run, *items.shape[2:])
    np.add(runs[:, :, 0], runs[:, :, 1], out=out)
    for position in range(2, run):
        out += runs[:, :, position]
