"""A trial of the tensor cores: small products, each compared with float64 on the host."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from pipeline.parallel.host_device import Device

LARGEST_ERROR = 1e-6
"""Of the summed flux density: what every route of the prediction keeps."""

_N_DUMPS, _N_STATIONS, _N_TERMS = 2, 70, 100


def trial_error(device: Device, kernels: ModuleType) -> float:
    """Return the largest error of any visibility of a few products, relative to the sum of what its dump adds.

    Stations fill no tile and terms no chunk; flux densities span seven decades and have both signs. There are two
    dumps, which share no numbers; the second's flux densities are a millionth of the first's, so that each needs a
    scale of its own.

    Parameters
    ----------
    device
        Where the kernels run; mixed precision.
    kernels
        The module to try.
    """
    from kernels import reference

    rng = np.random.default_rng(1)
    turns = rng.uniform(size=(_N_DUMPS, _N_TERMS, _N_STATIONS))
    phasors = np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=1).astype(np.float32)
    shape = (_N_DUMPS, _N_TERMS)
    scale = 1e-6 ** np.arange(_N_DUMPS)[:, np.newaxis]
    flux = (scale * 10 ** rng.uniform(-3, 4, shape) * rng.choice([-1.0, 1.0], shape)).astype(np.float32)
    coherency = (flux[..., np.newaxis] * rng.uniform(-0.5, 0.5, (*shape, 4))).astype(np.float32)
    jones = (rng.uniform(-0.5, 0.5, (_N_DUMPS, 3, 7, 2, 2, 2)) @ [1, 1j]).astype(np.complex64)
    kind, source = (rng.integers(0, n, m).astype(np.int32) for n, m in ((3, _N_STATIONS), (7, _N_TERMS)))
    p, q = np.triu_indices(_N_STATIONS)
    index = np.full((_N_STATIONS, _N_STATIONS), -1, np.int32)
    index[p, q] = np.arange(len(p))
    trials: dict[str, tuple[Any, ...]] = {
        "unpolarised": (phasors, flux),
        "common": (phasors, coherency),
        "per_kind": (phasors, jones, kind, source, coherency),
    }
    errors = []
    for name, factors in trials.items():
        expected, out = (np.zeros((_N_DUMPS, len(p), 4), dtype) for dtype in (np.complex128, np.complex64))
        getattr(reference, name)(*factors, index, expected)
        on_device = device.upload(np.zeros_like(out))
        getattr(kernels, name)(*map(device.upload, (*factors, index)), on_device)
        device.download(on_device, out)
        errors.append(np.abs(out - expected).max(axis=(1, 2)) / np.abs(flux).sum(axis=1, dtype=np.float64))
    return float(np.max(errors))
