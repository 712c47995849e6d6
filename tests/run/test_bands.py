"""What a run writes: the same bytes for every machine, and the measurement equation to 1e-6."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from pipeline.config.file import load_config
from pipeline.dataset.reader import open_dataset

SPEED_OF_LIGHT_M_S = 299792458.0

MACHINES = [  # ranks, ranks on a pretend machine
    (2, 2),
    (3, 3),
    (4, 4),
    (6, 6),
    (12, 12),
    (2, 1),
    (3, 1),
    (6, 1),
    (6, 3),
    (12, 2),
]


def read_bands(path):
    """Return every band as one array per variable."""
    dataset = open_dataset(path)
    bands = []
    for index in range(dataset.n_bands):
        with dataset.band(index) as band:
            blocks = list(band)
        names = ("dump", "time_utc", "station_uvw", "vis", "weight")
        bands.append({name: np.concatenate([getattr(block, name) for block in blocks]) for name in names})
    return bands


def digests(path):
    return [
        {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in band.items()} for band in read_bands(path)
    ]


def run_tiny(dawnstream, folder, text, ranks, *options):
    config = folder / f"config-{ranks}.yaml"
    config.write_text(text.replace("../out/tiny.dawn", f"out-{ranks}.dawn"))
    done = dawnstream("run", config, "--overwrite", *options, ranks=ranks)
    assert done.returncode == 0, done.stderr
    return folder / f"out-{ranks}.dawn"


def test_bands_are_the_same_bits_on_every_machine(dawnstream, tiny, tmp_path):
    expected = digests(run_tiny(dawnstream, tmp_path, tiny, 1))
    assert len(expected) == 2
    for ranks, ranks_per_node in MACHINES:
        path = run_tiny(dawnstream, tmp_path, tiny, ranks, "--ranks-per-node", ranks_per_node)
        assert digests(path) == expected, f"{ranks} ranks, {ranks_per_node} on a node"


@pytest.mark.parametrize(
    ("averaging", "ranks", "ranks_per_node"),
    [
        ("{node: 6, group: 6}", 5, 5),  # channels of uneven numbers of ranks
        ("{node: 36, group: 2}", 4, 4),  # channels of one first average, then across nodes
        ("{node: 12, group: 1}", 12, 6),
        ("{node: 18, group: 2}", 8, 2),
    ],
)
def test_ranks_that_share_a_first_average_exchange_channels(
    dawnstream, tiny, tmp_path, averaging, ranks, ranks_per_node
):
    text = tiny + f"averaging: {averaging}\n"
    planned = tmp_path / "planned.yaml"
    planned.write_text(text)
    done = dawnstream("plan", planned, "--ranks", ranks, "--ranks-per-node", ranks_per_node)
    assert "first average  by exchange of channels" in done.stdout
    expected = digests(run_tiny(dawnstream, tmp_path, text, 1))
    assert digests(run_tiny(dawnstream, tmp_path, text, ranks, "--ranks-per-node", ranks_per_node)) == expected


@pytest.mark.parametrize(("precision", "accuracy", "bound"), [("mixed", 1e-6, 1.2e-6), ("double", 1e-9, 2e-7)])
def test_visibilities_are_the_measurement_equation(dawnstream, tiny, tmp_path, precision, accuracy, bound):
    """Sum sources in float64 for every channel, smear by sinc, and average; bound: a fraction of the summed flux."""
    text = tiny + f"compute: {{precision: {precision}, accuracy: {accuracy}}}\n"
    path = run_tiny(dawnstream, tmp_path, text, 2)
    config = load_config(tmp_path / "config-2.yaml")
    moments = dump_edges_and_middles(config)
    for index, band in enumerate(read_bands(path)):
        assert band["vis"].shape == (5, 1, 136, 4)
        np.testing.assert_array_equal(band["weight"], 36.0)
        np.testing.assert_array_equal(band["dump"], np.arange(5))
        expected = np.zeros((5, 136, 4), complex)
        flux = 0.0
        for channel in range(36 * index, 36 * (index + 1)):
            predicted, flux = predict(config, moments, channel)
            expected += predicted / 36
        assert np.abs(band["vis"][:, 0] - expected).max() <= bound * flux


def test_smearing_can_be_left_out(dawnstream, tiny, tmp_path):
    path = run_tiny(dawnstream, tmp_path, tiny + "compute: {precision: double, smearing: none}\n", 1)
    config = load_config(tmp_path / "config-1.yaml")
    moments = dump_edges_and_middles(config)
    both = [predict(config, moments, channel, smeared) for channel in range(36) for smeared in (False, True)]
    sharp, smeared = (sum(vis for vis, _ in both[k::2]) / 36 for k in (0, 1))
    flux, found = both[0][1], read_bands(path)[0]["vis"][:, 0]
    assert np.abs(found - sharp).max() <= 2e-7 * flux
    assert np.abs(found - smeared).max() > 3e-6 * flux


def dump_edges_and_middles(config):
    """Return (dump, 3) moments, as station u, v, w and l, m, n - 1; the geometry has tests of its own."""
    from pipeline.check import observation_geometry
    from pipeline.inputs import load_inputs

    dumps = np.arange(config.time.dumps)[:, np.newaxis] + np.array([0.0, 0.5, 1.0])
    moments = observation_geometry(config, load_inputs(config)).moments(dumps.reshape(-1))
    return [moments[3 * dump : 3 * dump + 3] for dump in range(len(dumps))]


def predict(config, moments, channel, smeared=True):
    """Sum V = B exp(2 pi i nu/c (u l + v m + w (n-1))) over sources, baseline by baseline in float64.

    A fringe that turns evenly by an angle a is, on average, sin(a / 2) / (a / 2) of itself.
    """
    hz = config.spectrum.start_hz + channel * config.spectrum.width_hz
    n_stations = len(moments[0][0].station_uvw)
    pairs = np.array([(p, q) for p in range(n_stations) for q in range(p, n_stations)])
    out = np.zeros((len(moments), len(pairs), 4), complex)
    flux = 0.0
    paths = np.array(
        [
            [(each.station_uvw[pairs[:, 0]] - each.station_uvw[pairs[:, 1]]) @ each.lmn().T for each in dump]
            for dump in moments
        ]
    )
    for number, source in enumerate(config.sky[0].sources):
        law = (hz / source.reference_hz) ** source.spectral_index[0]
        i, q, u, v = (law * s for s in (source.i_jy, source.q_jy, source.u_jy, source.v_jy))
        brightness = np.array([i + q, u + 1j * v, u - 1j * v, i - q])
        flux += abs(i) + math.hypot(q, u, v)
        first, middle, last = np.moveaxis(paths[..., number], 1, 0)
        fringe = np.exp(2j * np.pi * middle * hz / SPEED_OF_LIGHT_M_S)
        if smeared:
            fringe *= np.sinc(middle * config.spectrum.width_hz / SPEED_OF_LIGHT_M_S)
            fringe *= np.sinc((last - first) * hz / SPEED_OF_LIGHT_M_S)
        out += fringe[..., np.newaxis] * brightness
    return out, flux
