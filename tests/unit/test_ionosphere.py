"""The ionosphere: turbulence, files, drift, and phases at pierce points worked out independently."""

from __future__ import annotations

import cmath
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import special

from kernels import cpu
from pipeline.config.corruptions import IonosphereConfig
from pipeline.errors import ConfigError
from pipeline.observation.ionosphere import TURNS_HZ_PER_TECU, Ionosphere, load_ionosphere
from pipeline.observation.screens import kolmogorov_screen

STATIONS = np.array([[0.0, 0, 0], [3.1e4, -2.2e4, -80], [-1.7e4, 2.9e4, 12]])
ENU = np.array([[0.0, 0, 1], [0.48, 0.6, 0.64], [-0.36, 0.48, 0.8]])


def ionosphere(folder: Any = ".", lowest_hz: float = 150e6, **keys: Any) -> Ionosphere:
    return load_ionosphere(IonosphereConfig.model_validate(keys, context={"folder": folder}), lowest_hz)


def seen(layer: Ionosphere, time_s: float, frequency_hz: float) -> np.ndarray:
    """Return the factors of phasors, (source, station)."""
    phasors = np.stack([np.ones((3, 3)), np.zeros((3, 3))])
    arguments = (layer.screen_at(time_s), layer.place_at(time_s), layer.turns_per_tecu(frequency_hz))
    cpu.phase_screen(STATIONS, ENU, np.arange(3, dtype=np.int32), *arguments, phasors)
    return phasors[0] + 1j * phasors[1]


def expected(content: Any, height_m: float, frequency_hz: float) -> np.ndarray:
    """Return the same for a content(east, north) in TECU: 8.448e9 rad Hz forward, 1 / up longer."""
    factors = np.empty((3, 3), complex)
    for s, (east, north, up) in enumerate(ENU.tolist()):
        for p, (x, y, _) in enumerate(STATIONS.tolist()):
            tecu = content(x + height_m * east / up, y + height_m * north / up) / up
            factors[s, p] = cmath.exp(1j * (TURNS_HZ_PER_TECU * 2 * math.pi * tecu / frequency_hz))
    return factors


def von_karman(r_m: np.ndarray, r0_m: float, outer_m: float) -> np.ndarray:
    """Structure function by modified Bessel functions, rad^2 (Conan 2000; Lucke & Young 2007, Appl. Opt. 46, 559)."""
    x = 2 * np.pi * r_m / outer_m
    scale = 2 ** (1 / 6) * special.gamma(11 / 6) / np.pi ** (8 / 3) * (24 / 5 * special.gamma(6 / 5)) ** (5 / 6)
    shape = special.gamma(5 / 6) / 2 ** (1 / 6) - x ** (5 / 6) * special.kv(5 / 6, x)
    return (outer_m / r0_m) ** (5 / 3) * scale * shape


def test_one_tecu_turns_the_phase_by_what_the_books_say():
    # 40.3 m^3 / s^2 over c, and 8.45e9 rad Hz per TECU.
    assert pytest.approx(40.308 * 1e16 / 299792458, rel=1e-5) == TURNS_HZ_PER_TECU
    assert 2 * math.pi * TURNS_HZ_PER_TECU == pytest.approx(8.448e9, rel=1e-4)


def test_turbulence_has_the_structure_function_of_its_r0_and_outer_scale():
    n, r0, outer, n_screens = 512, 10.0, 128.0, 24
    found = np.zeros((2, 9))
    lags = np.array([2, 3, 4, 6, 8, 12, 16, 24, 32])
    for seed in range(n_screens):
        screen = kolmogorov_screen(seed, n, 1.0, r0, outer)
        assert abs(screen.mean()) < 1e-9 * screen.std()
        for axis in (0, 1):
            found[axis] += [((np.roll(screen, lag, axis) - screen) ** 2).mean() / n_screens for lag in lags]
    theory = von_karman(lags.astype(float), r0, outer)
    # Where the outer scale does not matter yet: 6.88 (r / r0)^(5/3), times the series in r / L0.
    ratio = lags / outer
    series = 1 - 1.485 * ratio ** (1 / 3) + 5.383 * ratio**2 - 6.281 * ratio ** (7 / 3)
    inertial = lags <= 8
    kolmogorov = 6.88 * (lags / r0) ** (5 / 3) * series
    # Pixels leave out 3 % of the structure at two of them, 1 % at four; (n / 3 outer)^2 n_screens independent patches.
    for along in (found[0], found[1]):
        assert along == pytest.approx(theory, rel=0.05)
        assert along[inertial] == pytest.approx(kolmogorov[inertial], rel=0.05)
    assert found.mean(axis=0)[2:6] == pytest.approx(theory[2:6], rel=0.02)


def test_the_oracle_far_below_its_outer_scale_is_that_of_kolmogorov():
    nearly = 1 - 1.485 * 1e-5 ** (1 / 3)
    assert von_karman(np.array([1.0]), 10.0, 1e5)[0] == pytest.approx(6.884 * 0.1 ** (5 / 3) * nearly, rel=1e-3)


def test_a_screen_belongs_to_its_seed():
    screen = kolmogorov_screen(7, 64, 1.0, 5.0, 20.0)
    assert np.array_equal(kolmogorov_screen(7, 64, 1.0, 5.0, 20.0), screen)
    other = kolmogorov_screen(8, 64, 1.0, 5.0, 20.0)
    assert abs(np.corrcoef(screen.ravel(), other.ravel())[0, 1]) < 0.3


def test_phase_differences_have_r0_at_150_mhz():
    """Of pairs of stations 8 km apart under one screen, at the zenith and at another frequency."""
    layer = ionosphere(kolmogorov={"seed": 3, "r0": "20 km", "outer_scale": "256 km"}, lowest_hz=100e6)
    stations = np.stack([*np.meshgrid(8e3 * np.arange(-64, 64), 8e3 * np.arange(-60, 60)), np.zeros((120, 128))], -1)
    phasors = np.stack([np.ones((1, 15360)), np.zeros((1, 15360))])
    cpu.phase_screen(
        stations.reshape(-1, 3),
        ENU[:1],
        np.zeros(1, np.int32),
        layer.screen_at(0),
        layer.place_at(0),
        layer.turns_per_tecu(300e6),
        phasors,
    )
    factor = (phasors[0] + 1j * phasors[1]).reshape(120, 128)
    structure = (np.angle(factor[:, 1:] * factor[:, :-1].conj()) ** 2).mean()
    theory = von_karman(np.array([8e3]), 20e3, 256e3)[0] * (150 / 300) ** 2
    assert structure == pytest.approx(theory, rel=0.1)


def parabola(east: Any, north: Any) -> Any:
    x, y = east / 1e5, north / 1e5
    return 5 + 0.3 * x - 0.2 * y + 0.05 * x**2 - 0.07 * x * y


def grid(width_m: float = 1.6e6, pixel_m: float = 1e4) -> tuple[np.ndarray, np.ndarray]:
    """Return east (1, n + 1) and north (n, 1) of pixels about the array; more columns than rows."""
    n = round(width_m / pixel_m)
    return -width_m / 2 + pixel_m * np.arange(n + 1)[None, :], -width_m / 2 + pixel_m * np.arange(n)[:, None]


def write_npz(path: Path, **replaced: Any) -> str:
    east, north = grid()
    held = {"tec_tecu": parabola(east, north), "pixel_m": 1e4, "origin_m": [east[0, 0], north[0, 0]], **replaced}
    np.savez(path, **{key: value for key, value in held.items() if value is not None})
    return path.name


def write_fits(path: Path, frames: int = 0, **cards: Any) -> str:
    from astropy.io import fits

    east, north = grid()
    data = parabola(east, north)
    image = fits.PrimaryHDU(np.stack([data + k for k in range(frames)]) if frames else data)
    # The reference pixel lies elsewhere than at the first one.
    image.header.update(
        {"BUNIT": "TECU", "CUNIT1": "km", "CUNIT2": "km", "CDELT1": 10.0, "CDELT2": 10.0}
        | {"CRPIX1": 3.0, "CRPIX2": 6.0, "CRVAL1": east[0, 0] / 1e3 + 20, "CRVAL2": north[0, 0] / 1e3 + 50}
        | ({"CUNIT3": "min", "CDELT3": 1.0, "CRPIX3": 1.0, "CRVAL3": 2.0} if frames else {})
        | cards
    )
    image.writeto(path, overwrite=True)
    return path.name


@pytest.mark.parametrize("kind", ["npz", "fits"])
def test_a_screen_from_a_file_drifts_over_the_array(tmp_path, kind):
    name = write_npz(tmp_path / "a.npz") if kind == "npz" else write_fits(tmp_path / "a.fits")
    layer = ionosphere(tmp_path, file=name, height="250 km", velocity={"east": "100 m/s", "north": "-40 m/s"})
    for time_s in (0.0, 700.0):
        layer.check_covers(STATIONS, ENU, time_s)

        def drifted(east: float, north: float, time_s: float = time_s) -> float:
            return float(parabola(east - 100 * time_s, north + 40 * time_s))

        # Up to 70 turns of phase, with 250 km / 10 km pixels.
        assert np.abs(seen(layer, time_s, 150e6) - expected(drifted, 250e3, 150e6)).max() < 1e-10


@pytest.mark.parametrize("kind", ["npz", "fits"])
def test_frames_are_joined_linearly(tmp_path, kind):
    east, north = grid()
    if kind == "npz":
        frames = np.stack([parabola(east, north) + k for k in range(3)])
        name = write_npz(tmp_path / "a.npz", tec_tecu=frames, time_s=[120.0, 180.0, 240.0])
    else:
        name = write_fits(tmp_path / "a.fits", frames=3)
    layer = ionosphere(tmp_path, file=name)
    for time_s, more in ((120.0, 0.0), (165.0, 0.75), (180.0, 1.0), (240.0, 2.0)):
        assert layer.screen_at(time_s) == pytest.approx(parabola(east, north) + more, rel=1e-13)
    for time_s in (119.9, 240.1):
        with pytest.raises(ConfigError, match="give frames that cover all dumps"):
            layer.screen_at(time_s)


def test_one_frame_is_given_as_the_same_array(tmp_path):
    layer = ionosphere(tmp_path, file=write_npz(tmp_path / "a.npz"))
    assert layer.screen_at(0.0) is layer.screen_at(99.0)
    turbulent = ionosphere(kolmogorov={"seed": 1, "r0": "10 km", "extent": "64 km", "outer_scale": "20 km"})
    assert turbulent.screen_at(0.0) is turbulent.screen_at(99.0)


def test_turbulence_repeats_itself_and_has_no_edge():
    layer = ionosphere(kolmogorov={"seed": 1, "r0": "10 km", "extent": "64 km", "outer_scale": "20 km"})
    assert layer.screen_at(0).shape == (67, 67)
    layer.check_covers(STATIONS, np.array([[0.999, 0, 1e-3]]), 1e6)
    drifting = ionosphere(
        velocity={"east": "64 m/s"}, kolmogorov={"seed": 1, "r0": "10 km", "extent": "64 km", "outer_scale": "20 km"}
    )
    assert np.abs(seen(drifting, 1000.0, 1e8) - seen(layer, 0.0, 1e8)).max() < 1e-10


@pytest.mark.parametrize(
    ("width_m", "time_s", "good"), [(4.0e5, 0.0, False), (6.8e5, 0.0, True), (6.8e5, 2500.0, False)]
)
def test_paths_that_miss_the_screen_are_refused(tmp_path, width_m, time_s, good):
    """Sources at 50 degrees from the zenith pierce the layer 360 km away; the array is 60 km wide."""
    east, north = grid(width_m)
    name = write_npz(tmp_path / "a.npz", tec_tecu=parabola(east, north), origin_m=[east[0, 0], north[0, 0]])
    layer = ionosphere(tmp_path, file=name, height="300 km", velocity={"east": "100 m/s"})
    if good:
        layer.check_covers(STATIONS, ENU, time_s)
    else:
        with pytest.raises(ConfigError, match="paths pierce the layer from"):
            layer.check_covers(STATIONS, ENU, time_s)


def test_the_edge_of_a_screen_is_where_interpolation_ends(tmp_path):
    """Four pixels: the second to the third is all that cubic convolution reaches."""
    name = write_npz(tmp_path / "a.npz", tec_tecu=np.arange(16.0).reshape(4, 4), origin_m=[0.0, 0.0], pixel_m=1.0)
    layer = ionosphere(tmp_path, file=name)
    for east, good in ((0.99, False), (1.0, True), (1.99, True), (2.0, False)):
        station = np.array([[east, 1.5, 0.0]])
        if good:
            layer.check_covers(station, ENU[:1], 0.0)
        else:
            with pytest.raises(ConfigError, match=r"is good from 0\.001 to 0\.002 km east"):
                layer.check_covers(station, ENU[:1], 0.0)


@pytest.mark.parametrize(
    ("replaced", "said"),
    [
        ({"pixel_m": None}, "give tec_tecu, pixel_m, origin_m"),
        ({"time_s": [0.0]}, "time_s goes with frames only"),
        ({"pixel_m": -1.0}, "it must be above zero"),
        ({"tec_tecu": np.full((5, 5), np.nan)}, "25 pixels are not finite"),
        ({"tec_tecu": np.ones((3, 5))}, "4 pixels or more"),
        ({"tec_tecu": np.ones((2, 5, 5)), "time_s": [1.0, 1.0]}, "one each, ascending"),
        ({"tec_tecu": np.ones((2, 5, 5)), "time_s": [1.0]}, "has 2 frames at 1 times"),
        ({"origin_m": [1.0]}, "origin_m two"),
    ],
)
def test_bad_archives_are_refused(tmp_path, replaced, said):
    with pytest.raises(ConfigError, match=said):
        ionosphere(tmp_path, file=write_npz(tmp_path / "a.npz", **replaced))


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ({"BUNIT": "Jy"}, "BUNIT is 'Jy'"),
        ({"BUNIT": ""}, "BUNIT is ''"),
        ({"CUNIT1": "deg"}, "CUNIT1 is 'deg'; give m or km"),
        ({"CDELT2": 11.0}, "they must be square"),
        ({"CDELT1": -10.0, "CDELT2": -10.0}, "it must be above zero"),
    ],
)
def test_bad_images_are_refused(tmp_path, cards, said):
    with pytest.raises(ConfigError, match=said):
        ionosphere(tmp_path, file=write_fits(tmp_path / "a.fits", **cards))


def test_other_files_are_refused(tmp_path):
    for name, said in (("a.txt", "the ending is not known"), ("a.npz", "NumPy archive"), ("a.fits", "FITS image")):
        (tmp_path / name).write_text("nothing")
        with pytest.raises(ConfigError, match=said):
            ionosphere(tmp_path, file=name)


def test_pixels_that_cannot_show_r0_are_refused():
    keys = {"seed": 1, "r0": "4 km", "pixel": "1 km"}
    ionosphere(lowest_hz=150e6, kolmogorov=keys)
    # r0 goes as nu^(6/5): 1.07 km at 50 MHz.
    with pytest.raises(ConfigError, match=r"more than half of r0, which is 1070 m at 50 MHz; give a pixel of 535 m"):
        ionosphere(lowest_hz=50e6, kolmogorov=keys)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "give file, or kolmogorov"),
        ({"kolmogorov": {"r0": "10 km"}}, "Field required"),
        ({"kolmogorov": {"seed": 1, "r0": "10 km", "extent": "100 km"}}, "more than half of extent"),
        ({"kolmogorov": {"seed": 1, "r0": "10 km", "pixel": "200 km"}}, "less than 8 pixels"),
        ({"kolmogorov": {"seed": 1, "r0": "10 m/s"}}, "not a unit of length"),
        ({"kolmogorov": {"seed": 1, "r0": "10 km"}, "height": "0 km"}, "above zero"),
        ({"kolmogorov": {"seed": 1, "r0": "10 km"}, "velocity": {"east": "3 m"}}, "not a unit of speed"),
    ],
)
def test_bad_keys_are_refused(keys, said):
    with pytest.raises(ValidationError, match=said):
        IonosphereConfig.model_validate(keys)


def test_what_is_written_out_reads_back_the_same():
    velocity = {"east": "100 m/s", "north": "-0.1 km/s"}
    config = IonosphereConfig.model_validate({"velocity": velocity, "kolmogorov": {"seed": 1, "r0": "7 km"}})
    assert config.velocity.north_m_s == -100
    assert IonosphereConfig.model_validate(config.model_dump(mode="json")) == config
