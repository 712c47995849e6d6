"""Runs of the whole thing, launched as a user launches them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def tiny() -> str:
    """Return the text of configs/tiny.yaml."""
    return (ROOT / "configs/tiny.yaml").read_text()


@pytest.fixture
def dawnstream():
    """Call the command line as `dawnstream(*args)`, under `ranks` real MPI ranks if asked."""

    def call(*args: object, ranks: int = 0, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        launcher = [str(ROOT / "scripts/mpirun"), "-n", str(ranks)] if ranks else []
        command = [*launcher, sys.executable, "-m", "pipeline", *map(str, args)]
        environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env=environment, cwd=ROOT, check=False
        )

    return call
