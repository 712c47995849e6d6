"""The obvious NumPy float64 form of every kernel: the oracle for cpu and cuda, slow and memory-hungry."""

from kernels.reference.averages import accumulate, add, clear
from kernels.reference.beams import array_responses, dipoles, interpolate, scale
from kernels.reference.corruptions import add_noise, apply_gains, phase_screen
from kernels.reference.gaussians import along_axes, gaussians
from kernels.reference.phasors import phasors
from kernels.reference.products import common, per_kind, unpolarised
from kernels.reference.sources import apparent, directions

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
