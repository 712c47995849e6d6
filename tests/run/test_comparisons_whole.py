"""Whole runs against numbers of pyuvsim and matvis, stored in tests/data."""

from __future__ import annotations

from pathlib import Path

import pytest
from comparison.case import load
from comparison.report import BOUNDS, apart
from comparison.whole import whole_run

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("pyuvsim_reference_1.1", "mixed"),  # short dipoles, MWA's layout
        ("pyuvsim_gleam_spectral_index", "mixed"),  # stations of several types
        ("pyuvsim_random_iquv_mended", "mixed"),
        ("pyuvsim_random_iquv_mended", "double"),  # polarised sources, dipoles, AA4
        ("matvis_random_airy", "mixed"),  # three times and frequencies, dishes, AA4
        ("matvis_random_airy", "double"),
    ],
)
def test_whole_run(name: str, precision: str, tmp_path: Path) -> None:
    case, theirs = load(DATA / f"{name}.npz")
    assert theirs is not None
    assert apart(case, whole_run(case, precision, tmp_path), theirs) < BOUNDS[precision]
