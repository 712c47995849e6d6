"""The work of every stage: floating-point operations and bytes, for each thing it does them to.

A stage costs so much for every *unit* of work, such as a term and baseline. What is counted is in
`pipeline.costs.task`, what a unit takes on a machine in `pipeline.costs.machine`; docs/costs.md has the same in words.
Operations are counted in the kernels themselves (`kernels/bodies.py`, `kernels/cpu`); a multiply-add is two.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

Precision = Literal["mixed", "double"]
#: What is counted: {(stage, unit): number}.
Counts = dict[tuple[str, str], float]


@dataclasses.dataclass(frozen=True)
class Work:
    """What one unit of a stage's work takes at least.

    Attributes
    ----------
    flops
        Floating-point operations in the precision of the phasors.
    flops_double
        Further ones, always in float64.
    reals
        Numbers of the phasors' precision moved to and from memory.
    n_bytes
        Further bytes moved.
    """

    flops: float = 0
    flops_double: float = 0
    reals: float = 0
    n_bytes: float = 0

    def bytes_moved(self, precision: Precision) -> float:
        """Return the bytes moved to and from memory."""
        return self.reals * real_bytes(precision) + self.n_bytes


#: One call of a kernel, or one round of Python around it: no work, but time.
CALL = Work()

#: A product reads the phasors, packs them for its tiles, sums, and adds its totals, XX to YY, to the visibilities.
_PACKED = Work(flops=8, reals=2)
_ADDED = Work(reals=16)

STAGES: dict[str, dict[str, Work]] = {
    # Python and NumPy, on one core of the host.
    "directions": {
        "block": CALL,
        "dump": CALL,
        "epoch": CALL,
        "source": CALL,
        "north": CALL,
        "gaussian": CALL,
        "chunk": CALL,
        "call": CALL,
    },
    "host": {
        "call": CALL,
        "channel": CALL,
        "moment": CALL,
        "beam response": CALL,
        "flux": CALL,
        "corrupted": CALL,
        "baseline": Work(reals=8),
        "item-baseline": Work(n_bytes=108),
    },
    "transform": {"grid cell": CALL, "point": CALL},
    "average": {"item-baseline": Work(flops=9, n_bytes=72), "baseline": Work(flops=9, n_bytes=144), "call": CALL},
    "exchange": {"byte": Work(n_bytes=3)},
    "write": {"band": CALL, "step": CALL, "byte": CALL},
    # Kernels, on the device or on all threads of the rank.
    "phasors": {"term-station": Work(flops=25, flops_double=10, reals=2), "call": CALL},
    "array factors": {"element-source": Work(flops=30, flops_double=15), "call": CALL},
    "dipoles": {"source": Work(flops_double=120, n_bytes=112), "call": CALL},
    "lmn": {"term": Work(flops_double=45, n_bytes=120), "call": CALL},
    "brightness": {"term": Work(flops_double=40, n_bytes=96), "call": CALL},
    "interpolate": {"value": Work(flops=16, reals=10), "call": CALL},
    "scale": {"term-station": Work(flops=6, reals=6), "call": CALL},
    "screen": {"term-station": Work(flops=30, flops_double=30, reals=4), "call": CALL},
    "unpolarised": {"term-cell": Work(flops=8), "term-packed": _PACKED, "baseline": _ADDED, "call": CALL},
    "common": {"term-cell": Work(flops=32), "term-packed": _PACKED, "baseline": _ADDED, "call": CALL},
    "few kinds": {"term-cell": Work(flops=32), "term-packed": _PACKED, "baseline": _ADDED, "call": CALL},
    "all different": {
        "term-cell": Work(flops=64),
        "term-packed": Work(flops=56, reals=10),
        "baseline": _ADDED,
        "call": CALL,
    },
    "gaussians": {
        "term-cell": Work(flops=45, flops_double=12),
        "term-packed": _PACKED,
        "baseline": _ADDED,
        "call": CALL,
    },
    "gaussians, kinds": {
        "term-cell": Work(flops=100, flops_double=12),
        "term-packed": Work(flops=56, reals=10),
        "baseline": _ADDED,
        "call": CALL,
    },
    "along": {"term-station": Work(flops_double=12, n_bytes=24), "call": CALL},
    "gains": {"baseline": Work(flops=112, reals=16), "call": CALL},
    "noise": {"baseline": Work(flops_double=300, reals=16), "call": CALL},
    "accumulate": {"baseline": Work(flops_double=16, reals=8, n_bytes=76), "call": CALL},
}

#: Stages that are kernels, and so run on the device.
KERNELS = tuple(list(STAGES)[list(STAGES).index("phasors") :])


#: Mean number of stations of a kind from which `per_kind` goes kind by kind (kernels/cpu/products.py).
STATIONS_PER_KIND = 32
#: Rows, and bytes of columns, of a tile of stations that is summed whole (kernels/cpu/vector.py); columns, and rows at
#: most, of the larger tiles for which stations are packed (kernels/cpu/tiles.py).
TILE_ROWS, TILE_BYTES, PANEL = 8, 64, 128


def real_bytes(precision: Precision) -> int:
    """Return the bytes of a real number of the phasors."""
    return 8 if precision == "double" else 4


def product_of(n_kinds: int, n_stations: int, is_scalar: bool, is_intensity: bool) -> str:
    """Name the product that sums points.

    Parameters
    ----------
    n_kinds, n_stations
        Kinds of station; stations.
    is_scalar
        Whether stations answer with numbers rather than matrices.
    is_intensity
        Whether, besides, no source is polarised.
    """
    if n_kinds > 1 and not is_scalar:
        return "few kinds" if n_kinds * STATIONS_PER_KIND <= n_stations else "all different"
    return "unpolarised" if is_intensity else "common"


def kernel_stage(kernel: str, n_kinds: int, n_stations: int, is_scalar: bool) -> str | None:
    """Name the stage of a kernel, by its function's name; None for one that has no stage of its own."""
    has_matrices = n_kinds > 1 and not is_scalar
    names = {
        "phasors": "phasors",
        "array_responses": "array factors",
        "dipoles": "dipoles",
        "directions": "lmn",
        "apparent": "brightness",
        "along_axes": "along",
        "interpolate": "interpolate",
        "scale": "scale",
        "phase_screen": "screen",
        "unpolarised": "unpolarised",
        "common": "common",
        "per_kind": product_of(n_kinds, n_stations, is_scalar, False),
        "gaussians": "gaussians, kinds" if has_matrices else "gaussians",
        "apply_gains": "gains",
        "add_noise": "noise",
        "accumulate": "accumulate",
        "add": "accumulate",
        "clear": "accumulate",
    }
    return names.get(kernel)


def added(*counts: Counts) -> Counts:
    """Return the sum of counts."""
    total: Counts = {}
    for one in counts:
        for key, number in one.items():
            total[key] = total.get(key, 0.0) + number
    return total


def times(counts: Counts, factor: float) -> Counts:
    """Return counts so many times."""
    return {key: number * factor for key, number in counts.items()}


def work_of(counts: Counts, stage: str, precision: Precision) -> tuple[float, float, float]:
    """Return what a stage does: operations of the phasors' precision, others in float64, bytes moved."""
    flops = flops_double = moved = 0.0
    for (name, unit), number in counts.items():
        if name == stage:
            work = STAGES[stage][unit]
            flops += number * work.flops
            flops_double += number * work.flops_double
            moved += number * work.bytes_moved(precision)
    return flops, flops_double, moved
