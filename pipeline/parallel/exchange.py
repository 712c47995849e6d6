"""The ordered exchange: averages that are the same bits whatever the number of ranks.

MPI_Reduce may add in any order. Here every rank of a communicator receives a slice of baselines of every
item and adds the items in order, so all ranks work and all links carry data: a reduce-scatter with a
fixed order. Sums and weights travel apart and are divided once, at the end.
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


def meet(comm: MPI.Comm) -> None:
    """Wait until all ranks are here, without using the core.

    MPI waits by asking again and again; on a machine whose cores are all predicting, the ranks that wait
    would take them from the ranks that are waited for.
    """
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(_SECONDS_BETWEEN_TESTS)


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
        self._items_per_rank = items_per_rank
        self._n_baselines = n_baselines
        self._slices = partition(n_baselines, comm.size)
        self._run = run
        start, stop = self._slices[comm.rank]
        n_items = sum(items_per_rank)
        self._received = Sums.empty(n_dumps, n_items, stop - start) if comm.size > 1 else None
        self._summed = Sums.empty(n_dumps, n_items // run, stop - start) if run > 1 else None
        self._types: dict[tuple[int, np.dtype[Any]], tuple[list[MPI.Datatype], ...]] = {}

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
            meet(self._comm)
            self._exchange(mine, everyone)
        if self._summed is None:
            return everyone
        summed = self._summed.first(n_dumps)
        _sum_runs(everyone.values, self._run, summed.values)
        _sum_runs(everyone.weights, self._run, summed.weights)
        return summed

    def _exchange(self, mine: Sums, everyone: Sums) -> None:
        ones, zeros = [1] * self._comm.size, [0] * self._comm.size
        for sent, taken in ((mine.values, everyone.values), (mine.weights, everyone.weights)):
            send_types, take_types = self._datatypes(len(sent), sent.dtype)
            self._comm.Alltoallw([sent, ones, zeros, send_types], [taken, ones, zeros, take_types])

    def _datatypes(self, n_dumps: int, dtype: np.dtype[Any]) -> tuple[list[MPI.Datatype], ...]:
        """Return what is sent to and taken from each rank, as MPI subarrays: nothing is packed here."""
        if (n_dumps, dtype) not in self._types:
            counts = self._items_per_rank
            start, stop = self._slices[self._comm.rank]
            items = itertools.pairwise(itertools.accumulate(counts, initial=0))
            to_send = (n_dumps, counts[self._comm.rank], self._n_baselines)
            to_take = (n_dumps, sum(counts), stop - start)
            self._types[n_dumps, dtype] = (
                [subarray(to_send, 2, bounds, dtype) for bounds in self._slices],
                [subarray(to_take, 1, bounds, dtype) for bounds in items],
            )
        return self._types[n_dumps, dtype]

    def free(self) -> None:
        """Free the MPI datatypes."""
        for lists in self._types.values():
            for datatypes in lists:
                for datatype in datatypes:
                    datatype.Free()
        self._types.clear()


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
        meet(self._comm)
        requests: list[MPI.Request] = []
        if out is None:
            requests = [self._comm.Isend(array, dest=writer) for array in (mine.values, mine.weights)]
        else:
            start, stop = self._slices[writer]
            for rank in range(self._comm.size):
                if rank != writer:
                    requests += self._receive(out, rank)
            out.values[:, :, start:stop] = mine.values
            out.weights[:, :, start:stop] = mine.weights
        MPI.Request.Waitall(requests)

    def _receive(self, out: Sums, rank: int) -> list[MPI.Request]:
        requests = []
        for array in (out.values, out.weights):
            datatype = subarray(array.shape[:3], 2, self._slices[rank], array.dtype)
            requests.append(self._comm.Irecv([array, 1, datatype], source=rank))
            # MPI keeps a datatype until the messages that use it are done.
            datatype.Free()
        return requests


def subarray(shape: tuple[int, ...], axis: int, bounds: tuple[int, int], dtype: np.dtype[Any]) -> MPI.Datatype:
    """Describe a slice along one axis of an array of visibilities (complex64) or weights (float32)."""
    base, last = (MPI.COMPLEX8, (N_POLARISATIONS,)) if dtype == np.complex64 else (MPI.FLOAT, ())
    sizes = [*shape, *last]
    subsizes, starts = list(sizes), [0] * len(sizes)
    subsizes[axis], starts[axis] = bounds[1] - bounds[0], bounds[0]
    if 0 in subsizes:
        # MPI forbids empty subarrays.
        return base.Create_contiguous(0).Commit()
    return base.Create_subarray(sizes, subsizes, starts).Commit()


def _sum_runs(items: npt.NDArray[Any], run: int, out: npt.NDArray[Any]) -> None:
    """Add runs of items, strictly in order: out[:, k] = items[:, k run] + items[:, k run + 1] + …."""
    runs = items.reshape(items.shape[0], items.shape[1] // run, run, *items.shape[2:])
    np.add(runs[:, :, 0], runs[:, :, 1], out=out)
    for position in range(2, run):
        out += runs[:, :, position]
