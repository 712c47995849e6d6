"""Dawnstream's directions and baselines with a plain float64 sum: what is left to differ is in the directions.

Beams and sum are formulae written here, as other programs have them, and share no code with the kernels.
"""

from __future__ import annotations

import fractions
from typing import Any

import numpy as np
import numpy.typing as npt

from comparison.case import Case, Float64

Complex128 = npt.NDArray[np.complex128]

SPEED_OF_LIGHT_M_S = 299792458.0
# Geometry takes the start of a dump and its length, and computes the middle.
_INTEGRATION_S = 1e-3
_POLARISATIONS = 4


def directions_and_sum(case: Case) -> Complex128:
    """Return (time, frequency, baseline, pol) with Dawnstream's geometry, all else in plain float64."""
    from pipeline.observation.geometry import Geometry

    telescope, sky = _telescope(case), _sky(case)
    out = np.zeros((len(case.time_jd), len(case.frequency_hz), len(case.pairs), _POLARISATIONS), np.complex128)
    for time, moment in enumerate(map(exact_mjd, case.time_jd)):
        start = (float(moment // 1), float(moment % 1) - _INTEGRATION_S / 2 / 86400)
        (now,) = Geometry(telescope, sky, *phase_centre(case), start, _INTEGRATION_S).moments(np.array([0.5]))
        # The last three stations stand 1 m east, north and above the centre: they give the axes.
        uvw, axes = now.station_uvw[:-3], now.station_uvw[-3:]
        above = np.flatnonzero(now.enu()[:, 2] > 0)
        lmn = now.lmn(above) + np.array([0.0, 0.0, 1.0])
        enu = lmn @ axes.T
        for channel, frequency_hz in enumerate(case.frequency_hz):
            phasors = np.exp(2j * np.pi * frequency_hz / SPEED_OF_LIGHT_M_S * (lmn @ uvw.T))
            jones = np.stack([beam_jones(beam, enu, frequency_hz) for beam in case.beams])[case.beam]
            flux_jy = case.stokes_at(frequency_hz)[above]
            out[time, channel] = _sum(jones, phasors, flux_jy, case.pairs)
    return out


def _sum(jones: Float64, phasors: Complex128, stokes_jy: Float64, pairs: npt.NDArray[np.int64]) -> Complex128:
    """Sum unpolarised sources: V = I J_p J_q^H K_p conj(K_q), with J (station, source, 2, 2), K (source, station)."""
    if stokes_jy[:, 1:].any():
        raise ValueError("the plain sum is for unpolarised sources")
    out = np.empty((len(pairs), _POLARISATIONS), np.complex128)
    for baseline, (p, q) in enumerate(pairs):
        fringe = stokes_jy[:, 0] * phasors[:, p] * phasors[:, q].conj()
        out[baseline] = np.einsum("s,sab,scb->ac", fringe, jones[p], jones[q].conj()).reshape(-1)
    return out


def beam_jones(beam: dict[str, Any], enu: Float64, frequency_hz: float) -> Float64:
    """Return (source, 2, 2) Jones matrices: feeds north and east, field components along azimuth and zenith angle.

    They are pyuvdata's: beams other than the dipole answer to the field's components in azimuth and zenith angle
    alike, with the same for both feeds, so that XX = XY. A short dipole along d has d_a·e [Balanis, Antenna Theory,
    4.2], where e are the unit vectors towards greater azimuth (from the east through the north) and zenith angle.
    """
    east, north, up = enu.T
    sin_zenith = np.hypot(east, north)
    if beam["type"] == "short_dipole":
        cos_az, sin_az = east / sin_zenith, north / sin_zenith
        return np.stack([np.stack([cos_az, up * sin_az], -1), np.stack([-sin_az, up * cos_az], -1)], axis=-2)
    voltage = np.ones(len(enu)) if beam["type"] == "uniform" else _voltage(beam, sin_zenith, up, frequency_hz)
    return np.broadcast_to(voltage[:, None, None] / np.sqrt(2.0), (len(enu), 2, 2))


def _voltage(beam: dict[str, Any], sin_zenith: Float64, cos_zenith: Float64, frequency_hz: float) -> Float64:
    """Return (source,) what a beam makes of the field, one at the zenith; NaN if it is from a file."""
    from scipy.special import j1

    if beam["type"] == "gaussian":
        voltage: Float64 = np.exp(-((np.arctan2(sin_zenith, cos_zenith) / beam["sigma_rad"]) ** 2) / 2)
        return voltage
    if beam["type"] == "file":
        return np.full(len(sin_zenith), np.nan)
    x = np.pi * beam["diameter_m"] * frequency_hz / SPEED_OF_LIGHT_M_S * sin_zenith
    return np.where(x == 0, 1.0, 2 * j1(x) / np.where(x == 0, 1.0, x))


def phase_centre(case: Case) -> tuple[float, float]:
    """Return what is near the zenith at the middle of the case: right ascension and declination, rad (ICRS)."""
    import erfa

    day, part = case.time_jd[len(case.time_jd) // 2]
    # Earth rotation angle plus longitude, without precession: degrees away from the zenith do no harm.
    return float(erfa.anp(erfa.era00(day, part) + np.radians(case.place[0]))), float(np.radians(case.place[1]))


def _telescope(case: Case) -> Any:
    from pipeline.observation.telescope import Telescope

    enu_m = np.concatenate([case.enu_m, np.eye(3)])
    longitude, latitude, height = case.place
    names = tuple(map(str, range(len(enu_m))))
    return Telescope("case", names, enu_m, float(np.radians(longitude)), float(np.radians(latitude)), float(height))


def _sky(case: Case) -> Any:
    from pipeline.observation.skies.components import Components
    from pipeline.observation.sky import Sky

    names = tuple(map(str, range(len(case.ra_deg))))
    ra, dec = np.radians(case.ra_deg), np.radians(case.dec_deg)
    return Sky((Components(names, ra, dec, case.stokes_jy, case.reference_hz, case.spectral_index),))


def exact_mjd(time_jd: Float64) -> fractions.Fraction:
    """Return the MJD of a Julian date in two parts, without rounding."""
    return sum(map(fractions.Fraction, time_jd.tolist()), -fractions.Fraction(4800001, 2))
