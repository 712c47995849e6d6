"""The process that streams for a rank: it forks one for each band, in which alone ADIOS2's SST is used.

SST runs in processes of their own because a reader can hold it up for ever: one that is stopped, not dead, keeps
SST's ``end_step`` from returning whatever its policy is (ADIOS2 2.12.1), and ADIOS2's calls keep the interpreter
from doing anything else. A process that hangs is killed, and the run goes on.

Started as ``python -m pipeline.dataset.stream_process FD``, where FD is one end of a pair of sockets. A message of
eight bytes, a number, with two file descriptors begins a band: a connection to its writer, and shared memory for its
blocks. The number alone kills it. The end of messages ends everything.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pipeline.dataset.putting import Putter
from pipeline.dataset.slots import Slots
from pipeline.dataset.storage import adios_reason, joins, leave_mark, writer_mark
from pipeline.dataset.stream_messages import Closed, Failed, Ready, Stream

JOIN_S = 0.05
"""Seconds between two looks for readers that ask to be let in."""

MOST_KNOCKS = 20
"""So many empty steps are made for a reader that asks; then it must have come in, or never will."""


def main() -> None:
    """Begin and kill processes of bands as the writer of the rank says."""
    # Imported once: processes that are forked have it at once.
    import adios2  # noqa: F401

    children: dict[int, int] = {}
    with socket.socket(fileno=int(sys.argv[1])) as control:
        while True:
            message, fds, _, _ = socket.recv_fds(control, 8, 2)
            if not message:
                break
            number = int.from_bytes(message, "little")
            if fds:
                pid = os.fork()
                if pid == 0:
                    control.close()
                    _serve_and_exit(*fds)
                children[number] = pid
                for fd in fds:
                    os.close(fd)
            elif number in children:
                _kill(children.pop(number))
            for number, pid in list(children.items()):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del children[number]
    for pid in children.values():
        _kill(pid)


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _serve_and_exit(connection_fd: int, memory_fd: int) -> None:
    """Stream a band; never return. Without the last message, the end, nothing is closed: readers see a death."""
    status = 1
    try:
        connection = Connection(connection_fd)
        try:
            _serve(connection, memory_fd)
            status = 0
        except (RuntimeError, ValueError) as error:
            connection.send(Failed(adios_reason(error)))
    except (EOFError, OSError):
        pass  # the writer of the rank is gone
    finally:
        os._exit(status)


def _serve(connection: Any, memory_fd: int) -> None:
    import adios2

    stream: Stream = connection.recv()
    slots = Slots(memory_fd, stream.header, stream.n_block_dumps, stream.n_slots)
    leave_mark(stream.contact)
    io = adios2.Adios().declare_io("stream")
    io.set_engine("SST")
    io.set_parameters(
        {
            "RendezvousReaderCount": str(stream.readers),
            "ReserveQueueLimit": "0",
            "QueueLimit": str(stream.queue),
            "QueueFullPolicy": stream.when_full.capitalize(),
        }
    )
    putter = Putter(io, stream.header, stream.n_block_dumps)
    engine = io.open(str(stream.contact.with_suffix("")), adios2.Mode.Write)
    connection.send(Ready())
    knocks: dict[Path, int] = {}
    while True:
        if not connection.poll(JOIN_S):
            _let_in(stream.contact, engine, knocks)
            continue
        message = connection.recv()
        if message is None:
            break
        slot, n_times, sums = message
        putter.define_attributes_again()
        engine.begin_step()
        putter.put(engine, slots.block(slot, n_times), sums)
        engine.end_step()
        connection.send(slot)
    engine.close()
    writer_mark(stream.contact).unlink(missing_ok=True)
    connection.send(Closed())


def _let_in(contact: Path, engine: Any, knocks: dict[Path, int]) -> None:
    """Make an empty step if a reader asks: SST lets readers in at steps only, and blocks them until then."""
    waiting = joins(contact)
    if not waiting:
        return
    engine.begin_step()
    engine.end_step()
    for join in waiting:
        knocks[join] = knocks.get(join, 0) + 1
        if knocks[join] >= MOST_KNOCKS:
            join.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
