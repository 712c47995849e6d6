"""What a live stream costs a run, and how soon a reader has a block.

    python benchmarks/live.py [--sources N] [--dumps N] [--repeat N]

The run is configs/demo.yaml with random sources and more dumps, on one core: by itself, with a stream that nobody
reads, and with one that `dawnstream image --follow --stream` images on another core. What SST needs in the run's own
processes, and in those that stream for it, is all on the run's core. The three take turns; the median of the ratios of
a turn is shown.

Then blocks of the same size are written and streamed at the pace of the telescope, and the reader takes the time from
the call that hands a block over to the block in its hands, of the stream and of the files.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import run_share
import yaml

ROOT = Path(__file__).parents[1]
BLOCK_DUMPS = 4
PACE_S = 0.25

TAKER = """
import sys, time
from pathlib import Path
from pipeline.dataset.reader import open_dataset
live = sys.argv[2] == "live"
band = open_dataset(Path(sys.argv[1]), live=live).band(0, timeout_s=60.0, gaps=live)
with band:
    for block in band:
        now = time.time()
        print(now - block.time_utc[0, 1])
"""


def observation(folder: Path, name: str, sources: int, dumps: int, stream: object) -> Path:
    """Write the demo's configuration with other sources and dumps, and this stream; return its path."""
    config = yaml.safe_load(run_share.observation(folder, sources).read_text())
    config["time"]["dumps"] = dumps
    config["output"] = {"path": f"{name}.dawn", "stream": stream}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def run_seconds(config: Path, is_imaged: bool = False) -> float:
    """Run an observation on one core, with an imager of its stream on another if asked; return its seconds."""
    dataset = config.with_suffix(".dawn")
    command = [sys.executable, "-m", "pipeline", "run", str(config), "--progress", "none", "--json"]
    if dataset.exists():
        shutil.rmtree(dataset)
    imager = None
    if is_imaged:
        words = [sys.executable, "-m", "pipeline", "image", str(dataset), "-o", str(config.with_suffix(".fits"))]
        words += ["--follow", "--stream", "--overwrite", "--progress", "none"]
        imager = subprocess.Popen(on_core(1, words), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = subprocess.run(on_core(0, command), cwd=ROOT, capture_output=True, text=True, check=True)
    if imager is not None and imager.wait(timeout=300):
        sys.exit("the imager failed")
    return float(json.loads(done.stdout)["seconds"])


def on_core(number: int, words: list[str]) -> list[str]:
    """Return the command that does this on one of the cores there are."""
    return ["taskset", "-c", str(sorted(os.sched_getaffinity(0))[number]), *words]


def measure_runs(folder: Path, sources: int, dumps: int, repeat: int) -> None:
    """Print what a stream adds to a run."""
    alone = observation(folder, "alone", sources, dumps, None)
    streamed = observation(folder, "streamed", sources, dumps, {"engine": "sst"})
    seconds, ratios_unread, ratios_imaged = [], [], []
    for turn in range(repeat + 1):
        base, unread, imaged = run_seconds(alone), run_seconds(streamed), run_seconds(streamed, is_imaged=True)
        if turn > 0:  # kernels are compiled, or read from the cache, in the first
            seconds.append(base)
            ratios_unread.append(unread / base)
            ratios_imaged.append(imaged / base)
            print(f"alone {base:.2f} s, streamed {unread:.2f} s, streamed and imaged {imaged:.2f} s")
    print(f"run alone                       {statistics.median(seconds):6.2f} s")
    print(f"a stream nobody reads adds      {100 * (statistics.median(ratios_unread) - 1):6.1f} %")
    print(f"a stream that is imaged adds    {100 * (statistics.median(ratios_imaged) - 1):6.1f} %")


def measure_delays(folder: Path, n_blocks: int = 20) -> None:
    """Print how long a block takes from the call that hands it over to the reader's hands."""
    from reader_throughput import CONFIG, sample_block, sample_header

    from pipeline.dataset.manifest import BandEntry, Manifest, config_sha256, create_dataset
    from pipeline.dataset.storage import band_name, contact_name
    from pipeline.dataset.stream_messages import Stream
    from pipeline.dataset.stream_writer import Streams, StreamWriter
    from pipeline.dataset.writer import BandWriter

    path = folder / "delays.dawn"
    header = replace(sample_header(327, n_blocks), n_dumps=n_blocks * BLOCK_DUMPS)  # 53,301 baselines
    sha = config_sha256(CONFIG)
    entry = BandEntry(
        index=0, path=band_name(0), channels=(0, 36), frequency_hz=150e6, steps=n_blocks, stream=contact_name(0)
    )
    create_dataset(path, CONFIG, Manifest(software="", config_sha256=sha, plan={}, bands=(entry,)), overwrite=False)
    block = sample_block(header, 0)
    with Streams(print) as streams:
        stream = Stream(path / contact_name(0), header, BLOCK_DUMPS, 4, "block", 1)
        takers = {
            how: subprocess.Popen([sys.executable, "-c", TAKER, str(path), how], cwd=ROOT, stdout=subprocess.PIPE)
            for how in ("live", "files")
        }
        live = StreamWriter(streams, stream, 60.0)
        calls = []
        with BandWriter(path / band_name(0), header, n_block_dumps=BLOCK_DUMPS) as writer:
            for step in range(n_blocks):
                time.sleep(PACE_S)
                now = time.time()
                dump = np.arange(step * BLOCK_DUMPS, (step + 1) * BLOCK_DUMPS)
                dated = replace(block, dump=dump, time_utc=np.tile([0.0, now], (BLOCK_DUMPS, 1)))
                sums = writer.write(dated)
                start = time.time()
                live.write(dated, sums)
                calls.append(time.time() - start)
        live.close()
        live.finish()
    print(f"a block: {block.vis.nbytes / 1e6:.1f} MB; handing it to the stream takes the run {_words(calls)}")
    for how, taker in takers.items():
        delays = [float(line) for line in taker.communicate(timeout=60)[0].split()]
        print(f"to the reader's hands, {how + ':':6s} {_words(delays)} ({len(delays)} of {n_blocks} blocks)")


def _words(seconds: list[float]) -> str:
    return f"median {1e3 * statistics.median(seconds):.1f} ms, longest {1e3 * max(seconds):.1f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sources", type=int, default=500)
    parser.add_argument("--dumps", type=int, default=12)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure_delays(folder)
        measure_runs(folder, arguments.sources, arguments.dumps, arguments.repeat)


if __name__ == "__main__":
    main()
