"""Kernels for CUDA: arrays live on the device, kernels are launched on the default stream and not waited for.

Each public function computes what its namesake in `reference` does. Importing needs no driver.
"""

from kernels.cuda.averages import accumulate, add, clear
from kernels.cuda.beams import array_responses, dipoles, interpolate, scale
from kernels.cuda.corruptions import add_noise, apply_gains, phase_screen
from kernels.cuda.gaussians import along_axes, gaussians
from kernels.cuda.phasors import phasors
from kernels.cuda.products import common, per_kind, unpolarised
from kernels.cuda.sources import apparent, directions

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
