"""The stations' responses over a run: evaluated at a few moments, interpolated to the dumps between them.

A station follows the phase centre, so its response to a source changes slowly, and a polynomial through four moments
gives it within the accuracy asked for. The moments depend on the observation alone, not on who predicts what.
"""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.observation.geometry import Geometry, Moment
from pipeline.observation.smearing import EARTH_RAD_S
from pipeline.observation.stations.base import Directions, StationResponse
from pipeline.parallel.host_device import Device
from pipeline.prediction.apparent import Complex

if TYPE_CHECKING:
    from pipeline.prediction.moments import DumpMoments

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

N_MOMENTS = 4
"""Chebyshev nodes of a cell."""


def dumps_per_cell(change_per_rad: float, integration_s: float, n_dumps: int, accuracy: float) -> int:
    """Return how many dumps may share the moments at which responses are evaluated.

    Parameters
    ----------
    change_per_rad
        Bound of the response's change while the sky turns, relative to its largest value, 1/rad.
    integration_s, n_dumps
        Length of a dump; dumps of the observation.
    accuracy
        Largest error, relative to the response's largest value.

    Returns
    -------
    int
        One where interpolating does not pay.

    Notes
    -----
    A function whose derivatives are bounded as those of exp(i B t) is interpolated through n Chebyshev nodes over
    a range of half-length h with an error below (B h)^n / (2^(n-1) n!) [Abramowitz & Stegun 1964, 25.2.1 with the
    nodes of 22.16.4]. B is the bound above times the Earth's rotation.
    """
    reach = (accuracy * 2.0 ** (N_MOMENTS - 1) * math.factorial(N_MOMENTS)) ** (1 / N_MOMENTS)
    if not change_per_rad:
        return 1
    per_cell = min(int(2 * reach / (change_per_rad * EARTH_RAD_S * integration_s)), n_dumps)
    return per_cell if per_cell >= 2 * N_MOMENTS else 1


class OnDevice:
    """The large sums of responses, made on a device for arrays of the host.

    Parameters
    ----------
    device
        The device.
    """

    def __init__(self, device: Device) -> None:
        self._device = device

    def array_factors(
        self, element_enu: Float64, weight: Complex, first: Int64, offset: Float64, frequency_hz: float, out: Complex
    ) -> None:
        """Sum over elements; see `kernels.cuda.beams.array_factors`."""
        if not out.size:
            return
        found = self._device.empty(out.shape, out.dtype)
        arrays = (self._device.upload(array) for array in (element_enu, weight, first, offset))
        self._device.kernels.array_factors(*arrays, frequency_hz, found)
        self._device.download(found, out)


class Responses:
    """What stations answer with, source by source and dump by dump.

    Parameters
    ----------
    response, geometry
        The stations and the sky's motion.
    cell_dumps
        Dumps that share moments, as `dumps_per_cell` gives them.
    n_dumps
        Dumps of the observation.
    device
        Where stations that differ are multiplied with their responses: those are there, in its precision. Where all
        are alike the brightness is multiplied instead, on the host, in complex128.
    memory_bytes
        What may be kept for the next call; the rest is evaluated again.
    """

    def __init__(
        self,
        response: StationResponse,
        geometry: Geometry,
        cell_dumps: int,
        n_dumps: int,
        device: Device,
        memory_bytes: int,
    ) -> None:
        self._response, self._geometry, self._device = response, geometry, device
        self._place = device if response.n_kinds > 1 else device.host
        self._dtype = np.dtype(device.complex if response.n_kinds > 1 else np.complex128)
        self._cell_dumps, self._n_dumps = cell_dumps, n_dumps
        self._kept: OrderedDict[tuple[int, int, float], tuple[Int64, Any]] = OrderedDict()
        self._room = memory_bytes
        # Allocating it for every batch would take longer than interpolating.
        self._scratch: Any = self._place.empty((0,), self._dtype)

    def at(self, sources: Int64, visible: Int64, dumps: list[DumpMoments], frequency_hz: float) -> Any:
        """Return the responses of all kinds of station to the sources that are up, until the next call.

        Parameters
        ----------
        sources, visible
            (source,) int64, ascending indices in the sky: a chunk, and those of it that are up in all the dumps.
        dumps
            The dumps, consecutive.
        frequency_hz
            Frequency, Hz.

        Returns
        -------
        (dump, kind, visible source) complex of scalar responses, else (dump, kind, visible source, 2, 2) complex; on
        the device if there are several kinds
        """
        if self._cell_dumps == 1 or not len(visible):
            each = [self._evaluate(visible, one.middle, one.enu[visible], frequency_hz) for one in dumps]
            return self._place.upload(np.stack(each) if len(each) > 1 else each[0][np.newaxis])
        n_values = (1 if self._response.is_scalar else 4) * self._response.n_kinds * len(visible)
        if self._scratch.size < len(dumps) * n_values:
            self._scratch = self._place.empty((len(dumps) * n_values,), self._dtype)
        out = self._scratch[: len(dumps) * n_values].reshape(len(dumps), n_values)
        first = 0
        for cell, group in itertools.groupby(dumps, lambda one: one.dump // self._cell_dumps):
            some = list(group)
            self._interpolate(sources, visible, cell, some, frequency_hz, out[first : first + len(some)])
            first += len(some)
        matrix = () if self._response.is_scalar else (2, 2)
        return out.reshape(len(dumps), self._response.n_kinds, len(visible), *matrix)

    def _interpolate(
        self, sources: Int64, visible: Int64, cell: int, dumps: list[DumpMoments], frequency_hz: float, out: Any
    ) -> None:
        """Write the responses of dumps of one cell, (dump, value)."""
        known, values = self._cell(sources, cell, frequency_hz)
        real = np.zeros(0, self._dtype).real.dtype
        weights = self._place.upload(np.stack([self._weights(cell, one.dump + 0.5) for one in dumps]).astype(real))
        if np.array_equal(known, visible):
            self._place.kernels.interpolate(values.view(real), weights, out.view(real))
            return
        # Sources that rise or set within the cell have no response at all of its moments.
        found = self._place.empty((len(dumps), values.shape[1]), self._dtype)
        self._place.kernels.interpolate(values.view(real), weights, found.view(real))
        interpolated = np.empty(found.shape, self._dtype)
        self._place.download(found, interpolated)
        interpolated = interpolated.reshape(len(dumps), self._response.n_kinds, len(known), -1)
        whole = np.empty((*interpolated.shape[:2], len(visible), interpolated.shape[3]), self._dtype)
        shared = np.isin(visible, known)
        whole[:, :, shared] = interpolated[:, :, np.isin(known, visible)]
        others = visible[~shared]
        for place, one in enumerate(dumps):
            evaluated = self._evaluate(others, one.middle, one.enu[others], frequency_hz)
            whole[place, :, ~shared] = np.moveaxis(evaluated.reshape(*evaluated.shape[:2], -1), 1, 0)
        self._place.fill(out, whole.reshape(out.shape))

    @property
    def _large_sums(self) -> Any:
        """What makes large sums for arrays of the host."""
        return self._device.kernels if self._device.backend == "cpu" else OnDevice(self._device)

    def _evaluate(self, sources: Int64, moment: Moment, enu: Float64, frequency_hz: float) -> Complex:
        # Finding north costs three times as much as finding the source.
        north = np.full_like(enu, np.nan) if self._response.is_scalar else moment.north(sources)
        directions = Directions(enu, north, moment.uvw_axes[2])
        response = self._response.respond(directions, frequency_hz, self._large_sums, self._dtype)
        return response.astype(self._dtype, copy=False)

    def _cell(self, sources: Int64, cell: int, frequency_hz: float) -> tuple[Int64, Any]:
        """Return which sources are up at all moments of a cell, and the responses to them, (moment, value)."""
        key = (int(sources[0]), cell, frequency_hz)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        moments = self._geometry.moments(self._moments(cell))
        enu = [moment.enu(sources) for moment in moments]
        up = np.all([towards[:, 2] > 0 for towards in enu], axis=0)
        known = sources[up]
        first = self._evaluate(known, moments[0], enu[0][up], frequency_hz)
        values: Complex = np.empty((len(moments), *first.shape), self._dtype)
        values[0] = first
        del first
        for number in range(1, len(moments)):
            values[number] = self._evaluate(known, moments[number], enu[number][up], frequency_hz)
        there = self._place.upload(values.reshape(len(values), -1))
        self._keep(key, known, there)
        return known, there

    def _keep(self, key: tuple[int, int, float], known: Int64, values: Any) -> None:
        """Keep the responses of a cell, and let the oldest go for them."""
        if values.nbytes > self._room + sum(kept.nbytes for _, kept in self._kept.values()):
            return
        while values.nbytes > self._room:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._room += oldest.nbytes
        self._kept[key] = known, values
        self._room -= values.nbytes

    def _bounds(self, cell: int) -> tuple[float, float]:
        """Return the middle and the half-length of a cell, in dumps."""
        first = cell * self._cell_dumps
        stop = min(first + self._cell_dumps, self._n_dumps)
        return (first + stop) / 2, (stop - first) / 2

    def _moments(self, cell: int) -> Float64:
        middle, half = self._bounds(cell)
        return middle + half * _NODES

    def _weights(self, cell: int, elapsed: float) -> Float64:
        """Return the weight of each of a cell's moments at one of its dumps (Lagrange's polynomials)."""
        middle, half = self._bounds(cell)
        x = (elapsed - middle) / half
        others = [np.delete(_NODES, k) for k in range(N_MOMENTS)]
        return np.array([np.prod((x - rest) / (node - rest)) for node, rest in zip(_NODES, others, strict=True)])


_NODES = np.cos((2 * np.arange(N_MOMENTS) + 1) * math.pi / (2 * N_MOMENTS))
