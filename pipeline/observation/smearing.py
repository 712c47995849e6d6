"""Smearing over a channel's width and a dump's length, by quadrature.

What a correlator puts out is the mean of the visibility over the channel and the dump. For one source that is the
mean of a fringe whose phase is linear in frequency and very nearly so in time, and Gauss-Legendre nodes give it with
an error that is bounded beforehand. Every node is one more term of the sum over sources.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

SPEED_OF_LIGHT_M_S = 299792458.0
EARTH_RAD_S = 7.292115e-5
"""Rotation of the Earth (IERS Conventions 2010, table 1.2)."""

MAX_NODES = 16
"""A source that turns by more than some 10 rad within a channel or a dump would need more."""

# The Earth's axis of date lies within this of that of the ICRS, 1850 to 2150 (precession, 20 arcsec a year).
_AXIS_RAD = 0.015


@dataclasses.dataclass(frozen=True)
class Nodes:
    """How many nodes every source needs.

    Attributes
    ----------
    in_channel, in_dump
        (source,) int64: nodes over a channel's width and a dump's length.
    """

    in_channel: Int64
    in_dump: Int64

    @property
    def n_terms(self) -> int:
        """Terms of the sum over all sources."""
        return int((self.in_channel * self.in_dump).sum())

    def of(self, sources: Int64) -> Nodes:
        """Return those of some sources."""
        return Nodes(self.in_channel[sources], self.in_dump[sources])


def quadrature_error(half_turn_rad: float, n_nodes: int) -> float:
    """Bound the error of the mean of exp(i a x) over -1 <= x <= 1 by Gauss-Legendre quadrature.

    Parameters
    ----------
    half_turn_rad
        a: half of what the phase turns by.
    n_nodes
        Number of nodes, n.

    Returns
    -------
    float
        2^(2n) (n!)^4 / ((2n + 1) ((2n)!)^3) a^(2n) [Abramowitz & Stegun 1964, 25.4.30, for the mean; the derivatives
        of the fringe are at most a^(2n)].
    """
    n = n_nodes
    factor = 4.0**n * math.factorial(n) ** 4 / ((2 * n + 1) * math.factorial(2 * n) ** 3)
    return factor * half_turn_rad ** (2 * n)


def nodes_within(half_turn_rad: Float64, error: float) -> Int64:
    """Return the smallest numbers of nodes whose error is within a bound, (source,) int64.

    Numbers above `MAX_NODES` mean that it is not reached.
    """
    needed = np.full(half_turn_rad.shape, MAX_NODES + 1, np.int64)
    for n_nodes in range(MAX_NODES, 0, -1):
        largest = (error / quadrature_error(1.0, n_nodes)) ** (1 / (2 * n_nodes))
        needed[half_turn_rad <= largest] = n_nodes
    return needed


@functools.cache
def rule(n_nodes: int) -> tuple[Float64, Float64]:
    """Return the nodes, as fractions of the interval from its middle, and weights that add up to one."""
    nodes, weights = (half / 2 for half in np.polynomial.legendre.leggauss(n_nodes))
    nodes.flags.writeable = weights.flags.writeable = False  # every caller is given the same
    return nodes, weights


def half_turns(
    ra_rad: Float64,
    dec_rad: Float64,
    phase_centre_rad: tuple[float, float],
    longest_m: float,
    highest_hz: float,
    width_hz: float,
    integration_s: float,
) -> tuple[Float64, Float64]:
    """Bound half of what the phase of each source turns by within a channel and within a dump.

    With d the difference of the unit vectors to the source and to the phase centre, the phase of a baseline b is
    2 pi nu/c b.d. Over a channel it turns by 2 pi width/c b.d. In time d turns with the Earth, at the rate
    omega x d, whose length is omega times d's part across the Earth's axis; the second derivative is omega^2 times
    that part (Thompson, Moran & Swenson, Interferometry and Synthesis in Radio Astronomy, 3rd ed., section 6.4).

    Parameters
    ----------
    ra_rad, dec_rad
        (source,) float64, ICRS.
    phase_centre_rad
        Right ascension and declination.
    longest_m
        The longest baseline.
    highest_hz
        The highest frequency.
    width_hz, integration_s
        A channel, a dump.

    Returns
    -------
    in_channel, in_dump
        (source,) float64, rad.
    """
    d = _from_centre(ra_rad, dec_rad, phase_centre_rad)
    length = np.linalg.norm(d, axis=-1)
    across = np.hypot(d[..., 0], d[..., 1]) + _AXIS_RAD * length
    metres_to_rad = 2 * math.pi * longest_m / SPEED_OF_LIGHT_M_S
    half_angle = EARTH_RAD_S * integration_s / 2
    in_channel: Float64 = metres_to_rad * width_hz / 2 * length
    in_dump: Float64 = metres_to_rad * highest_hz * across * (half_angle + half_angle**2 / 2)
    return in_channel, in_dump


def distances(ra_rad: Float64, dec_rad: Float64, phase_centre_rad: tuple[float, float]) -> Float64:
    """Return the lengths of the differences of the unit vectors to sources and to the phase centre, (source,)."""
    length: Float64 = np.linalg.norm(_from_centre(ra_rad, dec_rad, phase_centre_rad), axis=-1)
    return length


def _from_centre(ra_rad: Float64, dec_rad: Float64, phase_centre_rad: tuple[float, float]) -> Float64:
    """Return the differences of the unit vectors to sources and to the phase centre, (source, 3)."""
    return _unit(ra_rad, dec_rad) - _unit(np.array(phase_centre_rad[0]), np.array(phase_centre_rad[1]))


def _unit(ra_rad: Float64, dec_rad: Float64) -> Float64:
    """Return unit vectors, (…, 3)."""
    return np.stack([np.cos(dec_rad) * np.cos(ra_rad), np.cos(dec_rad) * np.sin(ra_rad), np.sin(dec_rad)], axis=-1)
