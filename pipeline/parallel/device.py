"""Where kernels run: one CUDA device per rank, or the CPU's threads (`host_device`), behind one face."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.errors import DeviceError
from pipeline.parallel.copies import Copies, Staging
from pipeline.parallel.host_device import Array, CpuDevice, Device
from pipeline.parallel.tensor_trial import LARGEST_ERROR, trial_error

__all__ = ["CpuDevice", "CudaDevice", "Device", "open_device"]

LEAST_CAPABILITY = (8, 0)
"""Compute capability from which tensor cores multiply half precision as the kernels need it."""

# Freeing memory waits for all kernels, and Numba frees after every tenth array; it also warns of launches as small as
# some of ours must be.
_NUMBA_SETTINGS = {"NUMBA_CUDA_MAX_PENDING_DEALLOCS_COUNT": "1000", "NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS": "0"}


class CudaDevice(Device):
    """One CUDA device; see `Device`.

    Parameters
    ----------
    index, n_devices
        Which of how many devices that this process can see.

    Attributes
    ----------
    has_tensor_cores : bool
        Whether products run on them; `use_tensor_cores` says so.
    """

    backend = "cuda"
    blocks_ahead = 1

    def __init__(self, precision: str, reason: str, n_threads: int, index: int, n_devices: int = 1) -> None:
        super().__init__(precision, reason, n_threads)
        from numba import cuda

        self._cuda, self._index, self._n_devices = cuda, index, n_devices
        self.has_tensor_cores, self._why = False, ""
        self._copies: Copies | None = None
        self._staging: Staging | None = None

    def _bind(self) -> None:
        self._cuda.select_device(self._index)

    def _module(self) -> ModuleType:
        from kernels import cuda
        from kernels.cuda import tensor_cores

        return tensor_cores if self.has_tensor_cores else cuda

    def use_tensor_cores(self, wish: str) -> None:
        """Run products on the tensor cores from now on, if asked for and possible.

        Parameters
        ----------
        wish
            "off", "on", or "auto": if they can and pass a trial.

        Raises
        ------
        DeviceError
            If they are to be on and cannot.
        """
        if wish == "off":
            return
        obstacle = self._obstacle_to_tensor_cores()
        if obstacle and wish == "on":
            raise DeviceError(
                f"compute.tensor_cores: on cannot be had: {obstacle}; set it to off, which takes the ordinary cores"
            )
        self.has_tensor_cores, self._why = not obstacle, obstacle

    def _obstacle_to_tensor_cores(self) -> str:
        """Say why products cannot run on the tensor cores; empty if they can."""
        self._make_ready()
        if self.precision == "double":
            return "they multiply half precision, and compute.precision is double"
        if _is_simulator():
            return ""
        capability = tuple(self._cuda.get_current_device().compute_capability)
        if capability < LEAST_CAPABILITY:
            return "compute capability {}.{} is below {}.{}".format(*capability, *LEAST_CAPABILITY)
        from kernels.cuda import tensor_cores

        error = trial_error(self, tensor_cores)
        if not error <= LARGEST_ERROR:  # also where it is not a number
            return f"a trial's error is {error:.1e} of the summed flux density, and {LARGEST_ERROR:g} is allowed"
        return ""

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
        array = self.empty(host.shape, host.dtype)
        self.fill(array, np.ascontiguousarray(host))
        return array

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
        if self._staging is None:
            self._staging = Staging(self._cuda, _is_simulator())
        self._staging.put(host, array)

    def download(self, array: Any, out: Array) -> None:
        """Copy a device array to the host; the default stream orders it after the kernels."""
        self._make_ready()
        array.copy_to_host(out)

    def send(self, array: Any, out: Array) -> None:
        """Begin to copy a device array into locked memory of the host, after the kernels launched so far.

        Raises
        ------
        DeviceError
            If the host's memory cannot be locked.
        """
        self._make_ready()
        if self._copies is None:
            self._copies = Copies(self._cuda, self._index, _is_simulator())
        self._copies.send(array, out)

    def wait_for_sends(self, most: int = 0) -> None:
        """Wait until no more than the last ``most`` of what was sent is still on its way."""
        self._make_ready()
        if self._copies is not None:
            self._copies.wait(most)

    def packing_space(self, n_dumps: int, n_terms: int, n_stations: int) -> Any:
        """Allocate what `kernels.per_kind` packs responses in."""
        from kernels.cuda import operands

        return self.empty((operands.space(n_dumps, n_terms, n_stations, self.real.itemsize),), self.real)

    def synchronise(self) -> None:
        """Wait for all kernels launched."""
        self._make_ready()
        self._cuda.synchronize()

    def ranks_sharing(self, n_local: int) -> int:
        """Return how many of the ranks on this machine have the same device, at most."""
        return -(-n_local // self._n_devices)

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
        cores = "products on tensor cores" if self.has_tensor_cores else "products on ordinary cores"
        cores += f", as tensor cores cannot be had ({self._why})" if self._why else ""
        return f"CUDA device {self._index} ({name}), {self.precision} precision, {cores}: {self.reason}"


def open_device(backend: str, precision: str, local_rank: int, n_threads: int, tensor_cores: str = "off") -> Device:
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
    tensor_cores
        "off", "on" or "auto"; see `CudaDevice.use_tensor_cores`.

    Raises
    ------
    DeviceError
        If CUDA or its tensor cores are asked for and cannot be had.
    """
    device = _open(backend, precision, local_rank, n_threads)
    if isinstance(device, CudaDevice):
        device.use_tensor_cores(tensor_cores)
    elif tensor_cores == "on":
        raise DeviceError(
            f"compute.tensor_cores: on cannot be had: kernels run on {device.describe()}; set compute.backend to cuda, "
            "or compute.tensor_cores to off or auto"
        )
    return device


def _open(backend: str, precision: str, local_rank: int, n_threads: int) -> Device:
    """Open the device of this rank, its products on ordinary cores."""
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
    return CudaDevice(precision, reason, n_threads, local_rank % n_devices, n_devices)


def _is_simulator() -> bool:
    """Whether Numba only simulates CUDA."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def _count_cuda_devices(local_rank: int) -> tuple[int, str]:
    """Count the devices that this process can see, and say why there is none or this rank's does not work."""
    for name, value in _NUMBA_SETTINGS.items():
        os.environ.setdefault(name, value)  # Numba reads them when it is first asked for CUDA
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
