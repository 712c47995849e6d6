"""Where kernels run: the CPU's threads or one CUDA device per rank, behind one face."""

from __future__ import annotations

import math
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DeviceError

Array = NDArray[Any]


class Device(ABC):
    """Arrays and kernels of one backend.

    Numba keeps the number of threads and the CUDA context per Python thread. Every method therefore readies the
    thread it is called from, and so does taking `kernels`: take it anew in each thread.

    Parameters
    ----------
    precision
        "mixed" (float32 trigonometry and sums, float64 phases) or "double".
    reason
        Why this backend was taken.
    n_threads
        Threads of this rank on the host.

    Attributes
    ----------
    backend : str
        "cpu" or "cuda".
    real, complex : numpy.dtype
        Dtypes of phasors and of visibilities.
    """

    backend: str

    def __init__(self, precision: str, reason: str, n_threads: int) -> None:
        import numba

        self.precision, self.reason = precision, reason
        self.n_threads = max(1, min(n_threads, numba.config.NUMBA_NUM_THREADS))
        self.real = np.dtype(np.float64 if precision == "double" else np.float32)
        self.complex = np.dtype(np.complex128 if precision == "double" else np.complex64)
        self._ready = threading.local()

    @property
    def kernels(self) -> ModuleType:
        """The module of kernels, ready for the calling thread."""
        self._make_ready()
        return self._module()

    @property
    def host_kernels(self) -> ModuleType:
        """The kernels that work on the host's arrays, ready for the calling thread."""
        self._make_ready()
        from kernels import cpu

        return cpu

    def _make_ready(self) -> None:
        """Ready the calling thread, once."""
        if not getattr(self._ready, "done", False):
            import numba

            numba.set_num_threads(self.n_threads)
            self._bind()
            self._ready.done = True

    @abstractmethod
    def _bind(self) -> None:
        """Ready the calling thread."""

    @abstractmethod
    def _module(self) -> ModuleType:
        """Give the module of kernels."""

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Allocate an array that is not filled."""

    @abstractmethod
    def upload(self, host: Array) -> Any:
        """Give a host array, contiguous, where kernels can read it; on the CPU it may be the same memory."""

    @abstractmethod
    def fill(self, array: Any, host: Array) -> None:
        """Copy a contiguous host array into an array of `empty`."""

    @abstractmethod
    def download(self, array: Any, out: Array) -> None:
        """Copy an array of `empty` or `upload` into a contiguous host array, after all that was launched."""

    @abstractmethod
    def synchronise(self) -> None:
        """Wait for all that was launched from this thread."""

    @property
    @abstractmethod
    def memory_bytes(self) -> int | None:
        """Free memory of the device; None where it is the host's."""

    def properties(self) -> dict[str, Any] | None:
        """Give what the hardware says of itself, with CUDA's names of attributes; None where it says nothing."""
        return None

    @abstractmethod
    def describe(self) -> str:
        """Say in one line what runs here and why."""


class CpuDevice(Device):
    """All threads of this rank; see `Device`."""

    backend = "cpu"

    def _bind(self) -> None:
        """Do nothing: threads are all there is."""

    def _module(self) -> ModuleType:
        from kernels import cpu

        return cpu

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Allocate an array that is not filled."""
        return np.empty(shape, dtype)

    def upload(self, host: Array) -> Array:
        """Give a contiguous array: the host's own where it is."""
        return np.ascontiguousarray(host)

    def fill(self, array: Array, host: Array) -> None:
        """Copy an array."""
        array[...] = host

    def download(self, array: Array, out: Array) -> None:
        """Copy an array."""
        out[...] = array

    def synchronise(self) -> None:
        """Do nothing: kernels return when they are done."""

    @property
    def memory_bytes(self) -> int | None:
        """None: arrays live in the host's memory."""
        return None

    def describe(self) -> str:
        """Say how many threads, which precision and why the CPU."""
        threads = "thread" if self.n_threads == 1 else "threads"
        return f"CPU, {self.n_threads} {threads}, {self.precision} precision: {self.reason}"


class CudaDevice(Device):
    """One CUDA device; see `Device`.

    Parameters
    ----------
    index
        Which of the devices this process can see.
    """

    backend = "cuda"

    def __init__(self, precision: str, reason: str, n_threads: int, index: int) -> None:
        super().__init__(precision, reason, n_threads)
        from numba import cuda

        self._cuda, self._index = cuda, index

    def _bind(self) -> None:
        self._cuda.select_device(self._index)

    def _module(self) -> ModuleType:
        from kernels import cuda

        return cuda

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Allocate an array on the device.

        Raises
        ------
        DeviceError
            If the device's memory does not hold it.
        """
        self._make_ready()
        with self._room_for(math.prod(shape) * np.dtype(dtype).itemsize):
            return self._cuda.device_array(shape, dtype)

    def upload(self, host: Array) -> Any:
        """Copy a host array to the device.

        Raises
        ------
        DeviceError
            If the device's memory does not hold it.
        """
        self._make_ready()
        with self._room_for(host.nbytes):
            return self._cuda.to_device(np.ascontiguousarray(host))

    @contextmanager
    def _room_for(self, n_bytes: int) -> Iterator[None]:
        """Say what to do where an allocation finds no room; only the text of the error is alike in all Numbas."""
        try:
            yield
        except Exception as error:
            if "OUT_OF_MEMORY" not in str(error):
                raise
            raise DeviceError(
                f"CUDA device {self._index} has no room for {n_bytes / 1e6:.3g} MB more; lower compute.memory "
                "or put fewer ranks on a device"
            ) from error

    def fill(self, array: Any, host: Array) -> None:
        """Copy a host array to the device; the default stream orders it before the kernels that follow."""
        self._make_ready()
        array.copy_to_device(host)

    def download(self, array: Any, out: Array) -> None:
        """Copy a device array to the host; the default stream orders it after the kernels."""
        self._make_ready()
        array.copy_to_host(out)

    def synchronise(self) -> None:
        """Wait for all kernels launched."""
        self._make_ready()
        self._cuda.synchronize()

    @property
    def memory_bytes(self) -> int | None:
        """Free memory of the device; None in the simulator, which has no memory of its own."""
        self._make_ready()
        if _is_simulator():
            return None
        free: int = self._cuda.current_context().get_memory_info().free
        return free

    def properties(self) -> dict[str, Any] | None:
        """Give capability, multiprocessors, clocks (kHz) and width of the bus (bits); None in the simulator."""
        self._make_ready()
        if _is_simulator():
            return None
        device = self._cuda.get_current_device()
        names = ("MULTIPROCESSOR_COUNT", "CLOCK_RATE", "MEMORY_CLOCK_RATE", "GLOBAL_MEMORY_BUS_WIDTH")
        return {"capability": device.compute_capability, **{name: getattr(device, name) for name in names}}

    def describe(self) -> str:
        """Say which device, which precision and why CUDA."""
        self._make_ready()
        name = "simulator" if _is_simulator() else self._cuda.get_current_device().name
        name = name.decode() if isinstance(name, bytes) else name
        return f"CUDA device {self._index} ({name}), {self.precision} precision: {self.reason}"


def open_device(backend: str, precision: str, local_rank: int, n_threads: int) -> Device:
    """Open the device of this rank.

    Parameters
    ----------
    backend
        "cpu", "cuda", or "auto": CUDA where there is a device, else the CPU.
    precision
        "mixed" or "double".
    local_rank
        Place of this rank among those of its machine; ranks take the devices in turn.
    n_threads
        Threads for the CPU's kernels, as many as this rank has cores.

    Raises
    ------
    DeviceError
        If CUDA is asked for and cannot be had.
    """
    if backend == "cpu":
        return CpuDevice(precision, "asked for", n_threads)
    n_devices, problem = _count_cuda_devices(local_rank)
    if backend == "auto" and (n_devices == 0 or _is_simulator()):
        problem = problem or "CUDA is only simulated"
        return CpuDevice(precision, f"CUDA cannot be had ({problem})", n_threads)
    if n_devices == 0:
        raise DeviceError(
            f"compute.backend: cuda cannot be had: {problem}. Install the driver and the 'cuda' extra "
            "(pip install 'dawnstream[cuda]'), or set compute.backend to cpu or auto."
        )
    reason = "asked for" if backend == "cuda" else f"{n_devices} CUDA device(s) found"
    return CudaDevice(precision, reason, n_threads, local_rank % n_devices)


def _is_simulator() -> bool:
    """Whether Numba only simulates CUDA."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def _count_cuda_devices(local_rank: int) -> tuple[int, str]:
    """Count the devices that this process can see, and say why there is none or this rank's does not work."""
    try:
        from numba import cuda

        if not cuda.is_available():
            return 0, _one_line(cuda.cuda_error() or "no driver or no device was found")
        n_devices = len(cuda.gpus)
        cuda.select_device(local_rank % n_devices)  # fails where another process holds it alone, or it is broken
        cuda.to_device(np.zeros(1))
        return n_devices, ""
    except Exception as error:  # whatever a missing or broken driver raises, the answer is the same
        return 0, _one_line(error)


def _one_line(error: object) -> str:
    """First sentence of what Numba says about a driver that it cannot use."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(":.") if lines else type(error).__name__
