"""Variables of a dataset as xarray wants them: read when they are looked at, a step of a band at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray, CachingFileManager
from xarray.core import indexing

from pipeline.dataset.access import BandAccess
from pipeline.dataset.schema import Array

Positions = NDArray[np.int64]
Key = int | slice | Positions
"""What one axis may be indexed with."""


@dataclass(frozen=True, eq=False)
class BandPart:
    """A band, and the place of its channels among those of all bands chosen: `first` to `stop`.

    The band is opened when it is first read, closed when too many are open, and opened again in other processes.
    """

    manager: CachingFileManager[BandAccess]
    first: int
    stop: int


def band_part(path: Path, index: int, first: int, stop: int) -> BandPart:
    """Return the part that band `index` of the dataset at `path` is."""
    return BandPart(CachingFileManager(BandAccess, str(path), index), first, stop)


class StepArray(BackendArray):
    """A variable over all steps of all bands. Reading takes the steps that hold what is asked for, whole.

    Parameters
    ----------
    name : str
        The variable of a step: "vis", "weight" or "station_uvw".
    parts : sequence of BandPart
        The bands. A variable without a channel axis is read from the first.
    shape, dtype
        Of the whole.
    """

    def __init__(self, name: str, parts: Sequence[BandPart], shape: tuple[int, ...], dtype: str) -> None:
        self._name = name
        self._has_channel = name in ("vis", "weight")
        self._parts = tuple(parts) if self._has_channel else (BandPart(parts[0].manager, 0, 1),)
        self.shape = shape
        self.dtype = np.dtype(dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Array:
        outer = indexing.IndexingSupport.OUTER
        found: Array = indexing.explicit_indexing_adapter(key, self.shape, outer, self._read)
        return found

    def _read(self, key: tuple[Key, ...]) -> Array:
        """Return what `key` selects, each axis for itself."""
        places = [np.atleast_1d(np.arange(length)[k]) for length, k in zip(self.shape, key, strict=True)]
        dropped = tuple(axis for axis, k in enumerate(key) if isinstance(k, int | np.integer))
        if not self._has_channel:
            places.insert(1, np.zeros(1, np.int64))
            dropped = (*(axis + (axis > 0) for axis in dropped), 1)
        return self._gather(places).squeeze(dropped)

    def _gather(self, places: list[Positions]) -> Array:
        """Return the elements at these places of (time, channel, ...), for a variable without channel 0 of one."""
        times, channels, *rest = places
        out = np.empty([len(axis) for axis in places], self.dtype)
        for part in self._parts:
            columns = np.flatnonzero((channels >= part.first) & (channels < part.stop))
            for rows, row_places, block in self._blocks(part, times if len(columns) else times[:0]):
                picked = _pick(block, [row_places, channels[columns] - part.first, *rest])
                if picked.shape == out.shape:
                    # Nothing is copied where a step is read whole; else a view would keep the whole step alive.
                    return picked if picked.size == block.size else picked.copy()
                out[np.ix_(rows, columns)] = picked
        return out

    def _blocks(self, part: BandPart, times: Positions) -> Iterator[tuple[Positions, Positions, Array]]:
        """Give for every step needed which of `times` it holds, where in the step, and the variable of the step."""
        if len(times) == 0:
            return
        with part.manager.acquire_context() as band:
            edges = band.edges
            steps = np.searchsorted(edges, times, "right") - 1
            for step in np.unique(steps).tolist():
                rows = np.flatnonzero(steps == step)
                block = self._of_step(band, step)
                yield rows, times[rows] - edges[step], block if self._has_channel else block[:, None]

    def _of_step(self, band: BandAccess, step: int) -> Array:
        array: Array = getattr(band.read(step, (self._name,)), self._name)
        return array


class BaselineUvw(StepArray):
    """uvw of baselines: station_uvw of ANTENNA1 minus that of ANTENNA2; (time, baseline, uvw) float64, m."""

    def __init__(self, parts: Sequence[BandPart], n_dumps: int, baselines: NDArray[np.int32]) -> None:
        super().__init__("station_uvw", parts, (n_dumps, len(baselines), 3), "float64")
        self._baselines = baselines

    def _of_step(self, band: BandAccess, step: int) -> Array:
        stations = super()._of_step(band, step)
        uvw: Array = stations[:, self._baselines[:, 0]] - stations[:, self._baselines[:, 1]]
        return uvw


def _pick(array: Array, places: Sequence[Positions]) -> Array:
    """Return the elements at these places of each axis; a view where they follow each other."""
    for axis, where in enumerate(places):
        follow = len(where) > 0 and bool(np.all(np.diff(where) == 1))
        index = slice(int(where[0]), int(where[-1]) + 1) if follow else where
        array = array[(*[slice(None)] * axis, index)]
    return array
