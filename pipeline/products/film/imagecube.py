"""An image cube as it is looked at: planes along frequency, read one at a time, with their place in the sky."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.products.beam import Beam

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.wcs import WCS

Floats = NDArray[np.float64]

#: Names of the numbers on a FITS axis of polarisations (FITS standard 4.0, table 29).
_STOKES_NAMES = {1: "I", 2: "Q", 3: "U", 4: "V", -1: "RR", -2: "LL", -5: "XX", -6: "YY", -7: "XY", -8: "YX"}

_ARCSEC = np.pi / (180 * 3600)
_NEEDED = "it needs axes of right ascension, declination and frequency, as `dawnstream image` makes them"


@dataclass(frozen=True)
class _Axes:
    """Indices of the axes, counted as FITS does but from 0: the first varies fastest. -1: not there."""

    ra: int
    dec: int
    frequency: int
    stokes: int


class ImageCube:
    """A FITS cube, opened; used as a context manager.

    Pixels are read when they are asked for, a plane at a time, so memory does not grow with the cube.

    Attributes
    ----------
    path
        Its file.
    header
        Of its first HDU.
    sky
        The WCS of a plane: pixel (x, y), counted from 0, to right ascension and declination, deg.
    frequency_hz
        (plane,) float64.
    stokes
        Names of the polarisations it holds; ("I",) where it does not say.
    beams
        (plane) the beam of each plane; None where the cube names none.

    Raises
    ------
    DatasetError
        If the file is not there, is cut short, or is no cube on the sky.
    """

    def __init__(self, path: Path) -> None:
        from astropy.io import fits

        self.path = Path(path)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "File may have been truncated")  # an error, below
                self._hdus: Any = fits.open(self.path, memmap=True)
        except (OSError, ValueError) as error:
            raise DatasetError(f"{path}: not a FITS cube that can be read: {error}") from error
        try:
            self.header: Header = self._hdus[0].header
            self._check_whole()
            wcs = self._wcs()
            self._axes = self._find_axes(wcs)
            self.sky: WCS = wcs.sub([self._axes.ra + 1, self._axes.dec + 1])
            self.frequency_hz = self._frequencies(wcs)
            self.stokes = self._polarisations()
            self.beams = self._read_beams()
        except BaseException:
            self._hdus.close()
            raise

    def __enter__(self) -> ImageCube:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hdus.close()

    @property
    def n_planes(self) -> int:
        """Length of the frequency axis."""
        return len(self.frequency_hz)

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels of a plane: (y, x)."""
        return int(self.header[f"NAXIS{self._axes.dec + 1}"]), int(self.header[f"NAXIS{self._axes.ra + 1}"])

    @property
    def unit(self) -> str:
        """Of the pixels, as the header has it."""
        return str(self.header.get("BUNIT", "")).strip()

    @property
    def frame(self) -> str:
        """What right ascension and declination refer to, such as ICRS."""
        return str(self.sky.wcs.radesys) or "ICRS"

    def check_plane(self, index: int, stokes: str) -> None:
        """Raise DatasetError unless there is such a plane."""
        if not 0 <= index < self.n_planes or stokes not in self.stokes:
            raise DatasetError(
                f"{self.path}: no plane {index} of Stokes {stokes}; it holds planes 0 to {self.n_planes - 1} of "
                f"{list(self.stokes)}"
            )

    def plane(self, index: int, stokes: str = "I") -> Floats:
        """Read one plane.

        Returns
        -------
        (y, x) float64
            In `unit`; NaN where the cube is blank.
        """
        self.check_plane(index, stokes)
        return self._read(slice(None), slice(None), index, stokes)

    def spectrum(self, x: int, y: int, stokes: str = "I") -> Floats:
        """Read one pixel of all planes: (plane,) float64, in `unit`, NaN where blank."""
        n_y, n_x = self.shape
        if not (0 <= x < n_x and 0 <= y < n_y):
            raise DatasetError(f"{self.path}: no pixel {x},{y}; they are 0,0 to {n_x - 1},{n_y - 1} (x,y)")
        self.check_plane(0, stokes)
        return self._read(slice(y, y + 1), slice(x, x + 1), slice(None), stokes).reshape(-1)

    def _read(self, y: slice, x: slice, plane: int | slice, stokes: str) -> Floats:
        """Read some pixels: (y, x) of one plane, or a row of several planes for one pixel."""
        index: list[int | slice] = [0] * int(self.header["NAXIS"])
        index[self._axes.ra], index[self._axes.dec], index[self._axes.frequency] = x, y, plane
        if self._axes.stokes >= 0:
            index[self._axes.stokes] = self.stokes.index(stokes)
        try:
            pixels = np.asarray(self._hdus[0].section[tuple(index[::-1])], np.float64)
        except (OSError, ValueError, TypeError) as error:
            raise DatasetError(f"{self.path}: cannot be read: {error}") from error
        return pixels.T if self._axes.dec < self._axes.ra else pixels

    def _check_whole(self) -> None:
        """Refuse a file without pixels, or with fewer than its header promises."""
        if not self.header.get("NAXIS"):
            raise DatasetError(f"{self.path}: its first HDU holds no image; {_NEEDED}")
        info = self._hdus[0].fileinfo()
        promised = info["datLoc"] + self._hdus[0].size
        there = self.path.stat().st_size
        if there < promised:
            raise DatasetError(
                f"{self.path}: {there} of {promised} bytes are there: the file was cut short; copy it again"
            )

    def _wcs(self) -> WCS:
        from astropy.wcs import WCS, FITSFixedWarning

        try:
            with warnings.catch_warnings():
                # That a date was written in a second way, and the like: nothing that moves a pixel.
                warnings.simplefilter("ignore", FITSFixedWarning)
                wcs = WCS(self.header)
            wcs.wcs.set()
        except Exception as error:  # wcslib has a dozen errors without a common base
            raise DatasetError(f"{self.path}: its coordinates cannot be understood: {error}") from error
        return wcs

    def _find_axes(self, wcs: WCS) -> _Axes:
        """Find the axes by their types; refuse what is missing, and others that are longer than 1."""
        types = [str(kind).strip().upper() for kind in wcs.wcs.ctype]
        if wcs.wcs.lng < 0 or wcs.wcs.lat < 0 or wcs.wcs.lngtyp.strip() != "RA" or "FREQ" not in types:
            named = ", ".join(kind or "(none)" for kind in types)
            raise DatasetError(f"{self.path}: no cube on the sky, its axes are {named}; {_NEEDED}")
        stokes = types.index("STOKES") if "STOKES" in types else -1
        axes = _Axes(int(wcs.wcs.lng), int(wcs.wcs.lat), types.index("FREQ"), stokes)
        for axis, kind in enumerate(types):
            length = int(self.header[f"NAXIS{axis + 1}"])
            if axis not in (axes.ra, axes.dec, axes.frequency, axes.stokes) and length != 1:
                raise DatasetError(f"{self.path}: axis {axis + 1} ({kind or 'no type'}) has {length} pixels, not 1")
        return axes

    def _frequencies(self, wcs: WCS) -> Floats:
        """Return the frequency of each plane in Hz; wcslib has turned the header's unit into Hz."""
        axis = self._axes.frequency + 1
        pixel = np.arange(int(self.header[f"NAXIS{axis}"]), dtype=np.float64)
        return np.asarray(wcs.sub([axis]).wcs_pix2world(pixel, 0)[0], np.float64)

    def _polarisations(self) -> tuple[str, ...]:
        if self._axes.stokes < 0:
            return ("I",)
        axis = self._axes.stokes + 1
        number, step, reference = (float(self.header.get(f"{key}{axis}", 1)) for key in ("CRVAL", "CDELT", "CRPIX"))
        numbers = [round(number + (i + 1 - reference) * step) for i in range(int(self.header[f"NAXIS{axis}"]))]
        return tuple(_STOKES_NAMES.get(value, str(value)) for value in numbers)

    def _read_beams(self) -> tuple[Beam | None, ...]:
        """Return the beam of every plane from table BEAMS, or else the header's for all; blank planes have none."""
        beams: list[Beam | None] = [None] * self.n_planes
        if "BMAJ" in self.header:
            angles = (np.radians(self.header.get(key, 0.0)) for key in ("BMAJ", "BMIN", "BPA"))
            beams = [Beam(*(float(angle) for angle in angles))] * self.n_planes
        if "BEAMS" in self._hdus:
            for row in self._hdus["BEAMS"].data:
                if 0 <= row["CHAN"] < self.n_planes:
                    major, minor = float(row["BMAJ"]) * _ARCSEC, float(row["BMIN"]) * _ARCSEC
                    beam = Beam(major, minor, float(np.radians(row["BPA"])))
                    beams[int(row["CHAN"])] = beam if np.isfinite([major, minor]).all() and minor > 0 else None
        return tuple(beams)
