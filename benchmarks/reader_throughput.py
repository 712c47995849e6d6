"""Dawnstream's reader, checksums compared, beside plain ADIOS2 reads of the same bytes.

    python benchmarks/reader_throughput.py [--stations N] [--steps N] [--repeat N]

Both read every variable of every step into new arrays, as a reader whose blocks may be kept must. The files are in the
page cache: from a disk both wait for the same bytes. They take turns; the medians of rates and of ratios within a turn
are shown, and the best. ADIOS2 by itself reads with several threads, the reader with one, so on an idle machine the
ratio by the clock is lower than by processor time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.dataset.manifest import BandEntry, Manifest, config_sha256, create_dataset, finish_dataset
from pipeline.dataset.reader import open_dataset
from pipeline.dataset.schema import VARIABLE_NAMES, Array, BandHeader, Block
from pipeline.dataset.select import by_length
from pipeline.dataset.storage import band_name
from pipeline.dataset.writer import BandWriter

BLOCK_DUMPS = 4
CONFIG = "name: throughput\n"


def sample_header(n_stations: int, n_steps: int) -> BandHeader:
    """Return the header of a band of one channel, of stations within 3 km of each other."""
    random = np.random.default_rng(1)
    return BandHeader(
        band=0,
        n_dumps=n_steps * BLOCK_DUMPS,
        channel_hz=np.array([150e6]),
        channel_width_hz=np.array([195e3]),
        channels=(0, 36),
        station_names=tuple(f"station {i}" for i in range(n_stations)),
        station_m=random.normal(size=(n_stations, 3)) * 1000,
        baselines=np.stack(np.triu_indices(n_stations, 1), 1).astype(np.int32),
        phase_centre_rad=(0.0, -0.47),
        array_lonlatheight=(2.0379, -0.4682, 365.0),
        integration_s=0.84934656,
        software="dawnstream benchmark",
        config_sha256=config_sha256(CONFIG),
    )


def sample_block(header: BandHeader, step: int) -> Block:
    """Return a block of random numbers."""
    random = np.random.default_rng(step)
    n_baselines, n_stations = len(header.baselines), len(header.station_names)
    vis = random.random((BLOCK_DUMPS, 1, n_baselines, 4, 2), dtype=np.float32)
    return Block(
        dump=np.arange(step * BLOCK_DUMPS, (step + 1) * BLOCK_DUMPS),
        time_utc=random.random((BLOCK_DUMPS, 2)),
        station_uvw=random.random((BLOCK_DUMPS, n_stations, 3)),
        vis=vis.view(np.complex64)[..., 0],
        weight=np.full((BLOCK_DUMPS, 1, n_baselines), 36, np.float32),
    )


def make_dataset(path: Path, header: BandHeader, n_steps: int) -> int:
    """Write a dataset of one band; return the bytes of its blocks."""
    entry = BandEntry(index=0, path=band_name(0), channels=(0, 36), frequency_hz=150e6, steps=n_steps)
    manifest = Manifest(software="benchmark", config_sha256=config_sha256(CONFIG), plan={}, bands=(entry,))
    create_dataset(path, CONFIG, manifest, overwrite=False)
    n_bytes = 0
    with BandWriter(path / band_name(0), header, n_block_dumps=BLOCK_DUMPS) as writer:
        for step in range(n_steps):
            block = sample_block(header, step)
            n_bytes += sum(getattr(block, name).nbytes for name in VARIABLE_NAMES)
            writer.write(block)
    finish_dataset(path, [True])
    return n_bytes


def read_plainly(path: Path, again: bool) -> None:
    """Read every variable of every step by ADIOS2 alone, into new arrays or into the same ones `again`."""
    import adios2

    dtypes = {"float": np.float32, "double": np.float64, "int64_t": np.int64}
    io = adios2.Adios().declare_io("band")
    io.set_engine("BP5")
    io.add_transport("File", {"Library": "stdio"})
    engine = io.open(str(path / band_name(0)), adios2.Mode.Read)
    arrays: dict[str, Array] = {}
    while engine.begin_step(adios2.StepMode.Read, 0.0) == adios2.StepStatus.OK:
        for name in VARIABLE_NAMES:
            variable = io.inquire_variable(name)
            if not again or name not in arrays:
                arrays[name] = np.empty(variable.shape(), dtypes[variable.type()])
            engine.get(variable, arrays[name], adios2.Mode.Deferred)
        engine.end_step()
    engine.close()


def read_with(path: Path, **options: object) -> None:
    """Read every block of the band with Dawnstream's reader."""
    with open_dataset(path).band(0, **options) as band:  # type: ignore[arg-type]
        for _ in band:
            pass


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--stations", type=int, default=512)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--repeat", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "throughput.dawn"
        n_bytes = make_dataset(path, sample_header(arguments.stations, arguments.steps), arguments.steps)
        ways: dict[str, Callable[[], None]] = {
            "plain ADIOS2": lambda: read_plainly(path, again=False),
            "plain ADIOS2, into the same arrays": lambda: read_plainly(path, again=True),
            "Dawnstream, checksums compared": lambda: read_with(path),
            "Dawnstream, not verified": lambda: read_with(path, verify=False),
            "Dawnstream, 1 km and shorter, verified": lambda: read_with(path, baselines=by_length(most_m=1000.0)),
        }
        walls: dict[str, list[float]] = {name: [] for name in ways}
        processors: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(arguments.repeat):
            for name, way in ways.items():
                wall, processor = time.perf_counter(), time.process_time()
                way()
                walls[name].append(time.perf_counter() - wall)
                processors[name].append(time.process_time() - processor)
    print(f"{n_bytes / 1e9:.2f} GB in {arguments.steps} steps; medians, in brackets the best")
    for name in ways:
        rate, top = n_bytes / 1e9 / statistics.median(walls[name]), n_bytes / 1e9 / min(walls[name])
        print(
            f"{name:40s} {rate:5.2f} ({top:5.2f}) GB/s of the band, {_ratio(walls, name)} of plain ADIOS2, "
            f"by processor time {_ratio(processors, name)}"
        )


def _ratio(seconds: dict[str, list[float]], name: str) -> str:
    plain = seconds["plain ADIOS2"]
    median = statistics.median(one / other for one, other in zip(plain, seconds[name], strict=True))
    return f"{median:.2f} ({min(plain) / min(seconds[name]):.2f})"


if __name__ == "__main__":
    main()
