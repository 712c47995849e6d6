"""The rank's side of streaming: hands blocks to processes that stream them, and never waits longer than allowed."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.dataset.putting import BlockSums
from pipeline.dataset.schema import Block
from pipeline.dataset.slots import Slots
from pipeline.dataset.storage import leave_mark, mark_failed
from pipeline.dataset.stream_messages import Closed, Failed, Ready, Stream

Warn = Callable[[str], None]

_LAUNCHERS = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "SLURM_", "JSM_")
"""What launchers tell a rank; the process is none."""


class Streams:
    """The process of a rank that streams, and what it is told. Used as a context manager.

    Parameters
    ----------
    warn : callable
        Called with a sentence when a stream is given up, or has dropped dumps.
    """

    def __init__(self, warn: Warn) -> None:
        self.warn = warn
        self._number = 0
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.dataset.stream_process", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )

    def __enter__(self) -> Streams:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin(self) -> tuple[int, Any, int]:
        """Begin a process for a band; return its number, a connection to it, and memory shared with it.

        Raises
        ------
        OSError
            If the process that begins them is gone.
        """
        self._number += 1
        ours, theirs = socket.socketpair()
        memory = os.memfd_create("dawnstream")
        with theirs:
            socket.send_fds(self._control, [self._number.to_bytes(8, "little")], [theirs.fileno(), memory])
        return self._number, Connection(ours.detach()), memory

    def kill(self, number: int) -> None:
        """End the process of a band, whatever it does."""
        with contextlib.suppress(OSError):
            self._control.send(number.to_bytes(8, "little"))

    def close(self) -> None:
        """End all processes."""
        self._control.close()
        self._process.wait()


class StreamWriter:
    """Streams a band.

    Parameters
    ----------
    streams : Streams
        Of this rank.
    stream : Stream
        What it is to be.
    patience_s : float, s
        The longest any call waits for readers; then the stream is given up.

    Notes
    -----
    Nothing that happens to the stream or its readers raises an error: it is told by `Streams.warn`, and the stream
    is given up. Its mark then tells readers that it will not go on.
    """

    def __init__(self, streams: Streams, stream: Stream, patience_s: float) -> None:
        self._streams, self._stream, self._patience_s = streams, stream, patience_s
        self._given_up = self._is_ready = self._is_closed = False
        self._n_dropped = 0
        self._connection: Any = None
        self._open()
        if stream.readers and not self._wait(lambda: self._is_ready):
            self._streams.warn(
                f"{self._where}: {stream.readers} readers did not come within {patience_s:g} s "
                "(output.stream.patience); the run goes on without them"
            )
            self._end()
            self._stream = replace(stream, readers=0)
            self._open()

    @property
    def _where(self) -> str:
        return f"stream of band {self._stream.header.band}"

    def write(self, block: Block, sums: BlockSums) -> None:
        """Hand a block over; return when its arrays may be used again.

        Parameters
        ----------
        block : Block
            All baselines.
        sums : (variable,) uint32
            Its checksums, as `block_sums` returns them.
        """
        self._collect()
        must_wait = self._stream.when_full == "block"
        if must_wait and not self._wait(lambda: bool(self._free)):
            self._give_up(f"its queue was full for {self._patience_s:g} s (output.stream.patience)")
        if self._given_up:
            return
        if not self._free:
            self._n_dropped += len(block.dump)
            if time.monotonic() - self._last_sign > self._patience_s:
                self._give_up(f"a reader held it up for {self._patience_s:g} s (output.stream.patience)")
            return
        slot = self._free.pop()
        self._slots.fill(slot, block)
        self._send((slot, len(block.dump), sums))

    def close(self) -> None:
        """Say that all blocks were handed over; `finish` waits until readers have them."""
        self._send(None)
        self._deadline = time.monotonic() + self._patience_s

    def finish(self) -> None:
        """Wait until readers have everything, or the time for it is over."""
        if not self._wait(lambda: self._is_closed, self._deadline):
            self._give_up(f"readers did not take the rest within {self._patience_s:g} s (output.stream.patience)")
        if self._n_dropped:
            self._streams.warn(
                f"{self._where}: dropped {self._n_dropped} dumps: readers held it up, or dumps came faster than they "
                "can be streamed"
            )
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> None:
        self._free: list[int] = []
        self._is_ready = False
        self._last_sign = time.monotonic()
        leave_mark(self._stream.contact)
        try:
            self._number, self._connection, memory = self._streams.begin()
        except OSError:
            self._give_up("there is no process to stream it")
            return
        self._slots = Slots(memory, self._stream.header, self._stream.n_block_dumps, self._stream.n_slots)
        os.close(memory)
        self._free += range(self._stream.n_slots)
        self._send(self._stream)

    def _send(self, message: Any) -> None:
        if self._given_up:
            return
        try:
            self._connection.send(message)
        except OSError:
            self._give_up("its process ended")

    def _wait(self, is_there: Callable[[], bool], deadline: float | None = None) -> bool:
        """Wait for what the process says until it is there; return False if it does not come in time."""
        deadline = time.monotonic() + self._patience_s if deadline is None else deadline
        while not self._given_up and not is_there():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            self._collect(left_s)
        return True

    def _collect(self, timeout_s: float = 0.0) -> None:
        """Take what the process has said; wait for the first of it."""
        try:
            while not self._given_up and not self._is_closed and self._connection.poll(timeout_s):
                said = self._connection.recv()
                timeout_s = 0.0
                self._last_sign = time.monotonic()
                if isinstance(said, Failed):
                    self._give_up(said.reason)
                elif isinstance(said, Ready):
                    self._is_ready = True
                elif isinstance(said, Closed):
                    self._is_closed = True
                else:
                    self._free.append(said)
        except (EOFError, OSError):
            self._give_up("its process ended")

    def _give_up(self, reason: str) -> None:
        if self._given_up:
            return
        self._given_up = True
        self._end()
        self._streams.warn(f"{self._where}: given up: {reason}; the run goes on without it")

    def _end(self) -> None:
        """End the process, and tell readers."""
        if self._connection is not None:
            self._streams.kill(self._number)
            self._connection.close()
        self._stream.contact.unlink(missing_ok=True)
        mark_failed(self._stream.contact)


def _environment() -> dict[str, str]:
    """Return the environment of the process: of no rank, on one thread, with the modules this one has."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LAUNCHERS)}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(str(Path(folder).absolute()) for folder in sys.path),
        "OPENBLAS_NUM_THREADS": "1",
        "MPI4PY_RC_INITIALIZE": "0",
    }
