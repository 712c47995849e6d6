"""Whole runs against the measurement equation written out source by source, baseline by baseline, in float64.

What stations answer, where sources are and what the ionosphere holds comes from the modules that have tests of their
own; how all this is put together is what these tests look at.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.check import observation_geometry
from pipeline.config.file import load_config
from pipeline.dataset.reader import open_dataset
from pipeline.inputs import load_inputs
from pipeline.observation.stations.base import Directions

SPEED_OF_LIGHT_M_S = 299792458.0

OBSERVATION = """
name: whole
telescope: {{array: ska-low-aa1, autocorrelations: true, baselines: {{max: {longest}}}, station: {station}}}
sky:
  - sources:
      - {{name: a, ra: 0h05m, dec: -28d, i: 2 Jy, spectral_index: -0.8, reference: 150 MHz{polarised}}}
      - {{name: b, ra: 23h58m30s, dec: -26d30m, i: 1 Jy}}
      - {{name: c, ra: 0h40m, dec: -20d, i: -0.25 Jy{shape}}}
      - {{name: far, ra: {far}, i: 3 Jy}}
phase_centre: {{ra: 0h, dec: -27d}}
time: {{start: 2026-11-22T12:00:00, integration: {integration}, dumps: {dumps}}}
spectrum: {{start: 150 MHz, width: {width}, channels: 4}}
averaging: {{node: 2, group: 1}}
compute: {{precision: {precision}, accuracy: {accuracy}, smearing: {smearing}, route: {route}}}
output: {{path: whole.dawn}}
{more}
"""

DEFAULTS = {
    "longest": "2 km",
    "far": "3h30m, dec: 10d",
    "width": "20 kHz",
    "station": "isotropic",
    "polarised": "",
    "shape": "",
    "integration": "0.8 s",
    "dumps": "3",
    "precision": "double",
    "accuracy": "1e-9",
    "smearing": "none",
    "route": "product",
    "more": "",
}
POLARISED = ", q: 0.3 Jy, u: -0.2 Jy, v: 100 mJy"
SHAPE = ", shape: {major: 20 arcmin, minor: 7 arcmin, position_angle: 25 deg}"
DIPOLES = "{type: aperture-array, element: dipole, rotation: {seed: 4}}"


def run(dawnstream, folder, ranks=0, **changes):
    """Run an observation; return its configuration, visibilities (band, dump, baseline, pol) and weights."""
    config = folder / "whole.yaml"
    config.write_text(OBSERVATION.format(**{**DEFAULTS, **changes}))
    done = dawnstream("run", config, "--overwrite", ranks=ranks)
    assert done.returncode == 0, done.stderr
    vis, weight = [], []
    dataset = open_dataset(folder / "whole.dawn")
    for index in range(dataset.n_bands):
        with dataset.band(index) as band:
            blocks = list(band)
        vis.append(np.concatenate([block.vis[:, 0] for block in blocks]))
        weight.append(np.concatenate([block.weight[:, 0] for block in blocks]))
    return load_config(config), np.array(vis), np.array(weight)


class Direct:
    """The equation, written out.

    Parameters
    ----------
    config
        The observation.
    n_moments
        Moments and frequencies that a dump and a channel are averaged over.
    """

    def __init__(self, config, n_moments=1):
        from kernels import reference

        self.config, self.inputs, self.kernels, self.n = config, load_inputs(config), reference, n_moments
        self.geometry = observation_geometry(config, self.inputs)

    def channel(self, channel, delay=None):
        """Return visibilities of a fine channel, (dump, baseline, pol), and the summed flux."""
        spectrum = self.config.spectrum
        hz = spectrum.start_hz + channel * spectrum.width_hz
        spread = (np.arange(self.n) + 0.5) / self.n - 0.5
        out, flux = [], 0.0
        for dump in range(self.config.time.dumps):
            (middle,) = self.geometry.moments(np.array([dump + 0.5]))
            enu = middle.enu()
            up = np.flatnonzero(enu[:, 2] > 0)
            directions = Directions(enu[up], middle.north(up), middle.uvw_axes[2])
            jones = self.inputs.response.respond(directions, hz, self.kernels)
            if self.inputs.response.is_scalar:
                jones = jones[..., np.newaxis, np.newaxis] * np.eye(2)
            stokes = self.inputs.sky.stokes_at(hz)[up]
            flux = max(flux, np.abs(stokes).sum())
            screen = None if delay is None else delay(dump, hz, enu[up])
            moments = self.geometry.moments(dump + 0.5 + spread)
            samples = [
                self.sample(moment, hz + x * spectrum.width_hz, up, jones, stokes, middle, screen)
                for moment in moments
                for x in spread
            ]
            out.append(np.mean(samples, axis=0))
        return np.array(out), flux

    def sample(self, moment, hz, up, jones, stokes, middle, screen):
        """Return the visibilities of one moment and frequency."""
        inputs = self.inputs
        kind, (p, q) = inputs.response.kind, inputs.baselines.T
        b = moment.station_uvw[p] - moment.station_uvw[q]
        b_sky = (moment.station_uvw[p] - moment.station_uvw[q]) @ middle.uvw_axes
        out = np.zeros((len(p), 2, 2), complex)
        for k, source in enumerate(up):
            i, q_, u, v = stokes[k]
            brightness = np.array([[i + q_, u + 1j * v], [u - 1j * v, i - q_]])
            fringe = np.exp(2j * np.pi * hz / SPEED_OF_LIGHT_M_S * (b @ moment.lmn(np.array([source]))[0]))
            major, minor, angle = inputs.sky.shape_rad[source]
            north, towards = middle.north(np.array([source]))[0], middle.enu(np.array([source]))[0]
            east = np.cross(north, towards)
            along = math.cos(angle) * north + math.sin(angle) * east
            across = math.cos(angle) * east - math.sin(angle) * north
            squares = (major * (b_sky @ along)) ** 2 + (minor * (b_sky @ across)) ** 2
            fringe *= np.exp(-((math.pi * hz / SPEED_OF_LIGHT_M_S) ** 2) / (4 * math.log(2)) * squares)
            if screen is not None:
                fringe *= screen[k, p] * screen[k, q].conj()
            seen = jones[kind[p], k] @ brightness @ jones[kind[q], k].conj().swapaxes(-1, -2)
            out += fringe[:, np.newaxis, np.newaxis] * seen
        return out.reshape(-1, 4)

    def bands(self, **more):
        """Return the bands of two channels, (band, dump, baseline, pol), and the summed flux."""
        channels = [self.channel(channel, **more) for channel in range(4)]
        vis = [vis for vis, _ in channels]
        return np.array([(vis[0] + vis[1]) / 2, (vis[2] + vis[3]) / 2]), channels[0][1]


@pytest.mark.parametrize(
    "changes",
    [
        {"station": "{type: airy, diameter: 20 m}"},
        {"station": "{type: gaussian, fwhm: 9 deg, reference: 150 MHz}", "polarised": POLARISED},
        {"station": "{type: dipole, height: 0.5 m}", "polarised": POLARISED, "shape": SHAPE},
        {"station": "{type: aperture-array}", "polarised": POLARISED},
        {"station": "{type: aperture-array, rotation: {seed: 4}}"},
        {"station": DIPOLES, "polarised": POLARISED},
        {"station": DIPOLES, "polarised": POLARISED, "shape": SHAPE},
    ],
    ids=["airy", "gaussian-polarised", "dipole-extended", "alike", "scalar-kinds", "kinds", "kinds-extended"],
)
def test_every_route_adds_up_the_same_equation(dawnstream, tmp_path, changes):
    config, vis, weight = run(dawnstream, tmp_path, **changes)
    expected, flux = Direct(config).bands()
    assert np.abs(vis - expected).max() <= 2e-7 * flux
    assert (weight == 2).all()
    # Nothing is compared with nothing.
    assert np.abs(expected).max() > 1e-2 * flux


def test_production_precision(dawnstream, tmp_path):
    changes = {"station": DIPOLES, "polarised": POLARISED, "shape": SHAPE, "precision": "mixed", "accuracy": "1e-6"}
    config, vis, _ = run(dawnstream, tmp_path, **changes)
    expected, flux = Direct(config).bands()
    assert np.abs(vis - expected).max() <= 1e-6 * flux


def test_responses_between_the_moments_they_are_worked_out_at(dawnstream, tmp_path):
    """Eleven long dumps share four moments."""
    changes = {"station": DIPOLES, "polarised": POLARISED, "dumps": "11", "integration": "8 s", "accuracy": "1e-5"}
    config, vis, _ = run(dawnstream, tmp_path, **changes)
    direct = Direct(config)
    assert direct.inputs.sizes.cell_dumps == 11
    expected, flux = direct.bands()
    assert np.abs(vis - expected).max() <= 1e-5 * flux


@pytest.mark.parametrize(
    "changes",
    [
        {"route": "product", "longest": "6 km", "integration": "4 s", "width": "20 kHz"},
        {"route": "nufft", "far": "0h50m, dec: -31d", "integration": "60 s", "width": "500 kHz"},
    ],
    ids=["product", "nufft"],
)
def test_smearing_on_every_route(dawnstream, tmp_path, changes):
    """A long dump and a wide channel, against the mean over 24 x 24 moments and frequencies."""
    station = "{type: airy, diameter: 3 m}"
    config, vis, _ = run(
        dawnstream,
        tmp_path,
        polarised=POLARISED,
        dumps="1",
        station=station,
        smearing="both",
        accuracy="1e-6",
        **changes,
    )
    # The midpoint rule errs as 1 / n^2, which two of them tell and remove.
    n = 24
    coarse, flux = Direct(config, n // 2).bands()
    fine, _ = Direct(config, n).bands()
    expected = fine + (fine - coarse) / 3
    assert np.abs(vis - expected).max() <= 2e-6 * flux
    sharp, _ = Direct(config).bands()
    assert np.abs(sharp - expected).max() > 1e-4 * flux


def test_ionosphere(dawnstream, tmp_path):
    """Every path through the screen, worked out here; the screen is the one the run has."""
    screen = "ionosphere: {kolmogorov: {seed: 2, r0: 3 km, pixel: 1 km}, velocity: {east: 100 m/s}}"
    config, vis, _ = run(dawnstream, tmp_path, more=screen, shape=SHAPE)
    direct = Direct(config)
    ionosphere, enu_m = direct.inputs.instrument.ionosphere, direct.inputs.telescope.enu_m

    def delay(dump, hz, enu):
        time_s = (dump + 0.5) * config.time.integration_s
        phasors = np.zeros((2, len(enu), len(enu_m)))
        phasors[0] = 1
        direct.kernels.phase_screen(
            enu_m,
            enu,
            np.arange(len(enu), dtype=np.int32),
            ionosphere.screen_at(time_s),
            ionosphere.place_at(time_s),
            ionosphere.turns_per_tecu(hz),
            phasors,
        )
        return phasors[0] + 1j * phasors[1]

    expected, flux = direct.bands(delay=delay)
    assert np.abs(vis - expected).max() <= 2e-7 * flux
    calm, _ = direct.bands()
    assert np.abs(calm - expected).max() > 1e-2 * flux


def test_gains_and_flags(dawnstream, tmp_path):
    more = "gains: {seed: 5, drift: {timescale: 2 s}}\nflags: {dead_stations: [S003], channels: [1], dumps: [2]}"
    config, vis, weight = run(dawnstream, tmp_path, more=more, polarised=POLARISED)
    direct = Direct(config)
    alive = (direct.inputs.baselines != 3).all(axis=1)
    expected_weight = np.zeros(weight.shape)
    expected_weight[0][:2, alive], expected_weight[1][:2, alive] = 1, 2
    np.testing.assert_array_equal(weight, expected_weight)
    assert not vis[weight == 0].any()
    p, q = direct.inputs.baselines.T
    total, flux = np.zeros(vis.shape, complex), 0.0
    for channel, share in ((0, 1.0), (2, 0.5), (3, 0.5)):
        ideal, flux = direct.channel(channel)
        for dump in range(2):
            hz = config.spectrum.start_hz + channel * config.spectrum.width_hz
            gains = direct.inputs.instrument.gains.gains_at(hz, (dump + 0.5) * config.time.integration_s)
            factor = gains[p][:, :, None] * gains[q].conj()[:, None, :]
            total[channel // 2, dump] += share * factor.reshape(-1, 4) * ideal[dump]
    kept = weight > 0
    assert np.abs(vis - total)[kept].max() <= 3e-7 * flux


def test_noise_averages_down_and_knows_no_ranks(dawnstream, tmp_path):
    more = "noise: {seed: 11, sefd: 1000 Jy}"
    config, quiet, _ = run(dawnstream, tmp_path, dumps="31")
    _, noisy, _ = run(dawnstream, tmp_path, dumps="31", more=more)
    _, on_ranks, _ = run(dawnstream, tmp_path, ranks=2, dumps="31", more=more)
    np.testing.assert_array_equal(noisy, on_ranks)
    p, q = load_inputs(config).baselines.T
    noise = (noisy - quiet)[:, :, p != q]
    parts = np.stack([noise.real, noise.imag])
    # Two channels are averaged into a band.
    sigma = 1000 / math.sqrt(2 * 20e3 * 0.8) / math.sqrt(2)
    assert parts.std() == pytest.approx(sigma, rel=4 / math.sqrt(2 * parts.size))
    assert abs(parts.mean()) < 4 * sigma / math.sqrt(parts.size)
    for a, b in (
        (parts[0], parts[1]),
        (parts[:, 0], parts[:, 1]),
        (parts[:, :, 1:], parts[:, :, :-1]),
        (parts[..., 1:, :], parts[..., :-1, :]),
        (parts[..., 0], parts[..., 3]),
    ):
        assert abs((a * b).mean()) < 4 * sigma**2 / math.sqrt(a.size)


def test_the_transform_is_the_product(dawnstream, tmp_path):
    """Both ways, to the accuracy asked for; and the transform's bits do not depend on ranks."""
    sky = {"station": "{type: aperture-array, element: dipole}", "polarised": POLARISED, "smearing": "both"}
    sky["far"] = "0h50m, dec: -31d"
    config, by_product, _ = run(dawnstream, tmp_path, accuracy="1e-7", **sky)
    _, by_transform, _ = run(dawnstream, tmp_path, accuracy="1e-7", **{**sky, "route": "nufft"})
    _, on_ranks, _ = run(dawnstream, tmp_path, ranks=2, accuracy="1e-7", **{**sky, "route": "nufft"})
    flux = np.abs(load_inputs(config).sky.stokes_at(150e6)).sum()
    assert np.abs(by_product - by_transform).max() <= 4e-7 * flux
    np.testing.assert_array_equal(by_transform, on_ranks)
