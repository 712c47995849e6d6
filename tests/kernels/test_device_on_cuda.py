"""CUDA devices: copies beside the kernels, tensor cores by choice; in Numba's simulator, or on a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numba import cuda

from pipeline.errors import DeviceError
from pipeline.parallel import device as devices
from pipeline.parallel import tensor_trial
from pipeline.parallel.device import CudaDevice, open_device

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1"
MISSING = not SIMULATED and not cuda.is_available()

on_gpu_or_simulator = pytest.mark.skipif(MISSING, reason="runs in the simulator, started by another test")


def open_cuda(tensor_cores: str = "off", precision: str = "mixed") -> CudaDevice:
    device = open_device("cuda", precision, 0, 1, tensor_cores)
    assert isinstance(device, CudaDevice)
    return device


@on_gpu_or_simulator
def test_sent_arrays_arrive_as_they_were_computed() -> None:
    device = open_cuda()
    rng = np.random.default_rng(5)
    out = np.full((3, 2, 1, 70, 4), np.nan, np.complex64)
    values = rng.normal(size=(6, 1, 70, 8)).astype(np.float32).view(np.complex64)
    buffers = [device.empty((1, 70, 4), np.complex64) for _ in range(2)]
    weights = device.upload(np.full(70, 2, np.float32))
    for k in range(6):
        device.wait_for_sends(1)  # so that the other buffer may change
        sums, counts = buffers[k % 2], device.upload(np.zeros((1, 70), np.float32))
        device.kernels.clear(sums)
        device.kernels.accumulate(device.upload(values[k]), weights, sums, counts)
        device.send(sums, out[k // 2, k % 2])
    device.wait_for_sends()
    assert np.array_equal(out.reshape(values.shape), 2 * values)
    assert device._copies is not None
    assert len(device._copies._locked) == 1


@on_gpu_or_simulator
def test_rows_arrive_where_other_items_lie_between_them() -> None:
    device = open_cuda()
    values = np.random.default_rng(6).normal(size=(3, 5, 8)).astype(np.float32).view(np.complex64)
    out = np.full((3, 2, 5, 4), np.nan, np.complex64)
    device.send(device.upload(values), out[:, 1])
    device.wait_for_sends()
    assert np.array_equal(out[:, 1], values)
    assert np.isnan(out[:, 0]).all()


@on_gpu_or_simulator
def test_memory_that_cannot_be_locked_is_said() -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("CUDA_ERROR_OUT_OF_MEMORY")

    device = open_cuda()
    device.send(device.upload(np.zeros(1)), np.empty(1))
    assert device._copies is not None
    device._copies._cuda = SimpleNamespace(pinned=refuse)
    with pytest.raises(DeviceError, match=r"cannot lock 0\.008 MB .* lower compute\.memory"):
        device.send(None, np.empty(1000))


def test_a_plain_device_has_ordinary_cores_and_the_cpu_none() -> None:
    assert open_device("cpu", "mixed", 0, 1, "auto").backend == "cpu"
    with pytest.raises(DeviceError, match=r"compute\.tensor_cores: on cannot be had: kernels run on CPU"):
        open_device("cpu", "mixed", 0, 1, "on")


@on_gpu_or_simulator
def test_tensor_cores_are_taken_by_choice() -> None:
    assert open_cuda().kernels.__name__ == "kernels.cuda"
    assert "products on ordinary cores: " in open_cuda().describe()
    with pytest.raises(DeviceError, match=r"compute\.tensor_cores: on cannot be had: they multiply half precision"):
        open_cuda("on", "double")
    assert "as tensor cores cannot be had (they multiply" in open_cuda("auto", "double").describe()
    if SIMULATED:
        assert open_cuda("on").kernels.__name__ == "kernels.cuda.tensor_cores"


@pytest.mark.parametrize(
    ("capability", "error", "obstacle"),
    [
        ((7, 5), 0.0, "compute capability 7.5 is below 8.0"),
        ((9, 0), 2e-6, "a trial's error is 2.0e-06 of the summed flux density"),
        ((9, 0), float("nan"), "a trial's error is nan"),
        ((8, 0), 3e-7, ""),
    ],
)
def test_tensor_cores_pass_a_trial_or_are_left(capability, error, obstacle, monkeypatch) -> None:
    monkeypatch.setattr(devices, "trial_error", lambda device, kernels: error)
    monkeypatch.setattr(devices, "_is_simulator", lambda: False)
    device = CudaDevice("mixed", "asked for", 1, 0)
    device._cuda = SimpleNamespace(
        select_device=lambda index: None, get_current_device=lambda: SimpleNamespace(compute_capability=capability)
    )
    device.use_tensor_cores("auto")
    assert (device.has_tensor_cores, obstacle in device._why) == (not obstacle, True)
    if obstacle:
        with pytest.raises(DeviceError, match="set it to off"):
            device.use_tensor_cores("on")


def test_the_trial_passes_right_kernels_and_no_others() -> None:
    from kernels import cpu

    device = open_device("cpu", "mixed", 0, 1)
    assert tensor_trial.trial_error(device, cpu) < tensor_trial.LARGEST_ERROR

    def slightly_wrong(phasors, intensity, index, out):
        cpu.unpolarised(phasors * np.float32(1 + 3e-6), intensity, index, out)

    wrong = SimpleNamespace(unpolarised=slightly_wrong, common=cpu.common, per_kind=cpu.per_kind)
    assert tensor_trial.trial_error(device, wrong) > tensor_trial.LARGEST_ERROR


def test_ranks_share_the_devices_of_a_machine() -> None:
    assert CudaDevice("mixed", "asked for", 1, 0, 4).ranks_sharing(6) == 2
    assert CudaDevice("mixed", "asked for", 1, 0, 4).ranks_sharing(4) == 1


@pytest.mark.gpu
@pytest.mark.skipif(MISSING or SIMULATED, reason="no CUDA device")
def test_tensor_cores_pass_the_trial() -> None:
    from kernels.cuda import tensor_cores

    if cuda.get_current_device().compute_capability < (8, 0):
        pytest.xfail("tensor cores are used from compute capability 8.0 on")
    assert tensor_trial.trial_error(open_cuda(), tensor_cores) <= tensor_trial.LARGEST_ERROR


@pytest.mark.skipif(not MISSING, reason="this process has a GPU or the simulator")
def test_in_the_simulator() -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", Path(__file__).name, "-k", "not trial"]
    done = subprocess.run(command, env=environment, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout
