"""Flags: stations, channels and dumps that gave no data, as weights of samples."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kernels.corruption_bodies import FLAGS
from kernels.reference.corruptions import philox
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.config.corruptions import FlagsConfig

Bools = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]


@dataclasses.dataclass(frozen=True)
class Flags:
    """The weight of every sample: one, or zero where it is flagged.

    Attributes
    ----------
    rows
        (2, baseline) float32: row 0 is all zero, row 1 is zero for the baselines of dead stations.
    is_flagged_channel, is_flagged_dump
        (channel,) and (dump,) bool.
    """

    rows: Float32
    is_flagged_channel: Bools
    is_flagged_dump: Bools

    def row_at(self, channel: int, dump: int) -> int:
        """Return which of `rows` a sample has: 0 where all of it is flagged, else 1."""
        return 0 if self.is_flagged_channel[channel] or self.is_flagged_dump[dump] else 1

    def weights_at(self, channel: int, dump: int) -> Float32:
        """Return the weights of a sample, (baseline,) float32, a view."""
        weights: Float32 = self.rows[self.row_at(channel, dump)]
        return weights


def load_flags(
    config: FlagsConfig,
    station_names: Sequence[str],
    baselines: Int32,
    shape: tuple[int, int],
    channels_per_band: int,
) -> tuple[Flags, list[str]]:
    """Make the flags that a configuration asks for.

    Parameters
    ----------
    config
        Section ``flags``.
    station_names
        (station,) one each.
    baselines
        (baseline, 2) int32: the stations of every kept baseline.
    shape
        Number of channels, number of dumps.
    channels_per_band
        Channels averaged into one band.

    Returns
    -------
    flags, notes
        The weights, and lines for people: which stations are dead, which bands and dumps are empty.

    Raises
    ------
    ConfigError
        If a station, channel or dump does not exist, or nothing is left.
    """
    dead = np.zeros(len(station_names), bool)
    dead[[_station_index(reference, station_names) for reference in config.dead_stations]] = True
    notes = _kill_at_random(config, dead)
    is_flagged_channel = _members("flags.channels", config.channels, shape[0])
    is_flagged_dump = _members("flags.dumps", config.dumps, shape[1])
    alive = ~dead[baselines].any(axis=1)
    if not alive.any():
        raise ConfigError(
            f"flags.dead_stations: with {dead.sum()} of {len(dead)} stations dead, none of {len(baselines)} baselines "
            "is left; leave some alive"
        )
    if dead.any():
        names = [station_names[station] for station in np.flatnonzero(dead).tolist()]
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        notes.append(f"flags: {dead.sum()} of {len(dead)} stations are dead: {shown}")
    empty_bands = int(is_flagged_channel.reshape(-1, channels_per_band).all(axis=1).sum())
    for count, what in ((empty_bands, "band"), (int(is_flagged_dump.sum()), "dump")):
        if count:
            notes.append(f"flags: {count} {what} holds" if count == 1 else f"flags: {count} {what}s hold")
            notes[-1] += " no data at all"
    rows = np.stack([np.zeros(len(baselines)), alive]).astype(np.float32)
    return Flags(rows, is_flagged_channel, is_flagged_dump), notes


def _station_index(reference: str | int, station_names: Sequence[str]) -> int:
    """Return the index of the station that a name or an index means."""
    n_stations = len(station_names)
    if isinstance(reference, int):
        if reference < n_stations:
            return reference
        raise ConfigError(f"flags.dead_stations: there is no station {reference}; indices are 0 to {n_stations - 1}")
    if reference in station_names:
        return station_names.index(reference)
    near = difflib.get_close_matches(reference, station_names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"flags.dead_stations: no station is called {reference!r}; {hint}names are {station_names[0]} to "
        f"{station_names[-1]}"
    )


def _kill_at_random(config: FlagsConfig, dead: Bools) -> list[str]:
    """Mark those stations dead whose random numbers are smallest."""
    if config.random_dead is None:
        return []
    n_dead = round(config.random_dead.fraction * len(dead))
    draws = philox((np.arange(len(dead)), 0, 0, FLAGS << 8), config.random_dead.seed)
    dead[np.lexsort(draws[::-1])[:n_dead]] = True
    if n_dead or not config.random_dead.fraction:
        return []
    return [f"flags: random_dead: {config.random_dead.fraction:g} of {len(dead)} stations rounds to none"]


def _members(key: str, ranges: tuple[tuple[int, int], ...], n: int) -> Bools:
    """Mark the indices in any of the ranges, both ends included."""
    flagged = np.zeros(n, bool)
    for first, last in ranges:
        if last >= n:
            raise ConfigError(f"{key}: there is no {last}; indices are 0 to {n - 1}")
        flagged[first : last + 1] = True
    if flagged.all():
        raise ConfigError(f"{key}: all {n} are flagged; leave some")
    return flagged
