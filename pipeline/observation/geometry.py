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
Floating = npt.NDArray[np.floating[Any]]

_MJD_ZERO: Final = 2400000.5
_DAY_S: Final = 86400.0
# How far the phase centre is displaced to find where north is. Rounding falls and aberration's curvature
# grows with it; at 1e-3 rad both are below 1e-12 rad.
_NORTH_STEP_RAD: Final = 1e-3
_ALL: Final = slice(None)


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
    """

    dump: Int64
    time_utc: Float64
    station_uvw: Float64


class Moment:
    """Where sources and stations are at one moment.

    Parameters
    ----------
    icrs, enu_m
        Unit vectors to the sources, ICRS, (source, 3) float64; the stations, (station, 3) float64, m.
    astrometry
        ERFA's parameters of the moment.
    horizon_axes, uvw_axes
        Become attributes.

    Attributes
    ----------
    horizon_axes
        (3, 3) float64: east, north and up as rows, in the celestial intermediate axes, which do not turn with the
        Earth. In these, apparent directions change by aberration alone, and by precession and nutation.
    uvw_axes
        (3, 3) float64: unit vectors of u, v and w as rows, in east, north, up; w is the apparent phase centre.
    station_uvw
        (station, 3) float64, m.
    """

    def __init__(
        self, icrs: Float64, enu_m: Float64, astrometry: Any, horizon_axes: Float64, uvw_axes: Float64
    ) -> None:
        self._icrs, self._astrometry = icrs, astrometry
        self.horizon_axes, self.uvw_axes = horizon_axes, uvw_axes
        self.station_uvw: Float64 = enu_m @ uvw_axes.T

    def apparent(self, sources: Int64 | slice = _ALL) -> Float64:
        """Return unit vectors towards sources, (source, 3) float64: apparent, in celestial intermediate axes."""
        return _apparent(self._icrs[sources], self._astrometry)

    def enu(self, sources: Int64 | slice = _ALL) -> Float64:
        """Return unit vectors towards sources, (source, 3) float64: apparent, in east, north, up."""
        found: Float64 = self.apparent(sources) @ self.horizon_axes.T
        return found

    def north(self, sources: Int64 | slice = _ALL) -> Float64:
        """Return unit vectors at sources towards ICRS north along the sky, (source, 3) float64, in east, north, up."""
        found: Float64 = self.apparent_north(sources) @ self.horizon_axes.T
        return found

    def apparent_north(self, sources: Int64 | slice = _ALL) -> Float64:
        """Return the same, (source, 3) float64, in celestial intermediate axes."""
        return _towards_north(_apparent(_markers(self._icrs[sources]), self._astrometry))

    def lmn(self, sources: Int64 | slice = _ALL) -> Float64:
        """Return l, m and n-1 of sources, (source, 3) float64."""
        return self.lmn_of(self.enu(sources))

    def lmn_of(self, enu: Float64) -> Float64:
        """Return l, m and n-1, (source, 3) float64, of unit vectors in east, north, up."""
        return _lmn(enu @ self.uvw_axes.T)


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
        self._icrs: Float64 = erfa.s2c(sky.ra_rad, sky.dec_rad)
        self._start_utc = start_utc
        self._integration_s = integration_s
        self._iers = _open_iers()
        self._phase_centre = erfa.s2c(phase_centre_ra_rad, phase_centre_dec_rad)

    def moments(self, elapsed: Floating) -> list[Moment]:
        """Return the geometry at moments.

        Parameters
        ----------
        elapsed
            (time,) float64: dumps since the start of the observation; k + 1/2 is the middle of dump k.

        Raises
        ------
        ConfigError
            If a moment is outside the time covered by the IERS table.
        """
        astrometry = self._astrometry(self.times(elapsed))
        horizon_axes = _horizon_axes(astrometry)
        uvw_axes = _uvw_axes(_apparent(_markers(self._phase_centre)[:, np.newaxis], astrometry))
        uvw_axes = uvw_axes @ horizon_axes.swapaxes(1, 2)
        each = zip(astrometry, horizon_axes, uvw_axes, strict=True)
        return [Moment(self._icrs, self._telescope.enu_m, *of_moment) for of_moment in each]

    def phase_centre_elevation_rad(self, first_dump: int, n_dumps: int) -> Float64:
        """Return the phase centre's elevation without refraction, (time,) float64, rad.

        Raises
        ------
        ConfigError
            If a dump is outside the time covered by the IERS table.
        """
        dump = np.arange(first_dump, first_dump + n_dumps, dtype=np.int64)
        astrometry = self._astrometry(self.times(dump + 0.5))
        towards = _apparent(self._phase_centre, astrometry)
        east, north, up = np.einsum("tij,tj->it", _horizon_axes(astrometry), towards)
        elevation: Float64 = np.arctan2(up, np.hypot(east, north))
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
            when = _iso(self.times(np.array([first + 0.5]))[0])
            raise ConfigError(
                f"phase_centre: is {-math.degrees(elevation_rad[first]):.3g} deg below the horizon of "
                f"{self._telescope.name} at dump {first} ({when} UTC) and in {below.size} of {n_dumps} "
                "dumps; it must be above the horizon all the time: choose another time.start, fewer "
                "time.dumps or another phase centre"
            )

    def times(self, elapsed: Floating) -> Float64:
        """Return moments, in dumps since the start, as (time, 2) MJD (UTC); counted in TAI: no leaps."""
        day, fraction = self._start_utc
        self._check_covered(np.array([[day, fraction]]))
        tai_day, tai_fraction = erfa.utctai(_MJD_ZERO + day, fraction)
        utc_day, utc_fraction = erfa.taiutc(tai_day, tai_fraction + elapsed * (self._integration_s / _DAY_S))
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


def _markers(icrs: Float64) -> Float64:
    """Return unit vectors to points (…, 3) and to points to their north and south, (3, …, 3).

    The displacement is along the tangent to the meridian. At the celestial poles that is the meridian of their right
    ascension as `erfa.s2c` has left it in the vector.
    """
    x, y, z = (icrs[..., k] for k in range(3))
    cos_dec = np.hypot(x, y)
    north = np.stack([-z * x / cos_dec, -z * y / cos_dec, cos_dec], axis=-1)
    ahead, across = math.cos(_NORTH_STEP_RAD) * icrs, math.sin(_NORTH_STEP_RAD) * north
    return np.stack([icrs, ahead + across, ahead - across])


def _apparent(icrs: Float64, astrometry: Any) -> Float64:
    """Return apparent unit vectors, (…, 3), in the celestial intermediate axes, of ICRS ones.

    [SOFA, sofa/atciqz.c, but for its spherical coordinates: light deflection by the Sun, annual and diurnal aberration,
    bias, precession and nutation. Of `erfa.apco13` the observer's velocity has the Earth's rotation in it.]
    """
    natural = erfa.ldsun(icrs, astrometry["eh"], astrometry["em"])
    proper = erfa.ab(natural, astrometry["v"], astrometry["em"], astrometry["bm1"])
    found: Float64 = erfa.rxp(astrometry["bpn"], proper)
    return found


def _towards_north(markers: Float64) -> Float64:
    """Return the unit vector along the sky from points towards their north, (…, 3), from `_markers`."""
    at = markers[0]
    north: Float64 = markers[1] - markers[2]
    north -= np.einsum("...i,...i", north, at)[..., np.newaxis] * at
    north /= np.sqrt(np.einsum("...i,...i", north, north))[..., np.newaxis]
    return north


def _uvw_axes(markers: Float64) -> Float64:
    """Return unit vectors of u, v and w as rows, (…, 3, 3), from phase centres, their north and south, (3, …, 3)."""
    v_axis = _towards_north(markers)
    return np.stack([np.cross(v_axis, markers[0]), v_axis, markers[0]], axis=-2)


def _horizon_axes(astrometry: Any) -> Float64:
    """Return east, north and up as rows, (…, 3, 3), in the celestial intermediate axes.

    [SOFA, sofa/atioq.c: from CIRS to azimuth and elevation by Earth rotation and polar motion; no refraction.]
    """
    earth = erfa.rz(astrometry["eral"], np.eye(3))
    earth = erfa.rx(-astrometry["ypl"], erfa.ry(-astrometry["xpl"], earth))
    x, y, z = (earth[..., k, :] for k in range(3))
    sin_lat, cos_lat = astrometry["sphi"][..., np.newaxis], astrometry["cphi"][..., np.newaxis]
    return np.stack([y, cos_lat * z - sin_lat * x, cos_lat * x + sin_lat * z], axis=-2)


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
