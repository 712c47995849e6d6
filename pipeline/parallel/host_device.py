"""Where kernels run, as the rest of the code sees it; and the CPU's threads."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    blocks_ahead : int
        Blocks whose kernels are launched before what the last one sent is waited for.
    real, complex : numpy.dtype
        Dtypes of phasors and of visibilities.
    """

    backend: str
    blocks_ahead: int

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
    def send(self, array: Any, out: Array) -> None:
        """Begin to copy as `download` does, and return at once where the device can copy while it computes.

        The rows of ``out`` must be contiguous, not the whole.

        ``out`` must last as long as the device: its memory, and that of what it is a view of, is locked once. Neither
        array may change before `wait_for_sends`.
        """

    @abstractmethod
    def wait_for_sends(self, most: int = 0) -> None:
        """Wait until no more than the last ``most`` of what was sent is still on its way."""

    def packing_space(self, n_dumps: int, n_terms: int, n_stations: int) -> Any:
        """Allocate what `kernels.per_kind` packs responses in: None where it needs nothing."""
        return None

    @abstractmethod
    def synchronise(self) -> None:
        """Wait for all that was launched from this thread."""

    @abstractmethod
    def ranks_sharing(self, n_local: int) -> int:
        """Return how many of the ranks on this machine have the same device, at most."""

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
    blocks_ahead = 0

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

    def send(self, array: Array, out: Array) -> None:
        """Copy an array."""
        out[...] = array

    def wait_for_sends(self, most: int = 0) -> None:
        """Do nothing: copies are done when `send` returns."""

    def synchronise(self) -> None:
        """Do nothing: kernels return when they are done."""

    def ranks_sharing(self, n_local: int) -> int:
        """Return all: the host is one."""
        return n_local

    @property
    def memory_bytes(self) -> int | None:
        """None: arrays live in the host's memory."""
        return None

    def describe(self) -> str:
        """Say how many threads, which precision and why the CPU."""
        threads = "thread" if self.n_threads == 1 else "threads"
        return f"CPU, {self.n_threads} {threads}, {self.precision} precision: {self.reason}"
