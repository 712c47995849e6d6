"""Blocks as long as a device holds, and what is said where it holds none."""

from __future__ import annotations

import dataclasses

import pytest

from pipeline.errors import DeviceError
from pipeline.parallel.device_memory import Held, block_that_fits

HELD = Held(
    n_stations=512,
    n_baselines=130_816,
    n_terms=50_000,
    terms_at_once=4096,
    n_sources=50_000,
    n_epochs=3,
    n_kinds=512,
    kept_bytes=7_000_000,
    real_bytes=4,
)


def test_what_is_held() -> None:
    # A batch and its brightness; responses 512 x 4096 x 4 complex64 of four moments, and 4096 x 4 complex128 of an
    # element; those kept; index 512 x 512 int32; of every source unit vectors, four at each of four moments, and two
    # flux densities.
    shared = 7_000_000 + 1_048_576 + 50_000 * (4 * 4 * 24 + 2 * 32)
    element = 4 * 4096 * 4 * 16
    batch = 1_000_000_000 + 3_906_250
    assert HELD.fixed_bytes == 1_400_000_000 + batch + 4 * 67_108_864 + element + shared
    # Where one dump is larger than a batch: phasors of 65,536 terms, and responses.
    large = dataclasses.replace(HELD, terms_at_once=16 * 4096)
    batch = 16 * (16_777_216 + 67_108_864)
    assert large.fixed_bytes == 1_400_000_000 + batch + batch // 256 + 4 * 16 * 67_108_864 + 16 * element + shared
    # Stations alike have no responses of their own.
    alike = dataclasses.replace(HELD, n_kinds=1)
    assert alike.fixed_bytes == 1_400_000_000 + 1_003_906_250 + element + shared
    # Visibilities and three sums of 4 complex64, three float32 weights; of two blocks 24 bytes a term and a source,
    # and 3 epochs of positions.
    assert HELD.dump_bytes == 130_816 * (32 + 96 + 12) + 2 * (50_000 * 48 + 3 * 512 * 24)


def test_a_block_is_shortened_to_what_is_free() -> None:
    free = 2 * (HELD.fixed_bytes + 7 * HELD.dump_bytes) + 1000
    assert block_that_fits(free, 2, HELD, 50) == 7
    assert block_that_fits(free, 2, HELD, 3) == 3
    assert block_that_fits(None, 2, HELD, 50) == 50


def test_no_room_for_one_dump_names_the_remedy() -> None:
    free = HELD.fixed_bytes + HELD.dump_bytes
    assert block_that_fits(free, 1, HELD, 50) == 1
    with pytest.raises(DeviceError, match=r"2\.73 GB to hold one dump of 130816 baselines, and .* put fewer ranks"):
        block_that_fits(free - 1, 1, HELD, 50)
    with pytest.raises(DeviceError, match=r"5\.45 GB for 2 ranks"):
        block_that_fits(free, 2, HELD, 50)
