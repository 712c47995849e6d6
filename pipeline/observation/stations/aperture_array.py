"""Aperture arrays: stations that add up the signals of many elements."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.bodies import SPEED_OF_LIGHT_M_S
from pipeline.observation.stations.base import (
    Complex,
    DeviceDirections,
    Directions,
    Evaluate,
    Float64,
    Rates,
    StationResponse,
    turning_rate,
)
from pipeline.observation.stations.layouts import Layouts


class ApertureArray(StationResponse):
    """Stations of equal elements, phased to the phase centre: the array factor times the element's response.

    ``A = 1/N sum_i exp(+2 pi i nu/c r_i . (s - s_0))`` for elements at r_i, the direction s of a source and s_0 of
    the phase centre, where A is one [Balanis, Antenna Theory, 3rd edition, 6.10.1]. Elements have one response each,
    the same for all: coupling between them is left out. Where layouts are turned, elements are not.

    Parameters
    ----------
    layouts
        Where the elements of the stations stand.
    element
        The response of an element, of one kind.
    """

    def __init__(self, layouts: Layouts, element: StationResponse) -> None:
        self.kind = layouts.kind
        self.is_scalar = element.is_scalar
        self.extent_m = max(_extent_m(elements) for elements in layouts.elements)
        self._element = element
        element_enu = np.concatenate(layouts.elements)
        self.n_elements = len(element_enu)
        first = np.cumsum([0, *(len(elements) for elements in layouts.elements)], dtype=np.int64)
        # As `array_responses` takes them: positions, weights, where the elements of a kind begin.
        self._elements = element_enu, np.ones(self.n_elements, np.complex128), first
        self._spread_m = max(_spread_m(elements) for elements in layouts.elements)

    def check_band(self, low_hz: float, high_hz: float) -> None:
        """Raise ConfigError unless the elements' response is known from `low_hz` to `high_hz`."""
        self._element.check_band(low_hz, high_hz)

    def rates(self, low_hz: float, high_hz: float, farthest: float = 2.0) -> Rates:
        """Bound how fast the responses change.

        With o = s - s_0 and k = 2 pi nu/c, the m-th derivative of A along a unit vector d is k^m times
        ``1/N sum_i (i r_i . d)^m exp(...)``, by Hoelder's inequality for m up to 4 at most spread^m with
        ``spread = max_d (1/N sum_i |r_i|^2 (r_i . d)^2)^(1/4) >= (1/N sum_i (r_i . d)^4)^(1/4)``: 0.32 D for a filled
        disc of diameter D. A rigid turn of the sky changes o by at most |o| per radian, a frequency k o by 2 pi/c |o|
        per Hz. As neither A nor the element's response relative to its largest value exceeds one, rates of a product
        add (Leibniz).

        Stations reach this near their main beams and in grating lobes. In the far sidelobes of an irregular
        station A and its rates are smaller by about N^(1/2).
        """
        per_hz = 2.0 * math.pi / SPEED_OF_LIGHT_M_S * self._spread_m * min(farthest, 2.0)
        element = self._element.rates(low_hz, high_hz)
        return Rates(turning_rate(per_hz * high_hz) + element.per_radian, per_hz + element.per_hz)

    def respond(
        self, directions: Directions, frequency_hz: float, kernels: Any, dtype: npt.DTypeLike = np.complex128
    ) -> Complex:
        """Evaluate the responses: (kind, source) or (kind, source, 2, 2) of `dtype`."""
        field = self._element.respond(directions, frequency_hz, kernels)[0].astype(dtype)
        response: Complex = np.empty((self.n_kinds, *field.shape), dtype)
        offset, n_values = directions.enu - directions.pointing, 1 if self.is_scalar else 4
        values = response.reshape(self.n_kinds, len(offset), n_values)
        kernels.array_responses(*self._elements, offset, frequency_hz, field.reshape(len(offset), n_values), values)
        return response

    def bind(self, device: Any) -> Evaluate:
        """Return what evaluates the responses on a device."""
        elements, evaluate_element = [device.upload(array) for array in self._elements], self._element.bind(device)

        def evaluate(directions: DeviceDirections, frequency_hz: float, out: Any) -> None:
            field = device.empty((1, *out.shape[1:]), out.dtype)
            evaluate_element(directions, frequency_hz, field)
            device.kernels.array_responses(
                *elements, directions.offset, frequency_hz, field.reshape(out.shape[1:]), out
            )

        return evaluate


def _extent_m(elements: Float64) -> float:
    """Twice the largest distance of (element, 3) positions from their middle, m."""
    return float(2.0 * np.linalg.norm(elements - elements.mean(axis=0), axis=-1).max())


def _spread_m(elements: Float64) -> float:
    """Give the spread of (element, 3) positions about their station's that `ApertureArray.rates` defines, m."""
    weighted = elements * np.linalg.norm(elements, axis=-1, keepdims=True)
    return float((np.linalg.norm(weighted, ord=2) / math.sqrt(len(elements))) ** 0.5)
