"""The three mirrors have the same functions with the same signatures, and import without side effects."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType

import pytest

from kernels import cpu, cuda, reference

NAMES = sorted(reference.__all__)


@pytest.mark.parametrize("module", [reference, cpu, cuda], ids=lambda module: module.__name__)
def test_mirrors_have_the_same_functions(module: ModuleType) -> None:
    assert sorted(module.__all__) == NAMES
    assert all(inspect.isfunction(getattr(module, name)) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_mirrors_have_the_same_signatures(name: str) -> None:
    expected = list(inspect.signature(getattr(reference, name)).parameters)
    for module in (cpu, cuda):
        assert list(inspect.signature(getattr(module, name)).parameters) == expected


def test_reference_needs_no_numba() -> None:
    code = "import sys; from kernels import reference; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
