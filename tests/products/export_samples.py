"""Datasets to export: odd sizes, several channels a band, blocks that do not divide, flags."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import yaml

from pipeline.dataset.manifest import BandEntry, Manifest, config_sha256, create_dataset, finish_dataset
from pipeline.dataset.schema import BandHeader, Block
from pipeline.dataset.storage import band_name
from pipeline.dataset.writer import BandWriter
from pipeline.observation.geometry import Geometry
from pipeline.observation.sky import Sky
from pipeline.observation.telescope import Telescope

N_STATIONS, N_DUMPS, N_BLOCK_DUMPS, N_BANDS, N_CHANNELS = 7, 5, 2, 3, 2
N_BASELINES = N_STATIONS * (N_STATIONS + 1) // 2
INTEGRATION_S, START = 2.5, (61366.0, 0.5)
PHASE_CENTRE = (0.2, -0.55)
PLACE = (2.0379, -0.4682, 365.0)
C = 299792458.0


@dataclass
class Sample:
    """What was written: (band, time, channel, baseline, pol) and so on."""

    path: object
    telescope: Telescope
    baselines: np.ndarray
    channel_hz: np.ndarray
    width_hz: np.ndarray
    time_utc: np.ndarray
    station_uvw: np.ndarray
    vis: np.ndarray
    weight: np.ndarray

    @property
    def uvw(self):
        """(time, baseline, 3), m."""
        return self.station_uvw[:, self.baselines[:, 0]] - self.station_uvw[:, self.baselines[:, 1]]

    def rows(self, array, bands=range(N_BANDS)):
        """Return (band, time, channel, baseline, ...) as (time × baseline, all bands' channels, ...)."""
        chosen = np.concatenate([array[band] for band in bands], axis=1)
        return np.moveaxis(chosen, 1, 2).reshape(N_DUMPS * N_BASELINES, chosen.shape[1], *array.shape[4:])


def geometry(telescope, sky=None):
    """Return the geometry of the dumps."""
    start = (START[0], START[1])
    return Geometry(telescope, sky or Sky(()), *PHASE_CENTRE, start, INTEGRATION_S)


def make(path, vis_of=None, station=None, moved_band=None):
    """Write a dataset of noise, or of what `vis_of` gives: (time, channel, baseline, pol) of frequencies.

    `moved_band` gets other uvw than the others.
    """
    rng = np.random.default_rng(4)
    enu = rng.uniform(-400, 400, (N_STATIONS, 3)) * [1, 1, 0.02]
    telescope = Telescope("random", tuple(f"S{index:02d}" for index in range(N_STATIONS)), enu, *PLACE)
    moments = geometry(telescope).moments(np.arange(N_DUMPS) + 0.5)
    time_utc = geometry(telescope).times(np.arange(N_DUMPS) + 0.5)
    station_uvw = np.stack([moment.station_uvw for moment in moments])
    baselines = np.stack(np.triu_indices(N_STATIONS), axis=1).astype(np.int32)
    channel_hz = 1.5e8 + np.arange(N_BANDS * N_CHANNELS).reshape(N_BANDS, N_CHANNELS) * 2e5
    shape = (N_BANDS, N_DUMPS, N_CHANNELS, N_BASELINES, 4)
    if vis_of is None:
        vis = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    else:
        vis = np.stack([vis_of(station_uvw, baselines, hz) for hz in channel_hz]).astype(np.complex64)
    weight = rng.integers(0, 4, shape[:-1]).astype(np.float32)
    weight[:, 1, :, 3] = 0  # a row with nothing in it
    sample = Sample(
        path, telescope, baselines, channel_hz, np.full_like(channel_hz, 1.9e5), time_utc, station_uvw, vis, weight
    )
    write(sample, station, moved_band)
    return sample


def write(sample, station, moved_band):
    """Write it with the dataset's own writer."""
    telescope = {"array": "/far/away/random.txt", "station": station or {"type": "isotropic"}}
    text = yaml.safe_dump({"name": "odd", "telescope": telescope, "image": {"size": 64, "cell": "60 arcsec"}})
    entries = tuple(
        BandEntry(index=band, path=band_name(band), channels=(6 * band, 6 * band + 6), frequency_hz=hz.mean(), steps=3)
        for band, hz in enumerate(sample.channel_hz)
    )
    sha = config_sha256(text)
    manifest = Manifest(software="dawnstream 0", config_sha256=sha, plan={}, bands=entries)
    create_dataset(sample.path, text, manifest, overwrite=False)
    for band, entry in enumerate(entries):
        header = BandHeader(
            band=band,
            n_dumps=N_DUMPS,
            channel_hz=sample.channel_hz[band],
            channel_width_hz=sample.width_hz[band],
            channels=entry.channels,
            station_names=sample.telescope.station_names,
            station_m=sample.telescope.geocentric_m,
            baselines=sample.baselines,
            phase_centre_rad=PHASE_CENTRE,
            array_lonlatheight=PLACE,
            integration_s=INTEGRATION_S,
            software="dawnstream 0",
            config_sha256=sha,
        )
        uvw = sample.station_uvw + (1.0 if band == moved_band else 0.0)
        arrays = np.arange(N_DUMPS), sample.time_utc, uvw, sample.vis[band], sample.weight[band]
        with BandWriter(sample.path / entry.path, header, n_block_dumps=N_BLOCK_DUMPS) as writer:
            for first in range(0, N_DUMPS, N_BLOCK_DUMPS):
                part = [np.ascontiguousarray(array[first : first + N_BLOCK_DUMPS]) for array in arrays]
                names = [field.name for field in dataclasses.fields(Block)]
                writer.write(Block(**dict(zip(names, part, strict=True))))
    finish_dataset(sample.path, [True] * N_BANDS)


def small_tiles(monkeypatch):
    """Have many tiles in little data: 24 rows each, of 140 there are."""
    from pipeline.products.export import tiles, uvh5

    for module in (tiles, uvh5):
        monkeypatch.setattr(module, "TILE_BYTES", 24 * 8 * N_CHANNELS * 4)
    monkeypatch.setattr(tiles, "LEAST_TILE_BYTES", 8)
