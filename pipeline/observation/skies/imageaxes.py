"""Axes of a FITS image: where its pixels are, and at what frequencies and in what polarisation."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Float64


@dataclasses.dataclass(frozen=True)
class Axes:
    """The axes of a FITS image.

    Attributes
    ----------
    path
        The file.
    width, height
        Pixels along longitude's and latitude's axis.
    transposed
        Whether latitude's axis comes first in the file.
    frequency_hz
        (plane,) float64, ascending; empty where there is no frequency axis.
    planes
        Index along the frequency axis of each of `frequency_hz`.
    stokes
        (position,) which of I, Q, U, V (0 to 3) each position of the Stokes axis is; of an image without one, I.
    spectral_axis, stokes_axis
        Index among the array's axes, None where there is none.
    sky_axes
        Indices of longitude's and latitude's among the array's axes.
    n_axes
        Number of the array's axes.
    """

    path: Path
    width: int
    height: int
    transposed: bool
    frequency_hz: Float64
    planes: tuple[int, ...]
    stokes: tuple[int, ...]
    spectral_axis: int | None
    stokes_axis: int | None
    sky_axes: tuple[int, int]
    n_axes: int

    def slices(self, plane: int, position: int) -> tuple[int | slice, ...]:
        """Return the part of the array that is one plane of one Stokes parameter."""
        chosen: list[int | slice] = [0] * self.n_axes
        for axis in self.sky_axes:
            chosen[axis] = slice(None)
        if self.spectral_axis is not None:
            chosen[self.spectral_axis] = self.planes[plane]
        if self.stokes_axis is not None:
            chosen[self.stokes_axis] = position
        return tuple(chosen)


def find_axes(header: Any, shape: tuple[int, ...], path: Path) -> tuple[Axes, Any]:
    """Read the axes from a header of astropy.io.fits.

    Returns
    -------
    axes, celestial
        The axes, and an astropy WCS of longitude and latitude alone.

    Raises
    ------
    ConfigError
        If there is no pair of celestial axes, or another axis cannot be understood.
    """
    whole = _wcs(header, path)
    kinds = [axis["coordinate_type"] for axis in whole.get_axis_types()]
    # FITS counts axes from the fastest, arrays from the slowest.
    at = {kind: len(shape) - 1 - axis for axis, kind in enumerate(kinds)}
    longitude, latitude = len(shape) - 1 - whole.wcs.lng, len(shape) - 1 - whole.wcs.lat
    spectral, stokes = at.get("spectral"), at.get("stokes")
    _refuse_others(header, shape, {longitude, latitude, spectral, stokes}, path)
    frequency_hz, planes = _frequencies(whole, header, shape, spectral, path)
    celestial = _celestial(whole, path)
    indices = _stokes(header, shape, stokes, path)
    if any(indices):
        _need_icrs_north(celestial, path)
    axes = Axes(
        path=path,
        width=shape[longitude],
        height=shape[latitude],
        transposed=latitude > longitude,
        frequency_hz=frequency_hz,
        planes=planes,
        stokes=indices,
        spectral_axis=spectral,
        stokes_axis=stokes,
        sky_axes=(longitude, latitude),
        n_axes=len(shape),
    )
    return axes, celestial


def icrs_vectors(celestial: Any, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Float64:
    """Return the ICRS directions of points of an image.

    Parameters
    ----------
    celestial
        An astropy WCS of longitude and latitude.
    x, y
        (point,) pixels along longitude's and latitude's axis; the first pixel's centre is 0.

    Returns
    -------
    float64
        (point, 3) unit vectors; NaN where a point is not on the sky.
    """
    from astropy.coordinates import SkyCoord
    from astropy.wcs.utils import wcs_to_celestial_frame

    longitude_deg, latitude_deg = celestial.all_pix2world(x, y, 0)
    on_sky = np.isfinite(longitude_deg) & np.isfinite(latitude_deg)
    vectors = np.full((len(x), 3), np.nan)
    frame = wcs_to_celestial_frame(celestial)
    directions = SkyCoord(longitude_deg[on_sky], latitude_deg[on_sky], unit="deg", frame=frame)
    vectors[on_sky] = directions.icrs.cartesian.xyz.value.T
    return vectors


def _wcs(header: Any, path: Path) -> Any:
    import warnings

    from astropy.wcs import WCS, FITSFixedWarning

    try:
        with warnings.catch_warnings():
            # Says what was corrected in dates and units, which are not used or are Hz and degrees afterwards.
            warnings.simplefilter("ignore", FITSFixedWarning)
            found = WCS(header)
    except Exception as error:  # wcslib raises many kinds
        raise ConfigError(f"{path}: the header's axes cannot be read ({error}); correct CTYPE, CRVAL, CDELT") from error
    if not found.has_celestial:
        names = ", ".join(repr(str(name)) for name in found.wcs.ctype)
        raise ConfigError(
            f"{path}: has no pair of celestial axes (CTYPE: {names}); give an image with axes such as RA---SIN and "
            "DEC--SIN"
        )
    return found


def _celestial(whole: Any, path: Path) -> Any:
    """Return the two axes of the sky alone, in a frame that can become ICRS."""
    from astropy.coordinates import FK4, FK5, ICRS, Galactic
    from astropy.wcs import InvalidSubimageSpecificationError
    from astropy.wcs.utils import wcs_to_celestial_frame

    try:
        # Longitude first, whatever the order in the file.
        celestial = whole.sub([whole.wcs.lng + 1, whole.wcs.lat + 1])
    except InvalidSubimageSpecificationError as error:
        raise ConfigError(
            f"{path}: the sky's axes are mixed with others ({error}); give an image where they are not"
        ) from error
    try:
        frame = wcs_to_celestial_frame(celestial)
    except ValueError:
        frame = None
    # Ecliptic longitudes, among others, come back as ICRS.
    if celestial.wcs.lngtyp.strip() not in ("RA", "GLON") or not isinstance(frame, (ICRS, FK5, FK4, Galactic)):
        raise ConfigError(
            f"{path}: coordinates ({', '.join(celestial.wcs.ctype)}, RADESYS {celestial.wcs.radesys!r}) are not known; "
            "give an image in ICRS, FK5, FK4 or Galactic coordinates"
        )
    return celestial


def _refuse_others(header: Any, shape: tuple[int, ...], known: set[int | None], path: Path) -> None:
    """Refuse an axis of several pixels that is none of those known."""
    for axis, length in enumerate(shape):
        if axis not in known and length > 1:
            name = header.get(f"CTYPE{len(shape) - axis}", "")
            raise ConfigError(
                f"{path}: axis {len(shape) - axis} ({name!r}, {length} long) is neither of the sky, FREQ nor STOKES; "
                "give an image without it"
            )


def _need_icrs_north(celestial: Any, path: Path) -> None:
    """Refuse a frame whose north is not ICRS's; FK5's of J2000 differs by 0.03 arcsec."""
    from astropy.coordinates import FK5, ICRS
    from astropy.wcs.utils import wcs_to_celestial_frame

    frame = wcs_to_celestial_frame(celestial)
    if not (isinstance(frame, ICRS) or (isinstance(frame, FK5) and abs(frame.equinox.jyear - 2000) < 1e-6)):
        raise ConfigError(
            f"{path}: Q, U, V are relative to the north of its own coordinates ({', '.join(celestial.wcs.ctype)}), "
            "which is not that of ICRS; give an image in ICRS or FK5 (J2000), or one of Stokes I"
        )


def _frequencies(
    whole: Any, header: Any, shape: tuple[int, ...], axis: int | None, path: Path
) -> tuple[Float64, tuple[int, ...]]:
    """Return frequencies in ascending order, and where each is along its axis."""
    from astropy.wcs import WCSSUB_SPECTRAL

    if axis is None:
        return np.empty(0), ()
    name = str(header.get(f"CTYPE{len(shape) - axis}", ""))
    if not name.startswith("FREQ"):
        raise ConfigError(f"{path}: the spectral axis is {name!r}; give a cube with an axis FREQ, in Hz")
    (values,) = whole.sub([WCSSUB_SPECTRAL]).all_pix2world(np.arange(shape[axis]), 0)
    frequency_hz = np.asarray(values, dtype=np.float64)
    order = np.argsort(frequency_hz)
    frequency_hz = frequency_hz[order]
    if not (np.isfinite(frequency_hz).all() and frequency_hz[0] > 0 and (np.diff(frequency_hz) > 0).all()):
        raise ConfigError(
            f"{path}: frequencies of the planes go from {frequency_hz[0]:g} Hz to {frequency_hz[-1]:g} Hz; all must be "
            "above zero and differ: correct CRVAL and CDELT of FREQ"
        )
    return frequency_hz, tuple(int(plane) for plane in order)


def _stokes(header: Any, shape: tuple[int, ...], axis: int | None, path: Path) -> tuple[int, ...]:
    """Return which Stokes parameter each position along an axis is: 0 to 3 for I, Q, U, V."""
    if axis is None:
        return (0,)
    number = len(shape) - axis
    start, step, pixel = (float(header.get(f"{key}{number}", 1)) for key in ("CRVAL", "CDELT", "CRPIX"))
    values = start + step * (np.arange(shape[axis]) + 1 - pixel)
    codes = np.rint(values)
    # 1 to 4 are I, Q, U, V (Greisen & Calabretta 2002, A&A 395, 1061, table 7).
    if np.any(np.abs(values - codes) > 1e-6) or codes.min() < 1 or codes.max() > 4:
        listed = ", ".join(f"{value:g}" for value in values)
        raise ConfigError(
            f"{path}: STOKES values are {listed}; only 1 to 4 (I, Q, U, V) are taken: give an image of these"
        )
    return tuple(int(code) - 1 for code in codes)
