"""Bad input on the command line: one clear message, the right exit code, and nothing lost."""

from __future__ import annotations

import json

import pytest

from pipeline.dataset.reader import open_dataset

CONFIG, PLAN, DEVICE, DATA = 3, 4, 5, 6  # exit codes, as pipeline.errors has them


@pytest.fixture
def config(tmp_path, tiny):
    def write(**replace: str):
        text = tiny.replace("../out/tiny.dawn", "out.dawn")
        for old, new in replace.pop("pairs", {}).items():
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "tiny.yaml"
        path.write_text(text + replace.pop("append", ""))
        return path

    return write


@pytest.mark.parametrize(
    ("pairs", "append", "code", "said"),
    [
        ({"phase_centre": "phase_center"}, "", CONFIG, ["tiny.yaml:", "did you mean 'phase_centre'?"]),
        ({"0.84934656 s": "0.84934656 Hz"}, "", CONFIG, ["time.integration", "'Hz' is not a unit of time"]),
        ({"dec: -27d}": "dec: 80d}"}, "", CONFIG, ["phase_centre", "below the horizon", "dump 0"]),
        ({"channels: 72": "channels: 70"}, "", CONFIG, ["spectrum.channels: 70", "36 or 72"]),
        (
            {"integration: 0.84934656 s": "integration: 2.5 h"},
            "compute: {smearing: none}\n",
            CONFIG,
            ["below the horizon", "dump 3"],
        ),
        (
            {"integration: 0.84934656 s": "integration: 1 h"},
            "",
            CONFIG,
            ["time.integration: bright turns by", "16 nodes", "baselines.max", "compute.smearing"],
        ),
        ({}, "compute: {accuracy: 0}\n", CONFIG, ["compute.accuracy", "0.000000000001"]),
        (
            {},
            "compute: {route: nufft}\nionosphere: {kolmogorov: {seed: 1, r0: 5 km}}\n",
            CONFIG,
            ["compute.route: nufft", "ionosphere"],
        ),
        ({}, "compute: {route: nufft, memory: 10 MB}\n", CONFIG, ["compute.route: nufft needs", "compute.memory"]),
        (
            {
                "ra: 0h05m, dec: -28d": "ra: 12h, dec: 70d",
                "ra: 23h58m30s, dec: -26d30m": "ra: 12h, dec: 71d",
                "ra: 0.5 deg, dec: -27.25 deg": "ra: 12h, dec: 72d",
            },
            "compute: {smearing: none}\n",
            CONFIG,
            ["sky: all 3 sources, such as bright", "below the horizon of ska-low-aa1"],
        ),
        ({}, "noise: {seed: 1}\nflags: {dumps: [7]}\n", CONFIG, ["flags.dumps", "7"]),
        ({"aa1": "aa1\n  station: {type: airy}"}, "", CONFIG, ["telescope.station.diameter", "missing"]),
        ({"start: 2026-11-22": "start: 2035-11-22"}, "", CONFIG, ["2035", "time.start", "astropy-iers-data"]),
        ({}, "compute: {backend: cuda}\n", DEVICE, ["compute.backend", "cuda"]),
        ({}, "compute: {memory: 10 kB}\n", PLAN, ["compute.memory", "one dump of 136 baselines needs"]),
        ({"dumps: 5": "dumps: 5000000000"}, "compute: {memory: 1 MB}\n", DATA, ["bytes are needed", "are free"]),
        ({"out.dawn": "/proc/nowhere/out.dawn"}, "", DATA, ["cannot be written", "output.path"]),
        ({"aa1": "aa1\n  baselines: {min: 80 km}\n  unused: 1"}, "", CONFIG, ["telescope.unused: unknown key"]),
        ({"autocorrelations: true": "baselines: {min: 80 km}"}, "", CONFIG, ["baseline", "80"]),
    ],
)
def test_a_run_is_refused(dawnstream, config, tmp_path, pairs, append, code, said):
    path = config(pairs=pairs, append=append)
    done = dawnstream("run", path)
    assert done.returncode == code, done.stderr
    for words in said:
        assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.dawn").exists()


def test_every_rank_agrees_and_the_first_says_it_once(dawnstream, config):
    done = dawnstream("run", config(append="compute: {backend: cuda}\n"), ranks=3)
    assert done.returncode == DEVICE
    assert done.stderr.count("cannot be had") == 1


def test_more_ranks_than_channels(dawnstream, config):
    path = config(pairs={"channels: 72": "channels: 2"}, append="averaging: {node: 2, group: 1}\n")
    done = dawnstream("run", path, ranks=3)
    assert done.returncode == PLAN
    assert "more ranks than channels (3 > 2); nearest number of ranks that can: 2" in done.stderr


def test_what_exists_is_kept_unless_told(dawnstream, config, tmp_path):
    path = config(pairs={"dumps: 5": "dumps: 1"})
    assert dawnstream("run", path, ranks=1).returncode == 0
    before = {file: file.read_bytes() for file in (tmp_path / "out.dawn").rglob("*") if file.is_file()}
    done = dawnstream("run", path, ranks=1)
    assert done.returncode == DATA
    assert "exists already" in done.stderr
    assert "--overwrite" in done.stderr
    assert {file: file.read_bytes() for file in (tmp_path / "out.dawn").rglob("*") if file.is_file()} == before
    assert dawnstream("run", path, "--overwrite", ranks=1).returncode == 0


def test_a_folder_that_is_no_dataset_is_never_deleted(dawnstream, config, tmp_path):
    (tmp_path / "out.dawn").mkdir()
    (tmp_path / "out.dawn/thesis.tex").write_text("years of work")
    done = dawnstream("run", config(), "--overwrite")
    assert done.returncode == DATA
    assert (tmp_path / "out.dawn/thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("command", [["info"], ["verify"], ["image", "-o", "cube.fits"]])
def test_what_is_no_dataset(dawnstream, tmp_path, command):
    done = dawnstream(command[0], tmp_path / "none.dawn", *command[1:])
    assert done.returncode == DATA
    assert "none.dawn" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_byte_changed_and_a_file_cut_short(dawnstream, config, tmp_path):
    path = config(pairs={"dumps: 5": "dumps: 2"})
    assert dawnstream("run", path, ranks=1).returncode == 0
    data = tmp_path / "out.dawn/band-00001.bp/data.0"
    whole = data.read_bytes()
    assert dawnstream("verify", tmp_path / "out.dawn").returncode == 0

    with open_dataset(tmp_path / "out.dawn").band(1) as band:
        visibilities = next(iter(band)).vis.tobytes()
    middle = whole.index(visibilities) + len(visibilities) // 2
    data.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    changed = dawnstream("verify", tmp_path / "out.dawn")
    assert changed.returncode == DATA
    assert "band-00001" in changed.stdout + changed.stderr

    data.write_bytes(whole[:middle])
    cut = dawnstream("image", tmp_path / "out.dawn", "-o", tmp_path / "cube.fits")
    assert cut.returncode == DATA
    assert "cube.fits is made, but without band 1: its plane is blank" in cut.stderr
    assert "band-00001" in cut.stderr
    assert (tmp_path / "cube.fits").exists()


def test_plan_refuses_what_cannot_be_laid_out(dawnstream, config):
    done = dawnstream("plan", config(), "--ranks", 5, "--ranks-per-node", 1)
    assert done.returncode == PLAN
    assert "nearest number of ranks that can: 4 or 6" in done.stderr


def test_plan_for_machines_says_what_the_run_does(dawnstream, config):
    done = dawnstream("plan", config(), "--ranks", 12, "--ranks-per-node", 6, "--json")
    plan = json.loads(done.stdout)
    assert plan["n_bands"] == 2
    assert plan["raw_bytes"] == 72 * 5 * 136 * 4 * 8
    assert [owner["rank"] for owner in plan["ownership"]] == list(range(12))


def test_usage(dawnstream):
    assert dawnstream("run").returncode == 2
    assert dawnstream("rum").returncode == 2
