"""Kernels for the CPU: Numba on all threads, results the same to the bit for any number of them.

Each public function computes what its namesake in `reference` does, and allocates only scratch.
Numba's threading layer may allow calls from one Python thread at a time only.
"""

from kernels.cpu.averages import accumulate, add, clear
from kernels.cpu.beams import array_responses, dipoles, interpolate, scale
from kernels.cpu.corruptions import add_noise, apply_gains, phase_screen
from kernels.cpu.gaussians import along_axes, gaussians
from kernels.cpu.phasors import phasors
from kernels.cpu.products import common, per_kind, unpolarised
from kernels.cpu.sources import apparent, directions

__all__ = [
    "accumulate",
    "add",
    "add_noise",
    "along_axes",
    "apparent",
    "apply_gains",
    "array_responses",
    "clear",
    "common",
    "dipoles",
    "directions",
    "gaussians",
    "interpolate",
    "per_kind",
    "phase_screen",
    "phasors",
    "scale",
    "unpolarised",
]
