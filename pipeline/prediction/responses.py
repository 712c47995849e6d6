"""The stations' responses over a run: evaluated at a cell's moments and interpolated, or dump by dump."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from pipeline.costs.memory import N_MOMENTS
from pipeline.observation.stations.base import Directions, StationResponse
from pipeline.parallel.host_device import Device
from pipeline.prediction.moments import Batch
from pipeline.prediction.present import Present


class Responses:
    """What stations answer with, source by source and dump by dump.

    Parameters
    ----------
    response
        The stations.
    is_interpolated
        Whether responses are worked out at a cell's moments, or else in every dump.
    device, dtype
        Where they go, and the numbers they are there.
    memory_bytes
        What may be kept for the next call; the rest is evaluated again.
    """

    def __init__(
        self,
        response: StationResponse,
        is_interpolated: bool,
        device: Device,
        dtype: np.dtype[Any],
        memory_bytes: int,
    ) -> None:
        self._response, self._is_interpolated, self._device = response, is_interpolated, device
        self._dtype = dtype
        self._real = np.zeros(0, self._dtype).real.dtype
        self._matrix = () if response.is_scalar else (2, 2)
        self._n_values = 1 if response.is_scalar else 4
        self._elements: tuple[Any, ...] | None = None
        self._kept: OrderedDict[tuple[int, int, float], tuple[Any, Any, Any]] = OrderedDict()
        self._room, self._held = memory_bytes, 0
        # Allocating it for every batch would take longer than interpolating.
        self._scratch: Any = device.empty((0,), self._dtype)

    def at(self, batch: Batch, frequency_hz: float) -> Any:
        """Return the responses of all kinds of station to the sources of a batch, until the next call.

        Returns
        -------
        (dump, kind, source) complex of scalar responses, else (dump, kind, source, 2, 2) complex, on the device; no
        kinds where every response is one. Of sources that are down they mean nothing, but are finite.
        """
        present, dumps, n_kinds = batch.present, batch.dumps, self._response.n_kinds
        shape = (len(dumps), n_kinds, len(present.sources), *self._matrix)
        if self._response.is_unity:
            return self._device.empty((len(dumps), 0, *shape[2:]), self._dtype)
        first = dumps[0].dump
        if self._is_interpolated:
            known, others, look = self._of_cell(present, frequency_hz)
            start = first - present.cell.first
            look = look[start : start + len(dumps)] if look.size else look  # Numba cuts no empty array
        else:
            known = self._device.empty((n_kinds, N_MOMENTS, 0), self._dtype)
            seen = present.at_dumps(first, first + len(dumps))
            others, look = self._evaluate(seen.directions, frequency_hz), self._device.upload(seen.look)
        n_values = n_kinds * len(present.sources) * self._n_values
        if self._scratch.size < len(dumps) * n_values:
            self._scratch = self._device.empty((len(dumps) * n_values,), self._dtype)
        out = self._scratch[: len(dumps) * n_values].reshape(len(dumps), n_kinds, n_values // n_kinds)
        known, others, flat = (array.view(self._real) for array in (known, others, out))
        self._device.kernels.interpolate(known, batch.response_weights, others, look, flat)
        return out.reshape(shape)

    def _of_cell(self, present: Present, frequency_hz: float) -> tuple[Any, Any, Any]:
        """Return what interpolates the responses of a cell.

        Returns
        -------
        known : (kind, moment, value)
            Responses at the cell's moments to the sources that are up at all of these.
        others : (kind, look, value)
            To the others, while they are up.
        look : (dump of the cell, other) int32
            Which of these are whose.
        """
        key = (present.number, present.cell.index, frequency_hz)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        known = self._evaluate(present.at_moments, frequency_hz)
        known = known.reshape(self._response.n_kinds, N_MOMENTS, present.n_up * self._n_values)
        seen = present.others_at_dumps
        found = known, self._evaluate(seen.directions, frequency_hz), self._device.upload(seen.look)
        self._keep(key, found)
        return found

    def _evaluate(self, directions: Directions, frequency_hz: float) -> Any:
        """Return responses, (kind, source, value), on the device."""
        device, response, n_sources = self._device, self._response, len(directions.enu)
        if response.elements is None or response.element is None:
            found = response.respond(directions, frequency_hz, None).astype(self._dtype)
            return device.upload(found.reshape(response.n_kinds, n_sources, self._n_values))
        out = device.empty((response.n_kinds, n_sources, self._n_values), self._dtype)
        if not n_sources:
            return out
        if self._elements is None:
            self._elements = tuple(device.upload(array) for array in response.elements)
        field = response.element.respond(directions, frequency_hz, None)[0].astype(self._dtype)
        field = field.reshape(n_sources, self._n_values)
        there = [device.upload(array) for array in (directions.enu - directions.pointing, field)]
        device.kernels.array_responses(*self._elements, there[0], frequency_hz, there[1], out)
        return out

    def _keep(self, key: tuple[int, int, float], found: tuple[Any, Any, Any]) -> None:
        """Keep the responses of a cell, and let the oldest go for them."""
        n_bytes = _n_bytes(found)
        if n_bytes > self._room:
            return
        while n_bytes > self._room - self._held:
            _, oldest = self._kept.popitem(last=False)
            self._held -= _n_bytes(oldest)
        self._kept[key] = found
        self._held += n_bytes


def _n_bytes(arrays: tuple[Any, Any, Any]) -> int:
    return sum(int(array.nbytes) for array in arrays)
