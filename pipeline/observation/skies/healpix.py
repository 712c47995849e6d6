"""Reader of HEALPix maps in FITS tables (Gorski et al. 2005, ApJ 622, 759): every pixel a point source."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.observation.skies import pixels
from pipeline.observation.skies.base import Float64, Observed
from pipeline.observation.skies.brightness import brightness_unit
from pipeline.observation.skies.pixels import Held, Pixels

if TYPE_CHECKING:
    from pipeline.config.diffuse import HealpixEntry

#: What stands for no value (HEALPix's UNSEEN); written in float32, it is off by rounding.
_UNSEEN: Final = -1.6375e30
_FRAMES: Final = {"G": "galactic", "GALACTIC": "galactic", "C": "icrs", "CELESTIAL": "icrs", "EQUATORIAL": "icrs"}


@dataclasses.dataclass(frozen=True)
class _Map:
    """One column of a table and what its header says of it.

    Attributes
    ----------
    nside, scheme
        Resolution, and "RING" or "NEST".
    index
        (pixel,) int64.
    values
        (pixel,) float64, NaN where there is none.
    unit
        The column's, None if it has none.
    frame
        "galactic" or "icrs".
    """

    nside: int
    scheme: str
    index: npt.NDArray[np.int64]
    values: Float64
    unit: str | None
    frame: str


def read_healpix(entry: HealpixEntry, observed: Observed) -> tuple[Pixels, list[str]]:
    """Read a map; its pixels' directions and values travel with the part.

    Returns
    -------
    part, notes
        The pixels, and lines for people: how many were left out, and why.

    Raises
    ------
    ConfigError
        If the file, its header, its unit or a value cannot be used.
    """
    path = entry.healpix
    found = _read(entry)
    unit = brightness_unit(found.unit, entry.unit, f"{path}: TUNIT")
    needed = unit.is_kelvin or bool(entry.spectral_index)
    reference_hz = pixels.reference(None, entry.reference_hz, needed, str(path))
    if unit.per == "beam":
        raise ConfigError(f"{path}: is in Jy/beam, and maps have no beam; give one in K, Jy/sr or Jy/pixel")
    ra_rad, dec_rad = _directions(found)
    keep, notes = _keep(entry, found, ra_rad, dec_rad, observed)
    factor = unit.size * (1.0 if unit.per == "pixel" else 4 * np.pi / (12 * found.nside**2))
    part = Pixels(
        name=path.name,
        ra_rad=ra_rad[keep],
        dec_rad=dec_rad[keep],
        index=found.index[keep],
        width=0,
        weight=np.full(int(keep.sum()), factor),
        is_kelvin=unit.is_kelvin,
        planes=Held(np.nan_to_num(found.values[keep, np.newaxis])),
        stokes=(0,),
        frequency_hz=np.array([reference_hz]),
        spectral_index=entry.spectral_index or 0.0,
    )
    return part, notes


def _keep(
    entry: HealpixEntry, found: _Map, ra_rad: Float64, dec_rad: Float64, observed: Observed
) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Choose pixels: those of the region that are not blank or zero."""
    name, notes = entry.healpix.name, []
    inside = np.ones(len(found.index), dtype=bool)
    if entry.region is not None:
        inside = _distance_rad(ra_rad, dec_rad, observed.phase_centre_rad) <= entry.region.radius_rad
        if not inside.any():
            raise ConfigError(f"{entry.healpix}: region: no pixel lies in it; choose a larger radius or remove it")
        notes.append(f"{name}: {int(inside.sum())} of {len(inside)} pixels lie in the region")
    blank = inside & ~np.isfinite(found.values)
    if blank.any() and entry.blank == "error":
        raise ConfigError(
            f"{entry.healpix}: {int(blank.sum())} pixels are blank (NaN, infinite or UNSEEN), the first is "
            f"{found.index[blank][0]}; set 'blank: zero' to take them as empty sky, or a region without them"
        )
    if entry.zeros == "keep":
        return inside, notes
    empty = inside & (blank | (found.values == 0))
    if empty.any():
        notes.append(f"{name}: {int(empty.sum())} of {int(inside.sum())} pixels are zero and are left out")
    return inside & ~empty, notes


def _distance_rad(ra_rad: Float64, dec_rad: Float64, centre_rad: tuple[float, float]) -> Float64:
    """Return distances from a direction, by haversines, which are exact for small ones."""
    ra, dec = centre_rad
    haversine = np.sin((dec_rad - dec) / 2) ** 2 + np.cos(dec) * np.cos(dec_rad) * np.sin((ra_rad - ra) / 2) ** 2
    return np.asarray(2 * np.arcsin(np.sqrt(np.clip(haversine, 0, 1))))


def _directions(found: _Map) -> tuple[Float64, Float64]:
    """Return ICRS right ascensions and declinations of the pixels' centres."""
    from astropy import units
    from astropy.coordinates import SkyCoord
    from ducc0.healpix import Healpix_Base

    colatitude, longitude = Healpix_Base(found.nside, found.scheme).pix2ang(found.index).T
    if found.frame == "icrs":
        return longitude, np.pi / 2 - colatitude
    icrs = SkyCoord(longitude, np.pi / 2 - colatitude, unit=units.rad, frame="galactic").icrs
    return np.asarray(icrs.ra.rad), np.asarray(icrs.dec.rad)


def _read(entry: HealpixEntry) -> _Map:
    """Read header and column."""
    from astropy.io import fits

    path = entry.healpix
    try:
        with fits.open(path) as hdus:
            tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU) and "NSIDE" in hdu.header]
            if not tables:
                raise ConfigError(
                    f"{path}: holds no HEALPix map (a table with NSIDE in its header); give one, or use 'image' for "
                    "images"
                )
            return _of_table(entry, tables[0])
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read as FITS ({error}); give a HEALPix map in a FITS table") from error


def _of_table(entry: HealpixEntry, table: Any) -> _Map:
    path, header = entry.healpix, table.header
    nside, order = header["NSIDE"], str(header.get("ORDERING", "")).upper()
    scheme = {"RING": "RING", "NESTED": "NEST", "NEST": "NEST"}.get(order)
    if not isinstance(nside, int) or nside < 1 or scheme is None or (scheme == "NEST" and nside & (nside - 1)):
        raise ConfigError(
            f"{path}: NSIDE is {nside!r} and ORDERING {order!r}; NSIDE must be above zero, a power of two if NESTED, "
            "and ORDERING RING or NESTED: correct the header"
        )
    explicit = str(header.get("INDXSCHM", "IMPLICIT")).upper() == "EXPLICIT"
    names = [name for name in table.columns.names if not (explicit and name.upper() in ("PIXEL", "PIX"))]
    column = entry.column or (names[0] if len(names) == 1 else "")
    if column not in names:
        asked = f"no column {column!r}" if column else f"{len(names)} columns"
        raise ConfigError(f"{path}: has {asked}; choose one with 'column': {', '.join(names)}")
    values = np.asarray(table.data[column], dtype=np.float64).ravel()
    values[~np.isfinite(values) | (np.abs(values / _UNSEEN - 1) < 1e-5)] = np.nan
    index = _index(entry, table, explicit, len(values))
    return _Map(nside, scheme, index, values, table.columns[column].unit, _frame(entry, header))


def _frame(entry: HealpixEntry, header: Any) -> str:
    """Return the coordinates of a map: as its header has them, or else the configuration."""
    text = str(header.get("COORDSYS", "")).strip().upper()
    if text and text not in _FRAMES:
        raise ConfigError(
            f"{entry.healpix}: COORDSYS is {text!r}; only galactic (G) and equatorial (C) maps are taken: rotate it"
        )
    found = _FRAMES.get(text)
    if found is None and entry.frame is None:
        raise ConfigError(f"{entry.healpix}: the header has no COORDSYS; set 'frame' to galactic or icrs")
    if found is not None and entry.frame is not None and found != entry.frame:
        raise ConfigError(
            f"{entry.healpix}: the header says {found} (COORDSYS), and frame {entry.frame}; remove 'frame'"
        )
    return found or str(entry.frame)


def _index(entry: HealpixEntry, table: Any, explicit: bool, n_values: int) -> npt.NDArray[np.int64]:
    """Return which pixel each value is of."""
    header, n_pixels = table.header, 12 * table.header["NSIDE"] ** 2
    if explicit:
        name = next((name for name in table.columns.names if name.upper() in ("PIXEL", "PIX")), None)
        if name is None:
            raise ConfigError(f"{entry.healpix}: INDXSCHM is EXPLICIT and there is no column PIXEL; correct the file")
        index = np.asarray(table.data[name], dtype=np.int64).ravel()
    else:
        index = np.arange(n_values, dtype=np.int64) + int(header.get("FIRSTPIX", 0))
    if len(index) != n_values or len(np.unique(index)) != n_values or index.min() < 0 or index.max() >= n_pixels:
        raise ConfigError(
            f"{entry.healpix}: {n_values} values do not fit the {n_pixels} pixels of NSIDE {header['NSIDE']}: each "
            "pixel may come once, from 0 on; correct NSIDE, FIRSTPIX or the column PIXEL"
        )
    if not explicit and "FIRSTPIX" not in header and n_values != n_pixels:
        raise ConfigError(
            f"{entry.healpix}: has {n_values} values, and a map of NSIDE {header['NSIDE']} has {n_pixels}; correct "
            "NSIDE, or say which pixels there are (FIRSTPIX, or INDXSCHM EXPLICIT and a column PIXEL)"
        )
    return index
