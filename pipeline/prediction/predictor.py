"""The predictor: fills the blocks of one rank, in order."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from pipeline.layout import Role
from pipeline.observation.geometry import GeometryBlock
from pipeline.parallel.exchange import N_POLARISATIONS, Sums
from pipeline.prediction.corrupting import Corrupting
from pipeline.prediction.moments import BlockMoments, Moments
from pipeline.prediction.summing import Summing
from pipeline.prediction.terms import split
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
        The items of this rank: channels, sextets where it holds whole ones, bands where it makes them.
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
        self._prepared, self._plan, self._role = prepared, prepared.plan, role
        self._pool, self._timers = pool, timers
        self._device = device = prepared.device
        n_baselines = len(prepared.inputs.baselines)
        self._moments = Moments(prepared)
        self._corrupting = Corrupting(prepared)
        self._summing = Summing(prepared, self._corrupting)
        self._block = (self._plan.block_dumps, n_baselines)
        self._visibilities = device.empty((*self._block, N_POLARISATIONS), device.complex)
        # While one is on its way to the host the next is summed, where the device can do both.
        self._sums = [self._empty_sums() for _ in range(1 + device.blocks_ahead)]
        # Of a first average, where several are summed into a band here.
        self._first = self._empty_sums() if self._plan.layout.sums_twice else None
        self._n_sent_last = 0

    def __iter__(self) -> Iterator[Predicted]:
        """Predict every block of every band, waiting for a free buffer before each."""
        ahead: deque[Predicted] = deque()
        for predicted in self._launched():
            ahead.append(predicted)
            if len(ahead) > self._device.blocks_ahead:
                yield self._arrived(ahead)
        while ahead:
            yield self._arrived(ahead)

    def _arrived(self, ahead: deque[Predicted]) -> Predicted:
        """Wait until the first of some blocks is in its buffer, and take it."""
        predicted = ahead.popleft()
        with self._timers("predict"):
            self._device.wait_for_sends(sum(_n_sends(later.sums) for later in ahead))
        return predicted

    def _launched(self) -> Iterator[Predicted]:
        """Launch every block of every band; on a CPU they are then done."""
        for band in range(*self._role.bands):
            for first, stop in self._plan.blocks():
                buffer = self._pool.take()
                with self._timers("geometry"):
                    moments = self._moments.block(first, stop)
                sums = buffer.first(stop - first)
                with self._timers("predict"):
                    self._predict(band, moments, sums)
                yield Predicted(band, moments.geometry, sums, buffer)

    def _empty_sums(self) -> tuple[Any, Any]:
        """Allocate weighted sums of a block, and weights."""
        values = self._device.empty((*self._block, N_POLARISATIONS), np.complex64)
        return values, self._device.empty(self._block, np.float32)

    def _predict(self, band: int, moments: BlockMoments, out: Sums) -> None:
        """Predict the items of one block: sums over one channel, over a sextet's in order, or over a band's sextets."""
        n_dumps, n_items = out.weights.shape[:2]
        layout = self._plan.layout
        channel = band * layout.channels_per_band + self._role.channels[0]
        for item in range(n_items):
            sums, weights = (each[:n_dumps] for each in self._sums[0])
            # What was last sent from there may still be on its way; what was sent last is the other's.
            self._device.wait_for_sends(self._n_sent_last)
            channels = range(channel, channel + layout.channels_per_item)
            if self._first is None:
                self._sum_channels(channels, moments, sums, weights)
            else:
                self._sum_sextets(channels, moments, self._first, sums, weights)
            channel = channels.stop
            self._device.send(sums, out.values[:, item])
            self._device.send(weights, out.weights[:, item])
            self._sums.append(self._sums.pop(0))
            self._n_sent_last = 2

    def _sum_sextets(
        self, channels: range, moments: BlockMoments, first: tuple[Any, Any], sums: Any, weights: Any
    ) -> None:
        """Sum the first averages of a band, in order: the same bits as where they are of several ranks."""
        of_one, weights_of_one = (array[: moments.n_dumps] for array in first)
        self._clear(sums, weights)
        for start in channels[:: self._plan.layout.node]:
            self._sum_channels(range(start, start + self._plan.layout.node), moments, of_one, weights_of_one)
            self._device.kernels.add(of_one, sums)
            self._device.kernels.add(weights_of_one, weights)

    def _sum_channels(self, channels: range, moments: BlockMoments, sums: Any, weights: Any) -> None:
        """Predict channels and sum them, in order."""
        self._clear(sums, weights)
        for channel in channels:
            self._add_channel(channel, moments, sums, weights)

    def _clear(self, *arrays: Any) -> None:
        for array in arrays:
            self._device.kernels.clear(array)

    def _add_channel(self, channel: int, moments: BlockMoments, sums: Any, sum_weights: Any) -> None:
        """Predict one channel for every dump of a block and add it to the sums."""
        kept = [k for k, each in enumerate(moments.dumps) if not self._corrupting.is_flagged(channel, each.dump)]
        if not kept:
            return
        visibilities = self._visibilities[: moments.n_dumps]
        self._summing.sum_sources(channel, moments, visibilities)
        for k in kept if self._corrupting.corrupts else ():
            self._corrupting.corrupt(channel, moments.dumps[k].dump, visibilities[k])
        for run in _runs(kept):
            self._device.kernels.accumulate(visibilities[run], self._corrupting.weights, sums[run], sum_weights[run])


def _runs(numbers: list[int]) -> Iterator[slice]:
    """Yield slices of numbers that follow one another, of some in ascending order."""
    for _, run in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        consecutive = [number for _, number in run]
        yield slice(consecutive[0], consecutive[-1] + 1)


def _n_sends(sums: Sums) -> int:
    """Return how many copies bring a block to the host: values and weights of every item."""
    return 2 * len(sums.weights[0])


def warm_up(prepared: Prepared) -> float:
    """Run every kernel a prediction needs on one source of each kind, so that it is compiled.

    Returns
    -------
    float
        Seconds it took: many the first time on a machine, when the cache of compiled kernels is empty.

    Notes
    -----
    It has a thread of its own, which then ends. GNU OpenMP keeps workers for every thread that ever ran a kernel, and
    once these are more than there are cores its workers sleep between kernels instead of being there at once: a run of
    short kernels, in its own thread, would take a quarter longer.
    """
    start = time.perf_counter()
    with ThreadPoolExecutor(1, "warm-up") as thread:
        thread.submit(_run_every_kernel, prepared).result()
    return time.perf_counter() - start


def _run_every_kernel(prepared: Prepared) -> None:
    inputs = prepared.inputs
    (middle,) = prepared.geometry.moments(np.array([0.5]))
    is_up = middle.enu()[:, 2] > 0
    chunks = []
    for is_extended in (False, True):
        of_kind = (chunk.sources for chunk in inputs.routes.chunks if chunk.is_extended == is_extended)
        up = next((some[is_up[some]][:1] for some in of_kind if is_up[some].any()), np.empty(0, np.int64))
        chunks += split(up, inputs.routes.nodes, is_extended)
    routes = dataclasses.replace(inputs.routes, chunks=tuple(chunks), transformed=())
    small = dataclasses.replace(prepared, inputs=dataclasses.replace(inputs, routes=routes))
    device = prepared.device
    visibilities = device.empty((1, len(inputs.baselines), N_POLARISATIONS), device.complex)
    corrupting = Corrupting(small)
    Summing(small, corrupting).sum_sources(0, Moments(small).block(0, 1), visibilities)
    corrupting.corrupt(0, 0, visibilities[0])
    sums = device.empty(visibilities.shape, np.complex64)
    sum_weights = device.empty(visibilities.shape[:2], np.float32)
    device.kernels.clear(sums)
    device.kernels.clear(sum_weights)
    device.kernels.accumulate(visibilities, corrupting.weights, sums, sum_weights)
    for array in (sums, sum_weights):
        device.kernels.add(array, array)
    device.synchronise()
