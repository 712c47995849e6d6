"""Datasets of point sources, written with the dataset's own writer, visibilities from the oracle."""

from __future__ import annotations

import dataclasses

import numpy as np
import oracle
import yaml

from pipeline.dataset.manifest import BandEntry, Manifest, config_sha256, create_dataset, finish_dataset
from pipeline.dataset.schema import BandHeader, Block
from pipeline.dataset.storage import band_name
from pipeline.dataset.writer import BandWriter

NAME, ARRAY = "three sources", "/far/away/random.txt"
N_STATIONS, N_DUMPS, N_BLOCK_DUMPS = 24, 5, 2
WIDTH_HZ = 2e5


def direction_cosines(ra, dec, ra0, dec0):
    """Return l and m of directions seen from the phase centre (rad)."""
    l_east = np.cos(dec) * np.sin(ra - ra0)
    m_north = np.sin(dec) * np.cos(dec0) - np.cos(dec) * np.sin(dec0) * np.cos(ra - ra0)
    return l_east, m_north


def tracks(extent_m):
    """Return the stations' uvw (time, station, 3) in m and the pairs (baseline, 2) of every dataset here."""
    rng = np.random.default_rng(3)
    pairs = np.stack(np.triu_indices(N_STATIONS, 1), 1).astype(np.int32)
    return rng.uniform(-extent_m / 2, extent_m / 2, (N_DUMPS, N_STATIONS, 3)), pairs


def make(path, phase_centre_rad, sources, band_hz, extent_m, observation=None, before=lambda band, dump: None):
    """Write a dataset; `sources` is (source, 6): right ascension, declination (rad), I, Q, U, V.

    `before` is called before each block is written, and with the number of dumps before a band is closed.
    """
    text = yaml.safe_dump(observation or {"name": NAME, "telescope": {"array": ARRAY}})
    entries = tuple(
        BandEntry(index=b, path=band_name(b), channels=(36 * b, 36 * b + 36), frequency_hz=hz, steps=3)
        for b, hz in enumerate(band_hz)
    )
    manifest = Manifest(software="dawnstream 0", config_sha256=config_sha256(text), plan={}, bands=entries)
    create_dataset(path, text, manifest, overwrite=False)
    uvw, pairs = tracks(extent_m)
    times = np.stack([np.full(N_DUMPS, 61366.0), 0.5 + (np.arange(N_DUMPS) + 0.5) * 2 / 86400], 1)
    sources = np.array(sources, float)
    lm = np.stack(direction_cosines(*sources[:, :2].T, *phase_centre_rad), 1)
    flat = np.concatenate([lm, sources[:, 2:]], 1)
    for entry in entries:
        header = BandHeader(
            band=entry.index,
            n_dumps=N_DUMPS,
            channel_hz=np.array([entry.frequency_hz]),
            channel_width_hz=np.array([WIDTH_HZ]),
            channels=entry.channels,
            station_names=tuple(f"s{i}" for i in range(N_STATIONS)),
            station_m=np.zeros((N_STATIONS, 3)),
            baselines=pairs,
            phase_centre_rad=tuple(phase_centre_rad),
            array_lonlatheight=(2.0379, -0.4682, 365.0),
            integration_s=2.0,
            software="dawnstream 0",
            config_sha256=config_sha256(text),
        )
        vis = oracle.visibilities(uvw, pairs, header.channel_hz, flat).astype(np.complex64)
        weight = np.full(vis.shape[:3], 36, np.float32)
        whole = Block(np.arange(N_DUMPS), times, uvw, vis, weight)
        with BandWriter(path / entry.path, header, n_block_dumps=N_BLOCK_DUMPS) as writer:
            for first in range(0, N_DUMPS, N_BLOCK_DUMPS):
                part = {
                    f.name: getattr(whole, f.name)[first : first + N_BLOCK_DUMPS] for f in dataclasses.fields(whole)
                }
                before(entry.index, first)
                writer.write(Block(**{name: np.ascontiguousarray(value) for name, value in part.items()}))
            before(entry.index, N_DUMPS)
    finish_dataset(path, [True] * len(entries))
    return path
