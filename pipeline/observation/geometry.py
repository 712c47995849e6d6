"""Directions and baselines at a moment: from ICRS and UTC to l, m, n-1 and station u, v, w.

All vectors become east, north, up at the array's centre. Directions are apparent: precession, nutation,
aberration (annual and diurnal), light deflection by the Sun, Earth rotation with UT1 and polar motion from
the IERS, without refraction. The formulae are the IAU 2006/2000A ones of SOFA, by way of ERFA.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Final

import erfa
import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.observation.sky import Sky
from pipeline.observation.telescope import Telescope

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_MJD_ZERO: Final = 2400000.5
_DAY_S: Final = 86400.0
# How far the phase centre is displaced to find where north is. Rounding falls and aberration's curvature
# grows with it; at 1e-3 rad both are below 1e-12 rad.
_NORTH_STEP_RAD: Final = 1e-3


@dataclasses.dataclass(frozen=True)
class GeometryBlock:
    """The geometry of consecutive dumps, each at its mid-point.

    Attributes
    ----------
    dump
        (time,) int64 index of the dump.
    time_utc
        (time, 2) float64 MJD (UTC): whole day and fraction.
    station_uvw
        (time, station, 3) float64, m; u to the east, v to the north (ICRS), w to the apparent phase centre.
    lmn
        One array per dump, (visible source, 3) float64: l, m and n-1 of the sources above the horizon.
    visible
        One array per dump, (visible source,) int64: the indices of these sources in the sky.
    """

    dump: Int64
    time_utc: Float64
    station_uvw: Float64
    lmn: tuple[Float64, ...]
    visible: tuple[Int64, ...]


class Geometry:
    """Where sources and stations are, dump by dump.

    Parameters
    ----------
    telescope
        The array.
    sky
        The sources.
    phase_centre_ra_rad, phase_centre_dec_rad
        The direction w points to (ICRS).
    start_utc
        Start of the first dump, MJD (UTC): whole day and fraction.
    integration_s
        Length of a dump.
    """

    def __init__(
        self,
        telescope: Telescope,
        sky: Sky,
        phase_centre_ra_rad: float,
        phase_centre_dec_rad: float,
        start_utc: tuple[float, float],
        integration_s: float,
    ) -> None:
        self._telescope = telescope
        self._sky = sky
        self._start_utc = start_utc
        self._integration_s = integration_s
        self._iers = _open_iers()
        # The phase centre, and the same displaced to the north and the south.
        self._markers = _north_south_markers(phase_centre_ra_rad, phase_centre_dec_rad)

    def block(self, first_dump: int, n_dumps: int) -> GeometryBlock:
        """Return the geometry of `n_dumps` dumps from `first_dump` on.

        Raises
        ------
        ConfigError
            If a dump is outside the time covered by the IERS table.
        """
        dump = np.arange(first_dump, first_dump + n_dumps, dtype=np.int64)
        time_utc = self._mid_points(dump)
        astrometry = self._astrometry(time_utc)
        sky = self._sky
        station_uvw = np.empty((n_dumps, self._telescope.n_stations, 3))
        lmn: list[Float64] = []
        visible: list[Int64] = []
        for time in range(n_dumps):
            uvw_axes = _uvw_axes(_enu_direction(*self._markers, astrometry[time]))
            station_uvw[time] = self._telescope.enu_m @ uvw_axes.T
            direction = _enu_direction(sky.ra_rad, sky.dec_rad, astrometry[time])
            above = np.flatnonzero(direction[:, 2] > 0)
            lmn.append(_lmn(direction[above] @ uvw_axes.T))
            visible.append(above.astype(np.int64))
        return GeometryBlock(dump, time_utc, station_uvw, tuple(lmn), tuple(visible))

    def phase_centre_elevation_rad(self, first_dump: int, n_dumps: int) -> Float64:
        """Return the phase centre's elevation without refraction, (time,) float64, rad.

        Raises
        ------
        ConfigError
            If a dump is outside the time covered by the IERS table.
        """
        dump = np.arange(first_dump, first_dump + n_dumps, dtype=np.int64)
        ra_rad, dec_rad = (marker[0] for marker in self._markers)
        up = _enu_direction(ra_rad, dec_rad, self._astrometry(self._mid_points(dump)))
        elevation: Float64 = np.arctan2(up[:, 2], np.hypot(up[:, 0], up[:, 1]))
        return elevation

    def check_phase_centre_is_up(self, n_dumps: int) -> None:
        """Make sure that the phase centre is above the horizon in dumps 0 to `n_dumps` - 1.

        Raises
        ------
        ConfigError
            Naming the first dump for which it is not.
        """
        elevation_rad = self.phase_centre_elevation_rad(0, n_dumps)
        below = np.flatnonzero(elevation_rad <= 0)
        if below.size:
            first = int(below[0])
            when = _iso(self._mid_points(np.array([first]))[0])
            raise ConfigError(
                f"phase_centre: is {-math.degrees(elevation_rad[first]):.3g} deg below the horizon of "
                f"{self._telescope.name} at dump {first} ({when} UTC) and in {below.size} of {n_dumps} "
                "dumps; it must be above the horizon all the time: choose another time.start, fewer "
                "time.dumps or another phase centre"
            )

    def _mid_points(self, dump: Int64) -> Float64:
        """Return the mid-points of dumps, (time, 2) MJD (UTC); counted in TAI, where days have no leaps."""
        day, fraction = self._start_utc
        self._check_covered(np.array([[day, fraction]]))
        tai_day, tai_fraction = erfa.utctai(_MJD_ZERO + day, fraction)
        elapsed = (dump + 0.5) * (self._integration_s / _DAY_S)
        utc_day, utc_fraction = erfa.taiutc(tai_day, tai_fraction + elapsed)
        whole = np.floor(utc_fraction)
        return np.stack([utc_day - _MJD_ZERO + whole, utc_fraction - whole], axis=-1)

    def _check_covered(self, time_utc: Float64) -> None:
        """Raise if a time, (time, 2) MJD, is outside the IERS table."""
        mjd = self._iers["MJD"].value
        first, last = float(mjd[0]), float(mjd[-1])
        outside = (time_utc.sum(axis=-1) < first) | (time_utc.sum(axis=-1) > last)
        if outside.any():
            raise ConfigError(
                f"time: {_iso(time_utc[np.argmax(outside)])} UTC is outside the installed table of Earth "
                f"rotation, which covers {_iso(np.array([first, 0.0]))} to {_iso(np.array([last, 0.0]))}; "
                "choose another time.start, or update it: pip install --upgrade astropy-iers-data"
            )

    def _astrometry(self, time_utc: Float64) -> Any:
        """Return ERFA's star-independent parameters, (time,) of its structured dtype."""
        self._check_covered(time_utc)
        utc_day, utc_fraction = time_utc[:, 0] + _MJD_ZERO, time_utc[:, 1]
        dut1 = self._iers.ut1_utc(utc_day, utc_fraction).to_value("s")
        pole_x, pole_y = (angle.to_value("rad") for angle in self._iers.pm_xy(utc_day, utc_fraction))
        place = (self._telescope.longitude_rad, self._telescope.latitude_rad, self._telescope.height_m)
        # Pressure, temperature, humidity: none, so no refraction; the wavelength [um] then does not matter.
        astrometry, _ = erfa.apco13(utc_day, utc_fraction, dut1, *place, pole_x, pole_y, 0.0, 0.0, 0.0, 1.0)
        return astrometry


def _open_iers() -> Any:
    """Open the IERS table (UT1-UTC, polar motion, with predictions) that astropy-iers-data brings."""
    from astropy.utils import iers

    # Named outright, as astropy's automatic choice may download.
    return iers.IERS_A.open(iers.IERS_A_FILE)


def _north_south_markers(ra_rad: float, dec_rad: float) -> tuple[Float64, Float64]:
    """Return right ascensions and declinations of a point and of points to its north and south, (3,) each.

    The displacement is along the tangent to the meridian, so the celestial poles need no care: the meridian
    there is the one of the right ascension given.
    """
    centre = erfa.s2c(ra_rad, dec_rad)
    sin_dec, cos_dec = math.sin(dec_rad), math.cos(dec_rad)
    north = np.array([-sin_dec * math.cos(ra_rad), -sin_dec * math.sin(ra_rad), cos_dec])
    step = np.array([[0.0], [_NORTH_STEP_RAD], [-_NORTH_STEP_RAD]])
    right_ascension, declination = erfa.c2s(np.cos(step) * centre + np.sin(step) * north)
    return right_ascension, declination


def _enu_direction(ra_rad: Float64, dec_rad: Float64, astrometry: Any) -> Float64:
    """Return apparent directions as east, north, up unit vectors, (source or time, 3)."""
    cirs_ra, cirs_dec = erfa.atciqz(ra_rad, dec_rad, astrometry)
    azimuth, zenith_distance, *_ = erfa.atioq(cirs_ra, cirs_dec, astrometry)
    horizontal = np.sin(zenith_distance)
    return np.stack([horizontal * np.sin(azimuth), horizontal * np.cos(azimuth), np.cos(zenith_distance)], axis=-1)


def _uvw_axes(markers: Float64) -> Float64:
    """Return the unit vectors of u, v and w as rows, (3, 3), from phase centre, north and south, (3, 3)."""
    w_axis = markers[0] / np.linalg.norm(markers[0])
    north = markers[1] - markers[2]
    north -= (north @ w_axis) * w_axis
    v_axis = north / np.linalg.norm(north)
    return np.stack([np.cross(v_axis, w_axis), v_axis, w_axis])


def _lmn(lmn: Float64) -> Float64:
    """Turn direction cosines l, m, n, (source, 3), into l, m, n-1."""
    l, m, n = lmn.T  # noqa: E741 - the field's name
    # Near the phase centre n - 1 would cancel to nothing; behind it (n < 0) the other form would.
    n_minus_1 = np.where(n >= 0, -(l * l + m * m) / (1.0 + np.abs(n)), n - 1.0)
    return np.stack([l, m, n_minus_1], axis=-1)


def _iso(time_utc: Float64) -> str:
    """Write an MJD (day, fraction) as people read it, to the millisecond."""
    # As if TAI: ERFA warns of UTC in years whose leap seconds are unknown, which messages need not.
    year, month, day, clock = erfa.d2dtf("TAI", 3, time_utc[0] + _MJD_ZERO, time_utc[1])
    hour, minute, second, milli = (int(part) for part in clock.tolist())
    return f"{int(year):04d}-{int(month):02d}-{int(day):02d}T{hour:02d}:{minute:02d}:{second:02d}.{milli:03d}"
