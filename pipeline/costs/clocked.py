"""A device that clocks its kernels, for the bench: the same path as a run's, and the time of every kernel on it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from pipeline.parallel.device import Device


class Clocked:
    """A device whose kernels are clocked; all else is the device's own.

    Parameters
    ----------
    device
        The device.
    clock
        Seconds since some moment.

    Attributes
    ----------
    seconds
        By name of the kernel, all calls together. On a CUDA device every kernel is waited for.
    """

    def __init__(self, device: Device, clock: Callable[[], float]) -> None:
        self._device, self._clock = device, clock
        self.seconds: dict[str, float] = {}

    @property
    def kernels(self) -> _Clocks:
        """The kernels, clocked."""
        return _Clocks(self._device.kernels, self._device.synchronise, self._clock, self.seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)


class _Clocks:
    def __init__(
        self, kernels: ModuleType, wait: Callable[[], None], clock: Callable[[], float], seconds: dict[str, float]
    ) -> None:
        self._kernels, self._wait, self._clock, self._seconds = kernels, wait, clock, seconds

    def __getattr__(self, name: str) -> Callable[..., None]:
        kernel, seconds = getattr(self._kernels, name), self._seconds
        wait, clock = self._wait, self._clock

        def clocked(*arguments: Any) -> None:
            wait()
            start = clock()
            kernel(*arguments)
            wait()
            seconds[name] = seconds.get(name, 0.0) + clock() - start

        return clocked
