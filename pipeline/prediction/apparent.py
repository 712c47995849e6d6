"""The brightness of transformed sources, and the envelopes of extended ones: pure functions of arrays."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline.observation.stations.base import Complex128

Float64 = npt.NDArray[np.float64]

SPEED_OF_LIGHT_M_S = 299792458.0


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
