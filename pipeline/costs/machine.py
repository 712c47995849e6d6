"""A machine: its roof, and how long a unit of every stage's work takes on it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pipeline.costs.stages import KERNELS, STAGES, Counts, Precision, Work
from pipeline.errors import ConfigError, PlanError

FORMAT = 1
#: Machines that come with Dawnstream: what a plan takes where it is given none.
SHIPPED = Path(__file__).parent / "machines"
DEFAULT = {"cpu": "x86-avx512", "cuda": "h200-data-sheet"}

#: {precision: {stage: {unit: seconds}}}.
Seconds = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclasses.dataclass(frozen=True)
class Roof:
    """What the hardware does at most.

    Attributes
    ----------
    flops, flops_double
        Operations a second in float32 and float64, of all threads.
    bytes_per_s
        To and from memory.
    source
        How it was found.
    """

    flops: float
    flops_double: float
    bytes_per_s: float
    source: str

    def seconds(self, work: Work, precision: Precision) -> float:
        """Return how long a unit of work takes at least: its arithmetic or its bytes, whichever is more.

        The roofline [Williams, Waterman & Patterson 2009, Communications of the ACM 52(4), 65].
        """
        peak = self.flops_double if precision == "double" else self.flops
        arithmetic = work.flops / peak + work.flops_double / self.flops_double
        return max(arithmetic, work.bytes_moved(precision) / self.bytes_per_s)


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a rank runs on.

    Attributes
    ----------
    name
        For people.
    backend
        "cpu" or "cuda": what kernels run on.
    threads
        Of the rank that was measured, on the host.
    measured
        The date; None where figures are assumed.
    assumed
        What was assumed, and for what reason.
    roof
        Of what kernels run on.
    host_bytes_per_s
        To and from the host's memory.
    seconds
        Of every unit of work.
    load
        Of the host while it was measured: running processes, on average over a minute.
    """

    name: str
    backend: Literal["cpu", "cuda"]
    threads: int
    measured: str | None
    assumed: tuple[str, ...]
    roof: Roof
    host_bytes_per_s: float
    seconds: Seconds
    load: float | None = None

    def time(self, counts: Counts, precision: Precision, threads: int) -> dict[str, float]:
        """Return the seconds of every stage.

        Parameters
        ----------
        counts
            The work.
        precision
            Of the phasors.
        threads
            Of the rank. Kernels on a CPU are shared among them; a stage on the host is one thread's.

        Raises
        ------
        PlanError
            If the machine has no figure for a unit of it.
        """
        totals: dict[str, float] = {}
        for (stage, unit), number in counts.items():
            if number:
                share = self.threads / threads if stage in KERNELS and self.backend == "cpu" and unit != "call" else 1.0
                totals[stage] = totals.get(stage, 0.0) + number * share * self._unit(precision, stage, unit)
        return totals

    def _unit(self, precision: Precision, stage: str, unit: str) -> float:
        try:
            return self.seconds[precision][stage][unit]
        except KeyError:
            raise PlanError(
                f"machine {self.name}: has no figure for {stage} per {unit} in {precision} precision; measure it there "
                f"with dawnstream bench --precision {precision} -o FILE, and give the plan --machine FILE"
            ) from None

    def as_dict(self) -> dict[str, Any]:
        """Return the machine as plain values, as its file holds it."""
        return {"format": FORMAT, **dataclasses.asdict(self)}


def load_machine(name: str) -> Machine:
    """Read a machine: a file that `dawnstream bench --json` wrote, or one that comes with Dawnstream.

    Parameters
    ----------
    name
        Path, or name.

    Raises
    ------
    ConfigError
        If there is none of that name, or the file is not one of a machine.
    """
    path = SHIPPED / f"{name}.json" if name in shipped() else Path(name)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"--machine: {name!r} is neither one of {', '.join(shipped())} nor a file that can be read "
            f"({error.strerror}); dawnstream bench -o FILE makes one"
        ) from None
    except ValueError as error:
        raise ConfigError(f"--machine: {path} is not JSON: {error}; dawnstream bench -o FILE makes one") from None
    return _parse(path, values)


def check_free(path: Path, overwrite: bool) -> None:
    """Make sure that a machine's file may be written.

    Raises
    ------
    ConfigError
        If it is there and may not be replaced, or its folder is not there.
    """
    if path.exists() and not overwrite:
        raise ConfigError(f"--output: {path} is there already; choose another name, or give --overwrite")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"--output: {path.absolute().parent} is no folder; make it, or choose another")


def save_machine(machine: Machine, path: Path, overwrite: bool) -> None:
    """Write a machine's file: beside its place first, so that it is never there by half.

    Raises
    ------
    ConfigError
        If it is there and may not be replaced, or cannot be written.
    """
    check_free(path, overwrite)
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(json.dumps(machine.as_dict(), indent=1) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"--output: {path} cannot be written ({error.strerror}); choose another place") from None


def shipped() -> list[str]:
    """Return the names of the machines that come with Dawnstream."""
    return sorted(path.stem for path in SHIPPED.glob("*.json"))


def machine_for(backend: str, name: str | None) -> Machine:
    """Return the machine of that name, or what is taken without one, for a backend.

    Raises
    ------
    ConfigError
        If there is none, or its kernels run on another backend than asked for.
    """
    machine = default_machine(backend) if name is None else load_machine(name)
    if backend != "auto" and machine.backend != backend:
        raise ConfigError(
            f"--machine: kernels of {machine.name} run on {machine.backend}, and compute.backend is {backend}; "
            "name another machine, or set compute.backend to auto"
        )
    return machine


def default_machine(backend: str) -> Machine:
    """Return the machine a plan takes where it is given none; `auto` is taken for a CPU."""
    return load_machine(DEFAULT["cuda" if backend == "cuda" else "cpu"])


def _parse(path: Path, values: Any) -> Machine:
    """Check what a file holds."""
    remedy = "dawnstream bench -o FILE makes one"
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ConfigError(f"--machine: {path} is not a machine's file of format {FORMAT}; {remedy}")
    try:
        if "host" in values:
            return _from_data_sheet(values)
        seconds = {
            precision: {
                stage: {unit: _not_negative(units[unit]) for unit in units} for stage, units in of_precision.items()
            }
            for precision, of_precision in values["seconds"].items()
        }
        return Machine(
            values["name"],
            values["backend"],
            int(values["threads"]),
            values["measured"],
            tuple(values["assumed"]),
            Roof(**values["roof"]),
            float(values["host_bytes_per_s"]),
            seconds,
            values["load"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"--machine: {path} lacks or has in a wrong form: {error}; {remedy}") from None


def _not_negative(value: Any) -> float:
    number = float(value)
    if not 0 <= number < float("inf"):
        raise ValueError(f"{value!r}, which is no number of seconds")
    return number


def _from_data_sheet(values: dict[str, Any]) -> Machine:
    """Make a machine that nobody measured: a share of the roof for kernels, and the host's stages of another."""
    host = load_machine(values["host"])
    roof, share, call_s = Roof(**values["roof"]), float(values["share"]), float(values["call_s"])
    precisions: tuple[Precision, Precision] = ("mixed", "double")
    seconds: dict[str, dict[str, Mapping[str, float]]] = {
        precision: {
            **host.seconds[precision],
            **{
                stage: {
                    unit: call_s if unit == "call" else roof.seconds(work, precision) / share
                    for unit, work in STAGES[stage].items()
                }
                for stage in KERNELS
            },
        }
        for precision in precisions
    }
    assumed = (*values["assumed"], f"stages on the host as on {host.name}")
    return Machine(values["name"], values["backend"], host.threads, None, assumed, roof, host.host_bytes_per_s, seconds)
