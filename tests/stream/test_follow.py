"""`dawnstream follow` and the streams of real runs under ranks: to the end, and to the death of the run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dataset_samples as samples
import numpy as np
import pytest
from live import start, until

from pipeline.dataset.follow import measure
from pipeline.dataset.reader import open_dataset
from pipeline.errors import DatasetError

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(120)

ENVIRONMENT = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}


def dawnstream(*arguments, ranks=0):
    launcher = [str(ROOT / "scripts/mpirun"), "-n", str(ranks)] if ranks else []
    command = [*launcher, sys.executable, "-m", "pipeline", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, text=True, start_new_session=True, **pipes)


def configuration(folder, output, dumps=5):
    text = (ROOT / "configs/tiny.yaml").read_text()
    text = text.replace("output: {path: ../out/tiny.dawn}", f"output: {output}").replace("dumps: 5", f"dumps: {dumps}")
    assert output in text
    path = folder / "tiny.yaml"
    path.write_text(text)
    return path


def events(process):
    out = process.stdout.read()  # through the buffer that a readline() filled, and that communicate() passes by
    _, error = process.communicate(timeout=100)
    return [json.loads(line) for line in out.splitlines()], error


def expected_amplitudes(path, band):
    with open_dataset(path).band(band) as reader:
        vis = np.concatenate([block.vis for block in reader]).astype(np.complex128)
    both = np.abs(vis[..., [0, 3]])
    return both.mean(axis=(1, 2, 3)), np.sqrt((both**2).mean(axis=(1, 2, 3)))


def test_a_run_is_followed_over_its_streams_and_its_files(tmp_path):
    """Follow is there first, so the stream brings it every dump; the files do so anyhow."""
    path = tmp_path / "out.dawn"
    stream = "{path: out.dawn, stream: {readers: 1, when_full: block, patience: 60 s}}"
    over_stream = dawnstream("follow", path, "--stream", "--json", "--timeout", "60 s")
    over_files = dawnstream("follow", path, "--timeout", "60 s")
    run = dawnstream("run", configuration(tmp_path, stream), ranks=3)
    said, error = events(over_stream)
    run_error = run.communicate(timeout=100)[1]
    assert run.returncode == 0, run_error
    assert over_stream.returncode == 0, error
    assert "stream of band" not in run_error
    check_events(said)
    assert open_dataset(path).manifest.state == "complete"
    assert not (path / "stream").exists(), "contact files go with a clean end"
    check_amplitudes(said, path)
    out, error = over_files.communicate(timeout=100)
    assert over_files.returncode == 0, error
    assert out.startswith("2 bands, 10 dumps, ")
    for band in (0, 1):
        assert f"band {band}: dump 5 of 5, " in error
        assert " dumps/s, " in error
        assert "0 % flagged" in error


def check_events(said):
    blocks = [event for event in said if event["event"] == "block"]
    expected = {(band, *dumps) for band in (0, 1) for dumps in ((0, 1), (2, 3), (4, 4))}
    assert {(block["band"], *block["dumps"]) for block in blocks} == expected
    assert said[-1]["event"] == "end"
    assert (said[-1]["bands"], said[-1]["dumps"], said[-1]["missed"]) == (2, 10, 0)


def check_amplitudes(said, path):
    for block in said[:-1]:
        mean, rms = expected_amplitudes(path, block["band"])
        chosen = slice(block["dumps"][0], block["dumps"][1] + 1)
        assert block["mean_jy"] == pytest.approx(mean[chosen].mean(), rel=1e-6)
        assert block["rms_jy"] == pytest.approx(np.sqrt((rms[chosen] ** 2).mean()), rel=1e-6)
        assert block["flagged"] == 0


def test_a_run_without_files(tmp_path):
    path = tmp_path / "out.dawn"
    stream = "{path: out.dawn, stream: {readers: 1, when_full: block, patience: 60 s, files: false}}"
    follower = dawnstream("follow", path, "--json", "--timeout", "60 s")
    run = dawnstream("run", configuration(tmp_path, stream), ranks=2)
    said, error = events(follower)
    assert (run.communicate(timeout=100) and run.returncode, follower.returncode) == (0, 0), error
    check_events(said)
    manifest = open_dataset(path).manifest
    assert (manifest.state, manifest.files) == ("complete", False)
    assert not list(path.glob("*.bp"))
    verified = dawnstream("verify", path)
    assert "streamed only" in verified.communicate(timeout=60)[1]
    assert verified.returncode == DatasetError.exit_code


def pids_within(session):
    """Return the processes of a session: the launcher and its ranks."""
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                pids.append(int(folder.name))
        except OSError:
            continue
    return pids


def test_a_run_that_is_killed(tmp_path):
    """Everything of the run is killed by -9 while it writes: each way of following says so, with its exit code."""
    path = tmp_path / "out.dawn"
    config = configuration(tmp_path, "{path: out.dawn, stream: {readers: 1, patience: 60 s}}", dumps=2000)
    config.write_text(config.read_text() + "compute: {memory: 2 MB}\n")
    followers = [dawnstream("follow", path, "--json", "--timeout", "60 s", *options) for options in (["--stream"], [])]
    run = dawnstream("run", config, ranks=2)
    for follower in followers:
        assert json.loads(follower.stdout.readline())["event"] == "block"
    for pid in pids_within(run.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    for follower in followers:
        said, error = events(follower)
        assert follower.returncode == DatasetError.exit_code, error
        assert (said[-1]["event"], said[-1]["kind"]) == ("error", "WriterDiedError")
        assert "dawnstream: " in error
    assert time.monotonic() - killed < 30
    run.communicate(timeout=30)
    marks = [*path.glob("*.writer"), *path.glob("stream/*.writer")]
    pids = [json.loads(mark.read_text())["pid"] for mark in marks]
    until(lambda: not any(map(alive, pids)), 10)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_amplitudes_are_of_what_is_not_flagged():
    block = samples.block(samples.header(), 0, 3)
    block.weight[:] = np.random.default_rng(5).integers(0, 2, block.weight.shape)
    total, squares, n = 0.0, 0.0, 0
    for index in np.ndindex(block.weight.shape):
        for pol in (0, 3):
            if block.weight[index] > 0:
                amplitude = abs(complex(block.vis[(*index, pol)]))
                total, squares, n = total + amplitude, squares + amplitude**2, n + 1
    found = measure(block)
    assert found.mean_jy == pytest.approx(total / n, rel=1e-6)
    assert found.rms_jy == pytest.approx((squares / n) ** 0.5, rel=1e-6)
    assert found.flagged == pytest.approx(1 - n / 2 / block.weight.size)
    block.weight[:] = 0
    assert measure(block).mean_jy is None


def test_bad_datasets(tmp_path):
    for path, options, message in (
        (tmp_path / "none.dawn", ["--timeout", "0.2 s"], "no such folder within 0.2 s"),
        (tmp_path, ["--timeout", "0.2 s"], "is not a Dawnstream dataset"),
        (samples.make(tmp_path / "filed.dawn"), ["--stream"], "band 0 is not streamed (output.stream)"),
        (start(tmp_path / "live.dawn"), ["--timeout", "0.2 s"], "dump 0 did not come within 0.2 s"),
    ):
        follower = dawnstream("follow", path, *options)
        error = follower.communicate(timeout=60)[1]
        assert message in error
        assert follower.returncode == DatasetError.exit_code
    wrong = dawnstream("follow", tmp_path, "--timeout", "5")
    assert "5 s" in wrong.communicate(timeout=60)[1]
    assert wrong.returncode == 2


def test_a_band_that_lacks_is_told_after_what_is_there(tmp_path):
    path = samples.make(tmp_path / "a.dawn", n_bands=2)
    (path / "band-00001.bp").rename(path / "band-00007.bp")
    follower = dawnstream("follow", path, "--json")
    said, error = events(follower)
    assert follower.returncode == DatasetError.exit_code
    assert said[-1]["kind"] == "IncompleteError"
    assert "band 1 is missing" in error
