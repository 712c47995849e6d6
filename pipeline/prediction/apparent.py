"""Brightness as stations see it, and the envelopes of extended sources: pure functions of arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.observation.stations.base import Complex128

Float64 = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complexfloating[Any, Any]]

SPEED_OF_LIGHT_M_S = 299792458.0


def coherencies(stokes_jy: Float64) -> Float64:
    """Return the brightness B = [[I+Q, U+iV], [U-iV, I-Q]] of sources as (XX, YY, Re XY, Im XY).

    Parameters
    ----------
    stokes_jy
        (source, 4) I, Q, U, V in Jy.
    """
    i, q, u, v = stokes_jy.T
    return np.stack([i + q, i - q, u, v], axis=1)


def apparent_coherency(response: Complex, stokes_jy: Float64) -> Float64:
    """Return J B J^H of sources for stations that all answer alike, as (XX, YY, Re XY, Im XY).

    Parameters
    ----------
    response
        (dump, source) complex of a scalar response, or (dump, source, 2, 2) complex.
    stokes_jy
        (source, 4) I, Q, U, V in Jy.

    Returns
    -------
    (dump, source, 4) float64, Jy
    """
    if response.ndim == 2:
        power: Float64 = response.real**2 + response.imag**2
        return coherencies(stokes_jy) * power[..., np.newaxis]
    i, q, u, v = stokes_jy.T
    brightness = np.stack([i + q + 0j, u + 1j * v, u - 1j * v, i - q + 0j], axis=-1).reshape(-1, 2, 2)
    seen = response @ brightness @ response.conj().swapaxes(-1, -2)
    xx, xy, yy = seen[..., 0, 0], seen[..., 0, 1], seen[..., 1, 1]
    return np.stack([xx.real, yy.real, xy.real, xy.imag], axis=-1)


def as_products(coherency: Float64) -> Complex128:
    """Return XX, XY, YX, YY, (4, source) complex128, of (XX, YY, Re XY, Im XY), (source, 4)."""
    xx, yy, re, im = coherency.T
    return np.stack([xx + 0j, re + 1j * im, re - 1j * im, yy + 0j])


def envelope_axes(shape_rad: Float64, north_uvw: Float64, towards_uvw: Float64) -> Float64:
    """Return what describes the visibility of elliptical Gaussians: exp(-(nu b.g0)^2 - (nu b.g1)^2) for a baseline b.

    A Gaussian on the plane that touches the sky at the source, of full widths W along unit vectors a, has the
    transform exp(-(pi W b.a nu/c)^2 / (4 ln 2)) along each of its axes (Bracewell, The Fourier Transform and Its
    Applications, chapter 6). The axes are those of the sky at the source, so nothing is projected and the w of a
    baseline counts as it must.

    Parameters
    ----------
    shape_rad
        (source, 3) float64: full widths at half maximum, major and minor; position angle of the major axis from
        north through east.
    north_uvw, towards_uvw
        (source, 3) float64: unit vectors along the sky to the north, and towards the source, in u, v, w.

    Returns
    -------
    (source, 2, 3) float64, 1/(m Hz): g0 along the major, g1 along the minor axis
    """
    east_uvw = np.cross(north_uvw, towards_uvw)
    angle = shape_rad[:, 2, np.newaxis]
    major = np.cos(angle) * north_uvw + np.sin(angle) * east_uvw
    minor = np.cos(angle) * east_uvw - np.sin(angle) * north_uvw
    per_hz = math.pi / SPEED_OF_LIGHT_M_S / (2 * math.sqrt(math.log(2)))
    axes: Float64 = per_hz * shape_rad[:, :2, np.newaxis] * np.stack([major, minor], axis=1)
    return axes
