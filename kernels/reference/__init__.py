"""The obvious NumPy float64 form of every kernel: the oracle for cpu and cuda, slow and memory-hungry."""

from kernels.reference.products import accumulate, common, per_station, phasors, unpolarised

__all__ = ["accumulate", "common", "per_station", "phasors", "unpolarised"]
