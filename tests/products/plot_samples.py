"""A dataset with flags, weights, autocorrelations, several channels, and bands out of order with a gap between."""

from __future__ import annotations

import dataclasses

import numpy as np
import yaml

from pipeline.dataset.manifest import BandEntry, Manifest, config_sha256, create_dataset, finish_dataset
from pipeline.dataset.schema import BandHeader, Block
from pipeline.dataset.storage import band_name
from pipeline.dataset.writer import BandWriter

C = 299792458.0
N_STATIONS, N_DUMPS, N_CHANNELS = 6, 7, 3
#: Out of order, and with a gap, as bands may be.
BANDS_HZ = (151.5e6, 150e6)
WIDTH_HZ = 1e5


def make(path):
    """Write the dataset; give (header, block) of each band."""
    random = np.random.default_rng(5)
    text = yaml.safe_dump({"name": "plotted"})
    entries = tuple(
        BandEntry(index=b, path=band_name(b), channels=(36 * b, 36 * b + 36), frequency_hz=hz, steps=3)
        for b, hz in enumerate(BANDS_HZ)
    )
    manifest = Manifest(software="dawnstream 0", config_sha256=config_sha256(text), plan={}, bands=entries)
    create_dataset(path, text, manifest, overwrite=False)
    pairs = np.stack(np.triu_indices(N_STATIONS), 1).astype(np.int32)
    uvw = random.normal(scale=300, size=(N_DUMPS, N_STATIONS, 3))
    seconds = (np.arange(N_DUMPS) + 0.5) * 2
    times = np.stack([np.full(N_DUMPS, 61366.0), 0.5 + seconds / 86400], 1)
    kept = []
    for entry in entries:
        header = BandHeader(
            band=entry.index,
            n_dumps=N_DUMPS,
            channel_hz=entry.frequency_hz + WIDTH_HZ * np.arange(N_CHANNELS),
            channel_width_hz=np.full(N_CHANNELS, WIDTH_HZ),
            channels=entry.channels,
            station_names=tuple(f"st{i}" for i in range(N_STATIONS)),
            station_m=np.zeros((N_STATIONS, 3)),
            baselines=pairs,
            phase_centre_rad=(0.3, -0.4),
            array_lonlatheight=(2.0, -0.5, 365.0),
            integration_s=2.0,
            software="dawnstream 0",
            config_sha256=config_sha256(text),
        )
        shape = (N_DUMPS, N_CHANNELS, len(pairs), 4)
        vis = (random.normal(size=shape) + 1j * random.normal(size=shape)).astype(np.complex64)
        vis *= 10.0 ** random.uniform(-3, 3, (*shape[:3], 1))
        weight = random.uniform(0.5, 36, shape[:3]).astype(np.float32)
        weight[random.random(shape[:3]) < 0.3] = 0
        weight[4] = 0
        vis[weight == 0] = np.nan + 1j * np.inf  # what has no weight must not matter
        whole = Block(np.arange(N_DUMPS), times, uvw, vis, weight)
        with BandWriter(path / entry.path, header, n_block_dumps=3) as writer:
            for first in range(0, N_DUMPS, 3):
                parts = {f.name: getattr(whole, f.name)[first : first + 3] for f in dataclasses.fields(whole)}
                writer.write(Block(**{name: np.ascontiguousarray(part) for name, part in parts.items()}))
        kept.append((header, whole))
    finish_dataset(path, [True] * len(entries))
    return kept


def samples(kept):
    """Yield (band, dump, channel, stations, uvw in wavelengths, weight, polarisations) of all that has a weight."""
    for header, block in kept:
        for dump, channel, baseline in np.argwhere(block.weight > 0):
            p, q = header.baselines[baseline]
            if p != q:
                uvw = (block.station_uvw[dump, p] - block.station_uvw[dump, q]) * header.channel_hz[channel] / C
                sample = block.vis[dump, channel, baseline].astype(complex)
                yield header.band, dump, channel, (p, q), uvw, float(block.weight[dump, channel, baseline]), sample
