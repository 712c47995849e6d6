"""Tapers, uv ranges and choices of stations against direct Fourier sums."""

import math
import re

import numpy as np
import oracle
import pytest
from test_image import CELL, check_against_direct_sum, density_by_dictionary, make_band

from pipeline.config.image import ImageConfig, UVDistance
from pipeline.errors import ConfigError
from pipeline.products.image import image_band
from pipeline.products.make import image_config
from pipeline.products.samples import wanted_baselines
from pipeline.products.settings import ImageSettings

METRES, WAVELENGTHS = False, True


@pytest.mark.parametrize("weight", ["natural", "uniform", "briggs"])
def test_a_taper_multiplies_the_imaging_weights_by_a_gaussian_s_transform(weight):
    fwhm = 2.7 * CELL
    band = make_band(extent_m=500.0)
    samples = oracle.flatten(band)
    uvw, natural, _ = samples
    settings = ImageSettings(size=49, cell_rad=CELL, weight=weight, robust=0.3, taper_rad=fwhm, stokes="IQUV")
    image = image_band(band.open, settings)
    cells, density = density_by_dictionary(uvw, natural, 49)
    weights = natural.copy()
    if weight == "uniform":
        weights /= density
    if weight == "briggs":
        weights /= 1 + density * (5 * 10**-0.3) ** 2 / (sum(d * d for d in cells.values()) / (2 * natural.sum()))
    # The transform of a Gaussian of unit integral, by numbers.
    x = np.linspace(-6 * fwhm, 6 * fwhm, 4001)
    profile = 2.0 ** (-((2 * x / fwhm) ** 2))
    q = np.hypot(uvw[:, 0], uvw[:, 1])
    table = np.linspace(0, q.max(), 3000)
    transform = (np.cos(2 * np.pi * np.outer(table, x)) @ profile) / profile.sum()
    check_against_direct_sum(image, settings, samples, weights * np.interp(q, table, transform))


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ((90.0, WAVELENGTHS), (260.0, WAVELENGTHS)),
        ((180.0, METRES), None),
        (None, (300.0, METRES)),
        ((200.0, METRES), (250.0, WAVELENGTHS)),
    ],
)
@pytest.mark.parametrize("weight", ["natural", "uniform"])
def test_the_uv_range_is_in_metres_or_in_wavelengths_of_every_channel(low, high, weight):
    band = make_band(extent_m=500.0)
    samples = oracle.flatten(band)
    uvw, natural, _ = samples
    channel_hz = np.concatenate([np.full(36, f) for _ in range(5) for f in band.header.channel_hz])
    distance = np.hypot(uvw[:, 0], uvw[:, 1])
    inside = np.ones(len(uvw), bool)
    for limit, sign in ((low, 1), (high, -1)):
        if limit is not None:
            measured = distance if limit[1] else distance * oracle.C / channel_hz
            inside &= sign * measured >= sign * limit[0]
    assert 0.1 < inside.mean() < 0.9
    ends = (None if limit is None else UVDistance(*limit) for limit in (low, high))
    settings = ImageSettings(
        size=40, cell_rad=CELL, weight=weight, **dict(zip(("uv_min", "uv_max"), ends, strict=True))
    )
    image = image_band(band.open, settings)
    used = natural * inside
    if weight == "uniform":
        used = used / np.where(inside, density_by_dictionary(uvw, used, 40)[1], 1)
    check_against_direct_sum(image, settings, samples, used)
    assert image.fraction_left_out == 0
    assert image.sum_weights == pytest.approx(used.sum(), rel=1e-12)


def test_stations_are_chosen_by_name_and_pattern():
    header = make_band().header
    header.station_names = ("core-1", "core-2", "core-10", "arm-1", "arm-2", "far", "core-3", "x", "y")

    def pairs(**choice):
        rule = wanted_baselines(ImageSettings(size=8, cell_rad=CELL, **choice))
        return {tuple(pair) for pair in header.baselines[rule(header)].tolist()}

    assert wanted_baselines(ImageSettings(size=8, cell_rad=CELL)) is None
    assert pairs(stations=("core-?", "far")) == {(0, 1), (0, 5), (0, 6), (1, 5), (1, 6), (5, 6)}
    everything = {tuple(pair) for pair in header.baselines.tolist()}
    assert pairs(without_stations=("x", "y", "arm*")) == {p for p in everything if not {3, 4, 7, 8} & set(p)}
    assert pairs(stations=("arm*", "x"), without_stations=("arm-2",)) == {(3, 7)}
    with pytest.raises(ConfigError, match=r"image.stations: 'Core' fits no station; there are 9, 'core-1' to 'y'"):
        pairs(stations=("Core",))
    with pytest.raises(ConfigError, match=r"image.without_stations: 'z\*' fits no station"):
        pairs(without_stations=("z*",))


def test_the_command_line_wins_and_what_it_leaves_out_stays():
    stored = ImageConfig.model_validate(
        {"size": 100, "cell": "10 arcsec", "uv_range": {"min": "30 m", "max": "2 klambda"}, "stations": ["a*"]}
    ).model_dump(mode="json")
    found = image_config(stored, {"size": 7, "uv_range": {"min": "0.5 km"}, "taper": "2 arcmin"})
    assert (found.size, found.stations) == (7, ("a*",))
    assert found.cell_rad == pytest.approx(math.radians(10 / 3600), rel=1e-15)
    assert (found.uv_range.min, found.uv_range.max) == (UVDistance(500.0, METRES), UVDistance(2000.0, WAVELENGTHS))
    assert found.taper_rad == pytest.approx(math.radians(2 / 60), rel=1e-15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "10"}, "image.cell: '10' has no unit"),
        ({"taper": "0 deg"}, "image.taper: 0 must be above zero"),
        ({"uv_range": {"min": "5"}}, "image.uv_range.min: '5' has no unit; a length needs one, such as '5 m'"),
        ({"uv_range": {"min": "x lambda"}}, "image.uv_range.min"),
        ({"uv_range": {"min": "-3 lambda"}}, "must not be below zero, and finite"),
        ({"uv_range": {"min": "5 m", "max": "2 m"}}, "image.uv_range: max (2.0 m) is below min (5.0 m)"),
        ({"uv_range": {"max": "5 furlong"}}, "'furlong' is not a unit of length"),
        ({"stokes": "QI"}, "image.stokes: 'QI' cannot be imaged"),
        ({"robust": 3}, "image.robust"),
        ({"primary_beam_cut": 1.0}, "image.primary_beam_cut"),
        ({"memory": "0 GB"}, "image.memory: 0 must be above zero"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        image_config({}, options)
