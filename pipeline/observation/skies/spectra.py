"""How flux densities depend on frequency: polynomials, tables, Faraday rotation."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.config.sources import Interpolation
from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Float64

SPEED_OF_LIGHT_M_S: Final = 299_792_458.0
_SAME_HZ: Final = 1.0  # frequencies closer than this are one: file and channel may be rounded differently


def logarithmic_factor(ratio: Float64, index: Float64, higher: Float64 | None) -> Float64:
    """Return S(nu) / S(nu_0) of a polynomial in the logarithm.

    ln(S / S_0) = c_1 x + c_2 x^2 + c_3 x^3 + ..., x = ln(nu / nu_0): c_1 is the spectral index, c_2 the curvature q
    of Callingham et al. 2017, ApJ 836, 174, eq. 2.

    Parameters
    ----------
    ratio
        (source,) float64: nu / nu_0.
    index
        (source,) float64: c_1.
    higher
        (source, term) float64: c_2, c_3, ...; None if there are none.
    """
    factor: Float64 = ratio**index
    if higher is not None:
        x = np.log(ratio)
        exponent = np.zeros_like(x)
        for term in higher.T[::-1]:
            exponent = (exponent + term) * x
        factor = factor * np.exp(exponent * x)
    return factor


def ordinary_increment_jy(ratio: Float64, first: Float64, higher: Float64 | None) -> Float64:
    """Return S(nu) - S(nu_0) of a polynomial in the frequency, in Jy.

    S = S_0 + c_1 y + c_2 y^2 + ..., y = nu / nu_0 - 1, as WSClean's component lists have it with LogarithmicSI false
    (https://sourceforge.net/p/wsclean/wiki/ComponentList, "makesourcedb" in the LOFAR wiki).

    Parameters
    ----------
    ratio
        (source,) float64: nu / nu_0.
    first
        (source,) float64, Jy: c_1.
    higher
        (source, term) float64, Jy: c_2, c_3, ...; None if there are none.
    """
    y = ratio - 1
    increment = np.zeros_like(y)
    for term in () if higher is None else higher.T[::-1]:
        increment = (increment + term) * y
    total: Float64 = (increment + first) * y
    return total


def faraday_rotate(stokes_jy: Float64, rotation_measure: Float64, frequency_hz: float, reference_hz: Float64) -> None:
    """Turn Q and U in place: Q + iU -> (Q + iU) exp(2i RM (lambda^2 - lambda_0^2)).

    The angle of polarisation, north through east, is chi = chi_0 + RM (lambda^2 - lambda_0^2) (Burn 1966, MNRAS 133,
    67; Brentjens & de Bruyn 2005, A&A 441, 1217, eq. 9).

    Parameters
    ----------
    stokes_jy
        (source, 4) float64, Jy: I, Q, U, V.
    rotation_measure
        (source,) float64, rad/m2.
    frequency_hz, reference_hz
        Where to, and (source,) float64 where from.
    """
    squares = (SPEED_OF_LIGHT_M_S / frequency_hz) ** 2 - (SPEED_OF_LIGHT_M_S / reference_hz) ** 2
    linear = (stokes_jy[:, 1] + 1j * stokes_jy[:, 2]) * np.exp(2j * rotation_measure * squares)
    stokes_jy[:, 1], stokes_jy[:, 2] = linear.real, linear.imag


def interpolation_weights(frequency_hz: Float64, at_hz: float, kind: Interpolation) -> Float64:
    """Return the weights w for which sum_k w_k S_k interpolates a table.

    Parameters
    ----------
    frequency_hz
        (frequency,) float64, rising.
    at_hz
        Between the first and the last of them.
    kind
        ``linear``: between the neighbours, in frequency. ``log``: between the neighbours, in the logarithm of
        frequency. ``cubic``: the not-a-knot spline in frequency (de Boor 1978, A Practical Guide to Splines, ch. IV),
        which is scipy's and pyradiosky's "cubic"; needs four frequencies.

    Returns
    -------
    weights
        (frequency,) float64, which sum to one.
    """
    x = np.log(frequency_hz) if kind == "log" else frequency_hz
    at = np.log(at_hz) if kind == "log" else at_hz
    weights = np.zeros(x.size)
    if x.size == 1:
        weights[0] = 1.0
        return weights
    left = int(np.clip(np.searchsorted(x, at, side="right") - 1, 0, x.size - 2))
    step = x[left + 1] - x[left]
    after = (at - x[left]) / step
    before = 1 - after
    weights[left], weights[left + 1] = before, after
    if kind == "cubic":
        # A spline of second derivatives M adds ((b^3 - b) M_l + (a^3 - a) M_r) h^2 / 6 to the straight line.
        share = np.zeros(x.size)
        share[left], share[left + 1] = (before**3 - before) * step**2 / 6, (after**3 - after) * step**2 / 6
        system, right = _spline_system(x)
        weights += right.T @ np.linalg.solve(system.T, share)
    return weights


def _spline_system(x: Float64) -> tuple[Float64, Float64]:
    """Return A and B of A M = B S, for the second derivatives M of the not-a-knot spline through S at `x`."""
    step = np.diff(x)
    system, right = np.zeros((2, x.size, x.size))
    for row in range(1, x.size - 1):
        h, k = step[row - 1], step[row]
        system[row, row - 1 : row + 2] = h, 2 * (h + k), k
        right[row, row - 1 : row + 2] = 6 / h, -6 / h - 6 / k, 6 / k
    # The third derivative is continuous at the second and the last but one point.
    system[0, :3] = step[1], -step[0] - step[1], step[0]
    system[-1, -3:] = step[-1], -step[-2] - step[-1], step[-2]
    return system, right


class Planes(Protocol):
    """Flux densities by frequency: an array (frequency, source, stokes), or what reads one from a file."""

    def __getitem__(self, index: int) -> Any:
        """Return one frequency's, (source, stokes) float64, Jy."""


@dataclasses.dataclass(frozen=True)
class Table:
    """Flux densities of some sources at given frequencies.

    Attributes
    ----------
    where
        What to call the table in messages.
    rows
        (source,) int64: which sources of a sky these are; None is all of them, in order.
    frequency_hz
        (frequency,) float64, rising.
    planes
        (frequency, source, stokes) float64, Jy: Stokes I, or I, Q, U and V.
    interpolation
        As `interpolation_weights` has it; ``log`` interpolates ln I, and Q, U and V as fractions of I.
    is_unpolarised
        Whether Q, U and V are zero or not there.
    """

    where: str
    rows: npt.NDArray[np.int64] | None
    frequency_hz: Float64
    planes: Planes
    interpolation: Interpolation
    is_unpolarised: bool

    def __post_init__(self) -> None:
        """Raise ConfigError unless frequencies rise and suffice."""
        hz = self.frequency_hz
        if not (hz.size and np.isfinite(hz).all() and hz[0] > 0 and (np.diff(hz) > 0).all()):
            raise ConfigError(f"{self.where}: the frequencies of a table must be above zero and rise: sort them")
        if self.interpolation == "cubic" and hz.size < 4:
            raise ConfigError(
                f"{self.where}: interpolation: cubic needs four frequencies, there are {hz.size}; "
                "choose interpolation: linear or log"
            )

    def check_band(self, low_hz: float, high_hz: float) -> None:
        """Raise ConfigError unless the table reaches from `low_hz` to `high_hz`."""
        first, last = self.frequency_hz[[0, -1]]
        if low_hz < first - _SAME_HZ or high_hz > last + _SAME_HZ:
            raise ConfigError(
                f"{self.where}: flux densities are tabulated from {first / 1e6:g} MHz to {last / 1e6:g} MHz, the "
                f"channels reach from {low_hz / 1e6:g} MHz to {high_hz / 1e6:g} MHz, and nothing is extrapolated: "
                "choose channels inside the table, or a table that covers them"
            )

    def check_numbers(self, label: Any) -> None:
        """Raise ConfigError unless all flux densities are finite, and above zero where their logarithm is taken.

        Parameters
        ----------
        label
            Names a source by its place in the table.
        """
        for index, hz in enumerate(self.frequency_hz):
            plane = np.asarray(self.planes[index])
            wrong = ~np.isfinite(plane).all(axis=1)
            rule = "every flux density must be a finite number: correct the source or remove it"
            if self.interpolation == "log" and not wrong.any():
                wrong = ~(plane[:, 0] > 0)
                rule = "interpolation: log needs Stokes I above zero: choose interpolation: linear"
            if wrong.any():
                source = int(np.argmax(wrong))
                values = ", ".join(f"{value:g}" for value in plane[source])
                raise ConfigError(f"{self.where}: {label(source)} is {values} Jy at {hz / 1e6:g} MHz; {rule}")

    def at(self, frequency_hz: float) -> Float64:
        """Return the flux densities at a frequency, (source, stokes) float64, Jy; it must be inside the table."""
        self.check_band(frequency_hz, frequency_hz)
        inside_hz = float(np.clip(frequency_hz, self.frequency_hz[0], self.frequency_hz[-1]))
        weights = interpolation_weights(self.frequency_hz, inside_hz, self.interpolation)
        total: Float64 | float = 0.0
        for index in np.flatnonzero(weights):
            plane = np.array(self.planes[int(index)], dtype=np.float64)
            if self.interpolation == "log":
                plane[:, 1:] /= plane[:, :1]
                plane[:, 0] = np.log(plane[:, 0])
            total = total + weights[index] * plane
        stokes = np.asarray(total, dtype=np.float64)
        if self.interpolation == "log":
            stokes[:, 0] = np.exp(stokes[:, 0])
            stokes[:, 1:] *= stokes[:, :1]
        return stokes
