"""Flags: weights by hand, through both averaging steps, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from kernels import cpu
from pipeline.config.corruptions import FlagsConfig
from pipeline.errors import ConfigError
from pipeline.observation.flags import Flags, load_flags

NAMES = tuple(f"S{station:03d}" for station in range(5))
PAIRS = np.stack(np.triu_indices(5, 1), axis=1).astype(np.int32)


def flags(names=NAMES, baselines=PAIRS, shape=(12, 7), per_band=6, **keys) -> tuple[Flags, list[str]]:
    return load_flags(FlagsConfig.model_validate(keys), names, baselines, shape, per_band)


def test_weights_by_hand():
    made, notes = flags(dead_stations=["S001", 3], channels=[0, [6, 11]], dumps=[[2, 3], 6])
    alive = [0, 1, 0, 1, 0, 0, 0, 0, 1, 0]  # (0,2), (0,4) and (2,4)
    for channel in range(12):
        for dump in range(7):
            on = channel not in (0, 6, 7, 8, 9, 10, 11) and dump not in (2, 3, 6)
            assert made.weights_at(channel, dump).tolist() == (alive if on else [0] * 10)
            assert made.row_at(channel, dump) == on
    assert made.rows.dtype == np.float32
    assert notes == [
        "flags: 2 of 5 stations are dead: S001, S003",
        "flags: 1 band holds no data at all",
        "flags: 3 dumps hold no data at all",
    ]


def test_nothing_flagged_is_all_ones():
    made, notes = flags()
    assert made.weights_at(11, 6).tolist() == [1] * 10
    assert notes == []


def test_weights_count_what_an_average_is_made_of():
    """Two sextets of one band: sums of six channels, then of the two; flagged channels hold a thousand."""
    made, _ = flags(dead_stations=[1], channels=[2, [6, 8]], per_band=12)
    sums, weights = np.zeros((10, 4), np.complex64), np.zeros(10, np.float32)
    for sextet in (0, 1):
        part, part_weights = np.zeros((10, 4), np.complex64), np.zeros(10, np.float32)
        for channel in range(6 * sextet, 6 * sextet + 6):
            value = 1000 if channel in (2, 6, 7, 8) else channel
            visibilities = np.full((10, 4), value * (1 + 1j), np.complex64)
            cpu.accumulate(visibilities[None], made.weights_at(channel, 0), part[None], part_weights[None])
        sums += part
        weights += part_weights
    dead = (PAIRS == 1).any(axis=1)
    assert weights.tolist() == np.where(dead, 0, 8).tolist()
    assert np.array_equal(sums[~dead], np.full((6, 4), (0 + 1 + 3 + 4 + 5 + 9 + 10 + 11) * (1 + 1j), np.complex64))
    assert not sums[dead].any()


def test_as_many_stations_die_as_were_asked_to():
    names = tuple(f"S{station:03d}" for station in range(307))
    pairs = np.stack(np.triu_indices(307, 0), axis=1).astype(np.int32)
    killed = []
    for seed in (1, 2, 2**40):
        made, notes = flags(names, pairs, random_dead={"fraction": 0.1, "seed": seed})
        auto = made.rows[1][pairs[:, 0] == pairs[:, 1]]
        killed.append(tuple(np.flatnonzero(auto == 0)))
        assert len(killed[-1]) == 31
        assert notes[0].startswith("flags: 31 of 307 stations are dead: S")
        assert notes[0].endswith("and 26 more")
    assert len(set(killed)) == 3
    # Any station may die: over seeds, each about as often.
    counts = np.zeros(307)
    for seed in range(300):
        made, _ = flags(names, pairs, random_dead={"fraction": 0.1, "seed": seed})
        counts += made.rows[1][pairs[:, 0] == pairs[:, 1]] == 0
    expected = 300 * 31 / 307
    assert np.abs(counts - expected).max() < 4.5 * np.sqrt(expected)


def test_a_small_fraction_of_few_stations_is_said_to_be_none():
    _, notes = flags(random_dead={"fraction": 0.05, "seed": 1})
    assert notes == ["flags: random_dead: 0.05 of 5 stations rounds to none"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"dead_stations": ["S01"]}, "no station is called 'S01'; did you mean 'S001'"),
        ({"dead_stations": [5]}, "there is no station 5; indices are 0 to 4"),
        ({"channels": [12]}, "flags.channels: there is no 12; indices are 0 to 11"),
        ({"dumps": [[0, 7]]}, "flags.dumps: there is no 7; indices are 0 to 6"),
        ({"channels": [[0, 11]]}, "flags.channels: all 12 are flagged"),
        ({"dumps": [[0, 4], [3, 6]]}, "flags.dumps: all 7 are flagged"),
        ({"dead_stations": [0, 1, 2, 3]}, "none of 10 baselines is left"),
        ({"random_dead": {"fraction": 1, "seed": 1}}, "with 5 of 5 stations dead"),
    ],
)
def test_what_is_not_there_is_refused(keys, said):
    with pytest.raises(ConfigError) as caught:
        flags(**keys)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"channels": [-1]}, "is not a range"),
        ({"channels": [[4, 3]]}, "the first is not above the last"),
        ({"channels": [[1, 2, 3]]}, "neither an index"),
        ({"channels": [1.5]}, "neither an index"),
        ({"dumps": ["3"]}, "neither an index"),
        ({"dead_stations": [-1]}, "neither the name of a station"),
        ({"dead_stations": [1.5]}, "neither the name of a station"),
        ({"random_dead": {"fraction": 0.1}}, "Field required"),
        ({"random_dead": {"fraction": 1.1, "seed": 1}}, "less than or equal to 1"),
    ],
)
def test_bad_keys_are_refused(keys, said):
    with pytest.raises(ValidationError, match=said):
        FlagsConfig.model_validate(keys)


def test_what_is_written_out_reads_back_the_same():
    config = FlagsConfig.model_validate({"dead_stations": ["S001", 3], "channels": [0, [6, 11]], "dumps": [2]})
    assert FlagsConfig.model_validate(config.model_dump(mode="json")) == config
