"""Directions to ask station responses about."""

from __future__ import annotations

import numpy as np

from pipeline.observation.stations.base import Directions

C = 299792458.0
ZENITH = (0.0, 0.0, 1.0)


def at(zenith_angle, azimuth, pointing=ZENITH):
    """Directions by zenith angle and azimuth (north through east), rad; "north" is towards the zenith."""
    za, az = np.broadcast_arrays(np.asarray(zenith_angle, float), np.asarray(azimuth, float))
    enu = np.stack([np.sin(za) * np.sin(az), np.sin(za) * np.cos(az), np.cos(za)], axis=-1).reshape(-1, 3)
    north = np.stack([-np.cos(za) * np.sin(az), -np.cos(za) * np.cos(az), np.sin(za)], axis=-1).reshape(-1, 3)
    return Directions(enu, north, np.asarray(pointing, float))


def somewhere(n, seed=1, pointing=(0.36, -0.48, 0.8)):
    """Give directions all over the sky, with axes of polarisation turned by any angle."""
    rng = np.random.default_rng(seed)
    sky = at(np.arccos(rng.uniform(0.02, 1.0, n)), rng.uniform(0, 2 * np.pi, n), pointing)
    angle = rng.uniform(0, 2 * np.pi, n)[:, None]
    north = np.cos(angle) * sky.north + np.sin(angle) * np.cross(sky.north, sky.enu)
    return Directions(sky.enu, north, sky.pointing)
