"""A small observation, run and written out: source by source, baseline by baseline, in float64.

What stations answer, where sources are and what the ionosphere holds comes from the modules that have tests of their
own; how all this is put together is what the tests that use this look at.
"""

from __future__ import annotations

import math

import numpy as np

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
