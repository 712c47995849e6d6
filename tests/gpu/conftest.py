"""Tests of what only a GPU can show; `make test-gpu` runs them, and fails where there is none."""

from __future__ import annotations

import os

import pytest
from numba import cuda


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all of them, and skip them without a GPU; the simulator is none."""
    is_simulated = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1"
    missing = is_simulated or not cuda.is_available()
    for item in items:
        if item.path.parent.name == "gpu":
            item.add_marker(pytest.mark.gpu)
            if missing:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))
