"""How a stream of blocks can end: whole, too late, or with a dead writer; and never in silence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import dataset_samples as samples
import pytest

from pipeline.dataset.reader import open_dataset
from pipeline.dataset.storage import Writing, band_name, leave_mark, who_writes, writer_mark
from pipeline.dataset.writer import BandWriter
from pipeline.errors import DatasetError, IncompleteError, TimedOutError, WriterDiedError

pytestmark = pytest.mark.timeout(60)

KILLED_IN_MID_STEP = """
import os, signal, sys
from pathlib import Path
import dataset_samples as samples
from pipeline.dataset.storage import band_name
from pipeline.dataset.writer import BandWriter

of = samples.header()
writer = BandWriter(Path(sys.argv[1]) / band_name(0), of, n_block_dumps=3)
for number in range(int(sys.argv[2])):
    writer.write(samples.block(of, 3 * number, 3))

class DyingEngine:
    def __init__(self, engine):
        self.engine = engine
    def __getattr__(self, name):
        return getattr(self.engine, name)
    def end_step(self):
        os.kill(os.getpid(), signal.SIGKILL)

writer._engine = DyingEngine(writer._engine)
first = 3 * int(sys.argv[2])
writer.write(samples.block(of, first, min(3, of.n_dumps - first)))
"""


@pytest.fixture
def path(tmp_path):
    return samples.start(tmp_path / "a.dawn")


def python_here(*arguments):
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("timeout_s", [0.0, 30.0])
@pytest.mark.parametrize("n_whole", [0, 1, 2])
def test_writer_killed_in_mid_step(path, n_whole, timeout_s):
    """What was whole is read; then the death is told at once, however long the reader would wait."""
    ended = python_here("-c", KILLED_IN_MID_STEP, str(path), str(n_whole))
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    found = []
    started = time.monotonic()
    message = r"process \d+ on .* failed or ended without closing"
    with pytest.raises(WriterDiedError, match=message), open_dataset(path).band(0, timeout_s=timeout_s) as reader:
        found.extend(reader)
    assert time.monotonic() - started < 5
    assert [block.dump.tolist() for block in found] == [[0, 1, 2], [3, 4, 5]][:n_whole]


def test_killed_writer_whose_mark_was_not_copied(path):
    python_here("-c", KILLED_IN_MID_STEP, str(path), "1")
    writer_mark(path / band_name(0)).unlink()
    reader = open_dataset(path).band(0, timeout_s=30.0)
    with pytest.raises(IncompleteError, match="after 3 dumps it stops without an end"), reader:
        list(reader)


def test_slow_writer_is_waited_for_and_no_longer(path):
    of = samples.header()
    writer = BandWriter(path / band_name(0), of, n_block_dumps=3)
    writer.write(samples.block(of, 0, 3))
    started = time.monotonic()
    with open_dataset(path).band(0, timeout_s=0.3) as reader:
        found = iter(reader)
        next(found)
        with pytest.raises(TimedOutError, match=r"dump 3 did not come within 0.3 s; the writer is alive"):
            next(found)
    assert 0.3 <= time.monotonic() - started < 5
    writer.write(samples.block(of, 3, 3))
    writer.write(samples.block(of, 6, 1))
    writer.close()
    with open_dataset(path).band(0) as reader:
        assert len(list(reader)) == 3


def test_writer_elsewhere_may_be_alive(path):
    of = samples.header()
    writer = BandWriter(path / band_name(0), of, n_block_dumps=3)
    mark = writer_mark(path / band_name(0))
    mark.write_text(mark.read_text().replace('"host": "', '"host": "far-'))
    with pytest.raises(TimedOutError, match="runs, or ran, on another host"):
        open_dataset(path).band(0).__enter__()
    writer.close()


def test_reader_follows_a_run(path):
    """The reader is there before the band is, and gets every block as it comes."""
    of = samples.header()

    def write_slowly():
        time.sleep(0.3)
        with BandWriter(path / band_name(0), of, n_block_dumps=3) as writer:
            for block in samples.blocks(of):
                time.sleep(0.2)
                writer.write(block)
            time.sleep(0.2)

    thread = threading.Thread(target=write_slowly)
    thread.start()
    with open_dataset(path).band(0, timeout_s=20.0) as reader:
        dumps = [dump for block in reader for dump in block.dump]
    thread.join()
    assert dumps == list(range(samples.N_DUMPS))
    assert not writer_mark(path / band_name(0)).exists()


def test_band_that_was_not_begun(path):
    with pytest.raises(IncompleteError, match="band 0 is missing"):
        open_dataset(path).band(0).__enter__()
    with pytest.raises(TimedOutError, match=r"dump 0 did not come within 0.2 s; no writer left its mark"):
        open_dataset(path).band(0, timeout_s=0.2).__enter__()


def test_reader_that_was_not_entered(path):
    with pytest.raises(DatasetError, match="use it in a `with` statement"):
        _ = open_dataset(path).band(0).header


def test_marks(tmp_path):
    band = tmp_path / band_name(0)
    assert who_writes(band)[0] is Writing.NOBODY
    leave_mark(band)
    assert who_writes(band) == (Writing.ALIVE, f"process {os.getpid()} on {os.uname().nodename}")
    mark = writer_mark(band)
    whole = mark.read_text()
    mark.write_text(whole.replace('"started": "', '"started": "1'))
    assert who_writes(band)[0] is Writing.DEAD, "the number of the process was given to another one"
    mark.write_text(whole[:10])
    assert who_writes(band)[0] is Writing.ELSEWHERE, "a mark that is just being written"


def test_a_process_that_nobody_waited_for_is_dead(tmp_path):
    band = tmp_path / band_name(0)
    code = "import sys; from pathlib import Path; from pipeline.dataset.storage import leave_mark; "
    code += "leave_mark(Path(sys.argv[1])); print(); input()"
    folder = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code, str(band)], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        assert who_writes(band)[0] is Writing.ALIVE
        child.stdin.write(b"\n")
        child.stdin.flush()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert who_writes(band)[0] is Writing.DEAD
