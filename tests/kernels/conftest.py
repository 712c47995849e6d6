"""What the tests of kernels share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numba
import pytest


def pytest_configure() -> None:
    """Keep the simulator to one core: its threads are Python's, and hand the interpreter's lock on 40 times as fast."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@pytest.fixture(autouse=True)
def _same_threads_after() -> Iterator[None]:
    n_threads = numba.get_num_threads()
    yield
    numba.set_num_threads(n_threads)
