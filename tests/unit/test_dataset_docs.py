"""docs/dataset.md says what the schema says, and its reader for people without Dawnstream works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import adios2
import dataset_samples as samples
import numpy as np

from pipeline.dataset.schema import ATTRIBUTES, CHECKS, VARIABLES
from pipeline.dataset.storage import band_name

TEXT = (Path(__file__).parents[2] / "docs" / "dataset.md").read_text(encoding="utf-8")


def table(heading):
    """Return the rows of the first table after a heading, as lists of cells."""
    lines = TEXT.split(f"## {heading}\n")[1].splitlines()
    rows = [line for line in lines[: lines.index("", 2)] if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def as_rows(entries):
    return [[f"`{e.name}`", e.dtype, ", ".join(e.axes), e.unit, e.meaning] for e in entries]


def test_tables_are_the_schema():
    assert table("Variables of every step") == as_rows((*VARIABLES, *CHECKS))
    assert table("Attributes of every band") == as_rows(ATTRIBUTES)


def test_files_hold_what_the_tables_say(tmp_path):
    path = samples.make(tmp_path / "a.dawn")
    with adios2.FileReader(str(path / band_name(0))) as file:
        assert sorted(file.available_variables()) == sorted(v.name for v in (*VARIABLES, *CHECKS))
        assert sorted(file.available_attributes()) == sorted(a.name for a in ATTRIBUTES)


def run_reader(tmp_path, band):
    code = next(code for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "import adios2" in code)
    script = tmp_path / "reader.py"
    script.write_text(code)
    # -P and another folder: nothing of ours can be imported.
    command = [sys.executable, "-P", str(script), str(band)]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)


def test_the_reader_in_the_text(tmp_path):
    path = samples.make(tmp_path / "a.dawn")
    ran = run_reader(tmp_path, path / band_name(0))
    assert ran.returncode == 0, ran.stderr
    found = re.findall(r"dumps (\d) to (\d): .*mean \|V\| ([0-9.]+) Jy", ran.stdout)
    expected = [(b.dump[0], b.dump[-1], np.abs(b.vis).mean()) for b in samples.blocks(samples.header())]
    np.testing.assert_allclose(np.array(found, float), np.array(expected, float), atol=1e-6)


def test_the_reader_in_the_text_sees_what_is_missing(tmp_path):
    path = samples.start(tmp_path / "a.dawn")
    samples.write_band(path, n_written=1)
    ran = run_reader(tmp_path, path / band_name(0))
    assert ran.returncode == 1
    assert "EndOfStream: 3 of 7 dumps" in ran.stderr
    (path / band_name(0) / "data.0").write_bytes(b"")
    assert "read size of 0" in run_reader(tmp_path, path / band_name(0)).stderr
