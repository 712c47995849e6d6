"""Spectra, rotation measures and shapes against formulas worked out here, polynomials, and scipy's splines."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from pipeline.config.sources import SourcesEntry
from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Observed
from pipeline.observation.skies.components import Components, check_components, from_config
from pipeline.observation.skies.spectra import Table, interpolation_weights
from pipeline.observation.sky import load_sky

C_M_S = 299792458.0


def one(**more) -> Components:
    """Make a sky of one source; `more` are keys of the configuration."""
    source = {"name": "A", "ra": "1d", "dec": "-2d", "i": "2 Jy", "reference": "100 MHz", **more}
    return from_config(SourcesEntry.model_validate({"sources": [source]}), 0)


def sky(n: int, **more) -> Components:
    """Make a sky of `n` sources of 1 Jy at 100 MHz."""
    stokes = np.zeros((n, 4))
    stokes[:, 0] = 1
    arrays = {"ra_rad": np.zeros(n), "dec_rad": np.zeros(n), "stokes_jy": stokes, "reference_hz": np.full(n, 1e8)}
    return Components(names=list("ABCDEFG")[:n], **{**arrays, "spectral_index": np.zeros(n), **more})


def test_curvature_bends_the_logarithm():
    source = one(spectral_index=-0.7, curvature=0.3)
    expected = 2 * math.exp(-0.7 * math.log(2.5) + 0.3 * math.log(2.5) ** 2)
    np.testing.assert_allclose(source.stokes_at(250e6), [[expected, 0, 0, 0]], rtol=4e-16)


def test_terms_are_powers_of_the_natural_logarithm():
    x = math.log(0.6)
    expected = 2 * math.exp(-0.8 * x + 0.2 * x**2 - 0.1 * x**3)
    np.testing.assert_allclose(one(spectral_index=[-0.8, 0.2, -0.1]).stokes_at(60e6)[0, 0], expected, rtol=1e-15)


def test_sources_with_different_numbers_of_terms():
    sources = [
        {"ra": "1d", "dec": "2d", "i": "1 Jy", "reference": "100 MHz", "spectral_index": index}
        for index in (-1, [0.5, 0.25], [0, 0, 1])
    ]
    got = from_config(SourcesEntry.model_validate({"sources": sources}), 0).stokes_at(200e6)[:, 0]
    x = math.log(2)
    np.testing.assert_allclose(got, [0.5, math.exp(0.5 * x + 0.25 * x**2), math.exp(x**3)], rtol=1e-15)


def test_ordinary_polynomial():
    stokes = np.array([[2, 0.2, 0, -0.1], [0, 0, 0, 0], [1, 0, 0, 0.5]])
    source = sky(
        3,
        stokes_jy=stokes,
        spectral_index=np.array([0.5, 0.5, -1]),
        higher_terms=np.array([[-0.25], [4.0], [0.0]]),
        is_ordinary=np.array([True, True, False]),
    )
    # y = 0.5: 2 + 0.25 - 0.0625 and 0.25 + 1; the third is a power law, 1.5**-1.
    expected = [[2.1875, 0.21875, 0, -0.109375], [1.25, 0, 0, 0], [2 / 3, 0, 0, 1 / 3]]
    np.testing.assert_allclose(source.stokes_at(150e6), expected, rtol=1e-15)


def test_coefficients_of_ordinary_polynomials_are_no_exponents():
    source = sky(1, spectral_index=np.array([1e5]), higher_terms=np.array([[-2e5]]), is_ordinary=np.array([True]))
    with np.errstate(all="raise"):
        assert source.stokes_at(150e6)[0, 0] == 1


def test_faraday_rotation_by_a_right_angle():
    """RM is chosen to turn the angle of polarisation by 45 deg between 100 and 75 MHz: Q becomes U."""
    quarter = (math.pi / 4) / ((C_M_S / 75e6) ** 2 - (C_M_S / 100e6) ** 2)
    source = one(q="0.5 Jy", v="0.1 Jy", spectral_index=-1, rotation_measure=f"{quarter!r} rad/m2")
    np.testing.assert_allclose(source.stokes_at(75e6) * 0.75, [[2, 0, 0.5, 0.1]], rtol=1e-14, atol=1e-15)
    # At the reference nothing turns; above it, the other way.
    np.testing.assert_allclose(source.stokes_at(100e6), [[2, 0.5, 0, 0.1]], rtol=1e-15)
    assert source.stokes_at(110e6)[0, 2] < 0


def test_faraday_rotation_of_many_turns():
    angle = 2 * 500 * ((C_M_S / 60e6) ** 2 - (C_M_S / 100e6) ** 2)
    got = one(q="0.3 Jy", u="-0.4 Jy", rotation_measure="500 rad/m2").stokes_at(60e6)[0]
    expected = [2, 0.3 * math.cos(angle) + 0.4 * math.sin(angle), 0.3 * math.sin(angle) - 0.4 * math.cos(angle), 0]
    # The angle is 16,000 rad: its rounding is what is left.
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("at_mhz", [100, 100.5, 131, 177.7, 200])
def test_interpolation_keeps_what_it_is_exact_for(at_mhz):
    """A straight line, a power law and a cubic polynomial come back, at frequencies that are not evenly spaced."""
    hz = np.array([100, 112, 130, 145, 170, 200]) * 1e6

    def at(values, kind):
        table = Table("here", None, hz, values[:, np.newaxis, np.newaxis], kind, is_unpolarised=True)
        return table.at(at_mhz * 1e6)[0, 0]

    x, x_at = hz / 1e8, at_mhz / 100
    assert at(3 - x, "linear") == pytest.approx(3 - x_at, rel=1e-14)
    assert at(2 * x**-0.8, "log") == pytest.approx(2 * x_at**-0.8, rel=1e-14)
    assert at(x**3 - 2 * x**2 + 0.5, "cubic") == pytest.approx(x_at**3 - 2 * x_at**2 + 0.5, rel=1e-12)


@pytest.mark.parametrize("kind", ["linear", "cubic"])
@pytest.mark.parametrize("count", [4, 5, 13])
def test_interpolation_is_that_of_scipy(kind, count):
    interpolate = pytest.importorskip("scipy.interpolate")
    rng = np.random.default_rng(count)
    hz = np.sort(rng.uniform(50e6, 350e6, count))
    values = rng.uniform(0.1, 5, count)
    reference = interpolate.interp1d(hz, values, kind=kind)
    for at in (*hz, *rng.uniform(hz[0], hz[-1], 7)):
        weights = interpolation_weights(hz, at, kind)
        assert weights.sum() == pytest.approx(1, rel=1e-12)
        assert weights @ values == pytest.approx(float(reference(at)), rel=1e-10)


def test_logarithmic_table_keeps_fractions():
    table = Table("here", None, np.array([1e8, 2e8]), np.array([[[1, 0.1, 0, 0]], [[4, 0.8, -2, 0]]]), "log", False)
    np.testing.assert_allclose(table.at(math.sqrt(2) * 1e8), [[2, 0.3, -0.5, 0]], rtol=1e-14, atol=1e-16)


def test_table_of_a_source_in_the_configuration():
    spectrum = {"frequencies": ["100 MHz", "140 MHz"], "i": ["1 Jy", "3 Jy"], "v": ["0 Jy", "200 mJy"]}
    sources = [
        {"ra": "1d", "dec": "2d", "i": "7 Jy"},
        {"name": "T", "ra": "3d", "dec": "4d", "spectrum": spectrum},
    ]
    part = from_config(SourcesEntry.model_validate({"sources": sources}), 0)
    assert not part.is_unpolarised
    np.testing.assert_allclose(part.stokes_at(110e6), [[7, 0, 0, 0], [1.5, 0, 0, 0.05]], rtol=1e-15)
    part.check_band(100e6, 140e6)
    with pytest.raises(ConfigError, match=r"row 1 \(T\): .*from 100 MHz to 140 MHz, .*reach from 99 MHz to 120 MHz"):
        part.check_band(99e6, 120e6)


def test_channels_outside_a_table_are_refused_on_loading():
    spectrum = {"frequencies": ["100 MHz", "140 MHz"], "i": ["1 Jy", "3 Jy"]}
    entry = SourcesEntry.model_validate({"sources": [{"ra": "1d", "dec": "2d", "spectrum": spectrum}]})
    with pytest.raises(ConfigError, match="nothing is extrapolated: choose channels inside"):
        load_sky([entry], Observed((0.0, 0.0), 139e6, 1e6, 3))


def test_table_of_one_frequency_serves_that_channel_alone():
    table = Table("here", None, np.array([1.5e8]), np.array([[[3.0]]]), "linear", is_unpolarised=True)
    assert table.at(1.5e8 + 0.5).tolist() == [[3.0]]
    with pytest.raises(ConfigError, match="nothing is extrapolated"):
        table.at(1.5e8 + 2)


def test_shapes_of_the_configuration():
    round_one = {"major": "60 arcsec", "minor": "60 arcsec"}
    sources = [
        {"ra": "1d", "dec": "2d", "i": "1 Jy"},
        {
            "ra": "1d",
            "dec": "2d",
            "i": "1 Jy",
            "shape": {**round_one, "minor": "0.5 arcmin", "position_angle": "-20 deg"},
        },
        {"ra": "1d", "dec": "2d", "i": "1 Jy", "shape": round_one},
    ]
    part = from_config(SourcesEntry.model_validate({"sources": sources}), 0)
    minute = math.pi / 10800
    expected = [[0, 0, 0], [minute, minute / 2, -math.pi / 9], [minute, minute, 0]]
    np.testing.assert_allclose(part.shape_rad, expected, rtol=1e-15)
    assert from_config(SourcesEntry.model_validate({"sources": sources[:1]}), 0).shape_rad is None


def test_a_sky_travels():
    part = one(spectral_index=[-0.7, 0.1], rotation_measure="3 rad/m2", q="1 Jy", shape={"major": "1d", "minor": "0d"})
    again = pickle.loads(pickle.dumps(part))
    np.testing.assert_array_equal(again.stokes_at(88e6), part.stokes_at(88e6))
    assert again.label(0) == "A"


def test_what_is_written_is_read_back():
    sources = [
        {"ra": "1d", "dec": "2d", "i": "1 Jy", "spectral_index": [-0.7, 0.1], "rotation_measure": "-3.5e1 rad/m2"},
        {"ra": "1d", "dec": "2d", "i": "1 Jy", "curvature": 0.1, "shape": {"major": "2 arcsec", "minor": "1 arcsec"}},
        {"ra": "1d", "dec": "2d", "spectrum": {"frequencies": ["1 MHz", "2 MHz"], "i": ["1 Jy", "2 Jy"]}},
    ]
    entry = SourcesEntry.model_validate({"sources": sources})
    text = yaml.safe_dump(entry.model_dump(mode="json"))
    assert "rotation_measure: -35.0 rad/m2" in text
    assert SourcesEntry.model_validate(yaml.safe_load(text)) == entry


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"shape": {"major": "1 arcsec", "minor": "2 arcsec"}}, "minor is larger than major; swap them"),
        ({"shape": {"major": "-1 arcsec", "minor": "0 arcsec"}}, "must be above zero"),
        ({"shape": {"major": "1 arcsec", "minor": "-2 arcsec"}}, "must not be below zero"),
        ({"shape": {"major": "1 arcsec"}}, "minor\n.*required"),
        ({"rotation_measure": 12}, "12 is not a rotation measure; write a number with its unit"),
        ({"rotation_measure": "12 rad"}, "'12 rad' is not a rotation measure"),
        ({"spectral_index": []}, "is an empty list"),
        ({"spectral_index": [1, 2], "curvature": 1}, "curvature is the second term of spectral_index"),
        ({"i": None}, "i is missing; give Stokes I"),
        ({"reference": "0 Hz"}, "must be above zero"),
        ({"spectrum": {"frequencies": ["1 MHz"], "i": ["1 Jy"]}}, "i does not go with spectrum"),
        ({"i": None, "spectrum": {"frequencies": ["1 MHz"], "i": ["1 Jy"]}}, "reference does not go with spectrum"),
        ({"spectrum": {"frequencies": ["1 MHz"], "i": ["1 Jy", "2 Jy"]}}, "i has 2 values for 1 frequencies"),
        ({"spectrum": {"frequencies": ["1 MHz"], "i": ["1 Jy"], "q": ["1 Jy", "2 Jy"]}}, "q has 2 values for 1"),
        ({"spectrum": {"frequencies": ["1 MHz"], "i": ["1 Jy"], "interpolation": "spline"}}, "interpolation"),
    ],
)
def test_bad_sources(more, message):
    with pytest.raises(ValidationError, match=message):
        one(**more)


@pytest.mark.parametrize(
    ("spectrum", "message"),
    [
        ({"frequencies": ["2 MHz", "1 MHz"], "i": ["1 Jy", "2 Jy"]}, r"row 0 \(T\): the frequencies .*sort them"),
        ({"frequencies": ["1 MHz", "2 MHz"], "i": ["1 Jy", "2 Jy"], "interpolation": "cubic"}, "cubic needs four"),
        (
            {"frequencies": ["1 MHz", "2 MHz"], "i": ["1 Jy", "0 Jy"], "interpolation": "log"},
            "T is 0, .*at 2 MHz; .*log",
        ),
    ],
)
def test_bad_tables(spectrum, message):
    entry = SourcesEntry.model_validate({"sources": [{"name": "T", "ra": "1d", "dec": "2d", "spectrum": spectrum}]})
    with pytest.raises(ConfigError, match=message):
        from_config(entry, 0)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"shape_rad": np.array([[0, 0, 0], [np.nan, 0, 0]])}, r"x: row 8 \(B\): major is nan; it must be a width"),
        ({"shape_rad": np.array([[0, 0, 0], [-1, 0, 0]])}, "major is -1; it must be a width that is not negative"),
        ({"shape_rad": np.array([[1, 2, 0], [1, 1, 0]])}, r"row 7 \(A\): minor is 2; it must be a width from 0 to"),
        ({"shape_rad": np.array([[1, 1, np.inf], [1, 1, 0]])}, "position_angle is inf; it must be a finite angle"),
        (
            {"rotation_measure": np.array([0, np.nan])},
            r"row 8 \(B\): rotation_measure is nan; .*finite number of rad/m2",
        ),
        ({"higher_terms": np.array([[0], [np.nan]])}, "term 2 of the spectrum is nan; it must be a finite number"),
        ({"reference_hz": np.array([1e8, -1])}, "reference is -1; it must be a frequency above zero"),
        (
            {"stokes_jy": np.array([[0, 1, 0, 0], [0, 0, 0, 0.0]]), "is_ordinary": np.array([True, True])},
            r"row 7 \(A\): i is 0 at the reference frequency, so q, u and v cannot follow",
        ),
    ],
)
def test_bad_numbers(more, message):
    with pytest.raises(ConfigError, match=message):
        check_components(sky(2, **more), "x", [7, 8])
