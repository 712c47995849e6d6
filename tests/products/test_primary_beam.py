"""The primary beam against formulas and sums written out here, with directions from astropy."""

import math

import datasets
import numpy as np
import oracle
import pytest
import yaml
from astropy import units
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.io import fits
from astropy.time import Time
from astropy.utils import iers

from pipeline.errors import ConfigError
from pipeline.products.beam_grid import BeamGrid
from pipeline.products.cube import image_dataset
from pipeline.products.cubeset import corrected_path, primary_beam_path
from pipeline.products.image import image_band
from pipeline.products.primary_beam import PrimaryBeam
from pipeline.products.settings import ImageSettings

CENTRE = (math.radians(38.0), math.radians(-20.0))
START = "2026-11-22T14:00:00"
LATITUDE_DEG, LONGITUDE_DEG, HEIGHT_M = -26.8, 116.7, 365.0
N_STATIONS, N_DUMPS = 7, 6


def observation(tmp_path, station, integration_s, n_stations=N_STATIONS):
    """Write the array's file, and return the sections that the primary beam needs."""
    rng = np.random.default_rng(4)
    array = tmp_path / "array.txt"
    np.savetxt(array, rng.uniform(-300, 300, (n_stations, 3)) * [1, 1, 0.01])
    location = {"longitude": f"{LONGITUDE_DEG} deg", "latitude": f"{LATITUDE_DEG} deg", "height": f"{HEIGHT_M} m"}
    return {
        "telescope": {"array": str(array), "location": location, "station": station},
        "phase_centre": {"ra": f"{CENTRE[0]!r} rad", "dec": f"{CENTRE[1]!r} rad"},
        "time": {"start": START, "integration": f"{integration_s} s", "dumps": N_DUMPS},
    }


def pixels(settings):
    """Return l and m of all pixels (y, x), and their coordinates."""
    along_x, along_y = oracle.pixel_directions(settings.size, settings.cell_rad)
    l_east, m_north = np.meshgrid(along_x, along_y)
    centre = SkyCoord(*CENTRE, unit="rad", frame="icrs")
    angle = np.arctan2(l_east, m_north) * units.rad
    return l_east, m_north, centre.directional_offset_by(angle, np.arcsin(np.hypot(l_east, m_north)) * units.rad)


def enu(places, elapsed_s):
    """Return apparent unit vectors east, north, up of places, by astropy."""
    site = EarthLocation.from_geodetic(LONGITUDE_DEG * units.deg, LATITUDE_DEG * units.deg, HEIGHT_M * units.m)
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        seen = places.transform_to(AltAz(obstime=Time(START, scale="utc") + elapsed_s * units.s, location=site))
    east, north = np.cos(seen.alt) * np.sin(seen.az), np.cos(seen.alt) * np.cos(seen.az)
    return np.stack([east.value, north.value, np.sin(seen.alt).value], axis=-1)


def band_of(extent_m, integration_s, seed=1):
    """Return a band whose weights differ among dumps and baselines; one dump has none."""
    rng = np.random.default_rng(seed)
    band = oracle.random_band(rng, N_STATIONS, extent_m, [150e6, 150.2e6], N_DUMPS, [(0, 0, 1, 0, 0, 0)])
    band.header.integration_s = integration_s
    band.header.station_names = tuple(f"s{i}" for i in range(N_STATIONS))
    for block in band.blocks:
        for time, dump in enumerate(block.dump):
            block.weight[time] *= (3, 1, 0, 9, 0.5, 4)[dump]
    return band


def test_a_source_times_its_beam_comes_out_at_its_flux_density(tmp_path):
    fwhm, reference_hz, hz = 9.0, 140e6, (150e6, 160e6)
    station = {"type": "gaussian", "fwhm": f"{fwhm} deg", "reference": "140 MHz"}
    cell = math.radians(0.1)
    east, north = 28, 11  # pixels: the source lies on one
    offset_rad = math.asin(math.hypot(east, north) * cell)
    angle = math.atan2(east, north) * units.rad
    place = SkyCoord(*CENTRE, unit="rad").directional_offset_by(angle, offset_rad * units.rad)
    flux = 2.5
    attenuated = []
    for frequency in hz:
        power = 2 ** -((math.degrees(offset_rad) / (fwhm * reference_hz / frequency / 2)) ** 2)
        attenuated.append([(place.ra.rad, place.dec.rad, flux * power, 0, 0, 0)])
    whole = observation(tmp_path, station, 2, datasets.N_STATIONS) | {"name": "one source"}
    # Each band has its own flux density: two datasets of one band, a band each.
    for band, sources in enumerate(attenuated):
        path = datasets.make(tmp_path / f"{band}.dawn", CENTRE, sources, hz[band : band + 1], 300.0, whole)
        settings = ImageSettings(size=101, cell_rad=cell, primary_beam_cut=0.2, stokes="IV")
        report = image_dataset(path, tmp_path / f"{band}.fits", settings)
        assert report.primary_beam == primary_beam_path(tmp_path / f"{band}.fits")
        beam, corrected = fits.getdata(report.primary_beam)[0, 0], fits.getdata(corrected_path(report.image))
        dirty = fits.getdata(report.image)
        l_east, m_north, _ = pixels(settings)
        theta = np.degrees(np.arcsin(np.hypot(l_east, m_north)))
        expected = 2 ** -((theta / (fwhm * reference_hz / hz[band] / 2)) ** 2)
        np.testing.assert_allclose(beam, expected, atol=2e-4)
        y, x = np.unravel_index(np.argmax(dirty[0, 0]), (101, 101))
        assert (x, y) == (50 - east, 50 + north)
        assert dirty[0, 0, y, x] == pytest.approx(flux * beam[y, x], rel=3e-4)
        assert corrected[0, 0, y, x] == pytest.approx(flux, rel=3e-4)
        seen = beam >= 0.2 * beam.max()
        assert 0.05 < seen.mean() < 0.99
        np.testing.assert_array_equal(np.isfinite(corrected[:, 0]), np.stack([seen, seen]))
        np.testing.assert_allclose(corrected[:, 0][:, seen], dirty[:, 0][:, seen] / beam[seen], rtol=1e-6)
        header = fits.getheader(report.corrected)
        assert (header["PBCUT"], header["CONTENT"], header["BUNIT"]) == (0.2, "corrected", "Jy/beam")
        header = fits.getheader(report.primary_beam)
        assert (header["BTYPE"], header["BUNIT"]) == ("PrimaryBeam", "")


@pytest.mark.parametrize("integration_s", [2.0, 900.0])
def test_dipoles_see_half_of_one_plus_cosine_squared(tmp_path, integration_s):
    beam = PrimaryBeam.of_observation(observation(tmp_path, "dipole", integration_s), tmp_path)
    settings = ImageSettings(size=48, cell_rad=math.radians(1.5), primary_beam_cut=0.1)
    band = band_of(2.0, integration_s)
    image = image_band(band.open, settings, primary_beam=beam)
    _, _, places = pixels(settings)
    expected, total = 0, 0
    for block in band.blocks:
        for time, dump in enumerate(block.dump):
            up = enu(places, (dump + 0.5) * integration_s)[..., 2]
            weight = block.weight[time].sum()
            # |X's answer|^2 is 1 - (d_X . s)^2 summed over the two fields across s; Y's alike; below is nothing.
            expected = expected + weight * np.where(up > 0, (1 + up**2) / 2, 0)
            total += weight
    np.testing.assert_allclose(image.primary_beam, expected / total, atol=1e-3)
    assert 0.2 < image.primary_beam.max() < 1


@pytest.mark.parametrize("weight", ["natural", "uniform"])
def test_stations_that_differ_count_with_the_weights_of_their_baselines(tmp_path, weight):
    layouts = np.random.default_rng(8).uniform(-6, 6, (N_STATIONS, 5, 2))
    for number, layout in enumerate(layouts):
        folder = tmp_path / "stations" / f"station{number:03}"
        folder.mkdir(parents=True)
        np.savetxt(folder / "layout.txt", layout, delimiter=",")
    station = {"type": "aperture-array", "layout": str(tmp_path / "stations")}
    beam = PrimaryBeam.of_observation(observation(tmp_path, station, 600.0), tmp_path)
    settings = ImageSettings(size=45, cell_rad=math.radians(0.6), weight=weight, primary_beam_cut=0.1)
    band = band_of(80.0, 600.0)
    image = image_band(band.open, settings, primary_beam=beam)
    assert image.fraction_left_out == 0
    _, _, places = pixels(settings)
    hz = 150.1e6  # the middle of the band
    uvw, natural, _ = oracle.flatten(band)
    weights = imaging_weights(uvw, natural, settings).reshape(N_DUMPS, 2, -1).sum(axis=1)
    expected = 0
    for dump in range(N_DUMPS):
        # The weight of the third dump is zero, and so is its part.
        elapsed = (dump + 0.5) * 600
        difference = enu(places, elapsed) - enu(SkyCoord(*CENTRE, unit="rad"), elapsed)
        phase = 2j * np.pi * hz / oracle.C * (difference[..., :2] @ layouts.transpose(0, 2, 1)[:, None])
        answers = np.exp(phase).mean(axis=-1)
        for (p, q), w in zip(band.header.baselines, weights[dump], strict=True):
            expected = expected + w * (answers[p] * answers[q].conj()).real
    expected /= weights.sum()
    np.testing.assert_allclose(image.primary_beam, expected, atol=1e-3)
    assert image.primary_beam.min() < -0.01  # stations that differ turn some of the sky over


def imaging_weights(uvw, natural, settings):
    if settings.weight == "natural":
        return natural
    keys = [tuple(key) for key in np.rint(uvw[:, :2] * settings.size * settings.cell_rad).astype(int)]
    cells = {}
    for (u, v), w in zip(keys, natural, strict=True):
        cells[u, v] = cells.get((u, v), 0) + w
        cells[-u, -v] = cells.get((-u, -v), 0) + w
    return np.array([w and w / cells[key] for key, w in zip(keys, natural, strict=True)])


def test_isotropic_stations_leave_everything_that_is_up(tmp_path):
    beam = PrimaryBeam.of_observation(observation(tmp_path, "isotropic", 2.0), tmp_path)
    settings = ImageSettings(size=20, cell_rad=math.radians(1), primary_beam_cut=0.1)
    image = image_band(band_of(20.0, 2.0).open, settings, primary_beam=beam)
    np.testing.assert_allclose(image.primary_beam, 1, rtol=1e-12)


@pytest.mark.parametrize("size", [5, 9, 40, 41])
def test_a_grid_is_as_fine_as_the_function_needs(size):
    cell = 0.5 / size
    along_x, along_y = oracle.pixel_directions(size, cell)
    for scale in (1.0, 40.0, 4000.0):

        def power(l_east, m_north, scale=scale):
            return np.cos(scale * l_east + 0.3) + 2 * np.sin(scale * m_north)

        grid = BeamGrid.fine_enough(power, size, cell)
        grid.add(power)
        grid.add(power)
        expected = 2 * power(along_x[None, :], along_y[:, None])
        np.testing.assert_allclose(grid.image(), expected, atol=3e-4 * np.abs(expected).max())


def test_what_the_observation_named_must_still_be_there(tmp_path):
    sections = observation(tmp_path, "isotropic", 2.0)
    (tmp_path / "array.txt").unlink()
    with pytest.raises(ConfigError, match=r"array.txt"):
        PrimaryBeam.of_observation(sections, tmp_path)
    np.savetxt(tmp_path / "array.txt", np.random.default_rng(1).uniform(-9, 9, (N_STATIONS + 1, 3)))
    beam = PrimaryBeam.of_observation(sections, tmp_path)
    with pytest.raises(ConfigError, match="8 stations now, 7 when the dataset was made"):
        image_band(band_of(20.0, 2.0).open, ImageSettings(size=8, primary_beam_cut=0.1), primary_beam=beam)
    with pytest.raises(ConfigError, match="no section 'time'"):
        PrimaryBeam.of_observation({name: sections[name] for name in ("telescope", "phase_centre")}, tmp_path)
    sections["telescope"]["station"] = {"type": "uvbeam", "file": str(tmp_path / "gone.beamfits")}
    with pytest.raises(ConfigError, match=r"gone.beamfits.*the primary beam needs the files"):
        PrimaryBeam.of_observation(yaml.safe_load(yaml.safe_dump(sections)), tmp_path)
