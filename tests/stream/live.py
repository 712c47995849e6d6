"""Streams of small bands, written by this process or by one that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import dataset_samples as samples
import numpy as np

from pipeline.dataset.manifest import BandEntry, Manifest, config_sha256, create_dataset
from pipeline.dataset.putting import block_sums
from pipeline.dataset.schema import VARIABLE_NAMES
from pipeline.dataset.storage import band_name, contact_name
from pipeline.dataset.stream_messages import Stream
from pipeline.dataset.stream_writer import Streams, StreamWriter

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def start(path, n_bands=1, files=False):
    """Make the folder of a dataset whose bands are streamed."""
    entries = tuple(
        BandEntry(
            index=b,
            path=band_name(b),
            channels=(36 * b, 36 * b + 36),
            frequency_hz=1.5e8,
            steps=samples.N_STEPS,
            stream=contact_name(b),
        )
        for b in range(n_bands)
    )
    sha = config_sha256(samples.CONFIG)
    manifest = Manifest(software="dawnstream test", config_sha256=sha, plan={}, files=files, bands=entries)
    create_dataset(path, samples.CONFIG, manifest, overwrite=False)
    return path


class Live:
    """The streams of a dataset, as a rank writes them; what is told of them is in `said`."""

    def __init__(self, path, streams=None):
        self.path = path
        self.said = []
        self.is_own = streams is None
        self.streams = Streams(self.said.append) if self.is_own else streams
        self.streams.warn = self.said.append

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.is_own:
            self.streams.close()

    def band(self, index=0, of=None, queue=4, when_full="discard", readers=0, patience_s=20.0):
        of = samples.header(index) if of is None else of
        stream = Stream(self.path / contact_name(index), of, samples.N_BLOCK_DUMPS, queue, when_full, readers)
        return StreamWriter(self.streams, stream, patience_s)


def write(writer, block):
    writer.write(block, block_sums(block))


def until(condition, seconds=20.0):
    """Wait for something that must come."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.005)
    return found


def enter(reader, seconds=20.0):
    """Let a reader in before anything is streamed: its header comes with the first block, so it only connects."""
    source = reader._source
    until(lambda: source.path.exists(), seconds)
    assert source.look() is None
    return reader


def same(got, want):
    return all(np.array_equal(getattr(got, name), getattr(want, name)) for name in VARIABLE_NAMES)


def python(*arguments, **options):
    """Start a Python that finds the samples and the package."""
    folders = [str(HERE), str(ROOT / "tests" / "unit"), str(ROOT)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    return subprocess.Popen([sys.executable, *map(str, arguments)], env=environment, text=True, **options)
