"""What is written comes back, bit for bit; what does not fit is refused before it is written."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path

import adios2
import dataset_samples as samples
import numpy as np
import pytest

from pipeline.dataset.access import BandAccess
from pipeline.dataset.reader import open_dataset
from pipeline.dataset.schema import VARIABLE_NAMES, Block, float32_pairs
from pipeline.dataset.storage import band_name, writer_mark
from pipeline.dataset.writer import BandWriter, is_mpi_build
from pipeline.errors import DatasetError, WriterDiedError


def crc32c_bit_by_bit(data):
    """CRC-32C from its definition (RFC 3720, reflected polynomial 0x82F63B78)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_blocks_come_back_bit_for_bit(tmp_path):
    dataset = open_dataset(samples.make(tmp_path / "a.dawn", n_bands=2))
    for band in range(2):
        of = samples.header(band)
        with dataset.band(band) as reader:
            found = list(reader)
        expected = list(samples.blocks(of))
        assert [len(block.dump) for block in found] == [3, 3, 1]
        for got, want in zip(found, expected, strict=True):
            for name in VARIABLE_NAMES:
                assert same(getattr(got, name), getattr(want, name)), name


def test_readers_leave_nothing_behind(tmp_path):
    """ADIOS2 writes a profile, named after the process, into /tmp when a reader of BP5 is closed."""
    path = samples.make(tmp_path / "a.dawn")
    profile = Path(f"/tmp/{band_name(0)}_{os.getpid():x}_profiling.json")
    profile.unlink(missing_ok=True)
    files = len(os.listdir("/proc/self/fd"))
    with open_dataset(path).band(0) as band:
        assert len(list(band)) > 0
    with BandAccess(path, 0) as access:
        access.read(0, ("vis",))
    del band, access
    assert not profile.exists()
    assert len(os.listdir("/proc/self/fd")) <= files


@pytest.mark.parametrize(("n_channels", "n_stations"), [(3, 5), (1, 2)])
def test_headers_come_back(tmp_path, n_channels, n_stations):
    path = samples.start(tmp_path / "a.dawn")
    of = samples.header(n_dumps=1, n_channels=n_channels, n_stations=n_stations)
    with BandWriter(path / band_name(0), of, n_block_dumps=4) as writer:
        writer.write(samples.block(of, 0, 1))
    with open_dataset(path).band(0) as reader:
        for field in dataclasses.fields(of):
            got, want = getattr(reader.header, field.name), getattr(of, field.name)
            assert same(got, want) if isinstance(want, np.ndarray) else got == want, field.name


def test_only_the_variables_asked_for_are_read(tmp_path):
    dataset = open_dataset(samples.make(tmp_path / "a.dawn"))
    with dataset.band(0, variables=("weight",)) as reader:
        block = next(iter(reader))
    expected = next(samples.blocks(samples.header()))
    assert same(block.weight, expected.weight)
    assert same(block.dump, expected.dump)
    assert block.vis.shape == (0, 0, 0, 0)
    with pytest.raises(IndexError):
        block.vis[0]
    with pytest.raises(DatasetError, match="no variable 'flux'; there are dump, "):
        dataset.band(0, variables=("flux",))


def test_checksums_are_those_of_the_definition(tmp_path):
    path = samples.make(tmp_path / "a.dawn")
    block = next(samples.blocks(samples.header()))
    with adios2.FileReader(str(path / band_name(0))) as file:
        sums = file.read("crc32c", step_selection=[0, 1]).reshape(-1)
    assert sums.tolist() == [crc32c_bit_by_bit(getattr(block, name).tobytes()) for name in VARIABLE_NAMES]


def test_pairs_are_a_view():
    vis = np.array([[1 + 2j, 3 - 4j]], np.complex64)
    pairs = float32_pairs(vis)
    assert np.shares_memory(pairs, vis)
    assert pairs.tolist() == [[[1, 2], [3, -4]]]


def wrong_blocks(of):
    good = samples.block(of, 0, 3)
    replace = dataclasses.replace
    yield "vis is complex128 of shape", replace(good, vis=good.vis.astype(np.complex128))
    yield r"vis is complex64 of shape \(3, 3, 9, 4\)", replace(good, vis=good.vis[:, :, :9].copy())
    yield "vis is not C-contiguous", replace(good, vis=np.asfortranarray(good.vis))
    yield "weight is float64", replace(good, weight=good.weight.astype(float))
    yield r"station_uvw is .* it must be float64 of shape \(3, 5, 3\)", replace(good, station_uvw=good.station_uvw[:2])
    yield "dumps 3 to 5; the next one must begin at 0", samples.block(of, 3, 3)
    yield "a block of 4 dumps; it must hold 1 to 3", samples.block(of, 0, 4)
    yield "a block of 0 dumps", samples.block(of, 0, 0)


@pytest.mark.parametrize("case", range(8))
def test_blocks_that_do_not_fit_are_refused(tmp_path, case):
    of = samples.header()
    writer = BandWriter(tmp_path / band_name(0), of, n_block_dumps=3)
    message, block = list(wrong_blocks(of))[case]
    with pytest.raises(DatasetError, match=message):
        writer.write(block)
    writer.write(samples.block(of, 0, 3))
    writer.close()
    writer.close()
    with pytest.raises(DatasetError, match="closed, or failed before"):
        writer.write(samples.block(of, 3, 3))


def test_no_dumps_after_the_last(tmp_path):
    of = samples.header(n_dumps=2)
    with (
        BandWriter(tmp_path / band_name(0), of, n_block_dumps=3) as writer,
        pytest.raises(DatasetError, match="the last dump is 1"),
    ):
        writer.write(samples.block(of, 0, 3))


def test_slices_must_be_all_baselines(tmp_path):
    of = samples.header()
    whole = samples.block(of, 0, 3)
    part = Block(
        whole.dump, whole.time_utc, whole.station_uvw, whole.vis[:, :, 2:].copy(), whole.weight[:, :, 2:].copy()
    )
    with (
        BandWriter(tmp_path / band_name(0), of, n_block_dumps=3) as writer,
        pytest.raises(DatasetError, match=r"slices of baselines \[\(2, 10\)\] are not all 10"),
    ):
        writer.write(part, slice(2, None))


def test_headers_that_break_the_schema_are_refused(tmp_path):
    of = dataclasses.replace(samples.header(), station_m=np.zeros((4, 3)))
    with pytest.raises(DatasetError, match=r"station_m is float64 of shape \(4, 3\)"):
        BandWriter(tmp_path / band_name(0), of, n_block_dumps=3)
    assert list(tmp_path.iterdir()) == []


def test_a_band_is_written_once(tmp_path):
    path = samples.make(tmp_path / "a.dawn")
    with pytest.raises(DatasetError, match="exists already"):
        BandWriter(path / band_name(0), samples.header(), n_block_dumps=3)
    with open_dataset(path).band(0) as reader:
        assert len(list(reader)) == 3


def test_missing_folder_is_said(tmp_path):
    with pytest.raises(DatasetError, match="cannot be written"):
        BandWriter(tmp_path / "gone" / band_name(0), samples.header(), n_block_dumps=3)


class TwoRanks:
    rank, size = 0, 2

    def allgather(self, item):
        return [item, ("", None)]


@pytest.mark.skipif(is_mpi_build(), reason="this ADIOS2 was built with MPI")
def test_several_ranks_need_an_mpi_build(tmp_path):
    with pytest.raises(DatasetError, match=r"2 ranks are to write one band.*make adios2-mpi"):
        BandWriter(tmp_path / band_name(0), samples.header(), TwoRanks(), n_block_dumps=3)


def test_an_error_within_the_context_does_not_close(tmp_path):
    path = samples.start(tmp_path / "a.dawn")
    of = samples.header()
    with contextlib.suppress(ZeroDivisionError), BandWriter(path / band_name(0), of, n_block_dumps=3) as writer:
        writer.write(samples.block(of, 0, 3))
        raise ZeroDivisionError
    assert writer_mark(path / band_name(0)).exists()
    with open_dataset(path).band(0) as reader:
        found = iter(reader)
        next(found)
        with pytest.raises(WriterDiedError, match=r"process .* failed or ended without closing .*3 dumps are whole"):
            next(found)
