"""Stages that work at the same time: buffers that circulate, a thread ahead and a thread behind.

Buffers are allocated once and go round, so memory is known before the run and a stage that is too fast
waits for a buffer: back-pressure needs no code.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 - it ends a thread in good order
    """Raised in a stage that waits for a buffer when its run is over."""


class Pool(Generic[T]):
    """Buffers that circulate between two stages."""

    def __init__(self, buffers: Iterable[T]) -> None:
        self._free: SimpleQueue[T | Exception] = SimpleQueue()
        for buffer in buffers:
            self._free.put(buffer)

    def take(self) -> T:
        """Wait for a free buffer.

        Raises
        ------
        Exception
            What `close` was given: the failure of the stage that should have given the buffer back.
        """
        buffer = self._free.get()
        if isinstance(buffer, Exception):
            self._free.put(buffer)
            raise buffer
        return buffer

    def give(self, buffer: T) -> None:
        """Give a buffer back."""
        self._free.put(buffer)

    def close(self, reason: Exception) -> None:
        """Let those who wait, now or later, raise `reason`, once no buffer is free."""
        self._free.put(reason)


class Ahead(Generic[T]):
    """Iterates in a thread of its own, as far ahead as its buffers allow.

    Parameters
    ----------
    items
        What to iterate; an exception it raises comes out of this iterator in its place.
    """

    def __init__(self, items: Iterable[T], name: str) -> None:
        self._ready: SimpleQueue[T | _End] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, args=(items,), name=name, daemon=True)
        self._thread.start()

    def _work(self, items: Iterable[T]) -> None:
        try:
            for item in items:
                self._ready.put(item)
            self._ready.put(_End(None))
        except Stopped:
            pass
        except BaseException as error:
            self._ready.put(_End(error))

    def __iter__(self) -> Iterator[T]:
        while not isinstance(item := self._ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Behind(Generic[T]):
    """Does something with items in a thread of its own, in order, and gives each back to its pool.

    Parameters
    ----------
    action
        What to do with an item.
    pool
        Where the buffers come from; if `action` raises, whoever takes the next buffer raises it too.
    """

    def __init__(self, action: Callable[[T], None], pool: Pool[T], name: str) -> None:
        self._action, self._pool = action, pool
        self._waiting: SimpleQueue[T | _End] = SimpleQueue()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            while not isinstance(item := self._waiting.get(), _End):
                self._action(item)
                self._pool.give(item)
        except Exception as error:
            self._error = error
            self._pool.close(error)

    def put(self, item: T) -> None:
        """Hand an item over."""
        self._waiting.put(item)

    def finish(self) -> None:
        """Wait until every item is done.

        Raises
        ------
        Exception
            What the action raised.
        """
        self._waiting.put(_End(None))
        self._thread.join()
        if self._error is not None:
            raise self._error
