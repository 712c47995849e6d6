"""Screens of electron content: from files, or at random with the spectrum of turbulence."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from kernels.corruption_bodies import SCREEN
from kernels.reference.corruptions import standard_normals
from pipeline.errors import ConfigError

Float64 = npt.NDArray[np.float64]

_NPZ_KEYS: Final = ("tec_tecu", "pixel_m", "origin_m", "time_s")
# 6.88 = 2 (24/5 Gamma(6/5))^(5/6) over 4 pi 1.1183, the integral of x^(-8/3) (1 - J0(x)) over x > 0.
_SPECTRUM: Final = 6.883877182293812 / (4 * np.pi * 1.118334400320379)
_SMALLEST: Final = 4  # pixels that cubic convolution takes


@dataclasses.dataclass(frozen=True)
class Frames:
    """Vertical electron content over the ground, at one moment or several.

    Attributes
    ----------
    name
        What to call it.
    tec_tecu
        (time, north, east) float64, TECU.
    time_s
        (time,) float64, s since the start of the observation; content is interpolated linearly in between. A single one
        holds all the time.
    origin_m
        East and north of the pixel in row and column 1, m.
    pixel_m
        Size of a pixel, m.
    """

    name: str
    tec_tecu: Float64
    time_s: Float64
    origin_m: tuple[float, float]
    pixel_m: float

    @cached_property
    def _only(self) -> Float64:
        """The content where it does not change: always the same array, so that it need be sent to a device once."""
        frame: Float64 = self.tec_tecu[0]
        return frame

    def at(self, time_s: float) -> Float64:
        """Return the content at a time, (north, east) float64, TECU.

        Raises
        ------
        ConfigError
            If the time is not covered.
        """
        if len(self.time_s) == 1:
            return self._only
        if not self.time_s[0] <= time_s <= self.time_s[-1]:
            raise ConfigError(
                f"ionosphere.file: {self.name} holds {self.time_s[0]:g} to {self.time_s[-1]:g} s after the start "
                f"of the observation, and {time_s:g} s is asked for; give frames that cover all dumps"
            )
        after = max(1, int(np.searchsorted(self.time_s, time_s)))
        before_s, after_s = self.time_s[after - 1 : after + 1]
        fraction = (time_s - before_s) / (after_s - before_s)
        mixed: Float64 = (1 - fraction) * self.tec_tecu[after - 1] + fraction * self.tec_tecu[after]
        return mixed


def kolmogorov_screen(seed: int, n: int, pixel_m: float, r0_m: float, outer_scale_m: float) -> Float64:
    """Make a periodic screen of phases with the spectrum of turbulence.

    Its structure function is that of von Kármán, 6.88 (r / r0)^(5/3) rad^2 where r is far below the outer scale L0. The
    spectrum over angular wave numbers is 0.4898 r0^(-5/3) (k^2 + (2 pi / L0)^2)^(-11/6) rad^2 m^2 [Fried 1966, JOSA 56,
    1372; Noll 1976, JOSA 66, 207], sampled at the modes of the period; k = 0 is left out.

    Parameters
    ----------
    seed
        Key of the random numbers.
    n
        Pixels along a side, even.
    pixel_m
        Size of a pixel, m.
    r0_m
        Fried's length, m.
    outer_scale_m
        L0, m.

    Returns
    -------
    (n, n) float64
        Phases, rad.
    """
    step = 2 * np.pi / (n * pixel_m)
    row = np.fft.fftfreq(n, 1 / n)[:, np.newaxis] * step
    column = np.arange(n // 2 + 1) * step
    spectrum = _SPECTRUM * r0_m ** (-5 / 3) * (row**2 + column**2 + (2 * np.pi / outer_scale_m) ** 2) ** (-11 / 6)
    spectrum[0, 0] = 0.0
    # The first and the last column hold both a mode and its conjugate, of which the transform takes the mean.
    spectrum[:, [0, -1]] *= 2.0
    normals = standard_normals(seed, (np.arange(n)[:, np.newaxis], np.arange(n // 2 + 1), 0, SCREEN << 8))
    # Half the variance in each part; the transform divides by n^2.
    modes = (normals[..., 0] + 1j * normals[..., 1]) * np.sqrt(spectrum / 2) * step
    phases: Float64 = np.fft.irfft2(modes, s=(n, n)) * n**2
    return phases


def read_screen(path: Path) -> Frames:
    """Read electron content over the ground from a FITS image or a NumPy archive.

    Raises
    ------
    ConfigError
        If the file cannot be read, lacks an axis or a unit, or holds what is not finite.
    """
    if path.suffix.lower() == ".npz":
        tec, pixel_m, origin_m, time_s = _read_npz(path)
    elif path.suffix.lower() in (".fits", ".fit"):
        tec, pixel_m, origin_m, time_s = _read_fits(path)
    else:
        raise ConfigError(f"{path}: the ending is not known; give a FITS image (.fits) or a NumPy archive (.npz)")
    if tec.ndim == 2:
        tec = tec[np.newaxis]
    if tec.ndim != 3 or min(tec.shape[1:]) < _SMALLEST:
        raise ConfigError(
            f"{path}: has the shape {tec.shape}; give (north, east) or (time, north, east), {_SMALLEST} pixels or more"
        )
    if not np.isfinite(tec).all():
        raise ConfigError(f"{path}: {np.sum(~np.isfinite(tec))} pixels are not finite; fill them")
    if not (np.isfinite(pixel_m) and pixel_m > 0):
        raise ConfigError(f"{path}: the pixel is {pixel_m:g} m; it must be above zero")
    if time_s.shape != tec.shape[:1] or not (np.diff(time_s) > 0).all():
        raise ConfigError(f"{path}: has {tec.shape[0]} frames at {time_s.size} times; give one each, ascending")
    # Files name the pixel (0, 0), the kernel (1, 1).
    return Frames(path.name, tec, time_s, (origin_m[0] + pixel_m, origin_m[1] + pixel_m), pixel_m)


def _read_npz(path: Path) -> tuple[Float64, float, tuple[float, float], Float64]:
    """Read the arrays tec_tecu, pixel_m, origin_m (east and north of pixel 0, 0) and, for frames, time_s."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            held: dict[str, Any] = {key: np.asarray(archive[key], np.float64) for key in archive.files}
    except Exception as error:  # zipfile's and NumPy's errors are of many kinds
        raise ConfigError(f"{path}: cannot be read as a NumPy archive ({error}); write it with numpy.savez") from error
    wanted = [key for key in _NPZ_KEYS if key != "time_s" or held.get("tec_tecu", np.empty(0)).ndim == 3]
    if sorted(held) != sorted(wanted):
        raise ConfigError(
            f"{path}: holds {', '.join(held) or 'nothing'}; give {', '.join(wanted)} (time_s goes with frames only)"
        )
    if held["pixel_m"].size != 1 or held["origin_m"].size != 2:
        raise ConfigError(f"{path}: pixel_m is one number, origin_m two: east and north of pixel 0, 0")
    east_m, north_m = held["origin_m"].reshape(2).tolist()
    return held["tec_tecu"], float(held["pixel_m"].item()), (east_m, north_m), held.get("time_s", np.zeros(1))


def _read_fits(path: Path) -> tuple[Float64, float, tuple[float, float], Float64]:
    """Read a FITS image in TECU whose axes are east and north in m or km and, for frames, time in s."""
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            header, data = hdus[0].header, np.asarray(hdus[0].data, np.float64)
    except Exception as error:  # astropy raises whatever its parsers do
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path}: cannot be read as a FITS image ({reason}); give one") from error
    if str(header.get("BUNIT", "")).strip().upper() != "TECU":
        raise ConfigError(f"{path}: BUNIT is {header.get('BUNIT')!r}; electron content comes in 'TECU'")
    east, north = _axis(path, header, 1, {"m": 1.0, "km": 1e3}), _axis(path, header, 2, {"m": 1.0, "km": 1e3})
    if east[1] != north[1]:
        raise ConfigError(f"{path}: pixels are {east[1]:g} m by {north[1]:g} m; they must be square")
    time_s: Float64 = np.zeros(1)
    if data.ndim == 3:
        first_s, step_s = _axis(path, header, 3, {"s": 1.0, "min": 60.0, "h": 3600.0})
        time_s = first_s + step_s * np.arange(len(data), dtype=np.float64)
    return data, east[1], (east[0], north[0]), time_s


def _axis(path: Path, header: Any, number: int, units: dict[str, float]) -> tuple[float, float]:
    """Return value of the first pixel and step of an axis, in the first of `units`."""
    unit = str(header.get(f"CUNIT{number}", "")).strip()
    if unit not in units:
        raise ConfigError(f"{path}: CUNIT{number} is {unit!r}; give {' or '.join(units)}")
    try:
        step, value, pixel = (float(header[f"{key}{number}"]) for key in ("CDELT", "CRVAL", "CRPIX"))
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{path}: axis {number} lacks CDELT, CRVAL or CRPIX ({error}); give all three") from error
    return (value + (1 - pixel) * step) * units[unit], step * units[unit]
