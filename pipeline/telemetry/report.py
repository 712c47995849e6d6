"""The closing report of a run: where the time went, and the rates reached."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

from pipeline.plan import Plan
from pipeline.telemetry.timing import Timers


class Gatherer(Protocol):
    """What the report wants of a communicator."""

    rank: int

    def gather(self, sendobj: Any, root: int) -> list[Any] | None:
        """Return the objects of all ranks on the root, None elsewhere."""

    def bcast(self, obj: Any, root: int) -> Any:
        """Return the root's object."""


@dataclasses.dataclass(frozen=True)
class Report:
    """What a run took.

    Attributes
    ----------
    seconds
        From the first block to the last byte.
    stages
        By stage, mean and largest seconds over the ranks that have it. Stages overlap: predicting,
        averaging and writing are threads of their own.
    visibilities
        Samples predicted: channels times dumps times baselines times polarisations.
    raw_bytes, reduced_bytes
        Before and after averaging.
    """

    seconds: float
    stages: dict[str, tuple[float, float]]
    visibilities: int
    raw_bytes: int
    reduced_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain numbers."""
        return {
            "seconds": self.seconds,
            "stages_s": {name: {"mean": mean, "max": top} for name, (mean, top) in self.stages.items()},
            "visibilities": self.visibilities,
            "visibilities_per_s": self.visibilities / self.seconds,
            "raw_bytes": self.raw_bytes,
            "raw_bytes_per_s": self.raw_bytes / self.seconds,
            "reduced_bytes": self.reduced_bytes,
            "reduced_bytes_per_s": self.reduced_bytes / self.seconds,
        }


def collect_report(comm: Gatherer, plan: Plan, timers: Timers, seconds: float) -> Report:
    """Gather the times of all ranks; every rank gets the report."""
    times = comm.gather(timers.seconds, root=0)
    report = None
    if times is not None:
        stages = {}
        for name in dict.fromkeys(name for one in times for name in one):
            values = [one[name] for one in times if name in one]
            stages[name] = (sum(values) / len(values), max(values))
        report = Report(
            seconds=seconds,
            stages=stages,
            visibilities=plan.raw_bytes // 8,
            raw_bytes=plan.raw_bytes,
            reduced_bytes=plan.reduced_bytes,
        )
    result: Report = comm.bcast(report, root=0)
    return result
