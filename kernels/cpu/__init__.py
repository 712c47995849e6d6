"""Kernels for the CPU: Numba on all threads, results the same to the bit for any number of them.

Each public function computes what its namesake in `reference` does, and allocates only scratch.
Numba's threading layer may allow calls from one Python thread at a time only.
"""

from kernels.cpu.products import accumulate, common, per_station, phasors, unpolarised

__all__ = ["accumulate", "common", "per_station", "phasors", "unpolarised"]
