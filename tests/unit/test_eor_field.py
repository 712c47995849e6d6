"""A Gaussian random field of the 21 cm line: its power, its place, its flux densities, and what is refused."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from astropy import constants, units
from astropy.cosmology import Planck18
from astropy.table import Table
from astropy.wcs import WCS
from pydantic import ValidationError

from pipeline.config.eor import EorFieldConfig
from pipeline.config.file import load_config
from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Observed
from pipeline.observation.skies.eor import EorField, from_config
from pipeline.observation.sky import load_sky

LINE_HZ = 1420405751.7667
OBSERVED = Observed((0.3, -0.5), 140e6, 20e3, 45)
LAW = {"delta_squared": "100 mK2", "slope": 0.7, "reference": "0.2 Mpc-1"}


def config(**changes) -> EorFieldConfig:
    keys = {"seed": 7, "power_spectrum": LAW, "size": 27, "cell": "3 arcmin"}
    return EorFieldConfig.model_validate(keys | changes)


def field(observed=OBSERVED, **changes) -> EorField:
    return from_config(config(**changes), observed)


def comoving_steps():
    """Return pixel and channel, Mpc, from astropy's cosmology: c (1 + z)^2 / (H line) per hertz."""
    z = LINE_HZ / (OBSERVED.start_hz + 22 * OBSERVED.width_hz) - 1
    across = Planck18.comoving_transverse_distance(z).to_value("Mpc") * np.radians(3 / 60)
    per_hz = (constants.c * (1 + z) ** 2 / Planck18.H(z)).to_value("Mpc") / LINE_HZ
    return across, per_hz * OBSERVED.width_hz


def power_of(cube, across, depth):
    """Return k (1/Mpc) and |FT|^2 / V (mK^2 Mpc^3) of every mode but k = 0."""
    modes = np.fft.fftn(cube.astype(float)) * across**2 * depth
    power = np.abs(modes) ** 2 / (cube.size * across**2 * depth)
    steps = (depth, across, across)
    axes = [2 * np.pi * np.fft.fftfreq(n, step) for n, step in zip(cube.shape, steps, strict=True)]
    k = np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")))
    return k.ravel()[1:], power.ravel()[1:]


def whitened(cube):
    """Return the cube with the same power in all modes, and unit variance."""
    k, _ = power_of(cube, *comoving_steps())
    amplitude = np.r_[np.inf, np.sqrt(k**0.7 / k**3)].reshape(cube.shape)
    values = np.fft.ifftn(np.fft.fftn(cube.astype(float)) / amplitude).real
    return values / values.std()


def test_the_field_has_the_power_it_was_asked_for():
    across, depth = comoving_steps()
    box = field().box
    np.testing.assert_allclose([box.cell_mpc, box.depth_mpc], [across, depth], rtol=1e-6)
    k, power = power_of(field().temperature_mk, across, depth)
    asked = 2 * np.pi**2 * 100 * (k / 0.2) ** 0.7 / k**3
    ratio = power / asked
    # Every ratio is one draw of an exponential distribution; a mode and its opposite are one draw.
    edges = np.geomspace(k.min() * 0.999, k.max() * 1.001, 9)
    for low, high in itertools.pairwise(edges):
        held = ratio[(k >= low) & (k < high)]
        assert abs(held.mean() - 1) < 4 / np.sqrt(len(held) / 2), (low, high)
    assert abs(ratio.mean() - 1) < 4 / np.sqrt(len(ratio) / 2)
    # The variance of an exponential distribution of mean 1 is 1, that of a square's estimate 8 / n.
    assert abs(ratio.var() - 1) < 4 * np.sqrt(8 / (len(ratio) / 2))
    # Whitened, the temperatures are normal: their third and fourth moments.
    values = whitened(field().temperature_mk)
    assert abs((values**3).mean()) < 4 * np.sqrt(15 / values.size)
    assert abs((values**4).mean() - 3) < 4 * np.sqrt(96 / values.size)


def test_the_field_has_zero_mean_and_depends_on_the_seed_alone():
    cube = field().temperature_mk
    assert cube.dtype == np.float32
    assert cube.shape == (45, 27, 27)
    # float32 sums: 6e-8 of the largest value, times the root of the number of values.
    assert abs(cube.mean(dtype=np.float64)) < 6e-8 * np.abs(cube).max() * np.sqrt(cube.size)
    np.testing.assert_array_equal(field().temperature_mk, cube)
    other = field(seed=8).temperature_mk
    assert abs((whitened(cube) * whitened(other)).mean()) < 4 / np.sqrt(cube.size)
    # Scaled by the power spectrum, not drawn anew.
    louder = field(power_spectrum=LAW | {"delta_squared": "400 mK2"}).temperature_mk
    np.testing.assert_allclose(louder, 2 * cube, rtol=1e-4, atol=1e-5 * np.abs(cube).max())


def test_it_travels_without_the_box():
    sent = field()
    n_bytes = len(pickle.dumps(sent))
    values = sent.stokes_at(140e6)
    assert len(pickle.dumps(sent)) == n_bytes
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(sent)).stokes_at(140e6), values)


@pytest.mark.parametrize(
    ("centre", "ra0", "dec0"),
    [
        (None, np.degrees(0.3), np.degrees(-0.5)),
        ({"ra": "2h", "dec": "-89.9d"}, 30, -89.9),
        ({"ra": "10h", "dec": "90d"}, 150, 90),
    ],
)
def test_pixels_lie_where_a_fits_image_has_them(centre, ra0, dec0):
    part = field(centre=centre)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---SIN", "DEC--SIN"]
    wcs.wcs.crpix, wcs.wcs.crval, wcs.wcs.cdelt = [14, 14], [ra0, dec0], [-0.05, 0.05]
    wcs.wcs.lonpole = 180
    row, column = np.divmod(np.arange(27 * 27), 27)
    # FITS has east on the left: pixels to the east have smaller x.
    ra, dec = np.radians(wcs.wcs_pix2world(26 - column, row, 0))
    east = ((part.ra_rad - ra + np.pi) % (2 * np.pi) - np.pi) * np.cos(dec)
    np.testing.assert_allclose(east, 0, atol=1e-11)
    np.testing.assert_allclose(part.dec_rad, dec, atol=1e-11 if centre is None else 1e-8)


def test_flux_densities_are_those_of_the_brightness_temperature():
    part = field(size=5, cell="1 deg")
    row, column = 4, 1
    n = np.sqrt(1 - np.radians(2) ** 2 - np.radians(1) ** 2)
    beam = np.radians(1) ** 2 / n * units.sr
    for channel in (0, 44):
        hz = 140e6 + channel * 20e3
        kelvin = float(part.temperature_mk[channel, row, column]) * 1e-3 * units.K
        jy = kelvin.to_value(units.Jy, units.brightness_temperature(hz * units.Hz, beam_area=beam))
        stokes = part.stokes_at(hz)
        assert stokes.shape == (25, 4)
        assert stokes[row * 5 + column, 0] == pytest.approx(jy, rel=1e-12)
        assert not stokes[:, 1:].any()
    assert part.is_unpolarised
    assert part.label(row * 5 + column) == "eor_field pixel 1 to the east, 4 to the north"
    assert (part.stokes_at(140e6)[:, 0] < 0).any()


def test_a_frequency_belongs_to_its_channel_and_to_no_other():
    part = field(size=3)
    # Within a channel the temperature stays, and flux density follows the square of the frequency.
    ratio = part.stokes_at(140.329e6)[:, 0] / part.stokes_at(140.32e6)[:, 0]
    np.testing.assert_allclose(ratio, (140.329 / 140.32) ** 2, rtol=1e-12)
    part.check_band(140e6, 140.88e6)
    for hz in (139.98e6, 140.9e6):
        with pytest.raises(ConfigError, match=r"lies in none of the spectrum's channels"):
            part.stokes_at(hz)
        with pytest.raises(ConfigError, match=r"MHz"):
            part.check_band(140e6, hz)


def table(path, k, power, **columns):
    Table({"k": k, "d2": power, **columns}).write(path, format="ascii.ecsv", overwrite=True)
    return path


def test_a_table_gives_the_power_between_its_points(tmp_path):
    path = tmp_path / "spectrum.txt"
    np.savetxt(path, [(0.001, 10.0), (0.1, 1000.0), (100.0, 1.0)])
    part = field(power_spectrum={"table": str(path)})
    # Straight lines in the logarithms: slope 1 below 0.1, -1 above.
    np.testing.assert_allclose(part.spectrum.delta_squared([0.01, 1.0]), [100, 100], rtol=1e-12)
    np.testing.assert_allclose(part.spectrum.power([0.01]), 2 * np.pi**2 * 100 / 0.01**3, rtol=1e-12)
    law = field(power_spectrum={"delta_squared": "100 mK2"})
    np.savetxt(path, [(0.001, 100.0), (100.0, 100.0)])
    same = field(power_spectrum={"table": str(path)}).temperature_mk
    np.testing.assert_allclose(same, law.temperature_mk, rtol=1e-4, atol=1e-5 * np.abs(same).max())


def test_a_table_with_units_is_converted(tmp_path):
    path = tmp_path / "spectrum.ecsv"
    Table({"k": [1e-6, 1.0] / units.kpc, "d2": [1e-4, 1e-4] * units.K**2}).write(path)
    spectrum = field(power_spectrum={"table": str(path)}).spectrum
    np.testing.assert_allclose(spectrum.k_per_mpc, [1e-3, 1e3], rtol=1e-12)
    np.testing.assert_allclose(spectrum.delta_squared_mk2, 100, rtol=1e-12)


def test_a_table_that_ends_within_the_box(tmp_path):
    path = table(tmp_path / "short.ecsv", [0.01, 1.0], [100.0, 100.0])
    with pytest.raises(ConfigError, match=r"covers k from 0.01 to 1/Mpc, and the box has wavenumbers from .* zero"):
        field(power_spectrum={"table": str(path)})
    across, depth = comoving_steps()
    cube = field(power_spectrum={"table": str(path), "beyond": "zero"}).temperature_mk
    k, power = power_of(cube, across, depth)
    assert power[k > 1.001].max() < 1e-9 * power[k < 0.999].max()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([0.1, 0.1], [1.0, 1.0]), r"row 1 \(k = 0.1/Mpc"),
        (([0.1, 1.0], [1.0, -1.0]), r"row 1 .*Delta\^2 = -1"),
        (([0.1, np.nan], [1.0, 1.0]), r"row 1"),
        (([0.1], [1.0]), r"has 1 rows"),
        (([0.1, 1.0] * units.m, [1.0, 1.0]), r"first two columns must be k"),
        ((["a", "b"], [1.0, 1.0]), r"not a table of a power spectrum"),
    ],
)
def test_a_table_that_is_none(tmp_path, columns, message):
    with pytest.raises(ConfigError, match=message):
        field(power_spectrum={"table": str(table(tmp_path / "bad.ecsv", *columns))})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"power_spectrum": {"delta_squared": "100 mK"}}, "write a number with one of mK2, K2, uK2"),
        ({"power_spectrum": {"delta_squared": 100}}, "as in '100 mK2'"),
        ({"power_spectrum": {"delta_squared": "-1 mK2"}}, "above zero"),
        ({"power_spectrum": {"delta_squared": "1 mK2", "slope": 1}}, "needs its reference"),
        ({"power_spectrum": {"slope": 1}}, "either a power law"),
        ({"power_spectrum": {"delta_squared": "1 mK2", "beyond": "zero"}}, "either a power law"),
        ({"power_spectrum": LAW | {"reference": "0.1 /Mpc"}}, "Mpc-1"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"size": 1}, "greater than or equal to 2"),
        ({"size": 1000, "cell": "5 arcmin"}, "must stay below 1"),
        ({"cell": "0 deg"}, "above zero"),
    ],
)
def test_bad_configurations(changes, message):
    with pytest.raises(ValidationError, match=message):
        config(**changes)


def test_a_spectrum_above_the_line_is_refused():
    with pytest.raises(ConfigError, match="21 cm"):
        field(Observed((0.3, -0.5), 1420e6, 20e3, 45))


def test_the_configuration_reads_back(tmp_path):
    text = """
name: eor
telescope: {array: ska-low-aa1}
sky:
  - eor_field: {seed: 1, power_spectrum: {delta_squared: 2e-5 K2, slope: 1, reference: 0.1 Mpc-1}, size: 9, cell: 1 deg}
  - sources: [{ra: 0h, dec: -27d, i: 1 Jy}]
phase_centre: {ra: 0h, dec: -27d}
time: {start: 2026-11-22T12:00:00, integration: 1 s, dumps: 1}
spectrum: {start: 150 MHz, width: 5 kHz, channels: 36}
output: {path: a.dawn}
"""
    path = tmp_path / "eor.yaml"
    path.write_text(text)
    loaded = load_config(path)
    assert loaded.sky[0].eor_field.power_spectrum.delta_squared_mk2 == pytest.approx(20)
    path.write_text(loaded.to_yaml())
    assert load_config(path) == loaded
    sky, notes = load_sky(loaded.sky, Observed((0.0, -0.47), 150e6, 5e3, 36))
    assert (sky.n_sources, notes) == (82, [])
    assert sky.stokes_at(150e6)[81, 0] == 1
