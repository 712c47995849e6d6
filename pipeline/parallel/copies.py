"""Copies between a CUDA device and locked memory of the host, beside the kernels."""

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
        """Begin to copy a device array into a host array, each of whose rows is contiguous, after the kernels so far.

        Raises
        ------
        DeviceError
            If the host's memory cannot be locked.
        """
        self._lock(out)
        made = self._cuda.event()
        made.record()
        made.wait(self._stream)
        if out.flags.c_contiguous:
            array.copy_to_host(out, stream=self._stream)
        else:
            for row in range(len(out)):
                array[row].copy_to_host(out[row], stream=self._stream)
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


class Staging:
    """Locked memory from which a device takes arrays of the host in its own time, between its kernels.

    From memory that is not locked it would take them at once, and have the host wait until all kernels launched before
    are done: no kernel could be made ready while they run.

    Parameters
    ----------
    cuda
        Numba's module.
    is_simulated
        Whether Numba only simulates CUDA.
    n_slots
        Arrays that may be on their way.
    """

    def __init__(self, cuda: Any, is_simulated: bool, n_slots: int = 32) -> None:
        self._cuda = cuda
        # The stream of the kernels; Numba takes a copy that names none for one to be waited for.
        self._stream = cuda.stream() if is_simulated else cuda.legacy_default_stream()
        self._slots: deque[tuple[Any, Array]] = deque((None, np.empty(0, np.uint8)) for _ in range(n_slots))

    def put(self, host: Array, array: Any) -> None:
        """Begin to copy a contiguous host array, which may change as soon as this returns, into a device array."""
        if not host.size:
            return
        taken, memory = self._slots.popleft()
        if taken is not None:
            taken.synchronize()
        if memory.size < host.nbytes:
            memory = self._cuda.pinned_array(1 << (host.nbytes - 1).bit_length(), np.uint8)
        locked = memory[: host.nbytes].view(host.dtype).reshape(host.shape)
        locked[...] = host
        array.copy_to_device(locked, stream=self._stream)
        taken = self._cuda.event()
        taken.record(self._stream)
        self._slots.append((taken, memory))
