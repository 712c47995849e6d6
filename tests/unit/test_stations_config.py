"""Section telescope.station: what is good makes the stations it describes, what is bad is told with key and remedy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from pipeline.config.file import json_schema, load_config
from pipeline.config.station import ApertureArrayConfig
from pipeline.config.telescope import TelescopeConfig
from pipeline.errors import ConfigError
from pipeline.observation.stations.aperture_array import ApertureArray
from pipeline.observation.stations.dipole import Dipole
from pipeline.observation.stations.layouts import load_layouts, ska_low_elements, turn, unit_draws
from pipeline.observation.stations.load import load_response
from pipeline.observation.stations.scalar import Airy, Gaussian, Isotropic
from pipeline.observation.telescope import load_telescope

ROOT = Path(__file__).parents[2]
WHOLE = """\
name: example
telescope:
  array: ska-low-aa0.5
  station:
    STATION
sky:
  - sources:
      - {ra: 0h10m, dec: -27d, i: 1.0 Jy}
phase_centre: {ra: 0h, dec: -27d}
time: {start: 2026-11-22T12:00:00, integration: 1 s, dumps: 8}
spectrum: {start: 150 MHz, width: 5.425347 kHz, channels: 36}
output: {path: out/example.dawn}
"""


def aperture_array(folder, **keys):
    return ApertureArrayConfig.model_validate(keys, context={"folder": folder})


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("station", "made"),
    [
        ("isotropic", Isotropic),
        ("dipole", Dipole),
        ("aperture-array", ApertureArray),
        ({"type": "gaussian", "fwhm": "4 deg", "reference": "150 MHz"}, Gaussian),
        ({"type": "airy", "diameter": "14 m", "pointing": "zenith"}, Airy),
        ({"type": "dipole", "height": "30 cm", "length": "1 m", "rotation": "45 deg"}, Dipole),
        ({"type": "aperture-array", "element": "dipole", "rotation": {"seed": 7}}, ApertureArray),
        (
            {"type": "aperture-array", "element": {"type": "airy", "diameter": "1 m", "pointing": "zenith"}},
            ApertureArray,
        ),
    ],
)
def test_stations_are_made_and_written_back(station, made):
    config = TelescopeConfig.model_validate({"array": "ska-low-aa0.5", "station": station})
    assert TelescopeConfig.model_validate(config.model_dump(mode="json")) == config
    response = load_response(config.station, load_telescope(config))
    assert isinstance(response, made)
    assert len(response.kind) == 4
    assert response.is_scalar == ("dipole" not in json.dumps(station))


@pytest.mark.parametrize(
    ("station", "said"),
    [
        ("type: airy", [":4: telescope.station.diameter: is missing"]),
        ("type: dipol", ["'dipol' is not the type of a station; did you mean 'dipole'?", "aperture-array"]),
        ("diameter: 3 m", ["is not the type of a station"]),
        ("{type: gaussian, fwhm: 4, reference: 150 MHz}", ["telescope.station.fwhm: 4 has no unit"]),
        ("{type: gaussian, fwhm: -4 deg, reference: 150 MHz}", ["station.fwhm", "must be above zero"]),
        ("{type: airy, diametre: 3 m}", ["telescope.station.diametre: unknown key; did you mean 'diameter'?"]),
        ("{type: dipole, height: 0 m}", ["telescope.station.height: 0 must be above zero"]),
        ("{type: aperture-array, layout: ska-lo}", ["station.layout: 'ska-lo' is neither 'ska-low' nor a path"]),
        ("{type: aperture-array, rotation: 3 m}", ["station.rotation.angle", "'m' is not a unit of angle"]),
        ("{type: aperture-array, rotation: {seed: 1, angle: 1 deg}}", ["station.rotation: give an angle", "only one"]),
        ("{type: aperture-array, rotation: {file: no.txt}}", ["station.rotation.file: no such file"]),
        ("{type: aperture-array, rotation: {seed: -1}}", ["station.rotation.seed: -1"]),
        ("{type: aperture-array, pointing: zenith}", ["telescope.station.pointing: 'zenith'"]),
        (
            "{type: aperture-array, element: {type: airy, diameter: 1 m}}",
            ["station.element: the airy elements of a station do not move; write pointing: zenith"],
        ),
        ("{type: aperture-array, element: aperture-array}", ["station.element", "is not the type of an element"]),
        ("{type: uvbeam, file: no.beamfits}", ["telescope.station.file: no such file"]),
    ],
)
def test_what_is_wrong_is_said(tmp_path, station, said):
    path = tmp_path / "example.yaml"
    path.write_text(WHOLE.replace("STATION", station))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    for words in said:
        assert words in str(caught.value)


def test_a_layout_file_serves_all_stations(tmp_path):
    write(tmp_path / "station.txt", "# east north\n1 2\n-3, 4\n0 0\n")
    layouts = load_layouts(aperture_array(tmp_path, layout="station.txt"), 5)
    assert layouts.kind.tolist() == [0] * 5
    assert layouts.elements[0].tolist() == [[1, 2, 0], [-3, 4, 0], [0, 0, 0]]


def test_stations_of_an_oskar_folder_that_are_the_same_are_of_one_kind(tmp_path):
    for station, text in {"station000": "1 2 3\n", "station001": "4 5\n", "station002": "1,2,3\n"}.items():
        write(tmp_path / "array.tm" / station / "layout.txt", text)
    write(tmp_path / "array.tm/layout.txt", "0 0\n10 0\n20 0\n")
    layouts = load_layouts(aperture_array(tmp_path, layout="array.tm"), 3)
    assert layouts.kind.tolist() == [0, 1, 0]
    assert [elements.tolist() for elements in layouts.elements] == [[[1, 2, 3]], [[4, 5, 0]]]


def test_one_oskar_folder_serves_all_stations(tmp_path):
    write(tmp_path / "array.tm/station/layout.txt", "1 2 3\n")
    assert load_layouts(aperture_array(tmp_path, layout="array.tm"), 4).kind.tolist() == [0] * 4


def test_oskar_station_types(tmp_path):
    for station, text in {"a": "1 2 3\n", "b": "4 5 6\n"}.items():
        write(tmp_path / "array.tm" / station / "layout.txt", text)
    write(tmp_path / "array.tm/station_type_map.txt", "1\n1\n0\n1\n")
    layouts = load_layouts(aperture_array(tmp_path, layout="array.tm"), 4)
    assert [layouts.elements[kind][0, 0] for kind in layouts.kind] == [4, 4, 1, 4]
    with pytest.raises(ConfigError, match=r"holds 4 lines, and the array has 5 stations"):
        load_layouts(aperture_array(tmp_path, layout="array.tm"), 5)
    write(tmp_path / "array.tm/station_type_map.txt", "1\n2\n")
    with pytest.raises(ConfigError, match=r"station_type_map.txt:2: 2: a type is the number of one of the 2 folders"):
        load_layouts(aperture_array(tmp_path, layout="array.tm"), 2)


def test_rotations_turn_layouts_from_north_through_east(tmp_path):
    write(tmp_path / "station.txt", "0 1\n2 0\n")
    write(tmp_path / "angles.txt", "# degrees\n0\n90\n0\n")
    layouts = load_layouts(aperture_array(tmp_path, layout="station.txt", rotation={"file": "angles.txt"}), 3)
    assert layouts.kind.tolist() == [0, 1, 0]
    np.testing.assert_allclose(layouts.elements[1], [[1, 0, 0], [0, -2, 0]], atol=1e-15)
    by_angle = load_layouts(aperture_array(tmp_path, layout="station.txt", rotation="90 deg"), 2)
    np.testing.assert_array_equal(by_angle.elements[0], layouts.elements[1])


def test_random_rotations_are_of_the_station_and_the_seed_alone(tmp_path):
    few, many, other = (
        load_layouts(aperture_array(tmp_path, rotation={"seed": seed}), n) for seed, n in ((3, 4), (3, 9), (4, 4))
    )
    assert many.kind.tolist() == list(range(9))
    for station in range(4):
        np.testing.assert_array_equal(few.elements[station], many.elements[station])
        assert not np.allclose(few.elements[station], other.elements[station])
        np.testing.assert_allclose(
            np.linalg.norm(few.elements[station], axis=1), np.linalg.norm(ska_low_elements(), axis=1), atol=1e-13
        )
    # Known for ever: rank counts and machines do not change them.
    np.testing.assert_array_equal(unit_draws(3, 2), [0.08564916714362436, 0.2368105065960997])
    draws = unit_draws(11, 4000)
    assert abs(draws.mean() - 0.5) < 4 / np.sqrt(12 * 4000)
    np.testing.assert_allclose(turn(np.eye(3), 0.0), np.eye(3))


@pytest.mark.parametrize(
    ("files", "keys", "said"),
    [
        (
            {"angles.txt": "1\n2\n"},
            {"rotation": {"file": "angles.txt"}},
            "holds 2 angles, and the array has 3 stations",
        ),
        ({"t/a/layout.txt": "1 2\n", "t/b/layout.txt": "1 2\n"}, {"layout": "t"}, "holds 2 folders of stations, and"),
        ({"t/a/layout.txt": "1 x\n"}, {"layout": "t"}, "layout.txt:1: 'x' is not a finite number"),
        ({"t/a/other.txt": "1 2\n"}, {"layout": "t"}, "a station's folder holds its elements"),
        ({"t/layout.txt": "1 2\n"}, {"layout": "t"}, "holds no folders"),
        (
            {"t/a/layout.txt": "1 2\n", "t/a/feed_angle.txt": "1\n"},
            {"layout": "t"},
            "holds feed_angle.txt, which OSKAR",
        ),
        ({"t/a/layout.txt": "1 2\n", "t/a/tile/layout.txt": "1\n"}, {"layout": "t"}, "holds tile, which OSKAR"),
        ({"e.txt": "1 2\n1e5 0\n"}, {"layout": "e.txt"}, "e.txt:2: 100000 0 0: an element lies within 10 km"),
        ({"e.txt": "# none\n"}, {"layout": "e.txt"}, "holds no values"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, files, keys, said):
    for name, text in files.items():
        write(tmp_path / name, text)
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_layouts(aperture_array(tmp_path, **keys), 3)


def test_editors_know_the_types_of_stations():
    schema = json.loads(json_schema())
    kinds = schema["$defs"]["TelescopeConfig"]["properties"]["station"]["discriminator"]["mapping"]
    assert {"isotropic", "gaussian", "airy", "dipole", "aperture-array", "uvbeam"} == set(kinds)


def test_yaml_examples_of_the_document_load(tmp_path):
    text = (ROOT / "docs/stations.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 6
    write(tmp_path / "beams/element.beamfits", "")
    write(tmp_path / "telescopes/rotations.txt", "0\n")
    write(tmp_path / "telescopes/station.txt", "0 0\n")
    loaded = [
        TelescopeConfig.model_validate(
            {"array": "ska-low-aa0.5", **yaml.safe_load(example)["telescope"]}, context={"folder": tmp_path}
        )
        for example in examples
    ]
    types = {config.station.type for config in loaded}
    assert types == {"isotropic", "gaussian", "airy", "dipole", "aperture-array", "uvbeam"}


def test_a_number_is_not_a_station():
    with pytest.raises(ValidationError, match="3 is not the type of a station"):
        TelescopeConfig.model_validate({"array": "ska-low-aa0.5", "station": 3})
