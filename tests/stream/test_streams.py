"""Streams over SST: whole, late, several, slow, stopped and killed readers; dead, stale and foreign writers."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import dataset_samples as samples
import numpy as np
import pytest
from live import Live, enter, python, same, start, until, write

from pipeline.dataset.putting import block_sums
from pipeline.dataset.reader import open_dataset, open_stream
from pipeline.dataset.select import by_stations
from pipeline.dataset.storage import Writing, contact_name, who_writes
from pipeline.dataset.stream_writer import Streams
from pipeline.errors import CorruptError, DatasetError, IncompleteError, TimedOutError, WriterDiedError

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def path(tmp_path):
    return start(tmp_path / "a.dawn")


@pytest.fixture(scope="module")
def streams():
    with Streams(print) as one:
        yield one


@pytest.fixture
def live(path, streams):
    return Live(path, streams)


def reader_of(path, **options):
    return open_dataset(path, live=True).band(0, timeout_s=20.0, **options)


def contact_text(path):
    contact = path / contact_name(0)
    until(contact.exists)
    return contact.read_text()


def take(reader):
    return until(reader.poll)


def rest(reader):
    """Return the blocks that are left; a reader that was polled goes on being polled."""
    blocks = []
    while not reader.done:
        block = reader.poll()
        if block is None:
            time.sleep(0.005)
        else:
            blocks.append(block)
    return blocks


def streamed(writer):
    """Wait until all that was handed over is with SST."""
    until(lambda: writer._collect() or len(writer._free) == writer._stream.n_slots)


def write_all(writer, first=0):
    for block in samples.blocks(samples.header()):
        if block.dump[0] >= first:
            write(writer, block)
    writer.close()


def test_a_reader_from_the_beginning_gets_every_bit(path, live):
    """Blocks are handed over without a pause, so places in shared memory are used again: nothing may change in them."""
    writer = live.band(queue=1, when_full="block")
    reader = enter(reader_of(path))
    write_all(writer)
    blocks = rest(reader)
    expected = list(samples.blocks(samples.header()))
    assert len(blocks) == len(expected)
    assert all(same(got, want) for got, want in zip(blocks, expected, strict=True))
    of, header = samples.header(), reader.header
    assert header.station_names == of.station_names
    assert np.array_equal(header.baselines, of.baselines)
    reader.close()
    writer.finish()
    assert live.said == []
    assert list((path / "stream").iterdir()) == [], "contact file and mark are gone"


def test_choices_hold_for_streams(path, live):
    writer = live.band()
    reader = enter(reader_of(path, baselines=by_stations("station 2"), dumps=range(2, 5), variables=("vis",)))
    write_all(writer)
    blocks = rest(reader)
    chosen = [i for i, pair in enumerate(samples.header().baselines) if 2 in pair]
    vis = np.concatenate([block.vis for block in samples.blocks(samples.header())])
    assert np.array_equal(np.concatenate([block.vis for block in blocks]), vis[2:5][:, :, chosen])
    assert blocks[0].weight.size == 0
    reader.close()
    writer.finish()


def test_a_late_reader_gets_what_comes_and_knows_what_did_not(path, live):
    writer = live.band()
    write(writer, samples.block(samples.header(), 0, 3))
    streamed(writer)
    patient, strict = enter(reader_of(path, gaps=True)), enter(reader_of(path))
    write_all(writer, first=3)
    blocks = rest(patient)
    assert [block.dump.tolist() for block in blocks] == [[3, 4, 5], [6]]
    assert patient.missed == (range(0, 3),)
    assert patient.header.station_names == samples.header().station_names
    with pytest.raises(IncompleteError, match=r"dumps 0 to 2 did not come: .*gaps=True"):
        rest(strict)
    strict.close()
    patient.close()
    writer.finish()


def test_dumps_that_are_not_asked_for_are_not_missed(path, live):
    writer = live.band()
    write(writer, samples.block(samples.header(), 0, 3))
    streamed(writer)
    reader = enter(reader_of(path, dumps=slice(4, None)))
    write_all(writer, first=3)
    assert [block.dump.tolist() for block in rest(reader)] == [[4, 5], [6]]
    reader.close()
    writer.finish()


def test_several_readers_and_bands(path, live):
    folder = start(path.parent / "b.dawn", n_bands=2)
    live.path = folder
    writers = [live.band(band) for band in range(2)]
    dataset = open_dataset(folder, live=True)
    readers = [enter(dataset.band(band, timeout_s=20.0)) for band in (0, 1, 0)]
    for blocks in zip(*(samples.blocks(samples.header(band)) for band in range(2)), strict=True):
        for writer, block in zip(writers, blocks, strict=True):
            write(writer, block)
    for writer in writers:
        writer.close()
    for band, reader in zip((0, 1, 0), readers, strict=True):
        assert all(same(a, b) for a, b in zip(rest(reader), samples.blocks(samples.header(band)), strict=True))
        reader.close()
    for writer in writers:
        writer.finish()


def test_bands_together(path):
    """Both bands wait for a reader; one thread reads both in turns, and misses nothing of either."""
    folder = start(path.parent / "b.dawn", n_bands=2)
    came = []

    def read():
        came.extend((r.header.band, int(b.dump[-1])) for r, b in open_dataset(folder, live=True).blocks(timeout_s=20.0))

    thread = threading.Thread(target=read)
    thread.start()
    with Live(folder) as live:
        writers = [live.band(band, readers=1) for band in range(2)]
        for blocks in zip(*(samples.blocks(samples.header(band)) for band in range(2)), strict=True):
            for writer, block in zip(writers, blocks, strict=True):
                write(writer, block)
        for writer in writers:
            writer.close()
        for writer in writers:
            writer.finish()
        thread.join()
        assert live.said == []
    assert sorted(came) == [(band, last) for band in range(2) for last in (2, 5, 6)]


@pytest.mark.parametrize("when_full", ["discard", "block"])
def test_nobody_reads(path, live, when_full):
    """The run does not wait, and nothing is kept: the process of the stream does not grow."""
    of = samples.header(n_dumps=300, n_channels=3, n_stations=60)
    writer = live.band(of=of, when_full=when_full, queue=3)
    block = samples.block(of, 0, 3)
    n_bytes, started, sizes = block.vis.nbytes, time.monotonic(), []
    for first in range(0, 300, 3):
        write(writer, dataclasses.replace(block, dump=np.arange(first, first + 3)))
        if first in (30, 297):
            streamed(writer)
            sizes.append(resident_bytes(int(json.loads(mark_of(path).read_text())["pid"])))
    writer.close()
    writer.finish()
    assert time.monotonic() - started < 10
    assert 90 * n_bytes > 40e6, "what was streamed is much"
    assert sizes[1] - sizes[0] < 6 * n_bytes, "and is not kept"
    assert all("dropped" in sentence for sentence in live.said)


def mark_of(path):
    return path / "stream" / "band-00000.writer"


def resident_bytes(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


SLEEPY = """
import os, signal, sys, time
from pathlib import Path
from pipeline.dataset.reader import open_dataset

reader = open_dataset(Path(sys.argv[1]), live=True).band(0, timeout_s=20.0, gaps=True)
while not reader._source.path.exists():
    time.sleep(0.005)
reader._source.look()
print("in", flush=True)
while not reader.done:
    block = reader.poll()
    if block is None:
        time.sleep(0.005)
        continue
    print(*block.dump, flush=True)
    if sys.argv[2] == "slow":
        time.sleep(0.1)
    elif sys.argv[2] == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
print("missed", *(dump for gap in reader.missed for dump in gap), flush=True)
reader.close()
"""


@contextlib.contextmanager
def sleepy(path, how):
    with python("-c", SLEEPY, path, how, stdout=subprocess.PIPE) as reader:
        try:
            assert reader.stdout.readline() == "in\n"
            yield reader
        finally:
            reader.kill()


def many(of):
    block = samples.block(of, 0, 3)
    for first in range(0, of.n_dumps, 3):
        yield dataclasses.replace(block, dump=np.arange(first, first + 3))


def lines(reader):
    return [[int(word) for word in line.split() if word != "missed"] for line in reader.stdout.read().splitlines()]


@pytest.mark.parametrize("when_full", ["discard", "block"])
def test_a_slow_reader(path, live, when_full):
    of = samples.header(n_dumps=36)
    writer = live.band(of=of, when_full=when_full, queue=2)
    with sleepy(path, "slow") as reader:
        started = time.monotonic()
        for block in many(of):
            write(writer, block)
        took = time.monotonic() - started
        writer.close()
        writer.finish()
        *came, missed = lines(reader)
    assert sorted([*(dump for block in came for dump in block), *missed]) == list(range(36)), "each dump, once"
    if when_full == "block":
        assert missed == []
        assert took > 0.5, "the run waited for the reader"
    else:
        assert len(missed) >= 12
        assert took < 0.5, "the run did not wait"


@pytest.mark.parametrize("when_full", ["discard", "block"])
def test_a_stopped_reader_is_given_up(path, live, when_full):
    """SST itself would wait for it for ever, with either policy: if it discards, once the socket is full of notices."""
    of = samples.header(n_dumps=9000, n_channels=1, n_stations=200)
    writer = live.band(of=of, when_full=when_full, queue=2, patience_s=1.0)
    with sleepy(path, "stop"):
        started = time.monotonic()
        for block in many(of):
            write(writer, block)
            time.sleep(0.005)
            if live.said:
                break
        assert time.monotonic() - started < 20
        writer.close()
        writer.finish()
        assert who_writes(path / contact_name(0))[0] is Writing.DEAD
        assert not (path / contact_name(0)).exists()
    assert live.said[0].startswith("stream of band 0: given up: ")
    assert "for 1 s (output.stream.patience)" in live.said[0]
    with pytest.raises(WriterDiedError, match="gone or gave the stream up"):
        open_dataset(path, live=True).band(0).__enter__()
    with pytest.raises(WriterDiedError, match="gone or gave the stream up"):
        open_dataset(path, live=True).band(0, timeout_s=20.0).__enter__()


def test_a_stopped_reader_does_not_hold_up_the_end(path, live):
    writer = live.band(queue=2, patience_s=1.0)
    with sleepy(path, "stop"):
        write_all(writer)
        started = time.monotonic()
        writer.finish()
        assert time.monotonic() - started < 4
    assert live.said[0].startswith("stream of band 0: given up: readers did not take the rest within 1 s")


def test_a_killed_reader_harms_nobody(path, live):
    writer = live.band(when_full="block", patience_s=5.0)
    other = enter(reader_of(path))
    with sleepy(path, "kill") as reader:
        write(writer, samples.block(samples.header(), 0, 3))
        first = take(other)
        assert reader.wait() == -signal.SIGKILL
    write_all(writer, first=3)
    assert all(same(a, b) for a, b in zip([first, *rest(other)], samples.blocks(samples.header()), strict=True))
    other.close()
    writer.finish()
    assert live.said == []


def test_readers_that_do_not_come_are_waited_for_and_no_longer(path, live):
    started = time.monotonic()
    writer = live.band(readers=1, patience_s=0.5)
    assert 0.5 < time.monotonic() - started < 4
    assert live.said == [
        "stream of band 0: 1 readers did not come within 0.5 s (output.stream.patience); the run goes on without them"
    ]
    reader = enter(reader_of(path))
    write_all(writer)
    assert len(rest(reader)) == 3, "the stream is there for those who come later"
    reader.close()
    writer.finish()


def test_the_process_of_a_stream_is_killed(path, live):
    writer = live.band()
    reader = enter(reader_of(path))
    write(writer, samples.block(samples.header(), 0, 3))
    take(reader)
    os.kill(int(json.loads(mark_of(path).read_text())["pid"]), signal.SIGKILL)
    with pytest.raises(WriterDiedError, match="3 dumps"):
        until(lambda: reader.poll() and False)
    write_all(writer, first=3)
    writer.finish()
    assert live.said == ["stream of band 0: given up: its process ended; the run goes on without it"]


DYING = """
import sys, time
from pathlib import Path
import dataset_samples as samples
from live import Live, write
with Live(Path(sys.argv[1])) as live:
    writer = live.band(readers=1)
    write(writer, samples.block(samples.header(), 0, 3))
    print("written", flush=True)
    time.sleep(60)
"""


def test_a_killed_run(path):
    """The run dies by kill -9: connected readers are told after whole steps, later ones at once."""
    run = python("-c", DYING, path, stdout=subprocess.PIPE)
    with run, reader_of(path) as reader:
        blocks = iter(reader)
        assert same(next(blocks), samples.block(samples.header(), 0, 3))
        assert run.stdout.readline() == "written\n"
        run.kill()
        with pytest.raises(WriterDiedError, match="after 3 dumps"):
            next(blocks)
    assert (path / contact_name(0)).exists(), "nobody was left to remove it"
    started = time.monotonic()
    for timeout_s in (0.0, 30.0):
        with pytest.raises(WriterDiedError, match="a stale contact file: process"):
            open_dataset(path, live=True).band(0, timeout_s=timeout_s).__enter__()
    mark_of(path).unlink()
    with pytest.raises(WriterDiedError, match="a stale contact file"):
        open_stream(path / contact_name(0)).__enter__()
    assert time.monotonic() - started < 5


def test_a_step_that_was_changed_on_the_way(path, live):
    writer = live.band()
    reader = enter(reader_of(path))
    block = samples.block(samples.header(), 0, 3)
    sums = block_sums(block)
    block.vis[1, 2, 3, 0] += 1
    writer.write(block, sums)
    with pytest.raises(CorruptError, match="CRC-32C of vis of writer 0"):
        take(reader)
    reader.close()


def test_a_stream_that_ends_early(path, live):
    writer = live.band()
    reader = enter(reader_of(path))
    write(writer, samples.block(samples.header(), 0, 3))
    writer.close()
    take(reader)
    with pytest.raises(IncompleteError, match="dumps 3 to 6 did not come"):
        rest(reader)
    reader.close()
    writer.finish()


def test_a_slow_run_is_waited_for_and_no_longer(path, live):
    writer = live.band()
    with pytest.raises(TimedOutError, match=r"dump 0 did not come within 0.3 s; the writer is alive"):
        open_dataset(path, live=True).band(0, timeout_s=0.3).__enter__()
    reader = enter(reader_of(path))
    write(writer, samples.block(samples.header(), 0, 3))
    take(reader)
    reader._timeout_s = 0.2
    with pytest.raises(TimedOutError, match=r"dump 3 did not come within 0.2 s"):
        list(reader)


def test_streams_that_are_not_there(path, tmp_path):
    with pytest.raises(TimedOutError, match="no writer left its mark"):
        open_dataset(path, live=True).band(0, timeout_s=0.1).__enter__()
    with pytest.raises(DatasetError, match=r"streamed only \(output.stream.files: false\)"):
        open_dataset(path).band(0)
    filed = samples.make(tmp_path / "filed.dawn")
    with pytest.raises(DatasetError, match=r"band 0 is not streamed \(output.stream\); read its files"):
        open_dataset(filed, live=True).band(0)
    with pytest.raises(DatasetError, match=r"no band of .* is streamed there; give the file its name back"):
        open_stream(path / "stream" / "band-00007.sst")
    nowhere = tmp_path / "x" / "stream" / "band-00000.sst"
    with pytest.raises(IncompleteError, match="the stream is over"):
        open_stream(nowhere).__enter__()


def test_foreign_contact_files(path):
    contact = path / contact_name(0)
    for text in ("", "not a contact\n", "#ADIOS2-SST v0\n0x55:AAAA\n"):
        contact.write_text(text)
        with pytest.raises(WriterDiedError, match="a stale contact file"):
            open_stream(contact).__enter__()


def let_in(reader, writer):
    """Stream blocks until the reader, which nobody sees asking, was let in with one and got the next; return its words.

    Not in this process: ADIOS2 would keep it from streaming until the reader is in.
    """
    assert reader.stdout.readline() == "asks\n"
    for block in many(samples.header(n_dumps=300)):
        write(writer, block)
        if reader.poll() is not None:
            break
        time.sleep(0.1)
    return reader.stdout.read()


OTHER = """
import sys
from pathlib import Path
from pipeline.dataset.reader import open_dataset
reader = open_dataset(Path(sys.argv[1]), live=True).band(1, timeout_s=20.0, gaps=True)
print("asks", flush=True)
try:
    reader.__enter__()
except Exception as error:
    print(type(error).__name__, error)
"""


def test_the_stream_of_another_dataset(path, live):
    other = start(path.parent / "other.dawn", n_bands=2)
    writer = live.band(of=samples.header(n_dumps=300))
    (other / contact_name(1)).write_text(contact_text(path))
    with python("-c", OTHER, other, stdout=subprocess.PIPE) as reader:
        said = let_in(reader, writer)
    assert said.startswith("CorruptError")
    assert "band is 0, the manifest says 1; the band belongs to another dataset" in said


FAR = """
import sys
from pathlib import Path
from pipeline.dataset.reader import open_stream
reader = open_stream(Path(sys.argv[1]), timeout_s=20.0, gaps=True)
print("asks", flush=True)
with reader:
    block = next(iter(reader))
    assert reader.missed == (range(0, block.dump[0]),)
    print(block.dump[0])
"""


def test_a_contact_file_far_from_its_dataset(path, live, tmp_path):
    writer = live.band(of=samples.header(n_dumps=300))
    copy = tmp_path / "away" / "here.sst"
    copy.parent.mkdir()
    copy.write_text(contact_text(path))
    with python("-c", FAR, copy, stdout=subprocess.PIPE) as reader:
        assert int(let_in(reader, writer)) > 0
