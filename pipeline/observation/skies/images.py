"""Reader of FITS images and cubes: every pixel a point source of its flux density."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.observation.skies import pixels
from pipeline.observation.skies.base import Float64, Observed
from pipeline.observation.skies.brightness import BrightnessUnit, brightness_unit, quadrilateral_sr
from pipeline.observation.skies.imageaxes import Axes, find_axes, icrs_vectors
from pipeline.observation.skies.pixels import Held, Pixels, Recent

if TYPE_CHECKING:
    from pipeline.config.diffuse import ImageEntry

_ROWS_AT_A_TIME: Final = 128
# A Gaussian's solid angle over the product of its full widths at half maximum.
_GAUSSIAN: Final = np.pi / (4 * np.log(2))


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where the pixels are.

    Attributes
    ----------
    index
        (source,) int64 into the flattened image.
    vectors
        (source, 3) float64, ICRS unit vectors.
    solid_angle_sr
        (source,) float64.
    """

    index: npt.NDArray[np.int64]
    vectors: Float64
    solid_angle_sr: Float64

    def take(self, keep: npt.NDArray[np.bool_]) -> _Place:
        """Keep some of the pixels."""
        return _Place(self.index[keep], self.vectors[keep], self.solid_angle_sr[keep])


def read_image(entry: ImageEntry, observed: Observed) -> tuple[Pixels, list[str]]:
    """Read an image's directions and, of a single plane, its values; a cube's are read as channels ask for them.

    Returns
    -------
    part, notes
        The pixels, and lines for people: how many were left out, and why.

    Raises
    ------
    ConfigError
        If the file, its axes, its unit or a value cannot be used.
    """
    path = entry.image
    header, shape, hdu = _open(path)
    axes, celestial = find_axes(header, shape, path)
    unit = brightness_unit(header.get("BUNIT"), entry.unit, f"{path}: BUNIT")
    frequency_hz = _frequency_hz(entry, axes, unit)
    place, edge = _places(axes, celestial)
    read = functools.partial(_read_plane, path, hdu, axes, entry.blank == "zero")
    place, dropped = _drop(entry, place, read, pixels.planes_used(frequency_hz, *pixels.edges_hz(observed)))
    take = functools.partial(read, place.index)
    x, y, z = place.vectors.T
    part = Pixels(
        name=path.name,
        ra_rad=np.arctan2(y, x) % (2 * np.pi),
        dec_rad=np.arctan2(z, np.hypot(x, y)),
        index=place.index,
        width=axes.width,
        weight=_weights(unit, place.solid_angle_sr, header, path),
        is_kelvin=unit.is_kelvin,
        # Of a cube, two planes are needed at a time.
        planes=Recent(take, 2) if len(frequency_hz) > 1 else Held(take(0)),
        stokes=axes.stokes,
        frequency_hz=frequency_hz,
        spectral_index=entry.spectral_index or 0.0,
    )
    part.check_band(*pixels.edges_hz(observed))
    return part, edge + dropped


def _frequency_hz(entry: ImageEntry, axes: Axes, unit: BrightnessUnit) -> Float64:
    """Return the frequencies of a cube's planes, or the reference frequency of a single plane."""
    if len(axes.frequency_hz) > 1:
        if entry.spectral_index is not None or entry.reference_hz is not None:
            raise ConfigError(
                f"{axes.path}: is a cube of {len(axes.frequency_hz)} planes, which give the spectrum; remove "
                "'spectral_index' and 'reference'"
            )
        return axes.frequency_hz
    found_hz = float(axes.frequency_hz[0]) if len(axes.frequency_hz) else None
    needed = unit.is_kelvin or bool(entry.spectral_index)
    return np.array([pixels.reference(found_hz, entry.reference_hz, needed, str(axes.path))])


def _open(path: Path) -> tuple[Any, tuple[int, ...], int]:
    """Return header, shape and index of the first image in a file."""
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            for index, hdu in enumerate(hdus):
                if hdu.is_image and hdu.header.get("NAXIS", 0) >= 2:
                    return hdu.header, hdu.shape, index
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as FITS ({error}); give a FITS image") from error
    raise ConfigError(f"{path}: holds no image; give a FITS file with one of at least two axes")


def _read_plane(
    path: Path, hdu: int, axes: Axes, blank_is_zero: bool, index: npt.NDArray[np.int64], plane: int
) -> Float64:
    """Read some pixels of one frequency, (source, n) float64, a column for each Stokes parameter there is."""
    from astropy.io import fits

    out = np.empty((len(index), len(axes.stokes)))
    with fits.open(path) as hdus:
        for position in range(len(axes.stokes)):
            # `section` reads this part of the file and no other.
            image = np.asarray(hdus[hdu].section[axes.slices(plane, position)], dtype=np.float64)
            out[:, position] = (image.T if axes.transposed else image).ravel()[index]
    blank = ~np.isfinite(out)
    if blank.any() and not blank_is_zero:
        rows = index[blank.any(axis=1)]
        raise ConfigError(
            f"{path}: plane {plane + 1} has {len(rows)} blank pixels (NaN or infinite), the first at "
            f"{rows[0] % axes.width + 1}, {rows[0] // axes.width + 1}; set 'blank: zero' to take them as empty sky"
        )
    out[blank] = 0.0
    return out


def _drop(entry: ImageEntry, place: _Place, read: Any, used: range) -> tuple[_Place, list[str]]:
    """Leave out pixels that are zero in every plane used."""
    if entry.zeros == "keep":
        return place, []
    keep = np.zeros(len(place.index), dtype=bool)
    for plane in used:
        keep |= read(place.index, plane).any(axis=1)
    n_zero = int((~keep).sum())
    note = f"{entry.image.name}: {n_zero} of {len(keep)} pixels are zero in every plane used and are left out"
    return place.take(keep), [note] if n_zero else []


def _places(axes: Axes, celestial: Any) -> tuple[_Place, list[str]]:
    """Find the pixels that lie on the sky whole."""
    found = list(_places_of_rows(axes, celestial))
    place = _Place(
        np.concatenate([part.index for part in found]),
        np.concatenate([part.vectors for part in found]),
        np.concatenate([part.solid_angle_sr for part in found]),
    )
    n_pixels = axes.width * axes.height
    n_beyond = n_pixels - len(place.index)
    if n_beyond == n_pixels:
        raise ConfigError(f"{axes.path}: no pixel lies on the sky; correct the header's CTYPE, CRVAL and CDELT")
    note = (
        f"{axes.path.name}: {n_beyond} of {n_pixels} pixels lie across or beyond the edge of the projection and are "
        "left out"
    )
    return place, [note] if n_beyond else []


def _places_of_rows(axes: Axes, celestial: Any) -> Iterator[_Place]:
    """Go through an image some rows at a time, as the corners of all take many times the memory of the image."""
    for first in range(0, axes.height, _ROWS_AT_A_TIME):
        stop = min(first + _ROWS_AT_A_TIME, axes.height)
        y, x = np.meshgrid(np.arange(first, stop), np.arange(axes.width), indexing="ij")
        centres = icrs_vectors(celestial, x.ravel(), y.ravel())
        y, x = np.meshgrid(np.arange(first, stop + 1) - 0.5, np.arange(axes.width + 1) - 0.5, indexing="ij")
        corner = icrs_vectors(celestial, x.ravel(), y.ravel()).reshape(*x.shape, 3)
        around = np.stack([corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]])
        areas = quadrilateral_sr(around).ravel()
        whole = np.isfinite(centres).all(axis=1) & np.isfinite(areas)
        index = np.arange(first * axes.width, stop * axes.width)
        yield _Place(index, centres, areas).take(whole)


def _weights(unit: BrightnessUnit, solid_angle_sr: Float64, header: Any, path: Path) -> Float64:
    """Return Jy (or K sr) of the value one, per pixel."""
    if unit.per == "pixel":
        return np.full(len(solid_angle_sr), unit.size)
    if unit.per != "beam":
        return unit.size * solid_angle_sr
    axes_deg = [header.get(key) for key in ("BMAJ", "BMIN")]
    if header.get("CASAMBM") or not all(isinstance(axis, (int, float)) and axis > 0 for axis in axes_deg):
        raise ConfigError(
            f"{path}: is in Jy/beam and has no single beam (BMAJ, BMIN are {axes_deg[0]}, {axes_deg[1]}); give both in "
            "degrees, above zero, or an image in Jy/pixel"
        )
    beam_sr = _GAUSSIAN * np.radians(axes_deg[0]) * np.radians(axes_deg[1])
    return np.asarray(unit.size * solid_angle_sr / beam_sr)
