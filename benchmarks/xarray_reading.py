"""How fast xarray opens and reads a dataset, beside plain ADIOS2 reading the same bytes.

    python benchmarks/xarray_reading.py [--stations N] [--bands N] [--steps N] [--folder DISK]

Writes a dataset of random numbers into a temporary folder. Readers take turns; of each the median of the rounds is
printed, with the smallest and largest: with the bytes in the page cache, where the readers' own work shows most, and
with bytes that the system was asked to forget, so that they come from the disk.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import adios2
import numpy as np
import xarray as xr

from pipeline.dataset.manifest import BandEntry, Manifest, config_sha256, create_dataset, finish_dataset
from pipeline.dataset.schema import BandHeader, Block
from pipeline.dataset.storage import band_name
from pipeline.dataset.writer import BandWriter

CONFIG = "name: benchmark\n"
N_BLOCK_DUMPS, ROUNDS = 4, 5


def header_of(band: int, n_stations: int, n_steps: int) -> BandHeader:
    """Describe a band of one channel."""
    return BandHeader(
        band=band,
        n_dumps=n_steps * N_BLOCK_DUMPS,
        channel_hz=np.array([150e6 + 195312.5 * band]),
        channel_width_hz=np.array([195312.5]),
        channels=(36 * band, 36 * band + 36),
        station_names=tuple(f"s{i}" for i in range(n_stations)),
        station_m=np.zeros((n_stations, 3)),
        baselines=np.stack(np.triu_indices(n_stations, 1), 1).astype(np.int32),
        phase_centre_rad=(0.0, -0.47),
        array_lonlatheight=(2.0379, -0.4682, 365.0),
        integration_s=0.84934656,
        software="dawnstream benchmark",
        config_sha256=config_sha256(CONFIG),
    )


def write(path: Path, n_bands: int, n_stations: int, n_steps: int) -> None:
    """Write a dataset; all its blocks hold the same random numbers."""
    headers = [header_of(band, n_stations, n_steps) for band in range(n_bands)]
    entries = tuple(
        BandEntry(
            index=h.band, path=band_name(h.band), channels=h.channels, frequency_hz=h.channel_hz[0], steps=n_steps
        )
        for h in headers
    )
    manifest = Manifest(software="dawnstream benchmark", config_sha256=config_sha256(CONFIG), plan={}, bands=entries)
    create_dataset(path, CONFIG, manifest, overwrite=False)
    random = np.random.default_rng(1)
    shape = (N_BLOCK_DUMPS, 1, len(headers[0].baselines))
    vis = random.normal(size=(*shape, 4, 2)).astype(np.float32).view(np.complex64)[..., 0]
    weight, uvw = np.full(shape, 36, np.float32), random.normal(size=(N_BLOCK_DUMPS, n_stations, 3))
    for of in headers:
        with BandWriter(path / band_name(of.band), of, n_block_dumps=N_BLOCK_DUMPS) as writer:
            for step in range(n_steps):
                dump = step * N_BLOCK_DUMPS + np.arange(N_BLOCK_DUMPS)
                utc = np.stack([np.full(N_BLOCK_DUMPS, 61366.0), dump * of.integration_s / 86400], 1)
                writer.write(Block(dump, utc, uvw, vis, weight))
    finish_dataset(path, [True] * n_bands)


def read_plain(path: Path) -> float:
    """Read the visibilities of all bands, step by step, each into memory of its own, as xarray returns chunks."""
    total = 0.0
    for band in sorted(path.glob("*.bp")):
        with adios2.FileReader(str(band)) as file:
            vis = file.inquire_variable("vis")
            for step in range(file.num_steps()):
                shape = vis.shape(step)
                pairs = np.empty(shape, np.float32)
                vis.set_step_selection([step, 1])
                vis.set_selection([[0] * len(shape), shape])
                file.engine.get(vis, pairs)
                total += float(pairs[-1, -1, -1, -1, -1])
    return total


def read_xarray(path: Path, verify: bool) -> float:
    """Read the same by xarray, chunk by chunk."""
    total = 0.0
    with xr.open_dataset(path, engine="dawnstream", verify=verify, cache=False) as dataset:
        steps, _, _, _ = (dataset.vis.encoding["preferred_chunks"][axis] for axis in dataset.vis.dims)
        edges = np.cumsum([0, *steps])
        for channel in range(dataset.sizes["channel"]):
            for first, stop in itertools.pairwise(edges):
                chunk = dataset.vis[first:stop, channel : channel + 1].values
                total += float(chunk[-1, -1, -1, -1].imag)
    return total


def read_dask(path: Path) -> float:
    """Read the same by dask's threads, and sum one number of each chunk."""
    with xr.open_dataset(path, engine="dawnstream", chunks={}) as dataset:
        last = dataset.vis.data.map_blocks(lambda chunk: chunk[-1:, -1:, -1:, -1:].imag, dtype=np.float32)
        return float(last.sum().compute(scheduler="threads"))


def forget(path: Path) -> None:
    """Ask the system to forget what it keeps in memory of the files in a folder."""
    for file in path.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(calls: dict[str, Callable[[], object]], before: Callable[[], object]) -> dict[str, list[float]]:
    """Return the seconds of each call, in turns; the first round warms up. `before` is called before each."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(ROUNDS + 1):
        for name, call in calls.items():
            before()
            start = time.perf_counter()
            call()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def report_opening(folder: Path, n_bands: int, n_steps: int) -> None:
    """Print how long opening takes; what is in the bands does not matter, so these are small."""
    path = folder / "opening.dawn"
    write(path, n_bands, 16, n_steps)
    seconds = timed({"open": lambda: xr.open_dataset(path, engine="dawnstream").close()}, lambda: None)["open"]
    median = float(np.median(seconds))
    print(f"{n_bands} bands of {n_steps} steps opened in {median:.3f} s ({min(seconds):.3f} to {max(seconds):.3f})")


def report_reading(path: Path, n_bytes: int) -> None:
    """Print how fast visibilities come."""
    calls: dict[str, Callable[[], object]] = {
        "plain adios2": lambda: read_plain(path),
        "xarray, checksums compared": lambda: read_xarray(path, verify=True),
        "xarray, verify=False": lambda: read_xarray(path, verify=False),
        "xarray, dask threads": lambda: read_dask(path),
    }
    for place, before in (("page cache", lambda: None), ("disk", lambda: forget(path))):
        read = timed(calls, before)
        plain = float(np.median(read["plain adios2"]))
        for name, seconds in read.items():
            median = float(np.median(seconds))
            rates = [n_bytes / 1e9 / s for s in (median, max(seconds), min(seconds))]
            print(
                f"{place:11} {name:28} {rates[0]:6.2f} GB/s ({rates[1]:.2f} to {rates[2]:.2f}), "
                f"{plain / median:.2f} of plain"
            )


def main() -> None:
    """Write, open, read and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=512)
    parser.add_argument("--bands", type=int, default=6)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--opened-bands", type=int, default=100)
    parser.add_argument("--opened-steps", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        report_opening(Path(folder), arguments.opened_bands, arguments.opened_steps)
        path = Path(folder) / "reading.dawn"
        write(path, arguments.bands, arguments.stations, arguments.steps)
        n_baselines = arguments.stations * (arguments.stations - 1) // 2
        n_bytes = arguments.bands * arguments.steps * N_BLOCK_DUMPS * n_baselines * 32
        step_mb = n_bytes / arguments.bands / arguments.steps / 1e6
        print(f"{arguments.bands} bands of {arguments.steps} steps of {step_mb:.1f} MB, {n_bytes / 1e9:.2f} GB")
        report_reading(path, n_bytes)


if __name__ == "__main__":
    main()
