"""The stations' responses over a run: evaluated at a cell's moments and interpolated, or dump by dump."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from pipeline.observation.stations.base import StationResponse
from pipeline.parallel.host_device import Device
from pipeline.prediction.moments import Batch
from pipeline.prediction.present import Looks, Present
from pipeline.prediction.scratch import Scratch


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
        self._bound, self._dtype = response.bind(device), dtype
        self._real = np.zeros(0, self._dtype).real.dtype
        self._matrix = () if response.is_scalar else (2, 2)
        self._n_values = 1 if response.is_scalar else 4
        self._kept: OrderedDict[tuple[int, int, float], Any] = OrderedDict()
        self._room, self._held = memory_bytes, 0
        self._scratch = Scratch(device, self._dtype)

    def at(self, batch: Batch, frequency_hz: float) -> Any | None:
        """Return the responses of all kinds of station to the sources of a batch, until the next call.

        Returns
        -------
        (dump, kind, source) complex of scalar responses, else (dump, kind, source, 2, 2) complex, on the device; None
        where every response is one. Of sources that are down they mean nothing, but are finite.
        """
        if self._response.is_unity:
            return None
        present, first, n_dumps = batch.present, batch.dumps[0].dump, len(batch.dumps)
        if self._is_interpolated:
            looks, values = present.looks, self._of_cell(present, frequency_hz)
            look = looks.of_dumps(first - present.cell.first, first - present.cell.first + n_dumps)
        else:
            looks = present.looks_at_dumps(first, first + n_dumps)
            look, values = looks.look, self._evaluate(looks, frequency_hz)
        shape = (n_dumps, self._response.n_kinds, len(present.sources))
        out = self._scratch.shaped(*shape, self._n_values)
        weights, values, flat = batch.stretch.response_weights, values.view(self._real), out.view(self._real)
        self._device.kernels.interpolate(values, weights, looks.n_between, look, flat)
        return out.reshape((*shape, *self._matrix))

    def _of_cell(self, present: Present, frequency_hz: float) -> Any:
        """Return the responses in the looks of a cell, (kind, look, value)."""
        key = (present.number, present.cell.index, frequency_hz)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        found = self._evaluate(present.looks, frequency_hz)
        self._keep(key, found)
        return found

    def _evaluate(self, looks: Looks, frequency_hz: float) -> Any:
        """Return responses in some directions, (kind, look, value), on the device."""
        n_looks = len(looks.directions.host.enu)
        out = self._device.empty((self._response.n_kinds, n_looks, self._n_values), self._dtype)
        if n_looks:
            self._bound(looks.directions, frequency_hz, out)
        return out

    def _keep(self, key: tuple[int, int, float], found: Any) -> None:
        """Keep the responses of a cell, and let the oldest go for them."""
        if found.nbytes > self._room:
            return
        while found.nbytes > self._room - self._held:
            _, oldest = self._kept.popitem(last=False)
            self._held -= int(oldest.nbytes)
        self._kept[key] = found
        self._held += int(found.nbytes)
