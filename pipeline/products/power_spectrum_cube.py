"""What a power spectrum needs of an image cube: Stokes I, sampling, frequencies, pixel size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.products.cube import sampling_path

if TYPE_CHECKING:
    from astropy.io.fits import Header

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cube:
    """An image cube, looked at.

    Attributes
    ----------
    path
        Of the image; its sampling lies beside it.
    size, cell_rad
        Pixels along a side, and their width.
    stokes_i
        Index of Stokes I along its axis.
    first_hz, step_hz, n_planes
        Middle of the first plane, distance of planes, which is their width, and their number.
    fine_channels
        Fine channels averaged into a plane.
    """

    path: Path
    size: int
    cell_rad: float
    stokes_i: int
    first_hz: float
    step_hz: float
    n_planes: int
    fine_channels: int

    @property
    def frequency_hz(self) -> Floats:
        """Middles of the planes, (plane,) float64."""
        return np.asarray(self.first_hz + self.step_hz * np.arange(self.n_planes), np.float64)

    @property
    def middle_hz(self) -> float:
        """Middle of the band."""
        return self.first_hz + self.step_hz * (self.n_planes - 1) / 2

    def planes(self) -> Iterator[tuple[Floats, Floats]]:
        """Yield image (Jy/beam) and point-spread function without w term of each plane.

        Both are (y, x) float64, north up, east left.

        Raises
        ------
        DatasetError
            If a pixel is not finite.
        """
        from astropy.io import fits

        with fits.open(self.path, memmap=True) as image, fits.open(sampling_path(self.path), memmap=True) as sampling:
            for plane in range(self.n_planes):
                pair = (
                    image[0].data[self.stokes_i, plane].astype(np.float64),
                    sampling[0].data[0, plane].astype(np.float64),
                )
                if not all(np.isfinite(values).all() for values in pair):
                    raise DatasetError(f"{self.path}: plane {plane} holds numbers that are not finite; image anew")
                yield pair


def open_cube(path: Path) -> Cube:
    """Look at a cube that `dawnstream image` made.

    Raises
    ------
    DatasetError
        If it or its sampling cannot be read, or it is not such a cube.
    """
    header, sampling = _header(path), _header(sampling_path(path))
    wanted = {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CTYPE3": "FREQ", "CTYPE4": "STOKES", "BUNIT": "Jy/beam"}
    for key, value in wanted.items():
        if header.get(key) != value:
            raise DatasetError(
                f"{path}: {key} is {header.get(key)!r}, and must be {value!r}; give a cube that `dawnstream image` made"
            )
    if "CHANAVG" not in header:
        raise DatasetError(
            f"{path}: has no CHANAVG, the number of channels averaged into a plane; image the dataset anew"
        )
    same = all(sampling.get(key) == header[key] for key in ("NAXIS1", "NAXIS2", "NAXIS3", "CDELT2", "CRVAL3", "CDELT3"))
    if not same:
        raise DatasetError(f"{sampling_path(path)}: not the sampling of {path.name}; image the dataset anew")
    return Cube(
        path=path,
        size=header["NAXIS1"],
        cell_rad=float(np.radians(header["CDELT2"])),
        stokes_i=_stokes_i(path, header),
        first_hz=float(header["CRVAL3"]),
        step_hz=float(header["CDELT3"]),
        n_planes=header["NAXIS3"],
        fine_channels=int(header["CHANAVG"]),
    )


def _header(path: Path) -> Header:
    from astropy.io import fits

    try:
        return fits.getheader(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: not a FITS cube that can be read: {error}") from error


def _stokes_i(path: Path, header: Any) -> int:
    """Return the index of Stokes I, which is number 1 on its FITS axis."""
    numbers = [header["CRVAL4"] + index * header["CDELT4"] for index in range(header["NAXIS4"])]
    if 1 not in numbers:
        raise DatasetError(f"{path}: holds no Stokes I; image the dataset with --stokes I")
    return numbers.index(1)


def check_alike(cubes: tuple[Cube, ...]) -> None:
    """Make sure that cubes have the same pixels and planes.

    Raises
    ------
    DatasetError
        Naming what differs.
    """
    for name in ("size", "cell_rad", "first_hz", "step_hz", "n_planes", "fine_channels"):
        values = [getattr(cube, name) for cube in cubes]
        if len(set(values)) > 1:
            raise DatasetError(
                f"{cubes[1].path}: {name} is {values[1]:.10g}, and {values[0]:.10g} in {cubes[0].path}; the "
                "cross-power of two cubes needs the same pixels and planes"
            )
