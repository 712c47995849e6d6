"""Tabulated beams, by way of pyuvdata's UVBeam."""

from __future__ import annotations

import functools
import math
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.observation.stations.base import Complex128, Directions, Rates, StationResponse, turning_rate

# pyuvdata takes the nearest frequency of the file if it is this near.
_NEAR_HZ = 1.0
# Frequencies whose tables are kept, so that the dumps of a block find those of its channels.
_KEPT = 16
_FEED_ANGLE_TOLERANCE_RAD = 1e-6
# How many directions the rates are found from, how far apart two of them are compared, and the room left for what
# lies between.
_N_PROBES = 4096
_PROBE_STEP_RAD = 2e-3
_ROOM = 1.5


class TabulatedBeam(StationResponse):
    """A beam from a table of electric fields over azimuth and zenith angle, the same for all stations.

    Between directions and frequencies of the table pyuvdata interpolates: cubic splines over az and za or
    bilinear between HEALPix pixels. Each frequency of the table is divided by its largest absolute value, as
    pyuvdata's peak normalisation does.

    Parameters
    ----------
    n_stations
        Number of stations.
    beam
        A UVBeam that `read_uvbeam` has passed.
    frequency_interpolation
        "cubic" or "linear".
    where
        What messages call the table.
    """

    is_scalar = False
    extent_m = 0.0

    def __init__(
        self, n_stations: int, beam: Any, frequency_interpolation: Literal["cubic", "linear"], where: str
    ) -> None:
        self.kind: npt.NDArray[np.int32] = np.zeros(n_stations, np.int32)
        self._where = where
        self._beam = beam
        self._frequency_interpolation = frequency_interpolation
        angle = np.asarray(beam.feed_angle)
        # X is the dipole to the north, whatever the file calls it.
        self._feeds = [int(np.argmin(np.abs(angle))), int(np.argmax(np.abs(angle)))]
        self._beam_at = functools.lru_cache(maxsize=_KEPT)(self._interpolated)

    def check_band(self, low_hz: float, high_hz: float) -> None:
        """Raise ConfigError unless the table covers `low_hz` to `high_hz`: nothing is extrapolated."""
        known_hz = np.asarray(self._beam.freq_array)
        if low_hz < known_hz.min() - _NEAR_HZ or high_hz > known_hz.max() + _NEAR_HZ:
            raise ConfigError(
                f"{self._where}: covers {known_hz.min() / 1e6:.10g} to {known_hz.max() / 1e6:.10g} MHz, and the "
                f"channels lie from {low_hz / 1e6:.10g} to {high_hz / 1e6:.10g} MHz; a beam is not extrapolated, "
                "so choose channels within, or a beam that covers them"
            )
        needed = 4 if self._frequency_interpolation == "cubic" else 2
        single = high_hz - low_hz < _NEAR_HZ and np.abs(known_hz - low_hz).min() < _NEAR_HZ
        if len(known_hz) < needed and not single:
            raise ConfigError(
                f"{self._where}: holds {len(known_hz)} frequencies, and frequency_interpolation "
                f"{self._frequency_interpolation} needs {needed}; give a beam with more, or write "
                "frequency_interpolation: linear, which needs 2"
            )

    def rates(self, low_hz: float, high_hz: float, farthest: float = 2.0) -> Rates:
        """Estimate how fast the responses change, from the table: the largest change found, and half as much again.

        Higher derivatives, which a table does not tell, are taken for those of a smooth function of that slope.

        Compared are directions 2 mrad apart in two ways, around 4096 places spread evenly over the sky, at the ends and
        the middle of the band, and frequencies a thousandth of the band apart.
        """
        places, turns = _probes()
        step_hz = 1e-3 * (high_hz - low_hz)
        per_radian = per_hz = 0.0
        for frequency_hz in (low_hz, 0.5 * (low_hz + high_hz), high_hz - step_hz):
            here = self._jones(places, frequency_hz)
            largest = np.linalg.norm(here, ord=2, axis=(-2, -1)).max()
            for turn in turns:
                turned = Directions(places.enu @ turn, places.north @ turn, places.pointing)
                per_radian = max(
                    per_radian, _change(self._jones(turned, frequency_hz), here) / largest / _PROBE_STEP_RAD
                )
            if step_hz > 0.0:
                change = _change(self._jones(places, frequency_hz + step_hz), here)
                per_hz = max(per_hz, change / largest / step_hz)
        return Rates(turning_rate(_ROOM * float(per_radian)), _ROOM * float(per_hz))

    def respond(
        self, directions: Directions, frequency_hz: float, kernels: Any, dtype: npt.DTypeLike = np.complex128
    ) -> Complex128:
        """Evaluate the responses, (1, source, 2, 2) complex128."""
        return self._jones(directions, frequency_hz)[None]

    def _jones(self, directions: Directions, frequency_hz: float) -> Complex128:
        """Evaluate the response, (source, 2, 2) complex128.

        The table's axes are those of pyuvdata: azimuth from the east through the north, and fields along the unit
        vectors of increasing azimuth and of increasing zenith angle.
        """
        east, north, up = directions.enu.T
        across = np.hypot(east, north)
        azimuth = np.arctan2(north, east) % (2.0 * math.pi)
        zenith_angle = np.arctan2(across, up)
        field = self._field(azimuth, zenith_angle, frequency_hz)
        sine, cosine = np.sin(azimuth), np.cos(azimuth)
        along_azimuth = np.stack([-sine, cosine, np.zeros_like(sine)], axis=-1)
        along_zenith_angle = np.stack([up * cosine, up * sine, -across], axis=-1)
        sky = np.stack([directions.north, np.cross(directions.north, directions.enu)], axis=-1)
        # (source, axis of the table, axis of the sky)
        turned = np.stack([along_azimuth, along_zenith_angle], axis=1) @ sky
        jones: Complex128 = np.einsum("afs,sak->sfk", field[:, self._feeds], turned)
        return jones

    def _field(self, azimuth: Any, zenith_angle: Any, frequency_hz: float) -> Complex128:
        """Interpolate the table in direction, (axis, feed, source) complex128."""
        if not len(azimuth):
            return np.empty((2, 2, 0), np.complex128)
        values = self._beam_at(frequency_hz).interp(
            az_array=azimuth,
            za_array=zenith_angle,
            reuse_spline=True,
            check_azza_domain=False,
            return_basis_vector=False,
        )[0]
        field: Complex128 = values[:, :, 0]
        return field

    def _interpolated(self, frequency_hz: float) -> Any:
        """Interpolate the table to one frequency; splines over the directions are kept with the result."""
        return self._beam.interp(
            freq_array=np.array([frequency_hz]),
            freq_interp_kind=self._frequency_interpolation,
            freq_interp_tol=_NEAR_HZ,
            new_object=True,
            run_check=False,
        )


def read_uvbeam(path: Path, key: str) -> Any:
    """Read a table of electric fields that `TabulatedBeam` can use.

    Parameters
    ----------
    path
        A file that pyuvdata's UVBeam reads: beamfits, or the YAML file of a set of CST files.
    key
        What messages call the section of the configuration.

    Raises
    ------
    ConfigError
        If pyuvdata is not there or cannot read the file, or if the table is not one of electric fields of two
        crossed dipoles, to the north and to the east, fixed to the ground, over the whole sky.
    """
    try:
        from pyuvdata import UVBeam
    except ImportError as error:
        raise ConfigError(
            f"{key}: type uvbeam needs the package pyuvdata ({error}); install it with: pip install 'dawnstream[beams]'"
        ) from error
    try:
        with warnings.catch_warnings():
            # What pyuvdata fills in for files that leave it out is checked below.
            warnings.simplefilter("ignore")
            beam = UVBeam.from_file(str(path))
    except Exception as error:  # pyuvdata, astropy and h5py raise many kinds
        raise ConfigError(f"{key}.file: {path}: pyuvdata cannot read it as a beam: {error}") from error
    _check_table(beam, f"{key}.file: {path}")
    if beam.data_normalization == "solid_angle":
        raise ConfigError(f"{key}.file: {path}: is normalised by solid angle; give a physical or a peak-normalised one")
    beam.peak_normalize()
    return beam


def _check_table(beam: Any, where: str) -> None:
    """Refuse a table that would be taken for what it is not."""
    feeds = [str(feed) for feed in beam.feed_array] if beam.feed_array is not None else []
    angle = np.asarray(beam.feed_angle if beam.feed_angle is not None else [])
    crossed = sorted(feeds) == ["x", "y"] and np.allclose(
        np.sort(angle), [0.0, math.pi / 2.0], atol=_FEED_ANGLE_TOLERANCE_RAD
    )
    basis = beam.basis_vector_array
    rules = {
        f"is a {beam.beam_type} beam; give an efield beam, which has the phases": beam.beam_type != "efield",
        f"is of a {beam.antenna_type} antenna; give the beam of a simple one": beam.antenna_type != "simple",
        f"has feeds {', '.join(feeds)} at angles {np.degrees(angle).round(3).tolist()} deg; give x and y, one to the "
        "north (0 deg) and one to the east (90 deg)": not crossed,
        f"is mounted {beam.mount_type}; give a beam that is fixed to the ground": beam.mount_type != "fixed",
        f"is tabulated over {beam.pixel_coordinate_system}; give az_za or healpix": (
            beam.pixel_coordinate_system not in ("az_za", "healpix")
        ),
        "has fields along other vectors than those of azimuth and zenith angle": (
            basis is None or basis.shape[:2] != (2, 2) or not _is_identity(basis)
        ),
    }
    for rule, broken in rules.items():
        if broken:
            raise ConfigError(f"{where}: {rule}")
    if not _covers_the_sky(beam):
        raise ConfigError(
            f"{where}: does not cover the sky; give all azimuths and zenith angles from 0 to 90 degrees, or, of "
            "HEALPix, all pixels in order"
        )


def _is_identity(basis: Any) -> bool:
    """Whether the basis vectors are the unit vectors of azimuth and zenith angle everywhere."""
    expected = np.eye(2).reshape(2, 2, *[1] * (basis.ndim - 2))
    return bool(np.allclose(basis, expected, atol=1e-6))


def _covers_the_sky(beam: Any) -> bool:
    """Whether the table reaches from the zenith to the horizon all around, in steps that are all the same."""
    if beam.pixel_coordinate_system == "healpix":
        n_pixels = 12 * int(beam.nside) ** 2
        return np.array_equal(beam.pixel_array, np.arange(n_pixels))
    azimuth, zenith_angle = np.asarray(beam.axis1_array), np.asarray(beam.axis2_array)
    around = azimuth[-1] - azimuth[0] + (azimuth[1] - azimuth[0])
    return bool(
        around > 2.0 * math.pi - 1e-6 and abs(zenith_angle[0]) < 1e-6 and zenith_angle[-1] > math.pi / 2.0 - 1e-6
    )


def _change(one: Complex128, other: Complex128) -> float:
    """Largest difference of two (source, 2, 2) responses, in the spectral norm."""
    return float(np.linalg.norm(one - other, ord=2, axis=(-2, -1)).max())


def _probes() -> tuple[Directions, list[npt.NDArray[np.float64]]]:
    """Give places spread evenly over the sky, on a spiral, and small turns of the sky about two axes."""
    k = np.arange(_N_PROBES) + 0.5
    # Not quite to the horizon, under which a turn would take them.
    up = 1.0 - k / _N_PROBES * (1.0 - 2.0 * _PROBE_STEP_RAD)
    angle = k * math.pi * (3.0 - math.sqrt(5.0))
    across = np.sqrt(1.0 - up * up)
    enu = np.stack([across * np.sin(angle), across * np.cos(angle), up], axis=-1)
    north = np.stack([-up * np.sin(angle), -up * np.cos(angle), across], axis=-1)
    sine, cosine = math.sin(_PROBE_STEP_RAD), math.cos(_PROBE_STEP_RAD)
    turns = [
        np.array([[1.0, 0.0, 0.0], [0.0, cosine, sine], [0.0, -sine, cosine]]),
        np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]]),
        np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]]),
    ]
    return Directions(enu, north, np.array([0.0, 0.0, 1.0])), turns
