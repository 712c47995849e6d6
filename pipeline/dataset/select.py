"""Choosing what of a band is read: variables, baselines, dumps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.schema import VARIABLE_NAMES, BandHeader
from pipeline.errors import DatasetError

Indices = NDArray[np.int64]

BaselineRule = Callable[[BandHeader], NDArray[np.bool_]]
"""Tells of each baseline of a header whether it is wanted: (baseline,) bool."""

Baselines = slice | Sequence[int] | Indices | BaselineRule
"""Indices, a slice of them, or a rule."""

Dumps = range | slice
"""A stretch of dumps without gaps, such as ``range(2, 5)`` or ``slice(10, None)``."""


def lengths(header: BandHeader) -> NDArray[np.float64]:
    """Return the lengths of the baselines between the stations' positions, (baseline,) float64, m."""
    ends = header.station_m[header.baselines]
    found: NDArray[np.float64] = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1)
    return found


def by_length(least_m: float = 0.0, most_m: float = np.inf) -> BaselineRule:
    """Return the rule that wants baselines of this length, both limits included, m."""

    def wanted(header: BandHeader) -> NDArray[np.bool_]:
        found = lengths(header)
        return np.asarray((found >= least_m) & (found <= most_m))

    return wanted


def by_stations(*names: str, both: bool = False) -> BaselineRule:
    """Return the rule that wants baselines of these stations; `both`: only those within the set.

    The rule raises DatasetError for a name that no station has.
    """

    def wanted(header: BandHeader) -> NDArray[np.bool_]:
        missing = [name for name in names if name not in header.station_names]
        if missing:
            raise DatasetError(
                f"no station {missing[0]!r}; the band has {header.station_names[0]!r} to {header.station_names[-1]!r}"
            )
        named = np.isin(np.array(header.station_names), names)[header.baselines]
        return np.asarray(named.all(axis=1) if both else named.any(axis=1))

    return wanted


@dataclass(frozen=True)
class Selection:
    """What a reader was asked for.

    Attributes
    ----------
    variables : tuple of str
        The variables to read; ``dump`` and ``time_utc`` always are.
    baselines : Baselines or None
        None: all.
    dumps : range, slice or None
        None: all.
    verify : bool
        Compare the checksums of what is read. They are of a writer's whole part of a step, so all of that is read,
        and then cut. If not, only the chosen bytes are read, and what of them was changed is not seen.
    """

    variables: tuple[str, ...] = VARIABLE_NAMES
    baselines: Baselines | None = None
    dumps: Dumps | None = None
    verify: bool = True

    def __post_init__(self) -> None:
        for name in self.variables:
            if name not in VARIABLE_NAMES:
                raise DatasetError(f"no variable {name!r}; there are {', '.join(VARIABLE_NAMES)}")
        if self.dumps is not None and self.dumps.step not in (None, 1):
            raise DatasetError(f"dumps have a step of {self.dumps.step}; choose dumps that follow each other")

    @property
    def wanted(self) -> frozenset[str]:
        """The variables that are read."""
        return frozenset({"dump", "time_utc", *self.variables})

    def chosen_dumps(self, n_dumps: int) -> range:
        """Return the dumps to read, of `n_dumps`.

        Raises
        ------
        DatasetError
            If none is chosen, or one that there is not.
        """
        if self.dumps is None:
            return range(n_dumps)
        if isinstance(self.dumps, range):
            chosen = self.dumps
        else:
            start, stop = self.dumps.start or 0, n_dumps if self.dumps.stop is None else self.dumps.stop
            chosen = range(start, stop)
        if not chosen or chosen.start < 0 or chosen.stop > n_dumps:
            raise DatasetError(
                f"dumps {chosen.start} to {chosen.stop - 1} are asked for; choose some of 0 to {n_dumps - 1}"
            )
        return chosen

    def chosen_baselines(self, header: BandHeader) -> Indices | None:
        """Return the indices of the baselines to read, in the band's order; None: all.

        Raises
        ------
        DatasetError
            If none is chosen, one that there is not, or one twice.
        """
        n_baselines = len(header.baselines)
        if self.baselines is None:
            return None
        if callable(self.baselines):
            chosen = np.flatnonzero(self._asked(self.baselines, header))
        elif isinstance(self.baselines, slice):
            chosen = np.arange(n_baselines)[self.baselines]
        else:
            chosen = np.asarray(self.baselines)
            if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
                raise DatasetError(f"baselines are {chosen.dtype} of shape {chosen.shape}; give a list of indices")
        chosen = np.sort(chosen).astype(np.int64)
        if chosen.size == 0:
            raise DatasetError(f"no baseline is chosen of the {n_baselines} there are; widen the choice")
        if chosen[0] < 0 or chosen[-1] >= n_baselines or (np.diff(chosen) == 0).any():
            raise DatasetError(
                f"baselines {chosen[0]} to {chosen[-1]} are asked for; choose some of 0 to {n_baselines - 1}, each once"
            )
        return None if chosen.size == n_baselines else chosen

    @staticmethod
    def _asked(rule: BaselineRule, header: BandHeader) -> NDArray[np.bool_]:
        answer = np.asarray(rule(header))
        if answer.shape != (len(header.baselines),) or answer.dtype != bool:
            raise DatasetError(
                f"the rule for baselines answers {answer.dtype} of shape {answer.shape}; "
                f"it must be bool of shape ({len(header.baselines)},)"
            )
        return answer
