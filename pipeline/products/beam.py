"""The synthesised beam: an elliptical Gaussian fitted to the main lobe of a point-spread function."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: The main lobe is what hangs together with the peak above this fraction of it (CASA's `psfcutoff`).
LOBE_LEVEL = 0.35

_FINE = 4  # points per pixel a small lobe is fitted on: a beam two pixels wide has too few pixels of its own
_FIRST_REACH = 16  # pixels from the peak that are looked at first
_LARGE_REACH = 64  # a lobe that needs more than this many has pixels enough
_LANCZOS = 8  # half-width of the interpolation's kernel, pixels
_ITERATIONS = 50


@dataclass(frozen=True)
class Beam:
    """An elliptical Gaussian.

    Attributes
    ----------
    major_rad, minor_rad
        Full widths at half maximum, rad.
    angle_rad
        Position angle of the major axis, north through east, in [0, pi).
    """

    major_rad: float
    minor_rad: float
    angle_rad: float


def fit_beam(psf: Floats, cell_rad: float) -> Beam | None:
    """Fit the main lobe of a point-spread function.

    Parameters
    ----------
    psf
        (y, x) float64, 1 at its peak in pixel (n_y // 2, n_x // 2); north is up, east is left.
    cell_rad
        Width of a pixel, rad.

    Returns
    -------
    Beam or None
        None where there is no lobe to fit: it runs out of the image (an array along a line makes a ridge),
        or is no longer than a pixel.

    Notes
    -----
    Least squares of exp(-(a x^2 + b x y + c y^2)) over the lobe above `LOBE_LEVEL`: a fit of the logarithm
    to start from, then Gauss-Newton.
    """
    limit = min(psf.shape) // 2 - 1
    reach = min(_FIRST_REACH, limit)
    while True:
        window, step = _window(psf, reach)
        lobe = _connected_lobe(window > LOBE_LEVEL)
        if not _touches_edge(lobe):
            break
        if reach == limit:
            return None
        reach = min(2 * reach, limit)
    middle = window.shape[0] // 2
    rows, columns = np.nonzero(lobe)
    form = _fit_form(window[lobe], (columns - middle) * step, (rows - middle) * step)
    return None if form is None else _beam_of_form(form, cell_rad)


def _window(psf: Floats, reach: int) -> tuple[Floats, float]:
    """Cut out the pixels up to `reach` from the peak, interpolated where the lobe is small.

    Returns
    -------
    window
        (row, column) float64, of odd size, the peak in its middle.
    step
        Distance between its points, pixels.
    """
    n_fine = _FINE if reach <= _LARGE_REACH else 1
    offset = np.arange(-reach * n_fine, reach * n_fine + 1) / n_fine
    along_y = _interpolation(offset + psf.shape[0] // 2, psf.shape[0])
    along_x = _interpolation(offset + psf.shape[1] // 2, psf.shape[1])
    return along_y @ psf @ along_x.T, 1 / n_fine


def _interpolation(position: Floats, n_pixels: int) -> Floats:
    """Return the matrix (position, pixel) of Lanczos interpolation, its rows adding up to one."""
    distance = position[:, None] - np.arange(n_pixels)
    kernel = np.sinc(distance) * np.sinc(distance / _LANCZOS)
    kernel[np.abs(distance) >= _LANCZOS] = 0
    normalised: Floats = kernel / kernel.sum(axis=1, keepdims=True)
    return normalised


def _connected_lobe(above: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the points of `above` that hang together, side by side, with the middle one."""
    lobe = np.zeros_like(above)
    lobe[above.shape[0] // 2, above.shape[1] // 2] = True
    n_before = 0
    while (n_points := int(np.count_nonzero(lobe))) > n_before:
        n_before = n_points
        grown = lobe.copy()
        grown[1:] |= lobe[:-1]
        grown[:-1] |= lobe[1:]
        grown[:, 1:] |= lobe[:, :-1]
        grown[:, :-1] |= lobe[:, 1:]
        lobe = grown & above
    return lobe


def _touches_edge(lobe: NDArray[np.bool_]) -> bool:
    return bool(lobe[0].any() or lobe[-1].any() or lobe[:, 0].any() or lobe[:, -1].any())


def _fit_form(value: Floats, x: Floats, y: Floats) -> Floats | None:
    """Fit exp(-(a x^2 + b x y + c y^2)) to values at offsets in pixels; return (a, b, c), None if no peak."""
    if value.size < 6:
        return None
    squares = np.stack([x * x, x * y, y * y], axis=1)
    form = _least_squares(squares * value[:, None], -np.log(value) * value)
    for _ in range(_ITERATIONS):
        model = np.exp(-(squares @ form))
        step = _least_squares(-squares * model[:, None], value - model)
        form = form + step
        if np.abs(step).max() <= 1e-12 * np.abs(form).max():
            break
    a, b, c = form
    is_peak = np.isfinite(form).all() and a > 0 and 4 * a * c > b * b
    return form if is_peak else None


def _least_squares(matrix: Floats, value: Floats) -> Floats:
    return np.linalg.lstsq(matrix, value, rcond=None)[0].astype(np.float64)


def _beam_of_form(form: Floats, cell_rad: float) -> Beam:
    """Turn the quadratic form, per pixel squared, into widths and an angle."""
    a, b, c = form
    curvature, axes = np.linalg.eigh(np.array([[a, b / 2], [b / 2, c]]))
    # exp(-k r^2) has fallen to one half at r = sqrt(ln 2 / k); the major axis curves least.
    minor, major = (2 * math.sqrt(math.log(2) / float(k)) * cell_rad for k in curvature[::-1])
    x, y = axes[:, 0]
    # East is towards smaller x.
    angle = math.atan2(-x, y) % math.pi
    return Beam(major, minor, 0.0 if angle >= math.pi else angle)
