"""Light-cones in the layouts that 21cmFAST writes, made here."""

from __future__ import annotations

import functools

import h5py
import numpy as np
from astropy.cosmology import Planck15
from scipy.interpolate import CubicSpline

from pipeline.config.diffuse import LightconeEntry
from pipeline.observation.skies.base import Observed
from pipeline.observation.sky import load_sky

HLITTLE, OM0, OB0 = 0.69, 0.29, 0.047
LINE_HZ = 1420405751.7667
CENTRE_RAD = (0.3, -0.47)
BOX_MPC = 90.0


def universe(layout):
    """Return the cosmology of the files as a version of 21cmFAST makes it: 4 has other neutrinos than 3."""
    return Planck15.clone(H0=100 * HLITTLE, Om0=OM0, Ob0=OB0, Neff=3.044 if layout == "4" else 3.046)


@functools.cache
def _redshifts(layout):
    redshifts = np.linspace(7, 12, 301)
    return CubicSpline(universe(layout).comoving_distance(redshifts).to_value("Mpc"), redshifts, extrapolate=False)


def frequency_of(distance_mpc, layout="4"):
    """Return where the line is seen from a comoving distance, Hz, from a table of distances."""
    return LINE_HZ / (1 + _redshifts(layout)(distance_mpc))


def write(path, cube, box_mpc, layout="4", unit=None, chunks=None):
    """Write a cube (x, y, line of sight) as a version of 21cmFAST lays it out; return the distances of its slices.

    Layouts: "3.0" has the redshift of the first slice, "3.4" distances, "4" both groups and names of their own.
    """
    n_cells, n_slices = cube.shape[0], cube.shape[2]
    nearest_mpc = universe(layout).comoving_distance(8.2).to_value("Mpc")
    distance_mpc = nearest_mpc + box_mpc / n_cells * np.arange(n_slices)
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("lightcones/brightness_temp", data=cube, chunks=chunks, fletcher32=bool(chunks))
        if unit is not None:
            dataset.attrs["units"] = unit
        inside = file.create_group("InputParameters") if layout == "4" else file
        options = inside.create_group("simulation_options" if layout == "4" else "user_params")
        options.attrs.update({"BOX_LEN": float(box_mpc), "HII_DIM": n_cells, "DIM": 3 * n_cells})
        inside.create_group("cosmo_params").attrs.update({"hlittle": HLITTLE, "OMm": OM0, "OMb": OB0, "SIGMA_8": 0.8})
        inside["node_redshifts"] = np.array([12.0, 9.0, 8.5, 8.0])
        if layout == "3.0":
            file.attrs["redshift"] = 8.2
        else:
            file["lightcone_distances" if layout == "4" else "distances"] = distance_mpc
    return distance_mpc


def band(near_mpc, far_mpc, layout="4"):
    """Return an observation whose channels' outer edges are seen from these distances."""
    n_channels = 9
    low_hz, high_hz = frequency_of(np.array([far_mpc, near_mpc]), layout)
    width_hz = (high_hz - low_hz) / n_channels
    return Observed(CENTRE_RAD, low_hz + width_hz / 2, width_hz, n_channels)


def load(path, observed, **keys):
    sky, notes = load_sky([LightconeEntry.model_validate({"lightcone": str(path), **keys})], observed)
    return sky.parts[0], notes


def noise(n_cells=9, n_slices=14, seed=5):
    return np.random.default_rng(seed).normal(15, 4, (n_cells, n_cells, n_slices)).astype(np.float32)
