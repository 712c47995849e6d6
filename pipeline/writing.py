"""The last stage: gathering the slices of a band, writing and streaming band after band in a thread of its own."""

from __future__ import annotations

import dataclasses
import sys

from pipeline.costs.memory import N_BUFFERS
from pipeline.dataset.putting import BlockSums, block_sums
from pipeline.dataset.schema import Block
from pipeline.dataset.storage import band_name, contact_name
from pipeline.dataset.stream_messages import Stream
from pipeline.dataset.stream_writer import Streams, StreamWriter
from pipeline.dataset.writer import BandWriter, WriterComm, is_mpi_build
from pipeline.observation.geometry import GeometryBlock
from pipeline.output import band_header
from pipeline.parallel.exchange import SliceGather, Sums
from pipeline.parallel.topology import Topology
from pipeline.prepare import Prepared
from pipeline.stages import Behind, Pool
from pipeline.telemetry.timing import Timers


@dataclasses.dataclass
class WriteTask:
    """A block of a band on its way to the file; `averages` circulates, the rest is set for every block."""

    averages: Sums
    band: int = -1
    geometry: GeometryBlock | None = None


class BandOutput:
    """Writes and streams blocks, opening a band at its first and closing it after its last.

    Parameters
    ----------
    prepared
        The observation.
    text
        The effective configuration.
    comm
        With an MPI build of ADIOS2 the ranks that write a band together; None where one rank writes alone.
    baselines
        First and last + 1 baseline this rank writes.
    timers
        Told the time of the stages "write" and "stream".
    """

    def __init__(
        self,
        prepared: Prepared,
        text: str,
        comm: WriterComm | None,
        baselines: tuple[int, int],
        timers: Timers,
    ) -> None:
        self._prepared, self._text, self._comm, self._timers = prepared, text, comm, timers
        self._baselines = slice(*baselines)
        self._folder = prepared.config.output.path
        self._writer: BandWriter | None = None
        self._stream: StreamWriter | None = None
        self._ending: list[StreamWriter] = []
        # Begun at once: its process is ready when the first block is.
        config = prepared.config.output.stream
        self._streams = None if config is None else Streams(_warn)
        self._has_files = config is None or config.files

    def write(self, task: WriteTask) -> None:
        """Write and stream one block."""
        geometry = task.geometry
        if geometry is None:
            raise RuntimeError("a write task came without its geometry")
        averages = task.averages.first(len(geometry.dump))
        block = Block(geometry.dump, geometry.time_utc, geometry.station_uvw, averages.values, averages.weights)
        is_last = geometry.dump[-1] == self._prepared.plan.n_dumps - 1
        if self._streams is not None and self._stream is None:
            # Before the files: readers of the stream then know that it comes.
            self._stream = self._open_stream(self._streams, task.band)
        with self._timers("write"):
            sums = self._write(task.band, block, is_last) if self._has_files else block_sums(block)
        if self._stream is not None:
            with self._timers("stream"):
                self._stream.write(block, sums)
                if is_last:
                    self._stream.close()
                    self._ending.append(self._stream)
                    self._stream = None

    def finish(self) -> None:
        """Wait until readers of streams have what they are owed, as long as they may take."""
        for stream in self._ending:
            stream.finish()
        if self._streams is not None:
            self._streams.close()

    def _write(self, band: int, block: Block, is_last: bool) -> BlockSums:
        if self._writer is None:
            header = band_header(self._prepared, band, self._text)
            path, n_dumps = self._folder / band_name(band), self._prepared.plan.block_dumps
            self._writer = BandWriter(path, header, self._comm, n_block_dumps=n_dumps)
        sums = self._writer.write(block, self._baselines)
        if is_last:
            self._writer.close()
            self._writer = None
        return sums

    def _open_stream(self, streams: Streams, band: int) -> StreamWriter:
        config = self._prepared.config.output.stream
        if config is None:
            raise RuntimeError("a stream is opened that was not configured")
        header = band_header(self._prepared, band, self._text)
        contact, n_dumps = self._folder / contact_name(band), self._prepared.plan.block_dumps
        stream = Stream(contact, header, n_dumps, config.queue, config.when_full, config.readers)
        return StreamWriter(streams, stream, config.patience_s)


def _warn(sentence: str) -> None:
    print(f"dawnstream: {sentence}", file=sys.stderr, flush=True)


class Writing:
    """Takes this rank's slices of averages, and sees to it that they are written.

    With an MPI build of ADIOS2 every rank writes its own slice. With the plain wheel, or if bands are streamed, the
    slices of a band are gathered on one rank of the group, and the ranks take turns from band to band.

    Parameters
    ----------
    prepared
        The observation.
    topology
        The ranks.
    text
        The effective configuration.
    timers
        Told the time of the stages "gather", "write", "stream" and "wait for the disk".
    """

    def __init__(self, prepared: Prepared, topology: Topology, text: str, timers: Timers) -> None:
        layout, n_baselines = prepared.plan.layout, prepared.plan.sizes.n_baselines
        comm = topology.group
        slices = [
            layout.baseline_slice(n_baselines, rank % layout.ranks_per_node, rank // layout.ranks_per_node)
            for rank in range(comm.size)
        ]
        all_write = is_mpi_build() and comm.size > 1 and prepared.config.output.stream is None
        self._timers = timers
        self._rank, self._size = comm.rank, comm.size
        self._first_band, stop_band = topology.role.bands
        self._gather = None if all_write else SliceGather(comm, slices)
        self._pool: Pool[WriteTask] | None = None
        if all_write or comm.rank < stop_band - self._first_band:
            mine = slices[comm.rank] if all_write else (0, n_baselines)
            shape = (prepared.plan.block_dumps, 1, mine[1] - mine[0])
            self._pool = Pool(WriteTask(Sums.empty(*shape)) for _ in range(N_BUFFERS))
            self._output = BandOutput(prepared, text, comm if all_write else None, mine, timers)
            self._behind = Behind(self._output.write, self._pool, "write")

    def put(self, band: int, geometry: GeometryBlock, averages: Sums) -> None:
        """Hand over this rank's slice of a block; it may be overwritten afterwards."""
        writer = (band - self._first_band) % self._size
        if self._pool is None or (self._gather is not None and writer != self._rank):
            self._collect(averages, None, writer)
            return
        with self._timers("wait for the disk"):
            task = self._pool.take()
        self._collect(averages, task.averages.first(len(geometry.dump)), writer)
        task.band, task.geometry = band, geometry
        self._behind.put(task)

    def _collect(self, averages: Sums, out: Sums | None, writer: int) -> None:
        with self._timers("gather"):
            if self._gather is not None:
                self._gather(averages, out, writer)
            elif out is not None:
                out.values[...] = averages.values
                out.weights[...] = averages.weights

    def finish(self) -> None:
        """Wait until all is written."""
        if self._pool is not None:
            with self._timers("wait for the disk"):
                self._behind.finish()
            self._output.finish()
