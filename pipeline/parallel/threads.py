"""Threads of the host that are not the kernels'."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def blas_on_one_thread() -> Iterator[None]:
    """Keep NumPy's BLAS to one thread.

    Its idle threads spin for a while and take the cores from Numba's: products took 2.5 times as long. And how it
    shares work among threads may show in the last bit.
    """
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield
