"""Random skies over stations of SKA-Low's AA4 layout, to its full extent; a polarised source at the zenith."""

from __future__ import annotations

from typing import Any

import numpy as np

from comparison.case import Case, Float64

# Evening of 24 February 2023 at SKA-Low: past, so that the Earth's rotation is known and stays what it is. With
# steps of a power of two days one float64 holds the Julian dates.
_START_JD = 2460000.0
_REFERENCE_HZ = 150e6


def aa4_stations(n_each: int) -> tuple[Float64, Float64]:
    """Return (station, 3) m, east, north, up, and (3,) place: some from the core, from halfway and from the ends."""
    from pipeline.config.telescope import TelescopeConfig
    from pipeline.observation.telescope import load_telescope

    telescope = load_telescope(TelescopeConfig(array="ska-low-aa4"))
    order = np.argsort(np.linalg.norm(telescope.enu_m, axis=1))
    middle = np.linspace(len(order) // 2, len(order) - n_each - 1, n_each).astype(int)
    chosen = np.concatenate([order[:n_each], order[middle], order[-n_each:]])
    place = np.array([np.degrees(telescope.longitude_rad), np.degrees(telescope.latitude_rad), telescope.height_m])
    return telescope.enu_m[chosen], place


def random_case(
    beam: dict[str, Any],
    seed: int,
    n_sources: int = 500,
    n_each: int = 6,
    n_times: int = 3,
    polarised: bool = False,
    step_days: float = 2.0**-6,
) -> Case:
    """Return sources all over the sky, also below the horizon, at 50, 200 and 350 MHz."""
    random = np.random.default_rng(seed)
    enu_m, place = aa4_stations(n_each)
    towards = random.normal(size=(3, n_sources))
    towards /= np.linalg.norm(towards, axis=0)
    stokes_jy = np.zeros((n_sources, 4))
    stokes_jy[:, 0] = random.lognormal(size=n_sources)
    if polarised:
        stokes_jy[:, 1:] = stokes_jy[:, :1] * random.uniform(-0.4, 0.4, (n_sources, 3))
    time_jd = _START_JD + step_days * np.arange(n_times)
    return Case(
        enu_m=enu_m,
        place=place,
        ra_deg=np.degrees(np.arctan2(towards[1], towards[0])) % 360,
        dec_deg=np.degrees(np.arcsin(towards[2])),
        stokes_jy=stokes_jy,
        reference_hz=np.full(n_sources, _REFERENCE_HZ),
        spectral_index=random.normal(-0.8, 0.2, n_sources),
        time_jd=np.stack([time_jd, np.zeros(n_times)], axis=1),
        frequency_hz=np.array([50e6, 200e6, 350e6]),
        pairs=np.array(np.triu_indices(len(enu_m), 1)).T,
        beams=(beam,),
        beam=np.zeros(len(enu_m), np.int64),
    )


def near_zenith_case(azimuth_deg: float) -> Case:
    """Return a source of I = Q = 1 Jy, 0.1 deg from the zenith, seen by short dipoles: autocorrelations.

    Its field is along celestial north, which at the zenith is north to a fraction of a degree: whatever the azimuth,
    the dipole to the north receives 2 Jy and the one to the east nothing.
    """
    import erfa

    enu_m, place = aa4_stations(1)
    longitude, latitude = np.radians(place[:2])
    towards = (np.radians(azimuth_deg), np.radians(0.1))
    ra_rad, dec_rad = erfa.atoc13(
        "A", *towards, _START_JD, 0.0, 0.0, longitude, latitude, place[2], 0.0, 0.0, 0.0, 0.0, 0.0, 1.0
    )
    return Case(
        enu_m=enu_m,
        place=place,
        ra_deg=np.degrees([ra_rad]),
        dec_deg=np.degrees([dec_rad]),
        stokes_jy=np.array([[1.0, 1.0, 0.0, 0.0]]),
        reference_hz=np.array([_REFERENCE_HZ]),
        spectral_index=np.zeros(1),
        time_jd=np.array([[_START_JD, 0.0]]),
        frequency_hz=np.array([_REFERENCE_HZ]),
        pairs=np.array([[0, 0]]),
        beams=({"type": "short_dipole"},),
        beam=np.zeros(len(enu_m), np.int64),
    )
