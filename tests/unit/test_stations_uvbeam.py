"""Tabulated beams: against numbers that pyuvdata gave, kept here, and against pyuvdata itself where it is there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from station_samples import at, somewhere

from kernels import reference
from pipeline.config.station import ApertureArrayConfig, UVBeamConfig
from pipeline.errors import ConfigError
from pipeline.observation.stations.base import Directions
from pipeline.observation.stations.dipole import Dipole
from pipeline.observation.stations.load import load_response
from pipeline.observation.stations.uvbeam import TabulatedBeam, read_uvbeam

KEPT = json.loads((Path(__file__).parents[1] / "data/pyuvdata_dipole.json").read_text())
FREQUENCIES_HZ = 100e6 + 20e6 * np.arange(5)
GAIN = np.array([1.0, 1.2, 1.3, 1.1, 0.9]) * np.exp(1j * np.arange(5))


def gain_at(frequency_hz):
    """Peak-normalised gain by a cubic spline through the table's frequencies, not-a-knot at the ends."""
    interpolate = pytest.importorskip("scipy.interpolate")
    return interpolate.CubicSpline(FREQUENCIES_HZ, GAIN / np.abs(GAIN))(frequency_hz)


class KeptBeam:
    """A UVBeam that answers with what pyuvdata's interpolation gave, for the directions it was asked for."""

    freq_array = FREQUENCIES_HZ

    def __init__(self, orientation):
        kept = KEPT["fields"][orientation]
        self.feed_array, self.feed_angle = kept["feed_array"], kept["feed_angle_rad"]
        self._field = np.array(kept["real"]) + 1j * np.array(kept["imag"])

    def interp(self, *, az_array=None, za_array=None, freq_array=None, new_object=False, **others):
        if new_object:
            assert freq_array == [KEPT["frequency_hz"]]
            return self
        np.testing.assert_allclose(az_array, KEPT["azimuth_rad"], atol=1e-12)
        np.testing.assert_allclose(za_array, KEPT["zenith_angle_rad"], atol=1e-12)
        return [self._field[:, :, None]]


@pytest.mark.parametrize("orientation", ["east", "north"])
def test_feeds_and_axes_of_pyuvdata_become_north_and_east(orientation):
    # pyuvdata's azimuth runs from the east through the north.
    sky = at(KEPT["zenith_angle_rad"], np.pi / 2 - np.array(KEPT["azimuth_rad"]))
    turned = Directions(sky.enu, 0.6 * sky.north + 0.8 * np.cross(sky.north, sky.enu), sky.pointing)
    beam = TabulatedBeam(3, KeptBeam(orientation), "cubic", "kept")
    response = beam.respond(turned, KEPT["frequency_hz"], None)
    east = np.cross(turned.north, turned.enu)
    # A short dipole answers with its component along the field: X is the one to the north, in both files.
    expected = np.stack([turned.north[:, [1, 0]], east[:, [1, 0]]], axis=-1) * gain_at(KEPT["frequency_hz"])
    # What cubic splines over 2 by 1 degrees leave.
    np.testing.assert_allclose(response[0], expected, atol=2e-8)
    assert not beam.is_scalar
    assert beam.kind.tolist() == [0, 0, 0]


def test_a_missing_pyuvdata_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyuvdata", None)
    with pytest.raises(ConfigError, match=r"needs the package pyuvdata .* pip install 'dawnstream\[beams\]'"):
        read_uvbeam(tmp_path, "telescope.station")


@pytest.mark.parametrize(
    ("known_hz", "interpolation", "band_hz", "said"),
    [
        (FREQUENCIES_HZ, "cubic", (99.9e6, 120e6), "covers 100 to 180 MHz, and the channels lie from 99.9 to 120 MHz"),
        (FREQUENCIES_HZ, "cubic", (120e6, 180.1e6), "a beam is not extrapolated"),
        (FREQUENCIES_HZ[:3], "cubic", (110e6, 120e6), "holds 3 frequencies, and frequency_interpolation cubic needs 4"),
        (FREQUENCIES_HZ[:1], "linear", (100e6, 101e6), "covers 100 to 100 MHz"),
    ],
)
def test_bands_that_are_not_covered_are_refused(known_hz, interpolation, band_hz, said):
    table = KeptBeam("north")
    table.freq_array = known_hz
    with pytest.raises(ConfigError, match=said):
        TabulatedBeam(1, table, interpolation, "a.beamfits").check_band(*band_hz)


def test_bands_that_are_covered_are_not_refused():
    for known_hz, interpolation, band_hz in (
        (FREQUENCIES_HZ, "cubic", (100e6, 180e6)),
        (FREQUENCIES_HZ[:2], "linear", (101e6, 119e6)),
        (FREQUENCIES_HZ[:1], "cubic", (100e6, 100e6)),
    ):
        table = KeptBeam("north")
        table.freq_array = known_hz
        TabulatedBeam(1, table, interpolation, "a.beamfits").check_band(*band_hz)


def make_beam(**changes):
    """Make a UVBeam of a crossed short dipole."""
    pyuvdata = pytest.importorskip("pyuvdata")
    grid = {"axis1_array": np.linspace(0, 2 * np.pi, 180, endpoint=False), "axis2_array": np.linspace(0, np.pi / 2, 91)}
    beam = pyuvdata.ShortDipoleBeam(x_orientation=changes.pop("x_orientation", "east")).to_uvbeam(
        freq_array=FREQUENCIES_HZ, **{"beam_type": "efield", **grid, **changes}
    )
    beam.mount_type = "fixed"
    return beam


def written(beam, folder):
    beam.write_beamfits(str(folder / "beam.beamfits"))
    return UVBeamConfig.model_validate({"file": "beam.beamfits"}, context={"folder": folder})


class FourStations:
    n_stations = 4


@pytest.mark.parametrize("orientation", ["east", "north"])
def test_a_file_gives_pyuvdata_s_own_interpolation(tmp_path, orientation):
    beam = make_beam(x_orientation=orientation)
    # Different in every direction, feed and frequency, so that nothing can be taken for something else.
    rng = np.random.default_rng(6)
    beam.data_array = beam.data_array * GAIN[:, None, None] * (1 + 0.3 * rng.uniform(size=beam.data_array.shape[-2:]))
    beam.data_array[:, 1] *= 0.8j
    response = load_response(written(beam, tmp_path), FourStations)
    sky = somewhere(101)
    beam.peak_normalize()
    # HEALPix-free, in one call and with the domain checked.
    azimuth = np.arctan2(sky.enu[:, 1], sky.enu[:, 0]) % (2 * np.pi)
    za = np.arccos(sky.enu[:, 2])
    table = beam.interp(
        az_array=azimuth, za_array=za, freq_array=np.array([131e6]), freq_interp_kind="cubic", return_basis_vector=False
    )[0][:, :, 0]
    along_az = np.stack([-np.sin(azimuth), np.cos(azimuth), 0 * za], axis=-1)
    along_za = np.cross(along_az, sky.enu)
    x_feed = 0 if orientation == "north" else 1
    for row, feed in enumerate((x_feed, 1 - x_feed)):
        field = table[0, feed][:, None] * along_az + table[1, feed][:, None] * along_za
        for column, axis in enumerate((sky.north, np.cross(sky.north, sky.enu))):
            found = response.respond(sky, 131e6, None)[0, :, row, column]
            np.testing.assert_allclose(found, np.sum(field * axis, axis=-1), atol=1e-12)


def test_a_tabulated_dipole_is_a_dipole(tmp_path):
    response = load_response(written(make_beam(), tmp_path), FourStations)
    sky = somewhere(101)
    expected = Dipole(4, None, None, 0.0).respond(sky, 131e6, reference)
    np.testing.assert_allclose(response.respond(sky, 131e6, None), expected, atol=2e-8)
    assert response.respond(Directions(*(np.empty((0, 3)),) * 3), 131e6, None).shape == (1, 0, 2, 2)
    # The dipole's own rate is one; half as much again, and then as a turning rate.
    rates = response.rates(100e6, 180e6)
    assert 1.0 <= rates.per_radian <= 3.0
    assert rates.per_hz == pytest.approx(0.0, abs=1e-12)


def test_a_healpix_table_is_a_dipole_away_from_the_zenith(tmp_path):
    pytest.importorskip("astropy_healpix")
    beam = make_beam(axis1_array=None, axis2_array=None, pixel_coordinate_system="healpix", nside=64, ordering="ring")
    response = load_response(written(beam, tmp_path), FourStations)
    sky = somewhere(400)
    error = np.abs(response.respond(sky, 131e6, None) - Dipole(4, None, None, 0.0).respond(sky, 131e6, reference))[0]
    # Bilinear between pixels of 1 degree; near the zenith between vectors that turn.
    far = sky.enu[:, 2] < np.cos(np.radians(10))
    assert error[far].max() < 5e-3


def test_elements_may_be_tabulated(tmp_path):
    file = written(make_beam(), tmp_path).file
    config = ApertureArrayConfig.model_validate({"element": {"type": "uvbeam", "file": file}})
    with pytest.raises(ConfigError, match=r"telescope.station.element.file: .*covers 100 to 180 MHz"):
        load_response(config, FourStations).check_band(90e6, 110e6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda beam: beam.efield_to_power(), "is a power beam; give an efield beam"),
        (lambda beam: setattr(beam, "feed_array", np.array(["r", "l"])), "has feeds r, l at angles"),
        (
            lambda beam: setattr(beam, "feed_angle", np.radians([45.0, 135.0])),
            r"angles \[45.0, 135.0\] deg; give x and y",
        ),
        (lambda beam: setattr(beam, "mount_type", "alt-az"), "is mounted alt-az; give a beam that is fixed"),
        (lambda beam: beam.select(axis2_inds=np.arange(60)), "does not cover the sky"),
        (lambda beam: beam.select(axis1_inds=np.arange(90)), "does not cover the sky"),
        (lambda beam: beam.select(feeds=["x"]), "has feeds x at angles"),
    ],
)
def test_tables_that_would_be_misread_are_refused(tmp_path, change, said):
    beam = make_beam()
    change(beam)
    with pytest.raises(ConfigError, match=said):
        load_response(written(beam, tmp_path), FourStations)


def test_a_file_that_is_no_beam_is_refused(tmp_path):
    pytest.importorskip("pyuvdata")
    (tmp_path / "beam.beamfits").write_text("nothing")
    with pytest.raises(ConfigError, match=r"telescope.station.file: .*beam.beamfits: pyuvdata cannot read it"):
        read_uvbeam(tmp_path / "beam.beamfits", "telescope.station")
