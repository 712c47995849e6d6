"""Datasets of bands that share their stations, of odd sizes; and their bytes, read with ADIOS2 alone."""

from __future__ import annotations

import dataclasses
import itertools

import adios2
import numpy as np
from crc32c import crc32c

from pipeline.dataset.manifest import BandEntry, Manifest, config_sha256, create_dataset, finish_dataset
from pipeline.dataset.schema import VARIABLE_NAMES, BandHeader, Block, attribute_values
from pipeline.dataset.storage import band_name
from pipeline.dataset.writer import BandWriter

CONFIG = "name: lazy\ntelescope: {array: somewhere}\n"
N_DUMPS, N_BLOCK_DUMPS, N_CHANNELS, N_STATIONS = 7, 3, 2, 5
DTYPES = {"vis": np.float32, "weight": np.float32, "station_uvw": np.float64, "time_utc": np.float64, "dump": np.int64}


def header(band, n_dumps=N_DUMPS, n_stations=N_STATIONS, n_channels=N_CHANNELS):
    return BandHeader(
        band=band,
        n_dumps=n_dumps,
        channel_hz=150e6 + 2e5 * band + 1e4 * np.arange(n_channels),
        channel_width_hz=np.full(n_channels, 5425.347),
        channels=(36 * band, 36 * band + 36),
        station_names=tuple(f"S{i}" for i in range(n_stations)),
        station_m=np.random.default_rng(1).normal(size=(n_stations, 3)) * 6e6,
        baselines=np.stack(np.triu_indices(n_stations, 1), 1).astype(np.int32),
        phase_centre_rad=(0.25, -0.47),
        array_lonlatheight=(2.0379, -0.4682, 365.0),
        integration_s=0.84934656,
        software="dawnstream test",
        config_sha256=config_sha256(CONFIG),
    )


def block(of, first, n_times):
    """Random numbers; only visibilities and weights differ between bands."""
    random, shared = np.random.default_rng([of.band, first]), np.random.default_rng(first)
    shape = (n_times, len(of.channel_hz), len(of.baselines))
    dumps = np.arange(first, first + n_times)
    return Block(
        dump=dumps,
        time_utc=np.stack([np.full(n_times, 61366.0), 0.5 + (dumps + 0.5) * of.integration_s / 86400], 1),
        station_uvw=shared.normal(size=(n_times, len(of.station_names), 3)) * 1e3,
        vis=random.normal(size=(*shape, 4, 2)).astype(np.float32).view(np.complex64)[..., 0],
        weight=random.random(shape, dtype=np.float32),
    )


def make(path, n_bands=3, n_block_dumps=N_BLOCK_DUMPS, complete=None, **changes):
    """Write a dataset; `changes` are of the last band's header."""
    sizes = {name: changes.pop(name) for name in ("n_dumps", "n_stations", "n_channels") if name in changes}
    headers = [header(band, **sizes) for band in range(n_bands)]
    steps = -(-headers[0].n_dumps // n_block_dumps)
    headers[-1] = dataclasses.replace(headers[-1], **changes)
    entries = tuple(
        BandEntry(index=b, path=band_name(b), channels=h.channels, frequency_hz=h.channel_hz.mean(), steps=steps)
        for b, h in enumerate(headers)
    )
    manifest = Manifest(software="dawnstream test", config_sha256=config_sha256(CONFIG), plan={}, bands=entries)
    create_dataset(path, CONFIG, manifest, overwrite=False)
    for of in headers:
        with BandWriter(path / band_name(of.band), of, n_block_dumps=n_block_dumps) as writer:
            for first in range(0, of.n_dumps, n_block_dumps):
                writer.write(block(of, first, min(n_block_dumps, of.n_dumps - first)))
    finish_dataset(path, [True] * n_bands if complete is None else complete)
    return path


def plain(path, name, band=0):
    """Return a variable of all steps of a band as ADIOS2's own reader of files gives it: (time, ...)."""
    parts = []
    with adios2.FileReader(str(path / band_name(band))) as file:
        variable = file.inquire_variable(name)
        for step in range(file.num_steps()):
            shape = variable.shape(step)
            variable.set_step_selection([step, 1])
            variable.set_selection([[0] * len(shape), shape])
            parts.append(np.full(shape, 9, DTYPES[name]))
            file.engine.get(variable, parts[-1])
    return np.concatenate(parts)


def plain_vis(path, n_bands=3):
    """Return the visibilities of all bands, (time, channel, baseline, pol) complex64."""
    pairs = np.concatenate([plain(path, "vis", band) for band in range(n_bands)], axis=1)
    return pairs[..., 0] + np.complex64(1j) * pairs[..., 1]


def write_as_two(path, of, split, n_block_dumps=N_BLOCK_DUMPS):
    """Write a band with ADIOS2 alone as two writers do: each its own baselines, its own row of checksums."""
    io = adios2.Adios().declare_io("two")
    io.set_engine("BP5")
    for name, value in attribute_values(of).items():
        io.define_attribute(name, value)
    n_baselines = len(of.baselines)
    band = io.open(str(path), adios2.Mode.Write)
    for first in range(0, of.n_dumps, n_block_dumps):
        whole = block(of, first, min(n_block_dumps, of.n_dumps - first))
        pairs = np.stack([whole.vis.real, whole.vis.imag], -1)
        arrays = [whole.dump, whole.time_utc, whole.station_uvw, pairs, whole.weight]
        parts = np.array([[0, split], [split, n_baselines - split]])
        sums = np.zeros((2, 5), np.uint32)
        for column, array in enumerate(arrays[:3]):
            sums[0, column] = crc32c(array.tobytes())
        for (row, (start, count)), column in itertools.product(enumerate(parts), (3, 4)):
            sums[row, column] = crc32c(arrays[column][:, :, start : start + count].tobytes())
        band.begin_step()
        for name, array in zip((*VARIABLE_NAMES, "crc32c", "writer_baselines"), (*arrays, sums, parts), strict=True):
            handle = io.inquire_variable(name) or io.define_variable(
                name, array, list(array.shape), [0] * array.ndim, list(array.shape)
            )
            handle.set_shape(list(array.shape))
            axis = {"vis": 2, "weight": 2, "crc32c": 0, "writer_baselines": 0}.get(name)
            bounds = [(0, array.shape[0])] if axis is None else [(0, split), (split, n_baselines)]
            bounds = [(0, 1), (1, 2)] if axis == 0 else bounds
            for start, stop in bounds:
                piece = np.ascontiguousarray(np.take(array, range(start, stop), axis or 0))
                at = [start if axis == i else 0 for i in range(array.ndim)]
                handle.set_selection([at, list(piece.shape)])
                band.put(handle, piece, adios2.Mode.Sync)
        band.end_step()
    band.close()
