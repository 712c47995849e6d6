"""The rate of exports beside the disk's own, and their memory as the observation grows tenfold.

    python benchmarks/export_rate.py [--folder FOLDER] [--dumps N] [--ranks N] [--json FILE]

Makes a dataset of 512 stations and two bands of noise in a temporary folder within FOLDER (which should be on the
disk that is asked about), exports it in every way under each number of ranks, and writes as many bytes to the same
folder in pieces of 1 MiB, straight from memory: that is the disk's rate. Both end when the bytes are on the disk
(fsync). Starting Python and MPI is not counted, reading the dataset is.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.dataset.manifest import BandEntry, Manifest, config_sha256, create_dataset, finish_dataset
from pipeline.dataset.schema import BandHeader, Block
from pipeline.dataset.storage import band_name
from pipeline.dataset.writer import BandWriter

ROOT = Path(__file__).parents[1]
N_STATIONS, N_BANDS, N_BLOCK_DUMPS = 512, 2, 8
PIECE = 1 << 20
WAYS = (("ms", False), ("ms", True), ("uvh5", False), ("uvh5", True))
TEXT = "name: noise\ntelescope: {array: somewhere}\n"
N_TIMES = 3


def make_dataset(path: Path, n_dumps: int) -> Path:
    """Write a dataset of noise."""
    rng = np.random.default_rng(1)
    stations = rng.uniform(-3e3, 3e3, (N_STATIONS, 3))
    baselines = np.stack(np.triu_indices(N_STATIONS, 1), 1).astype(np.int32)
    n_steps = -(-n_dumps // N_BLOCK_DUMPS)
    entries = tuple(
        BandEntry(index=b, path=band_name(b), channels=(b, b + 1), frequency_hz=1.5e8 + 2e5 * b, steps=n_steps)
        for b in range(N_BANDS)
    )
    sha = config_sha256(TEXT)
    manifest = Manifest(software="dawnstream 0", config_sha256=sha, plan={}, bands=entries)
    create_dataset(path, TEXT, manifest, overwrite=False)
    shape = (N_BLOCK_DUMPS, 1, len(baselines), 4)
    vis = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    weight = rng.integers(1, 37, shape[:3]).astype(np.float32)
    for entry in entries:
        header = BandHeader(
            band=entry.index,
            n_dumps=n_dumps,
            channel_hz=np.array([entry.frequency_hz]),
            channel_width_hz=np.array([2e5]),
            channels=entry.channels,
            station_names=tuple(f"S{index}" for index in range(N_STATIONS)),
            station_m=stations,
            baselines=baselines,
            phase_centre_rad=(0.2, -0.5),
            array_lonlatheight=(2.0379, -0.4682, 365.0),
            integration_s=0.9,
            software="dawnstream 0",
            config_sha256=sha,
        )
        with BandWriter(path / entry.path, header, n_block_dumps=N_BLOCK_DUMPS) as writer:
            for first in range(0, n_dumps, N_BLOCK_DUMPS):
                dump = np.arange(first, min(first + N_BLOCK_DUMPS, n_dumps))
                times = np.stack([np.full(len(dump), 61366.0), 0.5 + (dump + 0.5) * 0.9 / 86400], 1)
                uvw = np.broadcast_to(stations, (len(dump), N_STATIONS, 3)).copy()
                writer.write(Block(dump, times, uvw, vis[: len(dump)], weight[: len(dump)]))
    finish_dataset(path, [True] * N_BANDS)
    return path


def child(dataset: Path, output: Path, file_format: Any, split: bool) -> None:
    """Export, under whatever ranks, and have the first print seconds, bytes and the largest memory of all ranks."""
    from pipeline.parallel.topology import World
    from pipeline.products.export.export import export_dataset
    from pipeline.products.export.settings import ExportSettings

    with World() as world:
        world.comm.Barrier()
        begin = time.perf_counter()
        report = export_dataset(dataset, output, ExportSettings(file_format, split), world)
        seconds = time.perf_counter() - begin
        memory = max(world.comm.allgather(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
        if world.rank == 0:
            print(json.dumps({"seconds": seconds, "bytes": report.n_bytes, "memory": memory}))


def export(dataset: Path, file_format: str, split: bool, ranks: int) -> dict[str, float]:
    """Run an export of its own processes; return what it measured."""
    output = dataset.with_name("exported")
    words = [sys.executable, __file__, "--child", str(dataset), str(output), file_format, "split" if split else "one"]
    launcher = [str(ROOT / "scripts/mpirun"), "-n", str(ranks)]
    done = subprocess.run([*launcher, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    subprocess.run(["rm", "-rf", str(output)], check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def disk_rate(folder: Path, n_bytes: int) -> float:
    """Return the bytes/s of writing one file in pieces from memory, until it is on the disk."""
    piece, path = np.random.default_rng(2).bytes(PIECE), folder / "plain"
    begin = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(n_bytes // PIECE):
            file.write(piece)
        os.fsync(file.fileno())
    seconds = time.perf_counter() - begin
    path.unlink()
    return n_bytes / seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--dumps", type=int, default=160)
    parser.add_argument("--ranks", type=int, default=2, help="largest number of ranks")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        small = make_dataset(folder / "small.dawn", options.dumps // 10)
        dataset = make_dataset(folder / "whole.dawn", options.dumps)
        for file_format, split in WAYS:
            for ranks in range(1, options.ranks + 1):
                runs = []
                for _ in range(N_TIMES):
                    run = export(dataset, file_format, split, ranks)
                    run["disk"] = disk_rate(folder, int(run["bytes"]))
                    runs.append(run)
                best = max(runs, key=lambda run: run["bytes"] / run["seconds"])
                rate, disk = best["bytes"] / best["seconds"], max(run["disk"] for run in runs)
                memory = export(small, file_format, split, ranks)["memory"], max(run["memory"] for run in runs)
                way = f"{file_format}, {'a file for each band' if split else 'one file'}, {ranks} ranks"
                print(
                    f"{way}: {rate / 1e9:.2f} GB/s, disk {disk / 1e9:.2f} GB/s, {rate / disk:.2f} of it; "
                    f"memory {memory[0] / 1e6:.0f} MB, ten times the dumps {memory[1] / 1e6:.0f} MB",
                    flush=True,
                )
                results.append({"way": way, "rate": rate, "disk": disk, "memory": memory, "bytes": best["bytes"]})
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], sys.argv[5] == "split")
    else:
        main()
