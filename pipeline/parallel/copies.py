"""Copies from a CUDA device to locked memory of the host, beside the kernels."""

from __future__ import annotations

import importlib
from collections import deque
from contextlib import ExitStack
from typing import Any

import numpy as np

from pipeline.errors import DeviceError
from pipeline.parallel.host_device import Array


class Copies:
    """A stream of copies that waits for kernels, but that kernels do not wait for.

    Parameters
    ----------
    cuda
        Numba's module.
    index
        Of the device.
    is_simulated
        Whether Numba only simulates it: streams are then all one.
    """

    def __init__(self, cuda: Any, index: int, is_simulated: bool) -> None:
        self._cuda, self._index = cuda, index
        self._stream = cuda.stream() if is_simulated else self._stream_beside_kernels()
        self._sent: deque[Any] = deque()
        self._locked: dict[int, Array] = {}
        self._locks = ExitStack()

    def send(self, array: Any, out: Array) -> None:
        """Begin to copy a device array into a host array, after the kernels launched so far.

        Raises
        ------
        DeviceError
            If the host's memory cannot be locked.
        """
        self._lock(out)
        made = self._cuda.event()
        made.record()
        made.wait(self._stream)
        array.copy_to_host(out, stream=self._stream)
        arrived = self._cuda.event()
        arrived.record(self._stream)
        self._sent.append(arrived)

    def wait(self, most: int) -> None:
        """Wait until no more than the last ``most`` copies are on their way."""
        while len(self._sent) > most:
            self._sent.popleft().synchronize()

    def _stream_beside_kernels(self) -> Any:
        """Make a stream that does not wait for the default stream; those of Numba do, and it for them."""
        driver = importlib.import_module("cuda.bindings.driver")
        error, stream = driver.cuStreamCreate(driver.CUstream_flags.CU_STREAM_NON_BLOCKING)
        if int(error):
            raise DeviceError(f"CUDA device {self._index} gives no stream for copies: {error}")
        return self._cuda.external_stream(int(stream))

    def _lock(self, out: Array) -> None:
        """Lock the memory that a host array is a view of, once, so that the device copies without the host."""
        whole = out
        while isinstance(whole.base, np.ndarray):
            whole = whole.base
        if id(whole) in self._locked:
            return
        try:
            self._locks.enter_context(self._cuda.pinned(whole))
        except Exception as error:
            raise DeviceError(
                f"CUDA device {self._index} cannot lock {whole.nbytes / 1e6:.3g} MB of the host's memory ({error}); "
                "lower compute.memory"
            ) from error
        self._locked[id(whole)] = whole
