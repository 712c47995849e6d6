"""Several ranks write one band: what is read is, bit for bit, what one writer would have written."""

from __future__ import annotations

import dataclasses
import os
from itertools import pairwise

import numpy as np
import pytest

from pipeline.dataset.manifest import BandEntry, Manifest, config_sha256, create_dataset, finish_dataset
from pipeline.dataset.reader import open_dataset
from pipeline.dataset.schema import VARIABLE_NAMES, BandHeader, Block
from pipeline.dataset.storage import band_name
from pipeline.dataset.verify import verify_dataset
from pipeline.dataset.writer import BandWriter, is_mpi_build
from pipeline.errors import CorruptError, DatasetError

pytestmark = [
    pytest.mark.mpi,
    pytest.mark.timeout(60),
    pytest.mark.skipif(
        not is_mpi_build(), reason="the ADIOS2 installed here was built without MPI; `make adios2-mpi` builds one"
    ),
]

CONFIG, N_STATIONS, N_DUMPS, N_BLOCK_DUMPS = "name: mpi\n", 7, 5, 2
BASELINES = np.stack(np.triu_indices(N_STATIONS, 1), 1).astype(np.int32)


@pytest.fixture
def comm():
    from mpi4py import MPI

    own = MPI.COMM_WORLD.Dup()
    yield own
    own.Free()


@pytest.fixture
def path(comm, tmp_path):
    return comm.bcast(tmp_path / "a.dawn")


HEADER = BandHeader(
    band=0,
    n_dumps=N_DUMPS,
    channel_hz=np.array([1.5e8, 1.6e8]),
    channel_width_hz=np.full(2, 1e4),
    channels=(0, 36),
    station_names=tuple(f"s{i}" for i in range(N_STATIONS)),
    station_m=np.arange(3.0 * N_STATIONS).reshape(-1, 3),
    baselines=BASELINES,
    phase_centre_rad=(0.1, -0.5),
    array_lonlatheight=(2.0, -0.47, 365.0),
    integration_s=1.0,
    software="test",
    config_sha256=config_sha256(CONFIG),
)


def whole(first):
    """Return a block, the same on all ranks."""
    n_times = min(N_BLOCK_DUMPS, N_DUMPS - first)
    random = np.random.default_rng([20261122, first])
    vis = random.normal(size=(n_times, 2, len(BASELINES), 4)) + 1j * random.normal(size=(n_times, 2, len(BASELINES), 4))
    return Block(
        np.arange(first, first + n_times),
        random.normal(size=(n_times, 2)),
        random.normal(size=(n_times, N_STATIONS, 3)),
        vis.astype(np.complex64),
        random.random((n_times, 2, len(BASELINES)), dtype=np.float32),
    )


def slices(size, in_order):
    """Cut the baselines into unequal parts, one of them empty if there are three or more."""
    edges = np.linspace(0, 1, size + 1) ** 2 * len(BASELINES)
    edges = edges.astype(int)
    if size > 2:
        edges[1] = 0
    parts = [slice(int(a), int(b)) for a, b in pairwise(edges)]
    return parts if in_order else parts[::-1]


def part_of(block, mine, rank):
    """Return a rank's slice; what only the first rank writes is garbage elsewhere."""
    garbage = {} if rank == 0 else {"time_utc": block.time_utc * np.nan, "station_uvw": block.station_uvw * np.nan}
    vis, weight = block.vis[:, :, mine].copy(), block.weight[:, :, mine].copy()
    return dataclasses.replace(block, vis=vis, weight=weight, **garbage)


def write(path, comm, in_order=True):
    if comm.rank == 0:
        entry = BandEntry(index=0, path=band_name(0), channels=(0, 36), frequency_hz=1.55e8, steps=3)
        manifest = Manifest(software="test", config_sha256=config_sha256(CONFIG), plan={}, bands=(entry,))
        create_dataset(path, CONFIG, manifest, overwrite=False)
    comm.Barrier()
    mine = slices(comm.size, in_order)[comm.rank]
    with BandWriter(path / band_name(0), HEADER, comm, n_block_dumps=N_BLOCK_DUMPS) as writer:
        for first in range(0, N_DUMPS, N_BLOCK_DUMPS):
            writer.write(part_of(whole(first), mine, comm.rank), mine)
    if comm.rank == 0:
        finish_dataset(path, [True])
    comm.Barrier()


@pytest.mark.parametrize("in_order", [True, False])
def test_many_writers_write_what_one_would(path, comm, in_order):
    write(path, comm, in_order)
    with open_dataset(path).band(0) as reader:
        assert reader.header.station_names == HEADER.station_names
        for block, first in zip(reader, range(0, N_DUMPS, N_BLOCK_DUMPS), strict=True):
            for name in VARIABLE_NAMES:
                assert getattr(block, name).tobytes() == getattr(whole(first), name).tobytes(), name
    assert verify_dataset(path).is_whole


def test_a_changed_byte_names_its_writer(path, comm):
    write(path, comm)
    writer = comm.size - 1
    if comm.rank == 0:
        payload = whole(0).vis[:, :, slices(comm.size, True)[writer]].tobytes()
        found = False
        for data in (path / band_name(0)).glob("data.*"):
            content = bytearray(data.read_bytes())
            place = content.find(payload)
            if place >= 0:
                content[place + len(payload) // 2] ^= 1
                data.write_bytes(content)
                found = True
        assert found
    comm.Barrier()
    with pytest.raises(CorruptError, match=f"vis of writer {writer} is"), open_dataset(path).band(0) as reader:
        list(reader)


def test_all_ranks_learn_what_one_did_wrong(path, comm):
    """A rank whose block does not fit must not leave the others waiting."""
    if comm.rank == 0:
        os.makedirs(path)
    comm.Barrier()
    mine = slices(comm.size, True)[comm.rank]
    writer = BandWriter(path / band_name(0), HEADER, comm, n_block_dumps=N_BLOCK_DUMPS)
    block = part_of(whole(0), mine, comm.rank)
    last = comm.size - 1
    wrong = dataclasses.replace(block, weight=block.weight.astype(float)) if comm.rank == last else block
    with pytest.raises(DatasetError, match="weight is float64"):
        writer.write(wrong, mine)
    writer.write(block, mine)
    writer.close()


def test_slices_with_a_gap_are_refused(path, comm):
    if comm.rank == 0:
        os.makedirs(path)
    comm.Barrier()
    mine = slices(comm.size, True)[comm.rank]
    if comm.rank == comm.size - 1:
        mine = slice(mine.start, mine.stop - 1)
    writer = BandWriter(path / band_name(0), HEADER, comm, n_block_dumps=N_BLOCK_DUMPS)
    with pytest.raises(DatasetError, match="are not all 21, once each"):
        writer.write(part_of(whole(0), mine, comm.rank), mine)
    writer.close()
