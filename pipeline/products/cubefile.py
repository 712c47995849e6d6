"""A FITS image cube that several ranks write in place: right ascension, declination, frequency, Stokes.

The file grows under a temporary name beside its own and gets its own name once it is whole. Its header comes
last, as the beam is known only then; the room for it is left at the front.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.products.beam import Beam

if TYPE_CHECKING:
    from astropy.io.fits import Header

_FITS_BLOCK = 2880  # bytes; every part of a FITS file is filled up to a multiple of it
_CARD = 80  # bytes
_HEADER_BLOCKS = 4  # 144 cards, three times what there is to say
_PIXEL = np.dtype(">f4")


@dataclass(frozen=True)
class CubeFile:
    """A cube being written.

    Attributes
    ----------
    path
        Where it will be.
    shape
        (stokes, frequency, y, x).
    """

    path: Path
    shape: tuple[int, int, int, int]

    @property
    def partial(self) -> Path:
        """The temporary name; every rank knows it."""
        return self.path.with_name(f".{self.path.name}.partial")

    @property
    def n_bytes(self) -> int:
        """Bytes of header and pixels."""
        pixels = int(np.prod(self.shape)) * _PIXEL.itemsize
        return _HEADER_BLOCKS * _FITS_BLOCK + -(-pixels // _FITS_BLOCK) * _FITS_BLOCK

    def create(self) -> None:
        """Make the file and reserve its bytes, on one rank.

        Raises
        ------
        DatasetError
            If the folder cannot be written, or the disk is too small.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.partial.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self.n_bytes)
        except OSError as error:
            self.discard()
            raise DatasetError(
                f"{self.path}: an image of {self.n_bytes / 1e6:.1f} MB cannot be written there: "
                f"{error.strerror}; choose another output, or make room"
            ) from error

    def write_plane(self, stokes: int, frequency: int, plane: NDArray[np.float64]) -> None:
        """Write one plane, on any rank.

        Parameters
        ----------
        stokes, frequency
            Indices along their axes.
        plane
            (y, x), Jy/beam.
        """
        index = stokes * self.shape[1] + frequency
        offset = _HEADER_BLOCKS * _FITS_BLOCK + index * plane.size * _PIXEL.itemsize
        try:
            with self.partial.open("r+b") as file:
                file.seek(offset)
                file.write(plane.astype(_PIXEL).tobytes())
        except OSError as error:
            raise DatasetError(
                f"{self.path}: plane {frequency} cannot be written: {error.strerror}; make room"
            ) from error

    def finish(self, header: Header, beams: Sequence[Beam | None] | None) -> None:
        """Write header and beams, on one rank after all planes are written, and give the file its name.

        Parameters
        ----------
        header
            Of the cube, its structural keywords included.
        beams
            Of each frequency, written as a table of the kind CASA and its readers know: that of a blank plane is None
            here, and zeros there, as CASA has it. None for no table.

        Raises
        ------
        DatasetError
            If the file cannot be written.
        """
        room = _HEADER_BLOCKS * _FITS_BLOCK - _CARD
        cards = header.tostring(sep="", endcard=False, padding=False)
        if len(cards) > room:
            raise DatasetError(f"{self.path}: {len(cards) // _CARD} header cards, room for {room // _CARD}")
        try:
            with self.partial.open("r+b") as file:
                file.write((cards.ljust(room) + "END".ljust(_CARD)).encode("ascii"))
                file.seek(0, os.SEEK_END)
                if beams is not None:
                    file.write(_beam_table(beams, self.shape[0]))
                file.flush()
                os.fsync(file.fileno())
            self.partial.replace(self.path)
        except OSError as error:
            raise DatasetError(f"{self.path}: cannot be completed: {error.strerror}") from error

    def discard(self) -> None:
        """Remove what was written, on one rank."""
        with contextlib.suppress(OSError):
            self.partial.unlink()


def _beam_table(beams: Sequence[Beam | None], n_stokes: int) -> bytes:
    """Return the bytes of the binary table BEAMS: one row for each plane, Stokes parameters slowest."""
    from astropy.io import fits

    arcsec = 180 * 3600 / np.pi
    none = Beam(0.0, 0.0, 0.0)
    rows = [(beam or none, channel, pol) for pol in range(n_stokes) for channel, beam in enumerate(beams)]
    columns = [
        fits.Column("BMAJ", "1E", "arcsec", array=[beam.major_rad * arcsec for beam, _, _ in rows]),
        fits.Column("BMIN", "1E", "arcsec", array=[beam.minor_rad * arcsec for beam, _, _ in rows]),
        fits.Column("BPA", "1E", "deg", array=[np.degrees(beam.angle_rad) for beam, _, _ in rows]),
        fits.Column("CHAN", "1J", array=[channel for _, channel, _ in rows]),
        fits.Column("POL", "1J", array=[pol for _, _, pol in rows]),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="BEAMS")
    table.header["EXTVER"] = 1
    table.header["NCHAN"] = (len(beams), "number of frequencies")
    table.header["NPOL"] = (n_stokes, "number of Stokes parameters")
    # astropy writes files that begin with an image; the table follows it.
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    return file.getvalue()[_FITS_BLOCK:]
