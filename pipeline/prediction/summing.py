"""The sum over sources for one channel: what stations see of every source, and the kernels that add it up."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.costs.memory import TRANSFORM_SHARE
from pipeline.observation.smearing import rule
from pipeline.observation.stations.base import Complex128
from pipeline.parallel.exchange import N_POLARISATIONS
from pipeline.prediction.apparent import apparent_coherency, as_products, coherencies, envelope_axes
from pipeline.prediction.corrupting import Corrupting
from pipeline.prediction.moments import Batch, BlockMoments, DumpMoments
from pipeline.prediction.responses import Responses
from pipeline.prediction.terms import Chunk
from pipeline.prediction.transform import transform
from pipeline.prepare import Prepared

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Channel:
    """A fine channel: its centre, and the flux densities (source, 4) in Jy there."""

    frequency_hz: float
    stokes_jy: Float64


@dataclasses.dataclass(frozen=True)
class Seen:
    """One chunk of sources in a batch of dumps, as the kernels take it: arrays on the device.

    Attributes
    ----------
    phasors
        (dump, 2, term, station).
    jones
        (dump, kind, source, 2, 2); no kinds where all stations answer alike, or the phasors hold the responses.
    coherency
        (dump, term, 4), Jy, times the quadrature's weights: the sky's, or what all stations alike see of it. Or
        (dump, term) where there is but an intensity.
    """

    phasors: Any
    jones: Any
    coherency: Any


class Summing:
    """Sums the sources of a sky, channel by channel.

    Parameters
    ----------
    prepared
        The observation, its plan and the device.
    corrupting
        What the ionosphere does on the way.
    """

    def __init__(self, prepared: Prepared, corrupting: Corrupting) -> None:
        device, inputs, plan = prepared.device, prepared.inputs, prepared.plan
        self._prepared, self._device, self._corrupting = prepared, device, corrupting
        self._spectrum, self._accuracy = prepared.config.spectrum, prepared.config.compute.accuracy
        self._sky, self._routes, self._baselines = inputs.sky, inputs.routes, inputs.baselines
        self._n_stations = inputs.telescope.n_stations
        self._response = inputs.response
        self._responses = Responses(
            inputs.response,
            prepared.geometry,
            plan.sizes.cell_dumps,
            plan.n_dumps,
            device,
            plan.kept_bytes,
        )
        self._kind = device.upload(inputs.response.kind)
        index = np.full((self._n_stations, self._n_stations), -1, np.int32)
        index[self._baselines[:, 0], self._baselines[:, 1]] = np.arange(len(self._baselines), dtype=np.int32)
        self._index = device.upload(index)
        self._phasors = device.empty((prepared.phasors_at_once,), device.real)
        # XX = YY and XY = YX = 0 for all sources.
        self._is_intensity = inputs.response.is_scalar and inputs.sky.is_unpolarised

    def sum_sources(self, channel: int, moments: BlockMoments, out: Any) -> None:
        """Sum all sources of one channel.

        Parameters
        ----------
        channel
            Index of the fine channel.
        moments
            The block's geometry.
        out
            On the device: (dump, baseline, pol) complex64 or complex128, Jy; overwritten.
        """
        frequency_hz = self._spectrum.start_hz + channel * self._spectrum.width_hz
        here = Channel(frequency_hz, self._sky.stokes_at(frequency_hz))
        if self._routes.transformed:
            for dump, visibilities in enumerate(self._transforms(moments, here)):
                self._device.fill(out[dump], visibilities)
        else:
            self._device.kernels.clear(out)
        for number, chunk in enumerate(self._routes.chunks):
            for batch in moments.batches[number]:
                seen, some = self._look(chunk, batch, here), out[batch.of_block]
                if not chunk.is_extended:
                    self._add_points(batch, seen, some)
                    continue
                for place, moment in enumerate(batch.dumps):
                    one = Seen(seen.phasors[place], seen.jones[place], seen.coherency[place])
                    self._add_gaussians(batch, moment, one, here, some[place])

    def _look(self, chunk: Chunk, batch: Batch, here: Channel) -> Seen:
        """See the sources of one chunk through the stations."""
        device, kernels, terms, mine = self._device, self._device.kernels, batch.terms, batch.of_chunk
        shape = (len(batch.dumps), 2, len(terms.source), self._n_stations)
        phasors = self._phasors[: math.prod(shape)].reshape(shape)
        kernels.phasors(batch.station_uvw, mine.epoch, batch.lmn, here.frequency_hz, mine.offset_hz, phasors)
        for place, moment in enumerate(batch.dumps):
            self._corrupting.delay(moment, terms.visible, mine.source, here.frequency_hz, phasors[place])
        response = self._responses.at(chunk.sources, terms.visible, batch.dumps, here.frequency_hz)
        stokes = here.stokes_jy[terms.visible]
        jones = device.empty((len(batch.dumps), 0, len(stokes), 2, 2), device.complex)
        if self._response.n_kinds == 1:
            coherency = apparent_coherency(response[:, 0], stokes)
        else:
            coherency = np.broadcast_to(coherencies(stokes), (len(batch.dumps), len(stokes), 4))
            if self._response.is_scalar:
                kernels.scale(response, self._kind, mine.source, phasors)
            else:
                jones = response
        weighted = coherency[:, terms.source] * terms.weight[:, np.newaxis]
        if self._is_intensity and not chunk.is_extended:
            weighted = weighted[..., 0]
        return Seen(phasors, jones, device.upload(weighted.astype(device.real)))

    def _add_points(self, batch: Batch, seen: Seen, out: Any) -> None:
        """Add a chunk of point sources by the product that suits stations and sky."""
        kernels = self._device.kernels
        if seen.jones.shape[1]:
            source = batch.of_chunk.source
            kernels.per_kind(seen.phasors, seen.jones, self._kind, source, seen.coherency, self._index, out)
        elif self._is_intensity:
            kernels.unpolarised(seen.phasors, seen.coherency, self._index, out)
        else:
            kernels.common(seen.phasors, seen.coherency, self._index, out)

    def _add_gaussians(self, batch: Batch, moment: DumpMoments, seen: Seen, here: Channel, out: Any) -> None:
        """Add a chunk of Gaussian sources in one dump; the kernel is given stations along each source's own axes."""
        device, uvw_axes = self._device, moment.middle.uvw_axes
        terms, visible = batch.terms, batch.terms.visible
        north, towards = (vectors @ uvw_axes.T for vectors in (moment.middle.north(visible), moment.enu[visible]))
        per_hz = envelope_axes(self._sky.shape_rad[visible], north, towards)[terms.source]
        term_hz = here.frequency_hz + terms.offset * self._spectrum.width_hz
        station_uvw = np.stack([epoch.station_uvw for epoch in moment.epochs])[terms.epoch]
        along = np.zeros_like(station_uvw)
        along[..., :2] = station_uvw @ per_hz.swapaxes(1, 2) * term_hz[:, np.newaxis, np.newaxis]
        device.kernels.gaussians(
            seen.phasors,
            seen.jones,
            self._kind,
            batch.of_chunk.source,
            seen.coherency,
            device.upload(np.tile([1.0, 0.0, 1.0], (len(along), 1))),
            device.upload(np.arange(len(along), dtype=np.int32)),
            device.upload(along),
            self._index,
            out,
        )

    def _transforms(self, moments: BlockMoments, here: Channel) -> Iterator[npt.NDArray[Any]]:
        """Yield what transformed parts of the sky make of every dump, (baseline, pol) complex; dumps in parallel."""
        room = TRANSFORM_SHARE * self._prepared.config.compute.memory_bytes
        largest = max(part.memory_bytes for part in self._routes.transformed)
        with ThreadPoolExecutor(max(1, min(self._device.n_threads, int(room // largest)))) as pool:
            tasks = []
            for moment in moments.dumps:
                seen = []
                for part in self._routes.transformed:
                    visible = part.sources[moment.is_up[part.sources]]
                    response = self._responses.at(part.sources, visible, [moment], here.frequency_hz)
                    apparent = apparent_coherency(response[:, 0], here.stokes_jy[visible])
                    seen.append((visible, as_products(apparent[0])))
                tasks.append((moments, moment, seen, here.frequency_hz))
            yield from pool.map(lambda task: self._transformed(*task), tasks)

    def _transformed(
        self,
        moments: BlockMoments,
        moment: DumpMoments,
        seen: list[tuple[Int64, Complex128]],
        frequency_hz: float,
    ) -> npt.NDArray[Any]:
        """Return what the transformed parts of the sky make of one dump, (baseline, pol) complex."""
        n_products = 1 if self._is_intensity else N_POLARISATIONS
        total = np.zeros((n_products, len(self._baselines)), np.complex128)
        for part, (visible, products) in zip(self._routes.transformed, seen, strict=True):
            for epoch, time_weight in moments.epochs_of(part, moment):
                uvw = epoch.station_uvw
                baseline_m = uvw[self._baselines[:, 0]] - uvw[self._baselines[:, 1]]
                lmn = epoch.lmn(visible)
                for offset, weight in zip(*rule(part.in_channel), strict=True):
                    node_hz = frequency_hz + offset * self._spectrum.width_hz
                    sums = transform(products[:n_products], lmn, baseline_m, node_hz, self._accuracy)
                    total += time_weight * weight * sums
        out = np.zeros((len(self._baselines), N_POLARISATIONS), self._device.complex)
        out[:, :: 3 if self._is_intensity else 1] = total.T
        return out
