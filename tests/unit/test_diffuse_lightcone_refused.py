"""Light-cones that are refused, with what to do about it; and cosmologies."""

from __future__ import annotations

import diffuse_samples as samples
import h5py
import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Observed


@pytest.mark.parametrize("ends", [(-1, 5), (5, 15)])
def test_channels_that_are_not_covered(tmp_path, ends):
    distance_mpc = samples.write(tmp_path / "lc.h5", samples.noise(), samples.BOX_MPC)
    near, far = (distance_mpc[0] + end * samples.BOX_MPC / 9 for end in ends)
    first, last = samples.frequency_of(distance_mpc[[-1, 0]]) / 1e6
    with pytest.raises(
        ConfigError, match=rf"slices cover {first:.4f}\d+ MHz to {last:.4f}\d+ MHz, and frequencies from"
    ):
        samples.load(tmp_path / "lc.h5", samples.band(near, far))
    with pytest.raises(ConfigError, match=r"slices cover .*from 1600\.0"):
        samples.load(tmp_path / "lc.h5", Observed(samples.CENTRE_RAD, 1600.05e6, 1e5, 2))


def remove(*names):
    def change(file):
        for name in names:
            if name in file:
                del file[name]
            else:
                group, _, attribute = name.rpartition("/")
                del file[group].attrs[attribute]

    return change


def attribute(group, **values):
    return lambda file: file[group].attrs.update(values)


def replace(name, change):
    def apply(file):
        values = change(file[name][()])
        del file[name]
        file[name] = values

    return apply


OPTIONS = "InputParameters/simulation_options"
COSMOLOGY = "InputParameters/cosmo_params"
CUBE = "lightcones/brightness_temp"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (attribute(CUBE, units="Jy"), r"brightness_temp is in 'Jy'; only mK or K is taken"),
        (attribute(CUBE, unit=b"keV"), r"brightness_temp is in 'keV'"),
        (attribute("lightcone_distances", unit="Mpc/h"), r"/lightcone_distances is in 'Mpc/h'; only Mpc is taken"),
        (replace("lightcone_distances", lambda d: d * 0.69), r"slices are at .*node_redshifts.*\(Mpc, not Mpc/h\)"),
        (replace("lightcone_distances", lambda d: d[::-1]), r"at least three, ascending and evenly"),
        (replace("lightcone_distances", lambda d: d + (d > d[4])), r"at least three, ascending and evenly"),
        (replace("lightcone_distances", lambda d: d[:-1]), r"HII_DIM \(9\) and the 13 distances ask for another shape"),
        (remove("lightcone_distances"), r"says nowhere how far its slices are"),
        (remove("lightcones"), r"has no lightcones/brightness_temp: there is no group lightcones"),
        (remove(CUBE), r"has no lightcones/brightness_temp: there is only  in it"),
        (replace(CUBE, lambda cube: cube[0]), r"has 2 axes; give a light-cone with three"),
        (replace(CUBE, lambda cube: cube[:, :-1]), r"is \(9, 8, 14\), and HII_DIM"),
        (replace(CUBE, lambda cube: cube * np.inf), r"81 values that are not finite"),
        (attribute(OPTIONS, HII_DIM=0), r"attribute HII_DIM of /InputParameters/simulation_options is .*above zero"),
        (remove(f"{OPTIONS}/BOX_LEN"), r"attribute BOX_LEN of .* is None"),
        (attribute(COSMOLOGY, hlittle=np.nan), r"attribute hlittle of .* is .*nan.*above zero"),
        (remove(OPTIONS), r"has neither the group user_params \(21cmFAST 3\)"),
        (remove(COSMOLOGY), r"says nothing of its cosmology; set 'cosmology'"),
    ],
)
def test_bad_files(tmp_path, change, message):
    distance_mpc = samples.write(tmp_path / "lc.h5", samples.noise(), samples.BOX_MPC)
    with h5py.File(tmp_path / "lc.h5", "r+") as file:
        change(file)
    observed = samples.band(distance_mpc[2], distance_mpc[11])
    with pytest.raises(ConfigError, match=message):
        samples.load(tmp_path / "lc.h5", observed)[0].stokes_at(observed.start_hz)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"cosmology": {"name": "Planck18"}}, r"was made with H0 = 69, and cosmology has 67\.66; remove 'cosmology'"),
        ({"cosmology": {"h0": 69.0, "om0": 0.3}}, r"was made with Om0 = 0\.29, and cosmology has 0\.3"),
        ({"cell": "4 arcmin"}, r"cell is 4 arcmin, and the light-cone's cells are 3\.\d+ arcmin at the lowest"),
        ({"field": "density"}, r"has no lightcones/density: there is only brightness_temp in it"),
        ({"size": 2500, "tile": True}, r"reach to a direction cosine of 1\.8"),
    ],
)
def test_bad_entries(tmp_path, keys, message):
    distance_mpc = samples.write(tmp_path / "lc.h5", samples.noise(), samples.BOX_MPC)
    with pytest.raises(ConfigError, match=message):
        samples.load(tmp_path / "lc.h5", samples.band(distance_mpc[2], distance_mpc[11]), **keys)


def test_cosmologies_that_agree(tmp_path):
    distance_mpc = samples.write(tmp_path / "lc.h5", samples.noise(), samples.BOX_MPC)
    observed = samples.band(distance_mpc[2], distance_mpc[11])
    part, _ = samples.load(tmp_path / "lc.h5", observed, cosmology={"h0": 69.0, "om0": 0.29})
    expected, _ = samples.load(tmp_path / "lc.h5", observed)
    np.testing.assert_array_equal(part.ra_rad, expected.ra_rad)
    with h5py.File(tmp_path / "lc.h5", "r+") as file:
        del file[COSMOLOGY]
    samples.load(tmp_path / "lc.h5", observed, cosmology={"h0": 69.0, "om0": 0.29})


def test_what_is_no_hdf5(tmp_path):
    (tmp_path / "lc.h5").write_text("no")
    with pytest.raises(ConfigError, match=r"lc\.h5: cannot be read as HDF5"):
        samples.load(tmp_path / "lc.h5", Observed(samples.CENTRE_RAD, 150e6, 5e3, 3))
