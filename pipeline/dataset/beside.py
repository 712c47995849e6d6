"""Work beside ADIOS2: comparing checksums in a thread while the next step is read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Beside:
    """A thread for work that lets go of the interpreter, begun when first needed."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def begin(self, work: Callable[[], T]) -> Future[T]:
        """Begin some work; return once it has begun: ADIOS2's calls would keep it from beginning."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "checksums")
        begun = threading.Event()

        def do() -> T:
            begun.set()
            return work()

        future = self._pool.submit(do)
        begun.wait()
        return future

    def end(self) -> None:
        """Let go of the thread."""
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None
