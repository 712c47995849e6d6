"""Kernels for CUDA: arrays live on the device, kernels are launched on the default stream and not waited for.

Each public function computes what its namesake in `reference` does. Importing needs no driver.
"""

from kernels.cuda.products import accumulate, common, per_station, phasors, unpolarised

__all__ = ["accumulate", "common", "per_station", "phasors", "unpolarised"]
