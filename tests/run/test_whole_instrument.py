"""Whole runs with what is not ideal, and on another device, against the measurement equation written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from written_out import POLARISED, SHAPE, Direct, run

from pipeline.dataset.reader import open_dataset
from pipeline.inputs import load_inputs


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


SMALL = """
name: small
telescope:
  array: array.txt
  location: {{longitude: 116.76 deg, latitude: -26.82 deg, height: 365 m}}
  station: {station}
sky:
  - sources:
      - {{name: a, ra: 0h05m, dec: -28d, i: 2 Jy, q: 0.1 Jy}}
      - {{name: b, ra: 0h03m, dec: -26d, i: 0.25 Jy{shape}}}
phase_centre: {{ra: 0h, dec: -27d}}
time: {{start: 2026-11-22T12:00:00, integration: 0.8 s, dumps: 2}}
spectrum: {{start: 150 MHz, width: 20 kHz, channels: 1}}
averaging: {{node: 1, group: 1}}
compute: {{backend: {backend}, smearing: none, route: {route}}}
output: {{path: {backend}.dawn}}
{more}
"""


@pytest.mark.parametrize(
    "changes",
    [
        {
            "station": "{type: aperture-array, element: dipole, rotation: {seed: 1}}",
            "shape": SHAPE,
            "route": "product",
            "more": "noise: {seed: 1}\ngains: {seed: 2}\nflags: {dead_stations: [1]}\n"
            "ionosphere: {kolmogorov: {seed: 1, r0: 5 km}}",
        },
        {"station": "{type: dipole, height: 0.5 m}", "shape": "", "route": "nufft", "more": ""},
    ],
    ids=["everything", "nufft"],
)
def test_a_run_on_cuda_is_one_on_the_cpu(dawnstream, tmp_path, monkeypatch, changes):
    """In the simulator, which proves the way data go rather than their precision."""
    (tmp_path / "array.txt").write_text("0 0 0\n37 -5 1\n-12 60 0\n90 11 -1\n")
    found = []
    for backend, simulated in (("cpu", "0"), ("cuda", "1")):
        monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", simulated)
        config = tmp_path / f"{backend}.yaml"
        config.write_text(SMALL.format(backend=backend, **changes))
        done = dawnstream("run", config)
        assert done.returncode == 0, done.stderr
        with open_dataset(tmp_path / f"{backend}.dawn").band(0) as band:
            found.append([(block.vis.copy(), block.weight.copy()) for block in band])
    for (vis, weight), (on_cuda, weight_on_cuda) in zip(*found, strict=True):
        np.testing.assert_array_equal(weight, weight_on_cuda)
        assert np.abs(vis - on_cuda).max() <= 2e-6 * np.abs(vis).max()
