"""What the tests of kernels share."""

from __future__ import annotations

from collections.abc import Iterator

import numba
import pytest


@pytest.fixture(autouse=True)
def _same_threads_after() -> Iterator[None]:
    n_threads = numba.get_num_threads()
    yield
    numba.set_num_threads(n_threads)
