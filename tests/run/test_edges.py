"""The smallest observations: two stations, one source, and dumps in which nothing is above the horizon."""

from __future__ import annotations

import numpy as np
import pytest
from written_out import Direct

from pipeline.config.file import load_config
from pipeline.dataset.reader import open_dataset

# The source sets between the third and the fourth dump; the brightest and the faintest flux density there may be.
# What is written is float32 in double precision, too.
OBSERVATION = """
name: edges
telescope:
  array: two.txt
  location: {{longitude: 116.764448 deg, latitude: -26.824722 deg, height: 365 m}}
  autocorrelations: true
  station: {station}
sky: [{{sources: [{{name: setting, ra: {ra}, dec: -10d, i: {flux} Jy}}]}}]
phase_centre: {{ra: 0h, dec: -27d}}
time: {{start: 2026-11-22T12:00:00, integration: 60 s, dumps: 7}}
spectrum: {{start: 150 MHz, width: 5.425347 kHz, channels: 4}}
averaging: {{node: 2, group: 1}}
compute: {{precision: {precision}, smearing: none, route: product}}
output: {{path: edges.dawn}}
"""
SETTING_RA = "263.5148 deg"
ALL_DIFFER = "{type: aperture-array, element: dipole, rotation: {seed: 1}}"


@pytest.mark.parametrize(
    ("station", "flux", "precision", "accuracy"),
    [("isotropic", "1e4", "mixed", 1e-6), (ALL_DIFFER, "1e-7", "double", 2e-7)],
    ids=["isotropic", "all-differ"],
)
def test_two_stations_and_a_source_that_sets(dawnstream, tmp_path, station, flux, precision, accuracy):
    np.savetxt(tmp_path / "two.txt", [[0.0, 0.0, 0.0], [731.0, -217.0, 3.0]])
    path = tmp_path / "edges.yaml"
    path.write_text(OBSERVATION.format(station=station, ra=SETTING_RA, flux=flux, precision=precision))
    done = dawnstream("run", path)
    assert done.returncode == 0, done.stderr
    vis = []
    dataset = open_dataset(tmp_path / "edges.dawn")
    for index in range(dataset.n_bands):
        with dataset.band(index) as band:
            vis.append(np.concatenate([block.vis[:, 0] for block in band]))
    direct = Direct(load_config(path))
    expected, _ = direct.bands()
    up = [bool((moment.enu()[:, 2] > 0).all()) for moment in direct.geometry.moments(np.arange(7) + 0.5)]
    assert up == [True] * 3 + [False] * 4
    vis = np.array(vis)
    assert (vis[:, 3:] == 0).all()
    assert (np.abs(vis[:, :3, :, 0]) > 0).all()
    assert np.abs(vis - expected).max() <= accuracy * float(flux)
