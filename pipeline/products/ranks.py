"""The ranks that share the work of imaging: what is needed of them, and sums over them in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DawnstreamError
from pipeline.layout import partition

Floats = NDArray[np.float64]
Result = TypeVar("Result")


class Communicator(Protocol):
    """What is needed of the ranks that share the bands."""

    @property
    def rank(self) -> int:
        """Of this process."""

    @property
    def size(self) -> int:
        """How many there are."""

    def allgather(self, sendobj: Any) -> list[Any]:
        """Exchange an object of each rank, in order of rank."""

    def alltoall(self, sendobj: Any) -> list[Any]:
        """Send an object to each rank, in order of rank; return what each has sent."""


class Alone:
    """One rank, no MPI."""

    rank, size = 0, 1

    def allgather(self, sendobj: Any) -> list[Any]:
        """Return what this rank sends."""
        return [sendobj]

    def alltoall(self, sendobj: Any) -> list[Any]:
        """Return what this rank sends itself."""
        return list(sendobj)


def agree(work: Callable[[], Result], ranks: Communicator) -> Result:
    """Do something on every rank; if any fails, raise the error of the first that did on all of them."""
    try:
        result, error = work(), None
    except DawnstreamError as raised:
        error = raised
    for failure in ranks.allgather(error):
        if failure is not None:
            raise failure
    return result


def rounds(n_bands: int, ranks: Communicator) -> Iterator[int | None]:
    """Yield this rank's band of every round of as many bands as there are ranks; None where there are fewer left.

    In rounds, bands come in order: those of one round in order of rank, and rounds one after the other.
    """
    for first in range(0, n_bands, ranks.size):
        mine = first + ranks.rank
        yield mine if mine < n_bands else None


class OrderedTotal:
    """The sum of arrays of all bands, added in order of band, so that it is the same bits for any number of ranks.

    Every rank holds a slice of the rows. Bands come in `rounds`.

    Parameters
    ----------
    ranks
        All of which make the same calls.
    shape
        (plane, row, column) of the arrays.
    """

    def __init__(self, ranks: Communicator, shape: tuple[int, int, int]) -> None:
        self._ranks = ranks
        self._rows = partition(shape[1], ranks.size)
        start, stop = self._rows[ranks.rank]
        self._slice = np.zeros((shape[0], stop - start, shape[2]))

    def add(self, mine: Floats | None) -> None:
        """Add the arrays of a round: this rank's, (plane, row, column) float64, or None if it has none."""
        for plane, total in enumerate(self._slice):
            sent = [None if mine is None else mine[plane, start:stop] for start, stop in self._rows]
            for part in self._ranks.alltoall(sent):
                if part is not None:
                    total += part

    def everywhere(self) -> Floats:
        """Return the whole sum, (plane, row, column) float64, on every rank."""
        return np.stack([np.concatenate(self._ranks.allgather(total)) for total in self._slice])
