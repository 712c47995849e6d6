"""The phase centre as UVH5 wants it: sidereal time, apparent place, and the angle of the frame, for every dump."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from pipeline.dataset.schema import BandHeader
from pipeline.products.export.contents import Float64

_MJD_ZERO = 2400000.5


@dataclass(frozen=True)
class ApparentPlace:
    """The phase centre as seen from the array's centre.

    Attributes
    ----------
    lst_rad
        (time,) float64: local apparent sidereal time.
    ra_rad, dec_rad
        (time,) float64: apparent right ascension, so that the hour angle is `lst_rad` less it, and declination;
        in the frame of the stations' geocentric positions.
    frame_pa_rad
        (time,) float64: angle from the v axis (ICRS north) to the apparent north, through east.
    """

    lst_rad: Float64
    ra_rad: Float64
    dec_rad: Float64
    frame_pa_rad: Float64


class ApparentPlaces:
    """Keeps the last place worked out: bands have the same, and reading the Earth's rotation takes a second."""

    def __init__(self) -> None:
        self._key: object = None
        self._place: ApparentPlace | None = None

    def at(self, header: BandHeader, time_utc: Float64) -> ApparentPlace:
        """Return what `apparent_place` does."""
        key = (header.array_lonlatheight, header.phase_centre_rad, header.integration_s, time_utc.tobytes())
        if self._place is None or key != self._key:
            self._key, self._place = key, apparent_place(header, time_utc)
        return self._place


def apparent_place(header: BandHeader, time_utc: Float64) -> ApparentPlace:
    """Return where the phase centre is at the middle of dumps.

    The axes of u, v and w are those the visibilities were made with, so that uvw follow from them and the stations'
    positions. [Hour angle and declination from east, north, up: Taff 1981, Computational Spherical Astronomy, 2.4]

    Parameters
    ----------
    header
        Names array and phase centre.
    time_utc
        (time, 2) float64: consecutive dumps, MJD day and fraction.

    Raises
    ------
    ConfigError
        If the table of the Earth's rotation does not cover the times.
    """
    longitude, latitude, _ = header.array_lonlatheight
    axes = _uvw_axes(header, time_utc)
    north, up = np.cos(latitude), np.sin(latitude)
    pole = np.array([0.0, north, up])
    v_axis, w_axis = axes[:, 1], axes[:, 2]
    hour_angle = np.arctan2(-w_axis[:, 0], north * w_axis[:, 2] - up * w_axis[:, 1])
    apparent_north = pole - (w_axis @ pole)[:, None] * w_axis
    apparent_east = np.cross(apparent_north, w_axis)
    angle = np.arctan2((v_axis * apparent_east).sum(1), (v_axis * apparent_north).sum(1))
    lst = _sidereal_time(longitude, latitude, time_utc)
    return ApparentPlace(lst, (lst - hour_angle) % (2 * np.pi), np.arcsin(w_axis @ pole), angle)


def _uvw_axes(header: BandHeader, time_utc: Float64) -> Float64:
    """Return the unit vectors of u, v, w in east, north, up, (time, axis, 3)."""
    from pipeline.observation.geometry import Geometry
    from pipeline.observation.sky import Sky
    from pipeline.observation.telescope import Telescope

    centre = Telescope("", (), np.zeros((0, 3)), *header.array_lonlatheight)
    start = float(time_utc[0, 0]), float(time_utc[0, 1])
    geometry = Geometry(centre, Sky(()), *header.phase_centre_rad, start, header.integration_s)
    moments = geometry.moments(np.arange(len(time_utc), dtype=np.float64))
    return np.stack([moment.uvw_axes for moment in moments])


def _sidereal_time(longitude: float, latitude: float, time_utc: Float64) -> Float64:
    """Return the local apparent sidereal time, (time,) rad."""
    from astropy import units
    from astropy.coordinates import EarthLocation
    from astropy.time import Time

    place = EarthLocation.from_geodetic(longitude * units.rad, latitude * units.rad)
    with _shipped_earth_rotation():
        times = Time(_MJD_ZERO + time_utc[:, 0], time_utc[:, 1], format="jd", scale="utc", location=place)
        lst: Float64 = times.sidereal_time("apparent").rad
    return lst


@contextmanager
def _shipped_earth_rotation() -> Iterator[None]:
    """Have astropy use the table of the Earth's rotation that comes with it, and download none."""
    from astropy.utils import iers

    with iers.earth_orientation_table.set(iers.IERS_A.open(iers.IERS_A_FILE)):
        yield
