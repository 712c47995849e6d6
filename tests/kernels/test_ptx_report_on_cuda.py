"""Every CUDA kernel compiled for V100s, A100s and H100s: no spills, and as many blocks of threads as it is built for.

Skipped where NVIDIA's compiler is not installed (the 'ptx' extra).
"""

from __future__ import annotations

import functools
from typing import Any

import ptx_report
import pytest

needs_compiler = pytest.mark.skipif(bool(ptx_report.missing()), reason=ptx_report.missing() or "ptxas is there")

PRODUCTS = ("unpolarised", "common", "per_kind")


@functools.cache
def rows(capability: str) -> dict[str, dict[str, Any]]:
    return {row["kernel"]: row for row in ptx_report.report([capability])}


@needs_compiler
@pytest.mark.parametrize("capability", ["7.0", "8.0", "9.0"])
def test_kernels_compile_and_do_not_spill(capability: str) -> None:
    for name, row in rows(capability).items():
        # Sums and what they lost take 128 registers: a few addresses make way for them.
        allowed = 128 if name.endswith("tensor cores") else 0
        if capability == "7.0" and row.get("problem") == "tensor cores are used from 8.0 on":
            continue
        assert row["spill_bytes"] <= allowed, row


@needs_compiler
@pytest.mark.parametrize("capability", ["8.0", "9.0"])
def test_products_fill_a_multiprocessor(capability: str) -> None:
    for name in PRODUCTS:
        single, double, tensor = (rows(capability)[f"{name} {way}"] for way in ("float32", "float64", "tensor cores"))
        assert (single["blocks"], single["warps"]) == (2, 16)
        assert (double["blocks"], double["warps"]) == (1, 8)
        assert (tensor["blocks"], tensor["warps"]) == (2, 8)


@needs_compiler
def test_products_load_sixteen_bytes_and_multiply_on_the_tensor_cores() -> None:
    for name in PRODUCTS:
        assert rows("9.0")[f"{name} float32"]["wide_loads"] == 16
        assert rows("9.0")[f"{name} float32"]["matrix_products"] == 0
        assert rows("9.0")[f"{name} tensor cores"]["matrix_products"] == 96


@pytest.mark.parametrize(
    ("registers", "threads", "shared_bytes", "capability", "blocks"),
    [(32, 256, 0, "9.0", 8), (128, 256, 49152, "9.0", 2), (129, 256, 0, "9.0", 1), (32, 64, 49152, "8.0", 3)],
)
def test_occupancy(registers: int, threads: int, shared_bytes: int, capability: str, blocks: int) -> None:
    assert ptx_report.occupancy(registers, threads, shared_bytes, capability) == blocks
