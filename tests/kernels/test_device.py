"""Opening devices: which is taken and why, what is said where it cannot be, and whole runs on CUDA."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numba
import numba.cuda
import numpy as np
import pytest

from pipeline.dataset.reader import open_dataset
from pipeline.errors import DeviceError
from pipeline.parallel import device as devices
from pipeline.parallel.device import CudaDevice, open_device

ROOT = Path(__file__).parents[2]

OBSERVATION = """\
name: three
telescope:
  array: {folder}/three.enu
  location: {{longitude: 116.76 deg, latitude: -26.82 deg, height: 365 m}}
  autocorrelations: true
sky:
  - sources:
      - {{ra: 23h58m30s, dec: -26d30m, i: 1 Jy, q: 0.3 Jy, u: -0.2 Jy, v: 100 mJy}}
      - {{ra: 0.5 deg, dec: -27.25 deg, i: -0.25 Jy}}
phase_centre: {{ra: 0h, dec: -27d}}
time: {{start: 2026-11-22T12:00:00, integration: 0.85 s, dumps: 2}}
spectrum: {{start: 150 MHz, width: 5.4 kHz, channels: 2}}
averaging: {{node: 2, group: 1}}
compute: {{backend: {backend}}}
output: {{path: {folder}/{backend}.dawn}}
"""


@pytest.mark.parametrize(("precision", "real", "complex_"), [("mixed", "f4", "c8"), ("double", "f8", "c16")])
def test_precision_gives_the_types(precision, real, complex_):
    device = open_device("cpu", precision, 0, 1)
    assert (device.real, device.complex) == (np.dtype(real), np.dtype(complex_))


def test_every_thread_that_takes_the_kernels_has_the_threads_of_its_rank():
    device = open_device("cpu", "mixed", 0, 1)
    seen = []

    def work():
        before = numba.get_num_threads()
        assert device.kernels.__name__ == "kernels.cpu"
        seen.append((before, numba.get_num_threads()))

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == [(numba.config.NUMBA_NUM_THREADS, 1)] * 2


def test_more_threads_than_numba_has_are_cut_to_its_number():
    device = open_device("cpu", "mixed", 0, 10_000)
    assert f"{numba.config.NUMBA_NUM_THREADS} thread" in device.describe()


def test_download_copies_into_a_slice():
    device = open_device("cpu", "mixed", 0, 1)
    out = np.full((3, 4), np.nan, np.float32)
    device.download(device.upload(np.arange(4, dtype=np.float32)), out[1])
    assert np.array_equal(out[1], [0, 1, 2, 3])
    assert np.isnan(out[[0, 2]]).all()


@pytest.mark.parametrize("backend", ["auto", "cuda"])
def test_without_a_device_auto_says_why_it_takes_the_cpu_and_cuda_fails(backend):
    program = (
        f"from pipeline.parallel.device import open_device\nprint(open_device({backend!r}, 'mixed', 0, 1).describe())"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "NUMBA_ENABLE_CUDASIM": "0"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if backend == "auto":
        assert done.stdout.startswith("CPU, 1 thread, mixed precision: CUDA cannot be had (")
    else:
        last = done.stderr.splitlines()[-1]
        assert last.startswith("pipeline.errors.DeviceError: compute.backend: cuda cannot be had: ")
        assert "dawnstream[cuda]" in last
        assert "driver" in last
        assert "set compute.backend to cpu" in last


def test_ranks_of_a_machine_take_its_devices_in_turn(monkeypatch):
    monkeypatch.setattr(devices, "_count_cuda_devices", lambda local_rank: (4, ""))
    opened = [open_device("cuda", "mixed", local_rank, 1) for local_rank in range(6)]
    assert [device._index for device in opened] == [0, 1, 2, 3, 0, 1]


def test_a_device_that_is_full_names_the_remedy():
    def refuse(*_):
        raise RuntimeError("[2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY")

    device = CudaDevice("mixed", "asked for", 1, 3)
    device._cuda = SimpleNamespace(device_array=refuse, to_device=refuse, select_device=lambda index: None)
    for allocate in (lambda: device.empty((1000, 1000), np.complex64), lambda: device.upload(np.zeros(1_000_000))):
        with pytest.raises(DeviceError, match=r"CUDA device 3 has no room for 8 MB more; lower compute\.memory"):
            allocate()


def test_other_failures_of_a_device_are_not_taken_for_lack_of_memory():
    def fail(*_):
        raise RuntimeError("CUDA_ERROR_ILLEGAL_ADDRESS")

    device = CudaDevice("mixed", "asked for", 1, 0)
    device._cuda = SimpleNamespace(device_array=fail, select_device=lambda index: None)
    with pytest.raises(RuntimeError, match="ILLEGAL_ADDRESS"):
        device.empty((1,), np.float32)


def run(folder, backend, simulated):
    """Run the observation with one backend and return its visibilities and weights."""
    (folder / "three.enu").write_text("0 0 0\n100 20 0\n-300 50 3\n")
    config = folder / f"{backend}.yaml"
    config.write_text(OBSERVATION.format(folder=folder, backend=backend))
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": str(int(simulated))}
    command = [sys.executable, "-m", "pipeline", "run", str(config), "--progress", "none"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with open_dataset(folder / f"{backend}.dawn").band(0) as band:
        blocks = list(band)
    return np.concatenate([b.vis for b in blocks]), np.concatenate([b.weight for b in blocks])


@pytest.mark.parametrize("simulated", [True, pytest.param(False, marks=pytest.mark.gpu)])
def test_a_whole_run_on_cuda_gives_what_the_cpu_gives(tmp_path, simulated):
    if not simulated and not numba.cuda.is_available():
        pytest.skip("no CUDA device")
    vis, weight = run(tmp_path, "cuda", simulated)
    expected_vis, expected_weight = run(tmp_path, "cpu", False)
    assert vis.shape == (2, 1, 6, 4)
    assert np.abs(expected_vis).max() > 1.0
    np.testing.assert_allclose(vis, expected_vis, rtol=0, atol=1.5e-6)  # 1e-6 of the summed flux
    np.testing.assert_array_equal(weight, expected_weight)
