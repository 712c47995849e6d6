"""Light-cones of 21cmFAST as skies: where and when a cell is seen, how bright, and what is read and refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import diffuse_samples as samples
import h5py
import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from scipy.constants import c as light_m_s
from scipy.constants import k as boltzmann

from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Observed

DATA = Path(__file__).parents[1] / "data"


def per_kelvin(frequency_hz, solid_angle_sr):
    return 2e26 * boltzmann * (frequency_hz / light_m_s) ** 2 * solid_angle_sr


@pytest.mark.parametrize("layout", ["3.0", "3.4", "4"])
def test_slices_come_back(tmp_path, layout):
    # At the lowest frequency a pixel is a cell; there the farthest slice in use is seen as it is.
    cube = samples.noise()
    distance_mpc = samples.write(tmp_path / "lc.h5", cube, samples.BOX_MPC, layout)
    part, notes = samples.load(tmp_path / "lc.h5", samples.band(distance_mpc[2], distance_mpc[11], layout))
    frequency_hz = samples.frequency_of(distance_mpc[11], layout)
    # The table of redshifts is good to 1e-9 of a distance, 1e-6 of a slice.
    np.testing.assert_allclose(part.temperature_k(frequency_hz), 1e-3 * cube[:, :, 11].T, atol=3e-7)
    cell_rad = samples.BOX_MPC / 9 / distance_mpc[11]
    assert part.cell_rad == pytest.approx(cell_rad, rel=1e-8)
    # Pixel (7, 5) to the east and north: n = sqrt(1 - l^2 - m^2).
    n = np.sqrt(1 - ((7 - 4) ** 2 + (5 - 4) ** 2) * cell_rad**2)
    expected = 1e-3 * cube[7, 5, 11] * per_kelvin(frequency_hz, cell_rad**2 / n)
    stokes = part.stokes_at(frequency_hz)
    assert stokes[5 * 9 + 7, 0] == pytest.approx(expected, rel=1e-5)
    assert not stokes[:, 1:].any()
    assert part.label(5 * 9 + 7) == "lc.h5 pixel 7 to the east, 5 to the north"
    arcmin = np.degrees(cell_rad) * 60
    assert notes == [f"lc.h5: 9 x 9 pixels of {arcmin:.4g} arcmin, {9 * arcmin / 60:.4g} deg across"]


def test_a_cell_is_where_it_should_be(tmp_path):
    cube = np.zeros((9, 9, 5))
    cube[6, 4] = cube[4, 7] = 30.0
    distance_mpc = samples.write(tmp_path / "lc.h5", cube, samples.BOX_MPC)
    part, _ = samples.load(tmp_path / "lc.h5", samples.band(distance_mpc[1], distance_mpc[3]))
    flux_jy = part.stokes_at(samples.frequency_of(distance_mpc[3]))[:, 0]
    found = SkyCoord(part.ra_rad, part.dec_rad, unit="rad")[np.argsort(-flux_jy)[:2]]
    # One two cells to the east, one three to the north, in direction cosines.
    east, north = np.arcsin(np.array([2, 3]) * samples.BOX_MPC / 9 / distance_mpc[3])
    frame = SkyCoord(*samples.CENTRE_RAD, unit="rad").skyoffset_frame()
    expected = SkyCoord([east, 0], [0, north], unit="rad", frame=frame).icrs
    assert min(found.separation(expected).max(), found[::-1].separation(expected).max()) < 1e-9 * units.rad
    assert part.ra_rad[np.argmax(part.ra_rad)] > samples.CENTRE_RAD[0]


def test_a_wave_keeps_its_comoving_length(tmp_path):
    # A wave along all three axes, 12 cells long across and 20 along, seen nearer than the distance the grid is made
    # for: the same pixels then lie on other cells.
    n_cells, n_slices = 24, 60
    x, y, slices = np.ogrid[:n_cells, :n_cells, :n_slices]
    wave = np.cos(2 * np.pi * (x + y) / 12 + 2 * np.pi * slices / 20 + 0.4)
    distance_mpc = samples.write(tmp_path / "lc.h5", wave, samples.BOX_MPC)
    part, _ = samples.load(
        tmp_path / "lc.h5", samples.band(distance_mpc[1], distance_mpc[-2]), centre={"ra": "3h", "dec": "-30d"}
    )
    cell_mpc = samples.BOX_MPC / n_cells
    # A fraction s between samples the kernel gives Taylor's series to its second term; of the third derivative it is
    # off by s (1 - s) (1 - 2 s) / 6 < 1 / 62, of the fourth by (5 s^2 - 6 s^3 + s^4) / 24 < 1 / 37.
    across, along = 2 * np.pi / 12, 2 * np.pi / 20
    bound = 2 * (across**3 / 62 + across**4 / 37) + along**3 / 62 + along**4 / 37
    for away_mpc in (distance_mpc[3] + 1.3, distance_mpc[30] + 0.7):
        offset = SkyCoord(part.ra_rad, part.dec_rad, unit="rad").transform_to(SkyCoord("3h", "-30d").skyoffset_frame())
        east = np.cos(offset.lat.rad) * np.sin(offset.lon.rad) * away_mpc / cell_mpc + n_cells // 2
        north = np.sin(offset.lat.rad) * away_mpc / cell_mpc + n_cells // 2
        expected = np.cos(across * (east + north) + along * (away_mpc - distance_mpc[0]) / cell_mpc + 0.4)
        frequency_hz = samples.frequency_of(away_mpc)
        found = part.temperature_k(frequency_hz).ravel() * 1e3
        assert np.abs(found - expected).max() < bound < 0.02


def test_the_file_that_21cmfast_wrote():
    known = json.loads((DATA / "21cmfast_lightcone.json").read_text())
    frequencies = samples.LINE_HZ / (1 + np.array(known["redshifts"]))
    width_hz = 1e3
    observed = Observed(
        samples.CENTRE_RAD, frequencies[-1] + width_hz, width_hz, int(np.ptp(frequencies) / width_hz) - 2
    )
    part, _ = samples.load(DATA / "21cmfast_lightcone.h5", observed)
    with h5py.File(DATA / "21cmfast_lightcone.h5") as file:
        cube = file["lightcones/brightness_temp"][()]
    assert cube.mean() == pytest.approx(known["mean_mk"])
    assert cube.std() == pytest.approx(known["std_mk"])
    # The pixel on the centre is on cell 4 at all distances. 21cmFAST solved for redshifts to 1e-9 of a distance, 1e-5
    # Mpc, or 2.5e-6 of a slice, between slices that differ by their gradient.
    assert part.file.distance_mpc[0] == pytest.approx(9132.10051596)
    gradient = 2 * np.abs(np.diff(cube[4, 4])).max()
    for index in range(1, 11):
        found = part.temperature_k(frequencies[index])[4, 4]
        assert found == pytest.approx(1e-3 * cube[4, 4, index], abs=1e-3 * 2.5e-6 * gradient)


def test_flux_is_brightness_over_the_field(tmp_path):
    # An even sky of 20 mK: its flux density is that of the solid angle, the integral of 1 / n over the square.
    distance_mpc = samples.write(tmp_path / "lc.h5", np.full((9, 9, 6), 20.0), 900.0)
    part, _ = samples.load(tmp_path / "lc.h5", samples.band(distance_mpc[1], distance_mpc[4]))
    frequency_hz = samples.frequency_of(distance_mpc[2])
    side = 9 * part.cell_rad
    n_fine = 400
    edges = (np.arange(n_fine) + 0.5) / n_fine * side - side / 2
    l, m = np.meshgrid(edges, edges)  # noqa: E741
    solid_angle_sr = (1 / np.sqrt(1 - l**2 - m**2)).mean() * side**2
    # Of nine cells: a middle's error is a twelfth of the second derivative, cell^2 / 12.
    expected = 0.020 * per_kelvin(frequency_hz, solid_angle_sr)
    assert part.stokes_at(frequency_hz)[:, 0].sum() == pytest.approx(expected, rel=part.cell_rad**2)


def test_a_mean_that_is_removed(tmp_path):
    cube = samples.noise()
    distance_mpc = samples.write(tmp_path / "lc.h5", cube, samples.BOX_MPC)
    observed = samples.band(distance_mpc[2], distance_mpc[11])
    kept, _ = samples.load(tmp_path / "lc.h5", observed)
    removed, _ = samples.load(tmp_path / "lc.h5", observed, mean="remove")
    frequency_hz = samples.frequency_of(distance_mpc[6])
    difference = kept.temperature_k(frequency_hz) - removed.temperature_k(frequency_hz)
    np.testing.assert_allclose(difference, 1e-3 * cube[:, :, 6].mean(dtype=np.float64), rtol=1e-6)


def test_tiles(tmp_path):
    cube = samples.noise()
    distance_mpc = samples.write(tmp_path / "lc.h5", cube, samples.BOX_MPC)
    observed = samples.band(distance_mpc[2], distance_mpc[11])
    with pytest.raises(ConfigError, match=r"the field is .* deg across, and the box .* set 'tile: true'"):
        samples.load(tmp_path / "lc.h5", observed, size=10)
    part, _ = samples.load(tmp_path / "lc.h5", observed, size=27, tile=True)
    found = part.temperature_k(samples.frequency_of(distance_mpc[11]))
    # Pixel 13 lies on the centre, as does cell 4.
    np.testing.assert_allclose(found, 1e-3 * np.tile(cube[:, :, 11].T, (3, 3)), atol=3e-7)


@pytest.mark.parametrize(("unit", "factor"), [("mK", 1.0), (b"mK", 1.0), ("K", 1e3), (None, 1.0)])
def test_units(tmp_path, unit, factor):
    distance_mpc = samples.write(tmp_path / "lc.h5", np.full((5, 5, 4), 7.0), samples.BOX_MPC, unit=unit)
    part, _ = samples.load(tmp_path / "lc.h5", samples.band(distance_mpc[1], distance_mpc[2]))
    np.testing.assert_allclose(part.temperature_k(samples.frequency_of(distance_mpc[1] + 3)), 7e-3 * factor)


def break_chunks(path, kept):
    """Overwrite every slice but some; their checksums then make HDF5 refuse to read them."""
    with h5py.File(path) as file:
        dataset = file["lightcones/brightness_temp"]
        places = [dataset.id.get_chunk_info(index) for index in range(dataset.id.get_num_chunks())]
    with path.open("r+b") as stream:
        for place in places:
            if place.chunk_offset[2] not in kept:
                stream.seek(place.byte_offset)
                stream.write(b"\xa5" * 16)


def test_no_slice_is_read_but_those_needed(tmp_path):
    path = tmp_path / "lc.h5"
    distance_mpc = samples.write(path, samples.noise(n_slices=40), samples.BOX_MPC, chunks=(9, 9, 1))
    observed = samples.band(distance_mpc[2], distance_mpc[37])
    frequency_hz = samples.frequency_of(distance_mpc[20] + 3.0)
    expected = samples.load(path, observed)[0].stokes_at(frequency_hz)
    break_chunks(path, kept=(19, 20, 21, 22))
    part, _ = samples.load(path, observed)
    np.testing.assert_array_equal(part.stokes_at(frequency_hz), expected)
    with pytest.raises(OSError, match="read"):
        part.stokes_at(samples.frequency_of(distance_mpc[21] + 3.0))


def test_a_rank_gets_no_slices_but_reads_them(tmp_path):
    distance_mpc = samples.write(tmp_path / "lc.h5", samples.noise(), samples.BOX_MPC)
    part, _ = samples.load(tmp_path / "lc.h5", samples.band(distance_mpc[2], distance_mpc[11]))
    before = len(pickle.dumps(part))
    frequency_hz = samples.frequency_of(distance_mpc[6] + 1)
    expected = part.stokes_at(frequency_hz)
    travelled = pickle.dumps(part)
    # A slice is 648 bytes.
    assert abs(len(travelled) - before) < 600
    np.testing.assert_array_equal(pickle.loads(travelled).stokes_at(frequency_hz), expected)


def test_slices_beyond_the_buffers(tmp_path):
    distance_mpc = samples.write(tmp_path / "lc.h5", samples.noise(), samples.BOX_MPC)
    with h5py.File(tmp_path / "lc.h5", "r+") as file:
        file.attrs.update({"lowz_buffer_pixels": 3, "highz_buffer_pixels": 2})
        cube = file["lightcones/brightness_temp"][()]
    part, _ = samples.load(tmp_path / "lc.h5", samples.band(distance_mpc[3], distance_mpc[11]))
    found = part.temperature_k(samples.frequency_of(distance_mpc[11]))
    np.testing.assert_allclose(found, 1e-3 * cube[:, :, 11].T, atol=3e-7)
    with pytest.raises(ConfigError, match=r"the slices cover"):
        samples.load(tmp_path / "lc.h5", samples.band(distance_mpc[2], distance_mpc[11]))


def test_a_parabola_along_the_line_of_sight(tmp_path):
    # Cubic convolution is exact for it, up to both ends, where it lacks a sample.
    slices = np.arange(7.0)
    distance_mpc = samples.write(tmp_path / "lc.h5", np.tile(3 - slices + 0.5 * slices**2, (5, 5, 1)), samples.BOX_MPC)
    part, _ = samples.load(tmp_path / "lc.h5", samples.band(distance_mpc[0], distance_mpc[6]))
    for position in (0.0, 0.3, 2.6, 5.4, 6.0):
        expected = 3 - position + 0.5 * position**2
        found = part.temperature_k(samples.frequency_of(distance_mpc[0] + position * samples.BOX_MPC / 5)) * 1e3
        np.testing.assert_allclose(found, expected, rtol=1e-5)
