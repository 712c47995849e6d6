"""Noise: SKA-Low's published sensitivity, tables, the radiometer equation, and what averaging makes of it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from kernels import cpu, reference
from pipeline.config.corruptions import NoiseConfig
from pipeline.errors import ConfigError
from pipeline.observation.noise import Noise, load_noise

DATA = Path(__file__).parents[1] / "data"
WIDTH_HZ, INTEGRATION_S = 5425.347, 0.84934656


def noise(band_hz=(150e6, 151e6), folder=".", n_stations=5, **keys) -> Noise:
    config = NoiseConfig.model_validate({"seed": 1, **keys}, context={"folder": folder})
    return load_noise(config, band_hz, WIDTH_HZ, INTEGRATION_S, n_stations)


def test_ska_low_is_as_published():
    known = json.loads((DATA / "ska_low_sefd.json").read_text())
    made = noise((50e6, 350e6))
    for frequency_mhz, sefd_jy in known["sefd_jy"]:
        assert made.sefd_jy(frequency_mhz * 1e6) == pytest.approx(sefd_jy, rel=0.05 / 2000)


def test_the_station_that_was_built_is_about_as_sensitive():
    """AAVS2 towards right ascension 0h, declination -30, at transit (Sokolowski et al. 2022), above 100 MHz."""
    known = json.loads((DATA / "ska_low_sefd.json").read_text())
    made = noise((50e6, 350e6))
    for frequency_mhz, sefd_jy in known["aavs2_sefd_x_jy"]:
        assert 0.65 < sefd_jy / made.sefd_jy(frequency_mhz * 1e6) < 1.25


def test_between_entries_sensitivity_is_linear():
    made = noise()
    assert made.sefd_jy(153e6) == pytest.approx(2761.298 / (1.119 + 0.3 * (1.159 - 1.119)), rel=1e-6)


def test_sigma_is_that_of_the_radiometer_equation():
    made = noise(sefd="3 kJy", efficiency=0.9)
    # Rms of both parts together, SEFD / (efficiency sqrt(width integration)), shared by two parts.
    rms_jy = 3000 / (0.9 * math.sqrt(5425.347 * 0.84934656))
    assert made.sigma_jy(1e9) == pytest.approx(np.full(5, rms_jy / math.sqrt(2)), rel=1e-14)


def test_sigma_is_that_of_two_noisy_stations():
    """Correlate voltages: power SEFD per hertz and station, 2 B tau real samples, or B tau complex ones."""
    rng = np.random.default_rng(2)
    n_trials, n_samples = 4000, 64

    def voltages() -> np.ndarray:
        parts = rng.normal(scale=math.sqrt(3000 / 2), size=(2, n_trials, n_samples))
        return parts[0] + 1j * parts[1]

    x, y = voltages(), voltages()
    cross, auto = (x * y.conj()).mean(axis=1), (abs(x) ** 2).mean(axis=1)
    config = NoiseConfig.model_validate({"seed": 1, "sefd": "3000 Jy"})
    sigma = load_noise(config, (1e8, 1e8), 64.0, 1.0, 2).sigma_jy(1e8)[0]
    tolerance = 4.5 / math.sqrt(2 * n_trials)
    assert cross.real.std() == pytest.approx(sigma, rel=tolerance)
    assert cross.imag.std() == pytest.approx(sigma, rel=tolerance)
    assert auto.std() == pytest.approx(math.sqrt(2) * sigma, rel=2 * tolerance)
    assert auto.mean() == pytest.approx(3000, rel=tolerance)


def test_noise_averages_down():
    """Over 36 channels, some of weight zero, as sums and weights."""
    stations = np.stack(np.triu_indices(300, 1), axis=1).astype(np.int32)
    sigma = noise(n_stations=300).sigma_jy(150e6)
    sums, weights = np.zeros((len(stations), 4), np.complex64), np.zeros(len(stations), np.float32)
    for channel in range(36):
        visibilities = np.zeros((len(stations), 4), np.complex64)
        cpu.add_noise(stations, sigma, 1, channel, 7, visibilities)
        weight = np.float32(0 if channel in (0, 1, 17, 35) else 1)
        reference.accumulate(visibilities, np.full(len(stations), weight), sums, weights)
    averages = (sums / weights[:, None]).view(np.float32)
    assert (weights == 32).all()
    n = averages.size
    assert averages.var(dtype=float) == pytest.approx(sigma[0] ** 2 / 32, rel=4.5 * math.sqrt(2 / n))


def table(folder: Path, header: str, rows: str) -> str:
    columns = "\n".join(f"# - {column}" for column in header.split(";"))
    path = folder / "table.ecsv"
    names = " ".join(column.split("name: ")[1].split(",")[0] for column in header.split(";"))
    path.write_text(f"# %ECSV 1.0\n# ---\n# datatype:\n{columns}\n{names}\n{rows}\n")
    return path.name


FREQUENCY = "{name: frequency, unit: MHz, datatype: float64}"
A_OVER_T, SEFD = "{name: a_over_t, unit: m2 / K, datatype: float64}", "{name: sefd, unit: kJy, datatype: float64}"


def test_tables_of_either_kind(tmp_path):
    as_sefd = noise(folder=tmp_path, sensitivity=table(tmp_path, f"{FREQUENCY};{SEFD}", "100 2\n200 1"))
    assert as_sefd.sefd_jy(100e6) == pytest.approx(2000, rel=1e-12)
    assert as_sefd.sefd_jy(150e6) == pytest.approx(1 / ((1 / 2000 + 1 / 1000) / 2), rel=1e-12)
    as_area = noise(folder=tmp_path, sensitivity=table(tmp_path, f"{FREQUENCY};{A_OVER_T}", "100 1\n200 2"))
    assert as_area.sefd_jy(200e6) == pytest.approx(2761.298 / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        (f"{FREQUENCY};{SEFD}", "160 2\n200 1", "is known from 160 to 200 MHz"),
        (f"{FREQUENCY};{SEFD}", "200 2\n100 1", "does not ascend"),
        (f"{FREQUENCY};{SEFD}", "100 2\n200 -1", "row 2 of column 'sefd' is -1000"),
        (f"{FREQUENCY};{SEFD}", "100 2\n200 nan", "must be above zero"),
        (f"{FREQUENCY};{SEFD.replace('kJy', 'K')}", "100 2\n200 1", "does not hold numbers in Jy"),
        (f"{FREQUENCY.replace('unit: MHz, ', '')};{SEFD}", "100 2\n200 1", "'frequency' has no unit"),
        (f"{FREQUENCY};{SEFD.replace('sefd', 'noise')}", "100 2\n200 1", "has columns frequency, noise"),
        (f"{FREQUENCY};{SEFD}", "100 2\nx", "cannot be read as a table"),
    ],
)
def test_bad_tables_are_refused(tmp_path, header, rows, said):
    with pytest.raises(ConfigError) as caught:
        noise(folder=tmp_path, sensitivity=table(tmp_path, header, rows))
    assert said in str(caught.value)


@pytest.mark.parametrize("band_hz", [(49.99e6, 60e6), (340e6, 350.01e6)])
def test_ska_low_is_not_extrapolated(band_hz):
    with pytest.raises(ConfigError, match=r"ska-low is known from 50 to 350 MHz"):
        noise(band_hz)


def test_more_stations_than_the_counter_holds():
    with pytest.raises(ConfigError, match="tells 65536 stations apart"):
        noise(n_stations=65537)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"seed": -1}, "greater than or equal to 0"),
        ({"seed": 2**64}, "less than"),
        ({"efficiency": 1.1}, "less than or equal to 1"),
        ({"sefd": "0 Jy"}, "above zero"),
        ({"sefd": "3000"}, "no unit"),
        ({"sefd": "3 kJy", "sensitivity": "ska-low"}, "give one of them"),
        ({"sensitivity": "ska-lwo"}, "did you mean 'ska-low'"),
        ({"sensitivty": "ska-low"}, "did you mean 'sensitivity'"),
    ],
)
def test_bad_keys_are_refused(keys, said):
    with pytest.raises(ValidationError, match=said):
        NoiseConfig.model_validate({"seed": 1, **keys})


@pytest.mark.parametrize("keys", [{}, {"sefd": "2 kJy"}, {"sensitivity": "ska-low", "efficiency": 0.9}])
def test_what_is_written_out_reads_back_the_same(keys):
    config = NoiseConfig.model_validate({"seed": 1, **keys})
    assert NoiseConfig.model_validate(config.model_dump(mode="json")) == config
