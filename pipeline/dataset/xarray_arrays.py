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

Places = range | Positions
"""Indices along an axis; of many that follow each other a range, which takes no time to make or to look at."""


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
    # With a mode, which files have: without one xarray's manager forgets in another process that there is none.
    return BandPart(CachingFileManager(_open, str(path), index, mode="r"), first, stop)


def _open(path: str, index: int, mode: str) -> BandAccess:
    return BandAccess(path, index)


class StepArray(BackendArray):
    """A variable over all steps of all bands, of which only the steps that are asked for are read.

    Parameters
    ----------
    name : str
        The variable of a step: "vis", "weight" or "station_uvw".
    parts : sequence of BandPart
        The bands. A variable without a channel axis is read from the first.
    shape, dtype
        Of the whole.
    verify : bool
        Compare the checksums of visibilities and weights, for which whole steps are read.
    """

    def __init__(
        self, name: str, parts: Sequence[BandPart], shape: tuple[int, ...], dtype: str, verify: bool = True
    ) -> None:
        self._name = name
        self._has_channel = name in ("vis", "weight")
        self._parts = tuple(parts) if self._has_channel else (BandPart(parts[0].manager, 0, 1),)
        self._verify = verify
        self.shape = shape
        self.dtype = np.dtype(dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Array:
        outer = indexing.IndexingSupport.OUTER
        found: Array = indexing.explicit_indexing_adapter(key, self.shape, outer, self._read)
        return found

    def _read(self, key: tuple[Key, ...]) -> Array:
        """Return what `key` selects, each axis for itself."""
        places = [_places(k, length) for k, length in zip(key, self.shape, strict=True)]
        dropped = tuple(axis for axis, k in enumerate(key) if isinstance(k, int | np.integer))
        if not self._has_channel:
            places.insert(1, range(1))
            dropped = (*(axis + (axis > 0) for axis in dropped), 1)
        return self._gather(places).squeeze(dropped)

    def _gather(self, places: list[Places]) -> Array:
        """Return the elements at these places of (time, channel, ...), for a variable without channel 0 of one."""
        shape = tuple(len(axis) for axis in places)
        if 0 in shape:
            return np.empty(shape, self.dtype)
        out: Array | None = None
        for rows, columns, picked in self._pieces(places):
            if picked.shape == shape:
                return picked
            # Only now: memory that is not needed would still be taken, and cleared by the system.
            out = np.empty(shape, self.dtype) if out is None else out
            out[np.ix_(rows, columns)] = picked
        if out is None:
            raise AssertionError(f"no band holds channels {list(places[1])}")
        return out

    def _pieces(self, places: list[Places]) -> Iterator[tuple[Positions, Positions, Array]]:
        """Give what each step of each band holds of the elements, with their rows and columns among all."""
        times, channels, *rest = np.asarray(places[0]), np.asarray(places[1]), *places[2:]
        baselines, rest[0] = _once_each(rest[0])
        for part in self._parts:
            columns = np.flatnonzero((channels >= part.first) & (channels < part.stop))
            for rows, within, block in self._blocks(part, times if len(columns) else times[:0], baselines):
                picked = _pick(block, [within, channels[columns] - part.first, *rest])
                # Nothing is copied where a step is read whole; else a view would keep the whole step alive.
                yield rows, columns, picked if picked.size == block.size else picked.copy()

    def _blocks(
        self, part: BandPart, times: Positions, baselines: Places
    ) -> Iterator[tuple[Positions, Positions, Array]]:
        """Give of every step needed which of `times` it holds, where in the array, and the array of `baselines`."""
        if len(times) == 0:
            return
        with part.manager.acquire_context() as band:
            steps = np.searchsorted(band.edges, times, "right") - 1
            for step in np.unique(steps).tolist():
                rows = np.flatnonzero(steps == step)
                wanted = times[rows]
                dumps = range(int(wanted.min()), int(wanted.max()) + 1)
                yield rows, wanted - dumps.start, self._of_step(band, step, dumps, baselines)

    def _of_step(self, band: BandAccess, step: int, dumps: range, baselines: Places) -> Array:
        """Return the variable of some dumps, (time, channel, baseline, ...), or (time, 1, station, ...)."""
        if not self._has_channel:
            return _pick(band.read(step, (self._name,), dumps=dumps).station_uvw, [range(len(dumps)), baselines])[
                :, None
            ]
        chosen = None if len(baselines) == self.shape[2] else np.asarray(baselines)
        block = band.read(step, (self._name,), dumps=dumps, baselines=chosen, verify=self._verify)
        array: Array = getattr(block, self._name)
        return array


class BaselineUvw(StepArray):
    """uvw of baselines: station_uvw of ANTENNA1 minus that of ANTENNA2; (time, baseline, uvw) float64, m."""

    def __init__(self, parts: Sequence[BandPart], n_dumps: int, baselines: NDArray[np.int32]) -> None:
        super().__init__("station_uvw", parts, (n_dumps, len(baselines), 3), "float64")
        self._baselines = baselines

    def _of_step(self, band: BandAccess, step: int, dumps: range, baselines: Places) -> Array:
        stations = band.read(step, (self._name,), dumps=dumps).station_uvw
        first, second = self._baselines[np.asarray(baselines)].T
        uvw: Array = stations[:, None, first] - stations[:, None, second]
        return uvw


def _places(key: Key, length: int) -> Places:
    """Return the indices that a key of an axis of this length stands for."""
    if isinstance(key, slice):
        return range(length)[key]
    places: Positions = np.arange(length)[np.atleast_1d(key)]
    return places


def _once_each(places: Places) -> tuple[Places, Places]:
    """Return the places ascending and once each, and where in those each was."""
    if isinstance(places, range) and places.step == 1:
        return places, range(len(places))
    return np.unique(np.asarray(places), return_inverse=True)


def _pick(array: Array, places: Sequence[Places]) -> Array:
    """Return the elements at these places of the first axes; a view where they follow each other."""
    for axis, where in enumerate(places):
        follow = bool(np.all(np.diff(where) == 1)) if isinstance(where, np.ndarray) else where.step == 1
        index = slice(int(where[0]), int(where[-1]) + 1) if follow else np.asarray(where)
        array = array[(*[slice(None)] * axis, index)]
    return array
