"""The roof of the machine at hand, found in about a second."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from pipeline.costs.machine import Roof
from pipeline.errors import DeviceError
from pipeline.parallel.device import Device
from pipeline.telemetry.describe import counted

Clock = Callable[[], float]

#: Matrices of the product: long enough to run at full speed, short enough for a probe.
_ORDER = 1536
#: Numbers of each array of the memory probe, per thread: far more than caches hold.
_LENGTH = 8_000_000
_SECONDS = 0.4


def probe_roof(device: Device, clock: Clock) -> Roof:
    """Measure or look up what the device does at most.

    On a CPU arithmetic is NumPy's matrix product, whose BLAS comes nearest to the hardware's peak, on the rank's
    threads; bytes are those of a sum of two arrays into a third, on as many threads, as STREAM's Add counts them
    [McCalpin 1995, IEEE TCCA Newsletter]. On a CUDA device both come from its properties.

    Parameters
    ----------
    device
        The device.
    clock
        Seconds since some moment.

    Raises
    ------
    DeviceError
        If the device has no speed of its own, as a simulated one.
    """
    if device.backend == "cuda":
        return _cuda_roof(device)
    return Roof(
        flops=_product_rate(np.float32, device.n_threads, clock),
        flops_double=_product_rate(np.float64, device.n_threads, clock),
        bytes_per_s=memory_rate(device.n_threads, clock),
        source=f"NumPy's matrix product and sum of arrays on {counted(device.n_threads, 'thread')}",
    )


def _fastest(action: Callable[[], object], clock: Clock) -> float:
    """Return the seconds of the fastest of many turns: a roof is what can be had at all."""
    action()
    best, start = float("inf"), clock()
    while clock() - start < _SECONDS:
        before = clock()
        action()
        best = min(best, clock() - before)
    return best


def _product_rate(dtype: Any, n_threads: int, clock: Clock) -> float:
    """Return operations a second of a matrix product."""
    import threadpoolctl

    left, right = np.ones((_ORDER, _ORDER), dtype), np.ones((_ORDER, _ORDER), dtype)
    out = np.empty((_ORDER, _ORDER), dtype)
    with threadpoolctl.threadpool_limits(n_threads, user_api="blas"):
        return 2 * _ORDER**3 / _fastest(lambda: np.matmul(left, right, out=out), clock)


def memory_rate(n_threads: int, clock: Clock) -> float:
    """Return bytes a second of out = a + b, all threads at once."""
    arrays = [[np.ones(_LENGTH, np.float32) for _ in range(3)] for _ in range(n_threads)]

    def add(of_thread: list[Any]) -> None:
        np.add(of_thread[0], of_thread[1], out=of_thread[2])

    with ThreadPoolExecutor(n_threads) as pool:
        seconds = _fastest(lambda: list(pool.map(add, arrays)), clock)
    return n_threads * 3 * 4 * _LENGTH / seconds


def _cuda_roof(device: Device) -> Roof:
    """Return multiprocessors x lanes x clock x 2, and twice the memory's clock x its bus."""
    found = device.properties()
    if found is None:
        raise DeviceError("dawnstream bench: CUDA is only simulated here, and has no speed; use --backend cpu")
    lanes, lanes_double = _lanes(found["capability"])
    cycles = 2e3 * found["MULTIPROCESSOR_COUNT"] * found["CLOCK_RATE"]
    moved = 2e3 * found["MEMORY_CLOCK_RATE"] * found["GLOBAL_MEMORY_BUS_WIDTH"] / 8
    return Roof(lanes * cycles, lanes_double * cycles, moved, "clocks and widths of the device's properties")


def _lanes(capability: tuple[int, int]) -> tuple[int, int]:
    """Multiply-adds a clock of a multiprocessor, float32 and float64 [CUDA C++ Programming Guide, throughput].

    Large chips do float64 at half the rate, small ones at 1/32 or 1/64.
    """
    if capability in ((6, 0), (7, 0), (8, 0)):
        return 64, 32
    if capability in ((9, 0), (10, 0)):
        return 128, 64
    return (64, 2) if capability == (7, 5) else (128, 2)
