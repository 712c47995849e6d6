"""What starts fast: commands that only look load none of the heavy packages, and so answer at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dataset_samples as samples
import pytest
import typer.main

from pipeline.cli import app

ROOT = Path(__file__).parents[2]

# Runs a command as the entry point does, and says which of the heavy packages it loaded.
PROBE = """
import sys
from pipeline.cli import main
status = 0
try:
    main()
except SystemExit as end:
    status = end.code or 0
heavy = {"mpi4py", "numba", "astropy", "adios2", "matplotlib", "ducc0", "scipy"}
print("LOADED", status, *sorted(heavy.intersection(sys.modules)), file=sys.stderr)
"""


def loaded_by(*arguments: str, cwd: Path) -> list[str]:
    """Give the exit status and the heavy packages that `dawnstream ARGUMENTS` has loaded when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    last = [line for line in done.stderr.splitlines() if line.startswith("LOADED")]
    assert last, done.stderr
    return last[-1].split()[1:]


@pytest.mark.parametrize("command", [[], *([name] for name in typer.main.get_command(app).commands)])
def test_help_loads_nothing_heavy(tmp_path, command):
    assert loaded_by(*command, "--help", cwd=tmp_path) == ["0"]


def test_plan_loads_nothing_heavy(tmp_path):
    # Its sources are in the file itself: reading a catalogue is what astropy is for.
    config = ROOT / "configs/tiny.yaml"
    assert loaded_by("plan", str(config), "--ranks", "2", "--ranks-per-node", "2", cwd=tmp_path) == ["0"]


def test_schema_loads_nothing_heavy(tmp_path):
    assert loaded_by("schema", cwd=tmp_path) == ["0"]


@pytest.mark.parametrize("command", ["info", "verify"])
def test_looking_at_a_dataset_loads_adios2_alone(tmp_path, command):
    samples.make(tmp_path / "sample.dawn")
    assert loaded_by(command, "sample.dawn", cwd=tmp_path) == ["0", "adios2"]
