"""The kernels of `kernels.cuda`, with products on the tensor cores: float32 phasors, compute capability 8.0 or more."""

from kernels.cuda.averages import accumulate, add, clear
from kernels.cuda.beams import array_responses, dipoles, interpolate, scale
from kernels.cuda.corruptions import add_noise, apply_gains, phase_screen
from kernels.cuda.gaussians import along_axes, gaussians
from kernels.cuda.phasors import phasors
from kernels.cuda.sources import apparent, directions
from kernels.cuda.tensor import common, per_kind, unpolarised

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
