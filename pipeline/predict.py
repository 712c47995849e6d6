"""Prediction: the measurement equation over the channels and dumps of one rank."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.layout import Role
from pipeline.observation.geometry import GeometryBlock
from pipeline.parallel.exchange import N_POLARISATIONS, Sums
from pipeline.prepare import Prepared
from pipeline.stages import Pool
from pipeline.telemetry.timing import Timers


@dataclasses.dataclass(frozen=True)
class Predicted:
    """One block of one band as one rank predicts it.

    Attributes
    ----------
    band
        Index of the band.
    geometry
        Times and station positions of the block.
    sums
        The items of this rank: channels, or sextets where it holds whole ones.
    buffer
        What `sums` is a view of, to be given back.
    """

    band: int
    geometry: GeometryBlock
    sums: Sums
    buffer: Sums


class Predictor:
    """Predicts the blocks of one rank, in order, into buffers that circulate.

    Parameters
    ----------
    prepared
        The observation, its plan and the device.
    role
        Which bands and channels to predict.
    pool
        Buffers of (block dumps, items of this rank, baseline).
    timers
        Told the time of the stages "geometry" and "predict".
    """

    def __init__(self, prepared: Prepared, role: Role, pool: Pool[Sums], timers: Timers) -> None:
        self._plan, self._role, self._pool, self._timers = prepared.plan, role, pool, timers
        self._spectrum = prepared.config.spectrum
        self._geometry, self._sky = prepared.geometry, prepared.inputs.sky
        self._unpolarised = self._sky.is_unpolarised
        self._device = device = prepared.device
        baselines, n_stations = prepared.inputs.baselines, prepared.plan.sizes.n_stations
        n_baselines = len(baselines)
        index = np.full((n_stations, n_stations), -1, np.int32)
        index[baselines[:, 0], baselines[:, 1]] = np.arange(n_baselines, dtype=np.int32)
        self._index = device.upload(index)
        self._sample_weights = device.upload(np.ones(n_baselines, np.float32))
        self._phasors = device.empty((2 * self._sky.n_sources * n_stations,), device.real)
        self._visibilities = device.empty((n_baselines, N_POLARISATIONS), device.complex)
        block = (self._plan.block_dumps, n_baselines)
        self._sums = device.empty((*block, N_POLARISATIONS), np.complex64)
        self._weights = device.empty(block, np.float32)

    def __iter__(self) -> Iterator[Predicted]:
        """Predict every block of every band, waiting for a free buffer before each."""
        for band in range(*self._role.bands):
            for first, stop in self._plan.blocks():
                buffer = self._pool.take()
                with self._timers("geometry"):
                    geometry = self._geometry.block(first, stop - first)
                sums = buffer.first(stop - first)
                with self._timers("predict"):
                    self._predict(band, geometry, sums)
                yield Predicted(band, geometry, sums, buffer)

    def _predict(self, band: int, geometry: GeometryBlock, out: Sums) -> None:
        """Predict the items of one block: sums over one channel, or over a sextet's in order."""
        n_dumps, n_items = out.weights.shape[:2]
        n_channels = self._plan.layout.channels_per_item
        channel = band * self._plan.layout.channels_per_band + self._role.channels[0]
        uvw = [self._device.upload(dump) for dump in geometry.station_uvw]
        lmn = [self._device.upload(dump) for dump in geometry.lmn]
        for item in range(n_items):
            self._sums[:n_dumps] = 0
            self._weights[:n_dumps] = 0
            for _ in range(n_channels):
                self._add_channel(channel, geometry, uvw, lmn)
                channel += 1
            for dump in range(n_dumps):
                self._device.download(self._sums[dump], out.values[dump, item])
                self._device.download(self._weights[dump], out.weights[dump, item])

    def _add_channel(self, channel: int, geometry: GeometryBlock, uvw: list[Any], lmn: list[Any]) -> None:
        """Predict one channel for every dump of a block and add it to the sums."""
        kernels, n_stations = self._device.kernels, self._plan.sizes.n_stations
        frequency_hz = self._spectrum.start_hz + channel * self._spectrum.width_hz
        stokes_jy = self._sky.stokes_at(frequency_hz)
        for dump, visible in enumerate(geometry.visible):
            n_visible = len(visible)
            phasors = self._phasors[: 2 * n_visible * n_stations].reshape(2, n_visible, n_stations)
            kernels.phasors(uvw[dump], lmn[dump], frequency_hz, phasors)
            if self._unpolarised:
                intensity = self._device.upload(stokes_jy[visible, 0].astype(self._device.real))
                kernels.unpolarised(phasors, intensity, self._index, self._visibilities)
            else:
                coherency = self._device.upload(coherencies(stokes_jy[visible]).astype(self._device.real))
                kernels.common(phasors, coherency, self._index, self._visibilities)
            kernels.accumulate(self._visibilities, self._sample_weights, self._sums[dump], self._weights[dump])


def warm_up(prepared: Prepared) -> float:
    """Run every kernel a prediction needs on two stations and one source, so that it is compiled.

    Returns
    -------
    float
        Seconds it took: many the first time on a machine, when the cache of compiled kernels is empty.
    """
    start = time.perf_counter()
    device, kernels = prepared.device, prepared.device.kernels
    phasors = device.empty((2, 1, 2), device.real)
    visibilities = device.empty((1, N_POLARISATIONS), device.complex)
    index = device.upload(np.array([[-1, 0], [-1, -1]], np.int32))
    kernels.phasors(device.upload(np.zeros((2, 3))), device.upload(np.zeros((1, 3))), 150e6, phasors)
    if prepared.inputs.sky.is_unpolarised:
        kernels.unpolarised(phasors, device.upload(np.ones(1, device.real)), index, visibilities)
    else:
        kernels.common(phasors, device.upload(np.ones((1, 4), device.real)), index, visibilities)
    sums = device.empty((1, N_POLARISATIONS), np.complex64)
    kernels.accumulate(visibilities, device.upload(np.ones(1, np.float32)), sums, device.empty((1,), np.float32))
    device.synchronise()
    return time.perf_counter() - start


def coherencies(stokes_jy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the brightness B = [[I+Q, U+iV], [U-iV, I-Q]] of sources as (XX, YY, Re XY, Im XY).

    Parameters
    ----------
    stokes_jy
        (source, 4) I, Q, U, V in Jy.
    """
    i, q, u, v = stokes_jy.T
    return np.stack([i + q, i - q, u, v], axis=1)
