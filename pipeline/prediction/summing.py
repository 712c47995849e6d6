"""The sum over sources for one channel: what stations see of every source, and the kernels that add it up."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.costs.memory import TRANSFORM_SHARE
from pipeline.observation.smearing import rule
from pipeline.observation.stations.base import Complex128
from pipeline.parallel.exchange import N_POLARISATIONS
from pipeline.prediction.apparent import as_products
from pipeline.prediction.corrupting import Corrupting
from pipeline.prediction.moments import Batch, BlockMoments, DumpMoments
from pipeline.prediction.present import Present
from pipeline.prediction.responses import Responses
from pipeline.prediction.routes import Transformed
from pipeline.prediction.scratch import Scratch
from pipeline.prediction.terms import Chunk
from pipeline.prediction.transform import transform
from pipeline.prepare import Prepared

Float64 = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Channel:
    """A fine channel: its centre, and on the device the flux densities (source of the sky, 4) float64 in Jy there."""

    frequency_hz: float
    stokes_jy: Any


@dataclasses.dataclass(frozen=True)
class Seen:
    """One chunk of sources in a batch of dumps, as the kernels take it: arrays on the device.

    Attributes
    ----------
    phasors
        (dump, 2, term, station).
    jones
        (dump, kind, source, 2, 2); None where all stations answer alike, or the phasors hold the responses.
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
        interpolated, dtype = plan.sizes.is_interpolated, prepared.response_dtype
        self._responses = Responses(inputs.response, interpolated, device, dtype, plan.kept_bytes)
        self._kind = device.upload(inputs.response.kind)
        index = np.full((self._n_stations, self._n_stations), -1, np.int32)
        index[self._baselines[:, 0], self._baselines[:, 1]] = np.arange(len(self._baselines), dtype=np.int32)
        self._index = device.upload(index)
        self._phasors = Scratch(device, device.real, prepared.phasors_at_once)
        self._brightness = Scratch(device, device.real, prepared.brightness_at_once)
        self._no_jones = device.empty((0, 0, 2, 2), device.complex)
        self._no_response = device.empty((1, 0), prepared.response_dtype)
        self._packing_space = None
        if inputs.response.n_kinds > 1 and not inputs.response.is_scalar:
            n_terms = max(1, plan.sizes.terms_at_once)
            n_dumps = prepared.phasors_at_once // (2 * self._n_stations * n_terms)
            self._packing_space = device.packing_space(n_dumps, n_terms, self._n_stations)
        # Stations along the axes of every Gaussian, each of which is round and of width one in these.
        n_extended = plan.sizes.extended_at_once
        self._gaussians = (
            device.empty((n_extended, self._n_stations, 3), np.float64),
            device.upload(np.tile([1.0, 0.0, 1.0], (n_extended, 1))),
            device.upload(np.arange(n_extended, dtype=np.int32)),
        )
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
        here = Channel(frequency_hz, self._device.upload(self._sky.stokes_at(frequency_hz)))
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
                for place in range(len(batch.dumps)):
                    self._add_gaussians(batch, place, seen, here, some[place])

    def _look(self, chunk: Chunk, batch: Batch, here: Channel) -> Seen:
        """See the sources of one chunk through the stations."""
        kernels, mine = self._device.kernels, batch.of_terms
        n_dumps, n_terms = len(batch.dumps), len(mine.terms.source)
        phasors = self._phasors.shaped(n_dumps, 2, n_terms, self._n_stations)
        kernels.phasors(batch.stretch.station_uvw, mine.epoch, batch.lmn, here.frequency_hz, mine.offset_hz, phasors)
        for place, moment in enumerate(batch.dumps if self._corrupting.has_ionosphere else ()):
            enu = batch.present.cell.enu_at(moment.middle_weights, moment.middle, mine.sources)
            self._corrupting.delay(moment.dump, enu, mine.source, here.frequency_hz, phasors[place])
        response = self._responses.at(batch, here.frequency_hz)
        jones = None
        if self._response.n_kinds > 1 and self._response.is_scalar:
            kernels.scale(response, self._kind, mine.source, phasors)
        elif self._response.n_kinds > 1:
            jones = response
        is_number = self._is_intensity and not chunk.is_extended
        brightness = self._brightness.shaped(n_dumps, n_terms, *(() if is_number else (4,)))
        self._see(batch, response, here, brightness)
        return Seen(phasors, jones, brightness)

    def _see(self, batch: Batch, response: Any, here: Channel, out: Any) -> None:
        """See the brightness of terms, (dump, term, …), through stations that are alike; as it is where they differ."""
        mine, alike = batch.of_terms, self._no_response
        if response is not None and self._response.n_kinds == 1:
            n_dumps, _, n_sources, *matrix = response.shape
            alike = response.reshape((n_dumps, n_sources, *matrix))
        sky = (here.stokes_jy, mine.row, mine.weight, batch.middle_lmn, batch.stretch.zenith, mine.source)
        self._device.kernels.apparent(*sky, alike, out)

    def _add_points(self, batch: Batch, seen: Seen, out: Any) -> None:
        """Add a chunk of point sources by the product that suits stations and sky."""
        kernels = self._device.kernels
        if seen.jones is not None:
            of_terms = (seen.phasors, seen.jones, self._kind, batch.of_terms.source, seen.coherency)
            kernels.per_kind(*of_terms, self._index, out, self._packing_space)
        elif self._is_intensity:
            kernels.unpolarised(seen.phasors, seen.coherency, self._index, out)
        else:
            kernels.common(seen.phasors, seen.coherency, self._index, out)

    def _add_gaussians(self, batch: Batch, place: int, seen: Seen, here: Channel, out: Any) -> None:
        """Add a chunk of Gaussian sources in one dump; the kernel is given stations along each source's own axes."""
        kernels, mine = self._device.kernels, batch.of_terms
        n_terms = len(mine.terms.source)
        along, envelope, once = (array[:n_terms] for array in self._gaussians)
        axes, station_uvw = batch.axes[place], batch.stretch.station_uvw[place]
        kernels.along_axes(station_uvw, mine.epoch, axes, mine.source, here.frequency_hz, mine.offset_hz, along)
        phasors, coherency = seen.phasors[place], seen.coherency[place]
        jones = self._no_jones if seen.jones is None else seen.jones[place]
        of_stations = (phasors, jones, self._kind, mine.source, coherency)
        kernels.gaussians(*of_stations, envelope, once, along, self._index, out)

    def _transforms(self, moments: BlockMoments, here: Channel) -> Iterator[npt.NDArray[Any]]:
        """Yield what transformed parts of the sky make of every dump, (baseline, pol) complex; dumps in parallel."""
        room = TRANSFORM_SHARE * self._prepared.config.compute.memory_bytes
        largest = max(part.memory_bytes for part in self._routes.transformed)
        with ThreadPoolExecutor(max(1, min(self._device.n_threads, int(room // largest)))) as pool:
            tasks = []
            for moment in moments.dumps:
                seen = []
                for part, batches in zip(self._routes.transformed, moments.transformed, strict=True):
                    for batch in batches:
                        if batch.dumps[0] is moment:
                            seen.append((part, batch.present, as_products(self._apparent(batch, here))))
                tasks.append((moments, moment, seen, here.frequency_hz))
            yield from pool.map(lambda task: self._transformed(*task), tasks)

    def _apparent(self, batch: Batch, here: Channel) -> Float64:
        """Return the brightness of a dump's sources as stations see it, (source, 4) float64, on the host."""
        shape = (1, len(batch.present.sources), 4)
        found, brightness = self._device.empty(shape, np.float64), np.empty(shape, np.float64)
        self._see(batch, self._responses.at(batch, here.frequency_hz), here, found)
        self._device.download(found, brightness)
        of_dump: Float64 = brightness[0]
        return of_dump

    def _transformed(
        self,
        moments: BlockMoments,
        moment: DumpMoments,
        seen: list[tuple[Transformed, Present, Complex128]],
        frequency_hz: float,
    ) -> npt.NDArray[Any]:
        """Return what the transformed parts of the sky make of one dump, (baseline, pol) complex."""
        n_products = 1 if self._is_intensity else N_POLARISATIONS
        total = np.zeros((n_products, len(self._baselines)), np.complex128)
        for part, present, products in seen:
            for epoch, time_weight in moments.epochs_of(part):
                then = moment.epochs[epoch]
                uvw = then.station_uvw
                baseline_m = uvw[self._baselines[:, 0]] - uvw[self._baselines[:, 1]]
                lmn = then.lmn_of(present.cell.enu_at(moment.weights[epoch], then, present.sources))
                for offset, weight in zip(*rule(part.in_channel), strict=True):
                    node_hz = frequency_hz + offset * self._spectrum.width_hz
                    sums = transform(products[:n_products], lmn, baseline_m, node_hz, self._accuracy)
                    total += time_weight * weight * sums
        out = np.zeros((len(self._baselines), N_POLARISATIONS), self._device.complex)
        out[:, :: 3 if self._is_intensity else 1] = total.T
        return out
