"""Bundles: what is in them, by other programs' checks; taken up after a failure; what is refused; damage found."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import lazy_samples as samples
import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.dataset.storage import band_name
from pipeline.dataset.verify import verify_dataset
from pipeline.errors import CorruptError, DatasetError, IncompleteError
from pipeline.products import bag
from pipeline.products.bundle import Contents, check_bundle, make_bundle


def write_cube(path, name="lazy", origin="dawnstream 0.1.0", seed=0):
    pixels = np.random.default_rng(seed).normal(size=(1, 3, 5, 7)).astype(np.float32)
    fits.HDUList([fits.PrimaryHDU(pixels, fits.Header({"ORIGIN": origin, "OBJECT": name}))]).writeto(path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a folder with a dataset of two bands, a cube and what belongs to it, and a plot."""
    folder = tmp_path_factory.mktemp("run")
    samples.make(folder / "a.dawn", 2)
    for number, name in enumerate(("cube", "cube-psf", "cube-sampling", "cube-other")):
        write_cube(folder / f"{name}.fits", seed=number)
    (folder / "a plot.png").write_bytes(bytes(range(256)) * 40)
    return folder


def contents(run, **changes):
    return Contents(**{"cubes": [run / "cube.fits"], "others": [run / "a plot.png"], **changes})


def made(run, output, copy=False, **changes):
    return make_bundle(run / "a.dawn", output, contents(run, **changes), copy, "none")


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


SMALL = [
    "data/images/cube-psf.fits",
    "data/images/cube-sampling.fits",
    "data/images/cube.fits",
    "data/manifest.json",
    "data/observation.yaml",
    "data/products/a plot.png",
]
TAGS = ["README.txt", "bag-info.txt", "bagit.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"]


@pytest.mark.parametrize("copy", [False, True])
def test_what_is_in_it(run, tmp_path, copy):
    output = tmp_path / "deep" / "bundle"
    report = made(run, output, copy)
    assert files(output) == sorted([*SMALL, *TAGS])
    assert sorted(path.name for path in output.parent.iterdir()) == ["bundle"]
    lines = (output / "manifest-sha256.txt").read_text().splitlines()
    expected = [f"{hashlib.sha256((output / name).read_bytes()).hexdigest()}  {name}" for name in SMALL]
    assert lines == expected
    assert (output / "data/images/cube.fits").read_bytes() == (run / "cube.fits").read_bytes()
    assert (output / "data/images/cube.fits").samefile(run / "cube.fits") is not copy
    assert (output / "data/images/cube.fits").stat().st_mtime_ns == (run / "cube.fits").stat().st_mtime_ns
    n_bytes = sum((output / name).stat().st_size for name in SMALL)
    assert (report.n_files, report.n_bytes, report.error) == (6, n_bytes, None)
    assert f"Payload-Oxum: {n_bytes}.6\n" in (output / "bag-info.txt").read_text()
    readme = (output / "README.txt").read_text()
    assert "5, 10 baselines" in readme
    assert "150.005000 to 150.205000 MHz, 2 of 2 bands complete" in readme
    assert check_bundle(output, "none") == report


def sha256sum(folder):
    command = ["sha256sum", "-c", "manifest-sha256.txt", "tagmanifest-sha256.txt"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_other_programs_check_it(run, tmp_path):
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not on PATH")
    bagit = pytest.importorskip("bagit")
    output = tmp_path / "bundle"
    made(run, output, copy=True, visibilities=True)
    done = sha256sum(output)
    assert done.returncode == 0, done.stderr
    n_listed = len(files(output)) - 1  # all but the list of tag files
    assert done.stdout.count(": OK") == n_listed
    assert bagit.Bag(str(output)).validate()
    (output / "data/products/a plot.png").write_bytes(b"")
    assert sha256sum(output).returncode == 1
    with pytest.raises(bagit.BagValidationError):
        bagit.Bag(str(output)).validate()


def test_with_visibilities(run, tmp_path):
    output = tmp_path / "bundle"
    made(run, output, visibilities=True)
    inside = output / "data/visibilities/a.dawn"
    assert verify_dataset(inside).is_whole
    assert files(inside) == files(run / "a.dawn")
    with samples.adios2.FileReader(str(inside / band_name(1))) as band:
        assert band.num_steps() == 3


def test_another_file_system(run, tmp_path, monkeypatch):
    def refused(*paths):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    made(run, tmp_path / "bundle")
    cube = tmp_path / "bundle/data/images/cube.fits"
    assert not cube.samefile(run / "cube.fits")
    assert cube.read_bytes() == (run / "cube.fits").read_bytes()


def test_taken_up_after_a_failure(run, tmp_path, monkeypatch):
    """The disk is full midway: nothing has the bundle's name; the same command goes on, and keeps what is there."""
    output, partial = tmp_path / "bundle", tmp_path / ".bundle.partial"
    whole = bag.sha256_of

    def full_disk(file, advance, copy_to=None):
        if file.name == "a plot.png":
            copy_to.write_bytes(file.read_bytes()[:100])
            raise OSError(errno.ENOSPC, "No space left on device", str(copy_to))
        return whole(file, advance, copy_to)

    monkeypatch.setattr(bag, "sha256_of", full_disk)
    with pytest.raises(DatasetError, match=r"No space left.*takes it up where it ended"):
        made(run, output, copy=True)
    assert not output.exists()
    monkeypatch.undo()
    cube, psf = partial / "data/images/cube.fits", partial / "data/images/cube-psf.fits"
    shutil.copyfile(run / "cube.fits", cube)
    psf.write_bytes(bytes((run / "cube-psf.fits").stat().st_size))
    (partial / "data/images/of another attempt.fits").write_bytes(b"old")
    kept = cube.stat().st_ino
    made(run, output, copy=True)
    assert not partial.exists()
    assert files(output) == sorted([*SMALL, *TAGS])
    assert (output / "data/images/cube.fits").stat().st_ino == kept
    assert (output / "data/images/cube-psf.fits").read_bytes() == (run / "cube-psf.fits").read_bytes()
    assert check_bundle(output, "none").error is None


def test_copies_in_place_of_links_and_links_of_copies(run, tmp_path):
    """What an attempt of the other kind left is taken up, too."""
    partial = tmp_path / ".bundle.partial/data/images"
    for first in ("link", "copy"):
        partial.mkdir(parents=True)
        (os.link if first == "link" else shutil.copyfile)(run / "cube.fits", partial / "cube.fits")
        made(run, tmp_path / "bundle", copy=first == "link")
        assert not (tmp_path / "bundle/data/images/cube.fits").samefile(run / "cube.fits")
        assert check_bundle(tmp_path / "bundle", "none").error is None
        shutil.rmtree(tmp_path / "bundle")


def test_incomplete_datasets(tmp_path):
    samples.make(tmp_path / "a.dawn", 3, complete=[True, False, True])
    write_cube(tmp_path / "cube.fits")
    run, output = tmp_path, tmp_path / "bundle"
    with pytest.raises(IncompleteError, match=r"1 of 3 bands are not complete \(the first is 1\).*--incomplete"):
        made(run, output, others=())
    made(run, output, others=(), visibilities=True, incomplete=True)
    bands = {name.split("/")[3] for name in files(output) if ".bp" in name}
    assert bands == {band_name(0), band_name(2)}
    assert "2 of 3 bands complete" in (output / "README.txt").read_text()


def test_changed_visibilities_do_not_go_in(tmp_path):
    data = samples.make(tmp_path / "a.dawn", 2) / band_name(1) / "data.0"
    content = bytearray(data.read_bytes())
    content[content.find(samples.block(samples.header(1), 0, 3).vis.tobytes())] ^= 1
    data.write_bytes(content)
    write_cube(tmp_path / "cube.fits")
    with pytest.raises(CorruptError, match="CRC-32C of vis"):
        made(tmp_path, tmp_path / "bundle", others=(), visibilities=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dawn", "cube.fits"]


REFUSED = {
    "no cube": ({"cubes": ["none.fits"]}, r"none.fits is not a FITS cube.*dawnstream image"),
    "not a cube": ({"cubes": ["a plot.png"]}, "a plot.png is not a FITS cube"),
    "no plot": ({"others": ["none.png"]}, "none.png: there is no such file"),
    "nothing": ({"cubes": [], "others": []}, "nothing of its results is named"),
    "two of a name": ({"others": ["a plot.png", "a plot.png"]}, "2 files would be data/products/a plot.png"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(run, tmp_path, case):
    changes, message = REFUSED[case]
    with pytest.raises(DatasetError, match=message):
        made(run, tmp_path / "bundle", **{key: [run / name for name in value] for key, value in changes.items()})
    assert not (tmp_path / "bundle").exists()


def test_cubes_of_other_observations(run, tmp_path):
    ours = write_cube(tmp_path / "ours.fits", name="another")
    with pytest.raises(DatasetError, match=r"an image of 'another', and the dataset is of 'lazy'"):
        made(run, tmp_path / "bundle", cubes=[ours])
    made(run, tmp_path / "bundle", cubes=[write_cube(tmp_path / "theirs.fits", name="another", origin="WSClean")])


def test_places_that_are_taken(run, tmp_path):
    (tmp_path / "bundle").mkdir()
    with pytest.raises(DatasetError, match="exists already"):
        made(run, tmp_path / "bundle")
    with pytest.raises(DatasetError, match="lies within"):
        made(run, run / "a.dawn/bundle")
    (tmp_path / ".other.partial").mkdir()
    (tmp_path / ".other.partial/thesis.tex").write_text("mine")
    with pytest.raises(DatasetError, match=r"holds thesis.tex; move it away"):
        made(run, tmp_path / "other")
    assert (tmp_path / ".other.partial/thesis.tex").read_text() == "mine"


def test_names_that_do_not_travel(run, tmp_path):
    odd = tmp_path / "100%\n.png"
    odd.write_bytes(b"x")
    with pytest.raises(DatasetError, match="do not travel well"):
        made(run, tmp_path / "bundle", others=[odd])


@pytest.fixture
def bundle(run, tmp_path):
    made(run, tmp_path / "bundle", copy=True)
    return tmp_path / "bundle"


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "kind", "found"),
    [
        (lambda b: flip(b / "data/images/cube.fits"), CorruptError, ("changed", "data/images/cube.fits")),
        (lambda b: flip(b / "README.txt"), CorruptError, ("changed", "README.txt")),
        (lambda b: (b / "data/manifest.json").unlink(), IncompleteError, ("missing", "data/manifest.json")),
        (lambda b: (b / "bag-info.txt").unlink(), IncompleteError, ("missing", "bag-info.txt")),
        (lambda b: (b / "data/new.txt").write_text("x"), CorruptError, ("unlisted", "data/new.txt")),
    ],
)
def test_damage_is_found(bundle, damage, kind, found):
    damage(bundle)
    report = check_bundle(bundle, "none")
    assert type(report.error) is kind
    all_found = {what: name for what in ("missing", "changed", "unlisted") for name in getattr(report, what)}
    assert all_found == {found[0]: found[1]}
    done = CliRunner().invoke(app, ["bundle", "--check", str(bundle), "--progress", "none", "--json"])
    assert json.loads(done.stdout[: done.stdout.rindex("}") + 1])[found[0]] == [found[1]]
    assert isinstance(done.exception, kind)


@pytest.mark.parametrize("line", ["nonsense", f"{'0' * 64}  ../../etc/passwd", f"{'0' * 64}  /etc/passwd"])
def test_lists_that_lead_elsewhere(bundle, line):
    with (bundle / "manifest-sha256.txt").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(CorruptError, match=r"manifest-sha256.txt, line 7"):
        check_bundle(bundle, "none")


def test_what_is_no_bundle(bundle, tmp_path):
    (bundle / "tagmanifest-sha256.txt").unlink()
    with pytest.raises(IncompleteError, match=r"tagmanifest-sha256.txt is missing"):
        check_bundle(bundle, "none")
    (bundle / "bagit.txt").write_text("BagIt-Version: 7.0\n")
    with pytest.raises(DatasetError, match="is not a bundle"):
        check_bundle(bundle, "none")
    with pytest.raises(DatasetError, match="no such folder"):
        check_bundle(tmp_path / "none", "none")


def test_the_command(run, tmp_path):
    output = tmp_path / "bundle"
    words = ["bundle", str(run / "a.dawn"), "-o", str(output), "--cube", str(run / "cube.fits"), "--progress", "none"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "5 files" in done.stdout
    assert CliRunner().invoke(app, ["bundle", "--check", str(output), "--progress", "none"]).exit_code == 0
    for wrong in (["bundle", str(run / "a.dawn")], ["bundle", "--check", str(output), "-o", "x"]):
        assert CliRunner().invoke(app, wrong).exit_code == 2
    assert Path("x").exists() is False
