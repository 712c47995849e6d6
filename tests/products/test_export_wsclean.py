"""WSClean images an exported Measurement Set: sources of a sky with no symmetry, and our own dirty image."""

from __future__ import annotations

import os
import shutil
import subprocess

import export_samples as samples
import numpy as np
import oracle
import pytest
from astropy.io import fits

from pipeline.parallel.topology import World
from pipeline.products.cube import image_dataset
from pipeline.products.export.export import export_dataset
from pipeline.products.export.settings import ExportSettings
from pipeline.products.settings import ImageSettings

pytest.importorskip("casacore", reason="python-casacore is not installed")
pytestmark = pytest.mark.skipif(shutil.which("wsclean") is None, reason="wsclean is not on PATH")

SIZE, CELL = 96, np.radians(60 / 3600)
#: l (east), m (north) in pixels; I, Q, U, V in Jy.
SOURCES = ((20, 9, 3.0, 0.5, -0.7, 0.4), (-14, 25, 2.0, -0.4, 0.3, -0.6), (-7, -31, 1.0, 0.2, 0.4, 0.1))


def images(folder, measurement_set, letters):
    """Return WSClean's dirty images (y, x), and Stokes I with every baseline alike."""
    options = "-use-wgridder -wgridder-accuracy 1e-6 -no-small-inversion -weight natural -niter 0"
    size = ["-size", str(SIZE), str(SIZE), "-scale", "60asec", "-pol", letters.lower(), "-name", "dirty"]
    command = ["wsclean", *options.split(), *size, "-no-update-model-required", "-j", "1", str(measurement_set)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    several = len(letters) > 1
    files = [f"dirty-{letter}-dirty.fits" if several else "dirty-dirty.fits" for letter in letters]
    return [fits.getdata(folder / file).squeeze().astype(float) for file in files]


def test_dirty_images_are_those_of_a_direct_sum_and_ours(tmp_path):
    """All Stokes parameters against sums in float64: 1e-5 of the peak; WSClean writes float32 and grids to 1e-6."""
    flat = [(x * CELL, y * CELL, *flux) for x, y, *flux in SOURCES]
    sample = samples.make(tmp_path / "odd.dawn", vis_of=lambda *geometry: oracle.visibilities(*geometry, flat))
    settings = ImageSettings(size=SIZE, cell_rad=CELL, weight="natural", stokes="IQUV")
    image_dataset(sample.path, tmp_path / "ours.fits", settings)
    with World() as world:
        export_dataset(sample.path, tmp_path / "odd.ms", ExportSettings("ms", bands="1"), world)
    theirs = images(tmp_path, tmp_path / "odd.ms", "IQUV")

    cross = sample.baselines[:, 0] != sample.baselines[:, 1]
    uvw = sample.uvw[:, None, cross] * (sample.channel_hz[1] / samples.C)[None, :, None, None]
    vis, weight = sample.vis[1][:, :, cross], sample.weight[1][:, :, cross]
    stokes = oracle.stokes_of(vis.reshape(-1, 4).astype(complex))
    east, north = oracle.pixel_directions(SIZE, CELL)
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, SIZE, (2, 300))
    lm = np.stack([east[x], north[y]])
    ours = fits.getdata(tmp_path / "ours.fits")
    for letter, image, own in zip("IQUV", theirs, ours[:, 1], strict=True):
        direct = oracle.dirty_at(uvw.reshape(-1, 3), weight.ravel(), stokes[letter], lm)
        peak = np.abs(own).max()
        assert np.abs(image[y, x] - direct).max() < 1e-5 * peak, letter
        assert np.abs(image - own).max() < 1e-5 * peak, letter
