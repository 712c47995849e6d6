"""What imaging takes is known before it begins, bounds what it takes, and is refused where it is too much."""

import json
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from test_cube import BANDS_HZ, EXTENT_M, sky_around
from test_primary_beam import observation

from pipeline.errors import PlanError
from pipeline.products.cubeset import CubeSet
from pipeline.products.imageplan import Shape, plan_images
from pipeline.products.settings import ImageSettings

ROOT = Path(__file__).parents[2]
SHAPE = Shape(n_bands=7, n_stations=100, n_baselines=4950, n_channels=1, block_dumps=3, n_dumps=40)
CONTINUUM = {"continuum": True, "primary_beam_cut": 0.1}  # what takes most


def planned(n_ranks=1, n_local=1, follows=False, at_once=1, **settings):
    settings = ImageSettings(**settings)
    files = CubeSet(Path("c.fits"), settings, 1 if settings.continuum else SHAPE.n_bands)
    return plan_images(SHAPE, settings, files, (n_ranks, n_local), follows, at_once)


def test_more_of_anything_takes_more():
    least = planned(size=500).memory_bytes
    for more in (
        {"size": 501},
        {"stokes": "IQUV"},
        {"weight": "uniform"},
        {"n_threads": 2},
        {"continuum": True},
        {"primary_beam_cut": 0.1},
        {"follows": True},
        {"at_once": 2},
    ):
        assert planned(**{"size": 500, **more}).memory_bytes > least
    assert planned(weight="briggs").readings == 2
    assert planned(weight="briggs", follows=True).readings == 3
    pixels = 6 * 7 * 48 * 48 * 4  # six images: IQUV and two more
    assert pixels < planned(size=48, stokes="IQUV").disk_bytes < pixels + 3 * 20_000


def test_what_does_not_fit_is_refused_with_what_helps():
    plan = planned(n_ranks=4, n_local=2, size=600, stokes="IV")
    plan.check_memory(None, 2 * plan.memory_bytes)
    plan.check_memory(plan.memory_bytes, 10**12)
    with pytest.raises(PlanError, match=r"600 x 600 pixels of Stokes IV needs .* are free for it; use fewer pixels"):
        plan.check_memory(None, 2 * plan.memory_bytes - 2)
    with pytest.raises(PlanError, match=r"are allowed by image\.memory"):
        plan.check_memory(plan.memory_bytes - 1, 10**12)
    # What is allowed cannot be had if it is not free.
    with pytest.raises(PlanError, match="are free for it"):
        plan.check_memory(10**11, plan.memory_bytes)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    sources, _ = sky_around(0.4, -0.47)
    sections = observation(folder, "dipole", 2.0, datasets.N_STATIONS) | {"name": "plan", "image": {"size": 50}}
    return datasets.make(folder / "three.dawn", (0.4, -0.47), sources, BANDS_HZ, EXTENT_M, sections)


def test_the_command_says_it_and_makes_nothing(dataset, tmp_path):
    command = [sys.executable, "-m", "pipeline", "image", str(dataset), "-o", str(tmp_path / "c.fits"), "--plan"]
    done = subprocess.run([*command, "--json", "--size", "70"], cwd=ROOT, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert said["settings"]["size"] == 70
    assert said["shape"] == {
        "n_bands": 3,
        "n_stations": 24,
        "n_baselines": 276,
        "n_channels": 1,
        "block_dumps": 2,
        "n_dumps": 5,
    }
    assert list(tmp_path.iterdir()) == []


def test_imaging_stays_within_its_plan(dataset, tmp_path):
    script = """
import re, sys
from pathlib import Path
from pipeline.products.cube import image_dataset
from pipeline.products.cubeset import CubeSet
from pipeline.products.imageplan import Shape, plan_images
from pipeline.products.settings import ImageSettings
def peak():  # not ru_maxrss, in which a child starts with what its parent holds
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
def settings(size):
    return ImageSettings(size=size, stokes="IQUV", weight="uniform", n_threads=2, **eval(sys.argv[3]))
# Modules and threads come with the first image, whatever its size, and are not what is planned.
image_dataset(Path(sys.argv[1]), Path(sys.argv[2]) / "small.fits", settings(40))
before = peak()
image_dataset(Path(sys.argv[1]), Path(sys.argv[2]) / "large.fits", settings(900))
shape = Shape(3, 24, 276, 1, 2, 5)
files = CubeSet(Path("c.fits"), settings(900), 3)
print(peak() - before, plan_images(shape, settings(900), files, (1, 1), False).memory_bytes)
"""
    command = [sys.executable, "-c", script, str(dataset), str(tmp_path), repr(CONTINUUM)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    used, plan = (int(number) for number in done.stdout.split())
    assert 0.2 * plan < used <= plan
