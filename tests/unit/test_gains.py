"""Gain errors: their statistics, their drift, and gains from files."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.config.corruptions import GainsConfig
from pipeline.errors import ConfigError
from pipeline.observation.gains import Gains, load_gains

N_STATIONS = 512


def gains(folder=".", n_stations=N_STATIONS, n_channels=4, **keys) -> Gains:
    config = GainsConfig.model_validate(keys, context={"folder": folder})
    return load_gains(config, 150e6, 1e4, n_channels, n_stations)


def errors(gain) -> tuple[np.ndarray, np.ndarray]:
    """Amplitude and phase errors; amplitudes here never turn negative."""
    return np.abs(gain) - 1, np.angle(gain)


def test_errors_have_the_spread_asked_for():
    gain = gains(seed=3, amplitude=0.08, phase="11 deg").gains_at(150e6, 0.0)
    assert gain.shape == (N_STATIONS, 2)
    amplitude, phase = errors(gain)
    n = amplitude.size
    for values, scale in ((amplitude, 0.08), (phase, np.radians(11))):
        assert abs(values.mean()) < 4.5 * scale / np.sqrt(n)
        assert values.std() == pytest.approx(scale, rel=4.5 / np.sqrt(2 * n))
    for one, other in ((amplitude, phase), (gain[:, 0], gain[:, 1]), (gain[1:, 0], gain[:-1, 0])):
        correlation = np.corrcoef(one.ravel(), other.ravel())[0, 1]
        assert abs(correlation) < 4.5 / np.sqrt(one.size)


def test_defaults_are_written_out():
    config = GainsConfig.model_validate({"seed": 1})
    assert (config.amplitude, config.phase_rad) == (0.05, np.radians(5))
    assert GainsConfig.model_validate(config.model_dump(mode="json")) == config


def test_without_drift_they_stay_and_another_seed_makes_others():
    made = gains(seed=1)
    assert np.array_equal(made.gains_at(150e6, 0.0), made.gains_at(250e6, 1e5))
    assert np.abs(made.gains_at(150e6, 0.0) - gains(seed=2).gains_at(150e6, 0.0)).min() > 0


def test_a_station_keeps_its_gains_in_an_array_of_any_size():
    assert np.array_equal(gains(seed=1).gains_at(1e8, 0)[:3], gains(seed=1, n_stations=3).gains_at(1e8, 0))


@pytest.mark.parametrize("axis", ["time", "frequency", "both"])
def test_drift_is_smooth_and_of_constant_spread(axis):
    drift = {"time": {"timescale": "10 min"}, "frequency": {"bandwidth": "2 MHz"}}
    chosen = drift["time"] | drift["frequency"] if axis == "both" else drift[axis]
    made = gains(seed=5, amplitude=0.05, phase="5 deg", drift=chosen)

    def at(cells: float) -> np.ndarray:
        return made.gains_at(150e6 + 2e6 * cells * (axis != "time"), 600.0 * cells * (axis != "frequency"))

    tolerance = 4.5 / np.sqrt(2 * 2 * N_STATIONS)
    for cells in (0.0, 0.2, 0.5, 0.9, 3.3):
        amplitude, phase = errors(at(cells))
        assert amplitude.std() == pytest.approx(0.05, rel=tolerance)
        assert phase.std() == pytest.approx(np.radians(5), rel=tolerance)
    # Neighbours in time are alike, and neither values nor slopes jump at the edge of a cell.
    step = 1e-4
    slope = [np.abs(at(1 + k * step) - at(1 + (k - 1) * step)).max() / step for k in (0, 1)]
    assert max(slope) < 0.01
    # As many standard deviations as a normal's slope of pi/2 cos(...) 3/2 can make, for the largest of 2048.
    assert np.abs(at(0.5) - at(0.5 + step)).max() / step < 2 * 4.5 * 0.11 * np.pi / 2 * 1.5
    # Two cells on they have nothing in common.
    assert abs(np.corrcoef(at(0.3).ravel(), at(2.3).ravel())[0, 1]) < 4.5 / np.sqrt(2 * N_STATIONS)


def test_drift_along_one_axis_leaves_the_other_alone():
    made = gains(seed=5, drift={"timescale": "1 min"})
    assert np.array_equal(made.gains_at(1e8, 90.0), made.gains_at(2e8, 90.0))
    assert np.abs(made.gains_at(1e8, 90.0) - made.gains_at(1e8, 91.0)).min() > 0


def test_text_holds_amplitudes_and_degrees(tmp_path):
    (tmp_path / "gains.txt").write_text("# three stations\n1 0 1 90\n2, 180, 0.5, -90\n0 0 1 45\n")
    gain = gains(tmp_path, 3, file="gains.txt").gains_at(155e6, 12.0)
    expected = [[1, 1j], [-2, -0.5j], [0, np.sqrt(0.5) * (1 + 1j)]]
    assert gain == pytest.approx(np.array(expected), abs=1e-15)


@pytest.mark.parametrize("shape", [(3, 2), (4, 3, 2)])
def test_arrays_hold_gains_of_one_or_of_every_channel(tmp_path, shape):
    rng = np.random.default_rng(1)
    held = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    np.save(tmp_path / "gains.npy", held)
    made = gains(tmp_path, 3, file="gains.npy")
    for channel in range(4):
        expected = held if len(shape) == 2 else held[channel]
        assert np.array_equal(made.gains_at(150e6 + channel * 1e4, 5.0), expected)


def test_bad_files_are_refused(tmp_path):
    (tmp_path / "text.txt").write_text("1 0 1 0\n1 0 1 0\n")
    (tmp_path / "short.txt").write_text("1 0 1\n")
    (tmp_path / "broken.npy").write_bytes(b"no")
    np.save(tmp_path / "real.npy", np.ones((3, 2)))
    np.save(tmp_path / "channels.npy", np.ones((5, 3, 2), complex))
    np.save(tmp_path / "nan.npy", np.full((3, 2), np.nan + 0j))
    for name, said in (
        ("text.txt", "holds gains of 2 stations; the array has 3"),
        ("short.txt", "has 3 values; a line holds 4"),
        ("broken.npy", "cannot be read as a NumPy array"),
        ("real.npy", "holds float64 of shape (3, 2)"),
        ("channels.npy", "holds gains of 5 channels; give 1 or all 4"),
        ("nan.npy", "holds 6 gains that are not finite"),
    ):
        with pytest.raises(ConfigError) as caught:
            gains(tmp_path, 3, file=name)
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "give seed"),
        ({"seed": 1, "amplitude": -0.1}, "greater than or equal to 0"),
        ({"seed": 1, "amplitude": 5}, "less than or equal to 1"),
        ({"seed": 1, "phase": "-5 deg"}, "below zero"),
        ({"seed": 1, "phase": 5}, "has no unit"),
        ({"seed": 1, "drift": {}}, "give timescale"),
        ({"seed": 1, "drift": {"timescale": "0 s"}}, "above zero"),
        ({"seed": 1, "file": "f.npy"}, "a file holds the gains themselves"),
        ({"file": "none.npy"}, "no such file"),
    ],
)
def test_bad_keys_are_refused(tmp_path, keys, said):
    (tmp_path / "f.npy").touch()
    with pytest.raises(ValidationError, match=said):
        GainsConfig.model_validate(keys, context={"folder": tmp_path})


def test_a_file_reads_back_the_same(tmp_path):
    (tmp_path / "f.npy").touch()
    config = GainsConfig.model_validate({"file": "f.npy"}, context={"folder": tmp_path})
    assert GainsConfig.model_validate(config.model_dump(mode="json")) == config
