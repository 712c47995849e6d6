"""The kernels of `kernels.cuda`, with products on the tensor cores: float32 phasors, compute capability 8.0 or more."""

from kernels.cuda.averages import accumulate, clear
from kernels.cuda.beams import array_factors, interpolate, scale
from kernels.cuda.corruptions import add_noise, apply_gains, phase_screen
from kernels.cuda.gaussians import gaussians
from kernels.cuda.phasors import phasors
from kernels.cuda.tensor import common, per_kind, unpolarised

__all__ = [
    "accumulate",
    "add_noise",
    "apply_gains",
    "array_factors",
    "clear",
    "common",
    "gaussians",
    "interpolate",
    "per_kind",
    "phase_screen",
    "phasors",
    "scale",
    "unpolarised",
]
