"""A rank that fails in the middle of a run ends all of them at once, says why, and commits no half step."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.dataset.reader import open_dataset
from pipeline.errors import DatasetError

ROOT = Path(__file__).parents[2]

RUN_WITHOUT_ROOM = """
import resource, sys
from pathlib import Path
from pipeline.parallel.topology import World
from pipeline.prepare import prepare
from pipeline.run import run

with World() as world:
    prepared = prepare(Path(sys.argv[1]), world)
    if world.rank == int(sys.argv[2]):
        # From here on no file of this rank may grow beyond 10 kB: the disk is full.
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    run(prepared, world, overwrite=False, style="none")
"""


@pytest.mark.parametrize("writer", [0, 1])
def test_a_full_disk(tmp_path, tiny, writer):
    config = tmp_path / "tiny.yaml"
    config.write_text(tiny.replace("../out/tiny.dawn", "out.dawn"))
    command = [ROOT / "scripts/mpirun", "-n", 3, sys.executable, "-c", RUN_WITHOUT_ROOM, config, writer]
    start = time.monotonic()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=100, cwd=ROOT, check=False)
    assert time.monotonic() - start < 60
    assert done.returncode == DatasetError.exit_code, done.stderr
    assert done.stderr.count("writing failed") == 1
    assert f"rank {writer} on " in done.stderr
    assert f"band-0000{writer}.bp" in done.stderr
    dataset = open_dataset(tmp_path / "out.dawn")
    assert dataset.manifest.state == "running"
    steps = []
    with pytest.raises(DatasetError), dataset.band(writer) as band:
        steps += band
    assert all((block.weight == 36).all() for block in steps), "what was committed is whole"
