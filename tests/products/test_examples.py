"""The readers in examples/, with ADIOS2 alone, on datasets of ours: their numbers, and what they say of damage."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import adios2
import lazy_samples as samples
import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
N_BANDS = 2


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two bands, one of which two writers made."""
    path = samples.make(tmp_path_factory.mktemp("examples") / "a.dawn", N_BANDS)
    band = path / "band-00001.bp"
    shutil.rmtree(band)
    samples.write_as_two(band, samples.header(1), split=3)
    return path


@pytest.fixture
def dataset(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "a.dawn")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Compile read_adios2.cpp as its first lines say."""
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler: g++ is not on PATH")
    source, folder = EXAMPLES / "read_adios2.cpp", tmp_path_factory.mktemp("cpp")
    command = next(line[2:].strip() for line in source.read_text().splitlines() if line.startswith("//   g++"))
    command = command.replace("read_adios2.cpp", str(source)).replace("g++ ", "g++ -Wall -Wextra -Werror ", 1)
    environment = os.environ | {"A": os.path.dirname(adios2.__file__)}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "read_adios2"


@pytest.fixture(params=["python", "c++"])
def read(request, tmp_path):
    """Run a reader on a dataset, in a folder where nothing of ours can be imported."""
    if request.param == "python":
        command = [sys.executable, "-P", str(EXAMPLES / "read_adios2.py")]
    else:
        command = [str(request.getfixturevalue("program"))]

    def run(path):
        names = [path] if request.param == "python" else sorted(path.glob("*.bp"))
        return subprocess.run(
            [*command, *map(str, names)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_numbers(dataset, read):
    ran = read(dataset)
    assert ran.returncode == 0, ran.stderr
    found = re.findall(r"bp: ([\d.]+) Hz, (\d+) dumps, weights ([\d.]+), mean \|V\| ([\d.]+) Jy", ran.stdout)
    expected = []
    for band in range(N_BANDS):
        of = samples.header(band)
        blocks = [samples.block(of, first, min(3, 7 - first)) for first in range(0, 7, 3)]
        weights = sum(block.weight.sum(dtype=float) for block in blocks)
        amplitude = np.abs(np.concatenate([block.vis for block in blocks]).astype(complex)).mean()
        expected.append([of.channel_hz.mean(), 7, weights, amplitude])
    # Six decimals are printed; NumPy's float32 amplitudes are good to an ulp of a few.
    np.testing.assert_allclose(np.array(found, float), expected, rtol=2e-7, atol=1e-6)


@pytest.mark.parametrize(("band", "writer"), [(0, 0), (1, 1)])
def test_a_changed_byte(dataset, read, band, writer):
    data = dataset / f"band-0000{band}.bp" / "data.0"
    content = bytearray(data.read_bytes())
    vis = samples.block(samples.header(band), 3, 3).vis
    part = vis[:, :, 3:] if writer else vis
    at = content.find(np.ascontiguousarray(part).tobytes())
    assert at > 0
    content[at + 5] ^= 0x10
    data.write_bytes(content)
    ran = read(dataset)
    assert ran.returncode == 1
    assert f"vis of writer {writer} was changed" in ran.stderr


def test_a_missing_step(dataset, read):
    index = dataset / "band-00001.bp/md.idx"
    index.write_bytes(index.read_bytes()[:-20])
    ran = read(dataset)
    assert ran.returncode == 1
    assert re.search(r"band-00001.bp: .*after 6 (of 7 )?dumps", ran.stderr)


def test_data_cut_short(dataset, read):
    data = dataset / "band-00001.bp/data.0"
    data.write_bytes(data.read_bytes()[:-4096])
    ran = read(dataset)
    assert ran.returncode == 1
    assert "read size" in ran.stderr


def test_a_missing_band(dataset, read):
    shutil.rmtree(dataset / "band-00001.bp")
    (dataset / "band-00001.bp").mkdir()
    ran = read(dataset)
    assert ran.returncode == 1
    assert "could not be found" in ran.stderr


def test_the_readers_are_short():
    code = (EXAMPLES / "read_adios2.py").read_text()
    assert "pipeline" not in code
    assert len(code.splitlines()) < 70
