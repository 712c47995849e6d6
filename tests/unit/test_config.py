"""Configurations: what is good reads back the same, what is bad is told with line, key, rule and remedy."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from pipeline.config.file import json_schema, load_config
from pipeline.errors import ConfigError
from pipeline.units import UNITS, format_quantity, parse_quantity

GOOD = """\
name: example
telescope:
  array: ska-low-aa4
  baselines: {min: 0 m, max: 3 km}
sky:
  - sources:
      - {ra: 0h10m, dec: -27d, i: 1.0 Jy, spectral_index: -0.8, reference: 150 MHz}
phase_centre: {ra: 12h30m30s, dec: -27d30m}
time: {start: 2026-11-22T12:00:00, integration: 0.84934656 s, dumps: 8}
spectrum: {start: 150 MHz, width: 5.425347 kHz, channels: 144}
output: {path: out/example.dawn}
"""


@pytest.fixture
def write(tmp_path):
    def write_config(text: str) -> Path:
        path = tmp_path / "example.yaml"
        path.write_text(text)
        return path

    return write_config


def test_quantities_become_si(write):
    config = load_config(write(GOOD))
    assert config.telescope.baselines.max_m == 3000.0
    assert config.spectrum.width_hz == 5425.347
    assert config.phase_centre.ra_rad == pytest.approx(math.radians(187.625), rel=1e-15)
    assert config.phase_centre.dec_rad == pytest.approx(math.radians(-27.5), rel=1e-15)
    assert config.time.start_utc == (61366.0, 0.5)
    assert config.sky[0].sources[0].ra_rad == pytest.approx(math.radians(2.5), rel=1e-15)


def test_paths_are_relative_to_the_configuration(write, tmp_path):
    assert load_config(write(GOOD)).output.path == tmp_path / "out/example.dawn"


def test_effective_configuration_holds_the_defaults_and_reads_back_the_same(write):
    config = load_config(write(GOOD))
    effective = config.to_yaml()
    assert "precision: mixed" in effective
    assert "memory: 2000000000.0 B" in effective
    again = load_config(write(effective))
    assert again == config
    assert again.to_yaml() == effective


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("phase_centre", "pahse_centre", [":8: pahse_centre: unknown key; did you mean 'phase_centre'?"]),
        ("i: 1.0", "ii: 1.0", [":7: sky[0].sources[0].ii: unknown key; did you mean 'i'?"]),
        ("5.425347 kHz", "5.425347", ["spectrum.width: 5.425347 has no unit", "'5.425347 Hz'"]),
        ("max: 3 km", "max: 3 kg", [":4: telescope.baselines.max", "'kg' is not a unit of length", "km"]),
        ("max: 3 km", "max: -3 km", ["telescope.baselines.max: -3000 must be above zero"]),
        ("min: 0 m", "min: 4 km", ["max (3000 m) is below min (4000 m)"]),
        ("-aa4", "-aa5", ["neither a known array nor a path", "did you mean 'ska-low-aa"]),
        ("144", "143", [":10: spectrum.channels: 143 does not divide into bands of 36", "108 or 144"]),
        ("144", "20", ["the nearest that does is 36"]),
        ("dumps: 8", "dumps: 0", ["time.dumps: 0"]),
        ("dumps: 8", "dumps: 1.5", ["time.dumps: 1.5"]),
        ("dec: -27d30m", "dec: -97d", ["phase_centre.dec: a declination lies between"]),
        ("dec: -27d30m", "dec: -27d70m", ["below 60"]),
        ("2026-11-22T12:00:00", "yesterday", ["'yesterday' is not a time", "2026-11-22T12:00:00"]),
        ("2026-11-22", "2026-02-30", ["is not a time"]),
        (".dawn", ".ms", ["output.path", "must end in .dawn", "'example.dawn'"]),
        ("- sources:", "- {catalogue: no.vot, format: gleam}\n  - sources:", [":6:", "no such file", "no.vot"]),
        ("- sources:", "- surces:", ["sky[0].surces: unknown key"]),
        ("  - sources:\n      - {ra", "  []\n#", [":5: sky: the sky is empty"]),
        ("name: example\n", "", ["name: is missing; it must be given"]),
        ("name: example", "name: example\nname: twice", [":2: name is given twice (first on line 1)"]),
        ("name: example", "name: [", ["not valid YAML"]),
        ("array: ska-low-aa4", "array: 4", ["telescope.array"]),
    ],
)
def test_what_is_wrong_is_said(write, old, new, said):
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        load_config(write(GOOD.replace(old, new)))
    for words in said:
        assert words in str(caught.value)
    assert "example.yaml" in str(caught.value)


def test_all_mistakes_are_said_at_once(write):
    with pytest.raises(ConfigError) as caught:
        load_config(write(GOOD.replace("3 km", "3").replace("dumps: 8", "dumps: -1")))
    assert len(str(caught.value).splitlines()) == 2


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "none.yaml")


def test_band_flux_needs_its_band(write, tmp_path):
    (tmp_path / "g.vot").touch()
    entry = "  - {catalogue: g.vot, format: gleam, missing_fit: band-flux}\n  - sources:"
    with pytest.raises(ConfigError, match="missing_fit: band-flux needs band"):
        load_config(write(GOOD.replace("  - sources:", entry)))


def test_units_are_those_of_astropy():
    units = pytest.importorskip("astropy.units")
    for known in UNITS.values():
        base = units.Unit(next(iter(known)))
        for name, size in known.items():
            assert units.Unit(name).to(base) == pytest.approx(size, rel=1e-15)


@pytest.mark.parametrize("dimension", list(UNITS))
def test_what_is_written_reads_back_to_the_bit(dimension):
    unit = list(UNITS[dimension])[1]
    for value in (0.1, 1 / 3, 5425.347, 1.2345678901234567e-7):
        assert parse_quantity(format_quantity(value, dimension, unit), dimension, unit) == value


def test_angles_are_those_of_astropy():
    coordinates = pytest.importorskip("astropy.coordinates")
    for text in ("0h10m", "23h59m59.9s", "-27d", "-0d30m15.5s", "10.5 deg", "-3 arcmin", "2 rad"):
        expected = coordinates.Angle(text).rad
        assert parse_quantity(text, "angle", "deg") == pytest.approx(expected, rel=1e-15)


def test_schema_lets_editors_complete():
    schema = json.loads(json_schema())
    assert set(schema["required"]) == {"name", "telescope", "sky", "phase_centre", "time", "spectrum", "output"}
    assert "ra" in schema["$defs"]["DirectionConfig"]["properties"]


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].glob("configs/*.yaml")), ids=lambda path: path.name)
def test_shipped_configurations_are_good(path):
    assert load_config(path).n_bands > 0
