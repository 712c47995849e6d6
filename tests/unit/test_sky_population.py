"""The synthetic population against integrals of the published counts, and against another published fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.config.sources import PopulationEntry
from pipeline.observation.skies.base import Observed
from pipeline.observation.skies.population import counts_per_jy_sr, from_config
from pipeline.observation.sky import load_sky

OBSERVED = Observed((math.radians(350), math.radians(-27)), 150e6, 5425.347, 144)


def population(**more):
    config = {"seed": 5, "flux": {"min": "100 mJy", "max": "10 Jy"}, "radius": "20 deg", **more}
    return from_config(PopulationEntry.model_validate({"population": config}), OBSERVED)


def published(low, high, step=1e-4):
    """Integrate eq. 11 of Franzen et al. (2019) by the midpoint rule in log10 S; sources per sr."""
    edges = np.linspace(math.log10(low), math.log10(high), math.ceil(math.log10(high / low) / step))
    x = (edges[1:] + edges[:-1]) / 2
    euclidean = 3.52 + x * (0.307 + x * (-0.388 + x * (-0.0404 + x * (0.0351 + x * 0.006))))
    return float(np.sum(10 ** (euclidean - 1.5 * x)) * math.log(10) * (edges[1] - edges[0]))


def cap_sr(radius_deg):
    return 2 * math.pi * (1 - math.cos(math.radians(radius_deg)))


def test_number_is_the_integral_of_the_counts():
    for radius, low, high in ((20, "100 mJy", "10 Jy"), (180, "2 Jy", "75 Jy"), (3, "1 mJy", "3 mJy")):
        sky = population(radius=f"{radius} deg", flux={"min": low, "max": high}, number="expected")
        bounds = [float(text.split()[0]) * (1e-3 if "mJy" in text else 1) for text in (low, high)]
        assert abs(sky.n_sources - cap_sr(radius) * published(*bounds)) <= 0.51


def test_poisson_numbers_scatter_as_they_must():
    expected = cap_sr(5) * published(0.3, 10)
    numbers = [
        population(seed=seed, radius="5 deg", flux={"min": "0.3 Jy", "max": "10 Jy"}).n_sources for seed in range(60)
    ]
    # Mean and variance of 60 draws, within five standard errors.
    assert abs(np.mean(numbers) - expected) < 5 * math.sqrt(expected / 60)
    assert abs(np.var(numbers) / expected - 1) < 5 * math.sqrt(2 / 60)


def test_flux_densities_follow_the_counts():
    sky = population(radius="60 deg", flux={"min": "20 mJy", "max": "75 Jy"})
    flux = sky.stokes_jy[:, 0]
    edges = [0.02, 0.03, 0.06, 0.15, 0.5, 2, 10, 75]
    counted, _ = np.histogram(flux, edges)
    assert counted.sum() == sky.n_sources > 100_000
    for number, low, high in zip(counted, edges[:-1], edges[1:], strict=True):
        expected = cap_sr(60) * published(low, high)
        assert abs(number - expected) < 5 * math.sqrt(expected)


def test_counts_are_those_of_another_survey():
    """n(S) = 6998 S^-1.54 between 6 and 400 mJy at 154 MHz (Franzen et al. 2016, MNRAS 459, 3314), to a third."""
    flux = np.geomspace(0.01, 0.39, 9)
    np.testing.assert_allclose(counts_per_jy_sr(flux), 6998 * flux**-1.54, rtol=0.33)
    np.testing.assert_allclose(counts_per_jy_sr(np.array([0.1])), 6998 * 0.1**-1.54, rtol=0.05)


@pytest.mark.parametrize("centre", [None, {"ra": "77 deg", "dec": "90 deg"}, {"ra": "0 deg", "dec": "33 deg"}])
def test_places_are_even_on_the_cap(centre):
    coordinates = pytest.importorskip("astropy.coordinates")
    sky = population(flux={"min": "30 mJy", "max": "75 Jy"}, **({"centre": centre} if centre else {}))
    middle = [350, -27] if centre is None else [float(centre[key].split()[0]) for key in ("ra", "dec")]
    places = coordinates.SkyCoord(sky.ra_rad, sky.dec_rad, unit="rad")
    middle = coordinates.SkyCoord(*middle, unit="deg")
    off, angle = places.separation(middle).deg, middle.position_angle(places).rad
    n = sky.n_sources
    assert n > 10_000
    assert off.max() <= 20 * (1 + 1e-12)
    for radius in (2, 7, 15):
        share = cap_sr(radius) / cap_sr(20)
        assert abs((off < radius).sum() - n * share) < 5 * math.sqrt(n * share * (1 - share))
    assert abs(np.exp(1j * angle).sum()) < 5 * math.sqrt(n)
    assert abs(np.exp(2j * angle).sum()) < 5 * math.sqrt(n)
    assert (sky.ra_rad >= 0).all()
    assert (sky.ra_rad < 2 * np.pi).all()


def test_the_whole_sky():
    sky = population(radius="180 deg", flux={"min": "1 Jy", "max": "75 Jy"})
    unit = np.stack(
        [np.cos(sky.dec_rad) * np.cos(sky.ra_rad), np.cos(sky.dec_rad) * np.sin(sky.ra_rad), np.sin(sky.dec_rad)]
    )
    # Every component of a unit vector has the variance 1/3.
    assert (np.abs(unit.sum(axis=1)) < 5 * math.sqrt(sky.n_sources / 3)).all()


def test_spectra():
    sky = population(spectral_index={"mean": -0.7, "scatter": 0.1})
    n = sky.n_sources
    assert abs(sky.spectral_index.mean() + 0.7) < 5 * 0.1 / math.sqrt(n)
    assert abs(sky.spectral_index.std() / 0.1 - 1) < 5 / math.sqrt(2 * n)
    np.testing.assert_array_equal(sky.stokes_at(154e6), sky.stokes_jy)
    flat = population(spectral_index={"mean": 0, "scatter": 0})
    np.testing.assert_array_equal(flat.stokes_at(300e6), flat.stokes_jy)
    assert sky.is_unpolarised
    assert sky.shape_rad is None


def test_a_seed_is_a_sky():
    first, again, other = population(), population(), population(seed=6)
    for name in ("ra_rad", "dec_rad", "stokes_jy", "spectral_index"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.n_sources != other.n_sources or (first.ra_rad != other.ra_rad).all()
    # Quantities are drawn apart: another distribution of indices leaves the rest as it was.
    np.testing.assert_array_equal(population(spectral_index={"mean": 0}).stokes_jy, first.stokes_jy)
    # Streams of neighbouring seeds and of the quantities have nothing in common.
    assert abs(np.corrcoef(first.stokes_jy[:50, 0], other.stokes_jy[:50, 0])[0, 1]) < 0.6
    assert abs(np.corrcoef(np.argsort(np.argsort(first.stokes_jy[:, 0])), first.ra_rad)[0, 1]) < 5 / math.sqrt(
        first.n_sources
    )


def test_an_entry_of_the_sky():
    entry = PopulationEntry.model_validate(
        {"population": {"seed": 1, "flux": {"min": "1 Jy", "max": "5 Jy"}, "radius": "10 deg"}}
    )
    sky, notes = load_sky([entry], OBSERVED)
    assert notes == []
    assert sky.n_sources > 0
    assert sky.label(0) == "population-1"
    assert PopulationEntry.model_validate(entry.model_dump(mode="json")) == entry


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"flux": {"min": "0.5 mJy", "max": "1 Jy"}}, "known from 1 mJy to 75 Jy at 154 MHz: choose min below max"),
        ({"flux": {"min": "1 Jy", "max": "100 Jy"}}, "known from 1 mJy to 75 Jy"),
        ({"flux": {"min": "2 Jy", "max": "1 Jy"}}, "choose min below max"),
        ({"radius": "200 deg"}, "ends at 180 deg, the whole sky"),
        ({"radius": "0 deg"}, "must be above zero"),
        ({"spectral_index": {"scatter": -1}}, "must not be below zero"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"centre": {"ra": "0d", "dec": "91d"}}, "a declination lies between"),
    ],
)
def test_bad_populations(more, message):
    with pytest.raises(ValidationError, match=message):
        population(**more)
