"""Streams, from writers in processes of their own."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit"))  # dataset_samples: the small datasets of all tests of datasets
