"""Blocks keep what is in them as long as anybody holds any part of them; what nobody holds is used again."""

from __future__ import annotations

import dataset_samples as samples
import numpy as np
import pytest

from pipeline.dataset.reader import open_dataset
from pipeline.dataset.room import Room
from pipeline.dataset.storage import band_name
from pipeline.dataset.writer import BandWriter
from pipeline.errors import CorruptError

N_DUMPS = 31


@pytest.fixture
def path(tmp_path):
    path = samples.start(tmp_path / "a.dawn")
    of = samples.header(n_dumps=N_DUMPS)
    with BandWriter(path / band_name(0), of, n_block_dumps=3) as writer:
        for block in samples.blocks(of):
            writer.write(block)
    return path


@pytest.mark.parametrize("options", [{}, {"baselines": [1, 7]}, {"verify": False}, {"baselines": [2], "verify": False}])
def test_what_is_held_stays(path, options):
    """Hold every third block whole, and views of views of others; look at them at the end."""
    of, held = samples.header(n_dumps=N_DUMPS), []
    with open_dataset(path).band(0, **options) as band:
        chosen = band.baselines
        for number, (block, want) in enumerate(zip(band, samples.blocks(of), strict=True)):
            if number % 3 == 0:
                held.append((block.vis, want.vis[:, :, chosen]))
            elif number % 3 == 1:
                held.append((block.vis[0, 1][:, 2:].real, want.vis[:, :, chosen][0, 1][:, 2:].real))
            held.append((memoryview(block.weight[0, 0]), want.weight[0, 0, chosen]))
    assert len(held) == 19
    for got, want in held:
        assert np.array_equal(np.asarray(got), want)


def test_room_gives_again_only_what_nobody_holds():
    room = Room()
    first, second = room.empty((2, 3), "float32"), room.empty((2, 3), "float32")
    assert first is not second
    place, view = first.__array_interface__["data"], first[1:].T
    del first
    assert room.empty((2, 3), "float32").__array_interface__["data"] != place, "a view of it is held"
    del view
    assert room.empty((2, 3), np.float32).__array_interface__["data"] == place
    assert room.empty((3, 2), "float32").shape == (3, 2)
    many = [room.empty((2, 3), "float32") for _ in range(9)]
    assert len({id(array) for array in many}) == 9


def test_what_is_wrong_is_told_in_its_turn(path):
    """Blocks are read ahead; the one before a broken one still comes, and each is told by itself."""
    data = path / band_name(0) / "data.0"
    whole = bytearray(data.read_bytes())
    broken = [block for number, block in enumerate(samples.blocks(samples.header(n_dumps=N_DUMPS))) if number in (4, 7)]
    for block in broken:
        at = whole.find(block.vis.tobytes())
        assert at > 0
        whole[at + 100] ^= 1
    data.write_bytes(whole)
    came = []
    with pytest.raises(CorruptError, match="dump 12: CRC-32C of vis"), open_dataset(path).band(0) as band:
        came.extend(int(block.dump[0]) for block in band)
    assert came == [0, 3, 6, 9]
    with open_dataset(path).band(0) as band:
        checked = [(int(block.dump[0]), len(wrong)) for block, wrong in band.checked_blocks()]
    assert checked == [(first, int(first in (12, 21))) for first in range(0, N_DUMPS, 3)]
    with open_dataset(path).band(0) as band:
        assert [int(band.poll().dump[0]) for _ in range(4)] == [0, 3, 6, 9]
        with pytest.raises(CorruptError, match="dump 12"):
            band.poll()
