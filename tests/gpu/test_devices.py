"""Memory, copies and errors of a real device."""

from __future__ import annotations

import numpy as np
import pytest
from numba import cuda

from pipeline.errors import DeviceError
from pipeline.parallel.device import open_device


def test_free_memory_is_known_and_shrinks() -> None:
    device = open_device("cuda", "mixed", 0, 1)
    before = device.memory_bytes
    assert before is not None
    held = device.empty((1 << 28,), np.float32)
    after = device.memory_bytes
    assert after is not None
    assert before - after >= 0.9 * held.nbytes


def test_a_full_device_names_the_setting() -> None:
    device = open_device("cuda", "mixed", 0, 1)
    total = cuda.current_context().get_memory_info().total
    with pytest.raises(DeviceError, match=r"has no room for .* lower compute\.memory"):
        device.empty((2 * total,), np.uint8)
    assert np.array_equal(device.upload(np.arange(5)).copy_to_host(), np.arange(5))


def test_copies_do_not_wait_for_kernels_launched_later() -> None:
    from kernels.cuda import probes

    device = open_device("cuda", "mixed", 0, 1)
    values, out = np.arange(1 << 20, dtype=np.float32), np.empty(1 << 20, np.float32)
    work = device.empty((4096 * 256,), np.float32)
    probes.multiply_adds(1, 1, work)
    array = device.upload(values)
    device.send(array, out)
    device.wait_for_sends()
    out[:] = np.nan
    late = cuda.event()
    device.send(array, out)
    probes.multiply_adds(4096, 100_000, work)
    late.record()
    device.wait_for_sends()
    assert not late.query()
    assert np.array_equal(out, values)
    device.synchronise()
