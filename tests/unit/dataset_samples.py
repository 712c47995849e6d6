"""Small datasets of random numbers, of sizes that divide nothing."""

from __future__ import annotations

import numpy as np

from pipeline.dataset.manifest import BandEntry, Manifest, config_sha256, create_dataset, finish_dataset
from pipeline.dataset.schema import BandHeader, Block
from pipeline.dataset.storage import band_name
from pipeline.dataset.writer import BandWriter

CONFIG = "name: sample\ntelescope: {array: somewhere}\ntime: {start: 2026-11-22T12:00:00}\n"
N_DUMPS, N_BLOCK_DUMPS, N_STEPS = 7, 3, 3


def header(band=0, n_dumps=N_DUMPS, n_channels=3, n_stations=5):
    random = np.random.default_rng(band)
    return BandHeader(
        band=band,
        n_dumps=n_dumps,
        channel_hz=150e6 + 1e4 * np.arange(n_channels),
        channel_width_hz=np.full(n_channels, 5425.347),
        channels=(36 * band, 36 * band + 36),
        station_names=tuple(f"station {i}" for i in range(n_stations)),
        station_m=random.normal(size=(n_stations, 3)) * 6e6,
        baselines=np.stack(np.triu_indices(n_stations, 1), 1).astype(np.int32),
        phase_centre_rad=(0.25, -0.47),
        array_lonlatheight=(2.0379, -0.4682, 365.0),
        integration_s=0.84934656,
        software="dawnstream test",
        config_sha256=config_sha256(CONFIG),
    )


def block(of, first, n_times, seed=0):
    random = np.random.default_rng([seed, of.band, first])
    n_channels, n_baselines, n_stations = len(of.channel_hz), len(of.baselines), len(of.station_names)
    pairs = random.normal(size=(n_times, n_channels, n_baselines, 4, 2)).astype(np.float32)
    return Block(
        dump=np.arange(first, first + n_times),
        time_utc=random.normal(size=(n_times, 2)),
        station_uvw=random.normal(size=(n_times, n_stations, 3)),
        vis=pairs[..., 0] + 1j * pairs[..., 1],
        weight=random.random((n_times, n_channels, n_baselines), dtype=np.float32),
    )


def blocks(of, n_block_dumps=N_BLOCK_DUMPS):
    for first in range(0, of.n_dumps, n_block_dumps):
        yield block(of, first, min(n_block_dumps, of.n_dumps - first))


def start(path, n_bands=1, overwrite=False):
    entries = tuple(
        BandEntry(
            index=b, path=band_name(b), channels=(36 * b, 36 * b + 36), frequency_hz=1.5e8 + b * 2e5, steps=N_STEPS
        )
        for b in range(n_bands)
    )
    manifest = Manifest(
        software="dawnstream test", config_sha256=config_sha256(CONFIG), plan={"ranks": 1}, bands=entries
    )
    create_dataset(path, CONFIG, manifest, overwrite)
    return path


def write_band(path, band=0, n_written=None):
    of = header(band)
    with BandWriter(path / band_name(band), of, n_block_dumps=N_BLOCK_DUMPS) as writer:
        for number, part in enumerate(blocks(of)):
            if n_written is None or number < n_written:
                writer.write(part)
    return of


def make(path, n_bands=1):
    start(path, n_bands)
    for band in range(n_bands):
        write_band(path, band)
    finish_dataset(path, [True] * n_bands)
    return path
