"""What starts fast: help and plan load none of the heavy packages and so answer at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """
name: walls
telescope: {array: ska-low-aa0.5, station: isotropic}
sky:
  - sources: [{ra: 0h, dec: -27d, i: 1.0 Jy, reference: 150 MHz}]
phase_centre: {ra: 0h, dec: -27d}
time: {start: 2026-11-22T12:00:00, integration: 1 s, dumps: 1}
spectrum: {start: 150 MHz, width: 5.4 kHz, channels: 36}
averaging: {node: 6, group: 6}
output: {path: walls.dawn}
"""

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


@pytest.mark.parametrize("command", [[], ["plan"], ["info"], ["run"], ["image"], ["verify"]])
def test_help_loads_nothing_heavy(tmp_path, command):
    assert loaded_by(*command, "--help", cwd=tmp_path) == ["0"]


def test_plan_loads_nothing_heavy(tmp_path):
    (tmp_path / "walls.yaml").write_text(CONFIG, encoding="utf-8")
    assert loaded_by("plan", "walls.yaml", "--ranks", "2", "--ranks-per-node", "2", cwd=tmp_path) == ["0"]
