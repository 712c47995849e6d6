"""`dawnstream power-spectrum`: what it prints and writes, what it refuses, and the whole way from a configuration."""

import json
import subprocess
import sys

import numpy as np
import power_samples as samples
import pytest
import yaml
from astropy import units
from astropy.io import fits
from astropy.table import Table
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config.file import load_config
from pipeline.errors import ConfigError, DatasetError
from pipeline.inputs import observed
from pipeline.observation.sky import load_sky
from pipeline.products.cube import image_dataset
from pipeline.products.power_spectrum import PowerSettings, measure_power
from pipeline.products.power_spectrum_plot import plot_power
from pipeline.products.settings import ImageSettings


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")
    box = samples.draw(3, lambda k: np.full(k.shape, 1e4))
    planes = samples.visibilities(box)
    settings = ImageSettings(size=2 * samples.SIZE, cell_rad=samples.CELL_RAD, stokes="IV")
    image_dataset(samples.make(folder / "a.dawn", planes), folder / "a.fits", settings)
    return folder / "a.fits"


def call(*words, code=0):
    done = CliRunner().invoke(app, ["power-spectrum", *map(str, words), "--progress", "none"])
    assert done.exit_code == code, (done.output, done.exception)
    return done


def test_numbers_for_machines_a_table_and_a_picture(tmp_path, cube):
    true = tmp_path / "true.txt"
    k = np.geomspace(0.01, 5, 200)
    np.savetxt(true, np.stack([k, k**3 * 1e4 / (2 * np.pi**2)], 1))
    words = [cube, "--true", true, "-o", tmp_path / "p.ecsv", "--png", tmp_path / "p.png", "--bins", 4]
    numbers = json.loads(call(*words, "--json").output)
    s = numbers["spherical"]
    assert len(s["k"]) == 4
    # P is the same at all k; Delta^2 between points of the table, in straight lines of the logarithms, too.
    np.testing.assert_allclose(s["true_power"], 1e4, rtol=1e-9)
    n = np.array(s["n_modes"])
    assert (np.abs(np.array(s["power"]) - 1e4) < 4 * 1e4 / np.sqrt(n)).all()
    assert numbers["redshift"] == pytest.approx(samples.LINE_HZ / samples.MIDDLE_HZ - 1)
    assert numbers["frequency_hz"] == pytest.approx(samples.MIDDLE_HZ)
    assert np.shape(numbers["cylindrical"]["power"]) == (4, 10)
    table = Table.read(tmp_path / "p.ecsv")
    assert table.colnames == [*s]
    assert table["power"].unit == units.mK**2 * units.Mpc**3
    np.testing.assert_allclose(table["delta_squared_error"], s["delta_squared_error"], rtol=1e-12)
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    # A second time only on demand.
    error = call(*words, code=1).exception
    assert isinstance(error, DatasetError)
    assert "--overwrite" in str(error)
    lines = call(*words, "--overwrite").output.splitlines()
    assert lines[0].startswith("field   ")
    assert len(lines) == 3 + 1 + 4
    assert float(lines[-1].split()[0]) == pytest.approx(s["k"][-1], abs=1e-4)


def test_options_reach_the_measurement(cube):
    words = ["--field", "1.2 deg", "--beam", "3 deg", "--taper", "hann", "--k-range", "0.1", "1.5", "--max-par", "0.8"]
    words += ["--wedge", "10 deg", "--wedge-margin", "0.02", "--max-loss", "0.02", "--cosmology", "WMAP9", "--json"]
    numbers = json.loads(call(cube, *words).output)
    assert numbers["grid"]["size"] == 12
    low, high = numbers["spherical"]["low"][0], numbers["spherical"]["high"][-1]
    assert 0.0999 < low < high < 1.5001
    default = json.loads(call(cube, "--json").output)
    assert numbers["grid"]["cell_mpc"] != pytest.approx(default["grid"]["cell_mpc"], rel=1e-3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--field", "2 deg"], "half of the image"),
        (["--field", "0.2 deg"], "from 4 to 16 pixels"),
        (["--bins", 0], "--bins: 0 must be at least 1"),
        (["--k-range", 1, 0.5], "the smaller one first"),
        (["--max-par", 1], "--max-par: 1.0 must be"),
        (["--max-loss", 0], "--max-loss"),
        (["--wedge", "91 deg"], "from 0 deg to 90 deg"),
        (["--wedge-margin", -1], "--wedge-margin"),
        (["--beam", "-1 deg"], "--beam"),
        (["--cosmology", "Planck2018"], "--cosmology: 'Planck2018'"),
        (["--true", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_bad_options(cube, words, message):
    error = call(cube, *words, code=1).exception
    assert isinstance(error, ConfigError)
    assert message in str(error)


def test_an_angle_without_a_unit(cube):
    assert "needs one, such as '2 deg'" in " ".join(call(cube, "--field", 2, code=2).output.replace("│", "").split())


def test_no_mode_left(cube):
    with pytest.raises(DatasetError, match=r"no mode is left of 3072: the array measures \d+ of 256 cells"):
        measure_power([cube], PowerSettings(k_range_per_mpc=(10, 20)))
    with pytest.raises(ConfigError, match="3 cubes"):
        measure_power([cube] * 3, PowerSettings())


def changed(tmp_path, cube, change, sampling=None):
    """Copy a cube and its sampling, and change them."""
    out = tmp_path / "x.fits"
    for source, target, edit in (
        (cube, out, change),
        (cube.with_stem("a-sampling"), tmp_path / "x-sampling.fits", sampling),
    ):
        with fits.open(source) as hdus:
            if edit is not None:
                edit(hdus[0])
            hdus.writeto(target)
    return out


def remove(key):
    return lambda hdu: hdu.header.remove(key)


def put(**values):
    return lambda hdu: hdu.header.update(values)


def spoil(hdu):
    hdu.data[0, 3, 5, 5] = np.nan


@pytest.mark.parametrize(
    ("change", "sampling", "message"),
    [
        (remove("CHANAVG"), None, "has no CHANAVG"),
        (put(BUNIT="K"), None, "BUNIT is 'K', and must be 'Jy/beam'"),
        (put(CTYPE1="GLON-SIN"), None, "CTYPE1 is 'GLON-SIN'"),
        (put(CRVAL4=2), None, "holds no Stokes I"),
        (spoil, None, "plane 3 holds numbers that are not finite"),
        (None, put(CDELT3=1.0), "not the sampling of x.fits"),
    ],
)
def test_bad_cubes(tmp_path, cube, change, sampling, message):
    with pytest.raises(DatasetError, match=message):
        measure_power([changed(tmp_path, cube, change, sampling)], PowerSettings())


def test_cubes_that_do_not_go_together(tmp_path, cube):
    other = changed(tmp_path, cube, put(CRVAL3=151e6), put(CRVAL3=151e6))
    with pytest.raises(DatasetError, match="first_hz is 151000000, and 150030000"):
        measure_power([cube, other], PowerSettings())
    (tmp_path / "x-sampling.fits").unlink()
    with pytest.raises(DatasetError, match=r"x-sampling.fits: not a FITS cube"):
        measure_power([other], PowerSettings())
    with pytest.raises(DatasetError, match="cannot be written"):
        plot_power(measure_power([cube], PowerSettings()), tmp_path / "no" / "folder.png")


def test_a_table_that_does_not_cover_the_modes(tmp_path, cube):
    true = tmp_path / "true.txt"
    np.savetxt(true, [(0.1, 1.0), (0.2, 1.0)])
    assert "--true: the table covers k from 0.1 to 0.2/Mpc" in str(call(cube, "--true", true, code=1).exception)


def test_from_the_configuration_to_the_power_spectrum(tmp_path):
    size, cell = 24, 5
    field = {
        "seed": 11,
        "power_spectrum": {"delta_squared": "50 mK2", "slope": 0.5, "reference": "0.3 Mpc-1"},
        "size": size,
        "cell": f"{cell} arcmin",
    }
    config = {
        "name": "eor",
        "telescope": {"array": "ska-low-aastar", "baselines": {"max": "300 m"}},
        "sky": [{"eor_field": field}],
        "phase_centre": {"ra": "0h", "dec": "-27d"},
        "time": {"start": "2026-11-22T12:07:00", "integration": "0.84934656 s", "dumps": 1},
        "spectrum": {"start": "150 MHz", "width": "5.425347 kHz", "channels": 72},
        "averaging": {"node": 2, "group": 3},
        "output": {"path": str(tmp_path / "e.dawn")},
        "image": {"size": 2 * size, "cell": f"{cell} arcmin"},
    }
    path = tmp_path / "e.yaml"
    path.write_text(yaml.safe_dump(config))
    for words in (["run", path], ["image", tmp_path / "e.dawn", "-o", tmp_path / "e.fits"]):
        command = [sys.executable, "-m", "pipeline", *map(str, words), "--progress", "none"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    measured = measure_power([tmp_path / "e.fits"], PowerSettings(n_bins=5))
    loaded = load_config(path)
    box = load_sky(loaded.sky, observed(loaded))[0].parts[0]
    # Its own Fourier transform: planes have the lowest wavenumbers of the 72 channels.
    modes = np.fft.fftn(box.temperature_mk.astype(float))
    held = np.rint(np.fft.fftfreq(12, 1 / 12)).astype(int) % 72
    power = np.abs(modes[held]) ** 2 * box.box.cell_mpc**2 * box.box.depth_mpc / modes.size
    used, k = measured.mode_bin >= 0, measured.grid.k
    number = measured.mode_bin[used]
    drawn = np.bincount(number, weights=(power * k**3)[used]) / np.bincount(number) / (2 * np.pi**2)
    np.testing.assert_allclose(measured.spherical.delta_squared, drawn, rtol=0.03)
    assert measured.spherical.n_modes.sum() > 100
