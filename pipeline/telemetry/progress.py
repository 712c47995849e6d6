"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal, Protocol

Style = Literal["auto", "bar", "lines", "none"]

#: Set by launchers of ranks: what they show as a terminal need not be one.
_LAUNCHERS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
_SECONDS_BETWEEN_LINES = 5.0


class Progress(Protocol):
    """Told how much is done."""

    def advance(self, amount: float) -> None:
        """Add to what is done."""


class _Silent:
    def advance(self, amount: float) -> None:
        """Say nothing."""


class _Lines:
    """A line every few seconds, with rate and time left."""

    def __init__(self, title: str, total: float, unit: str, scale: float) -> None:
        self._title, self._total, self._unit, self._scale = title, total, unit, scale
        self._done = 0.0
        self._start = self._last = time.monotonic()

    def advance(self, amount: float) -> None:
        """Add to what is done, and print a line when it is time to."""
        self._done += amount
        now = time.monotonic()
        finished = self._done >= self._total
        if now - self._last < _SECONDS_BETWEEN_LINES and not finished:
            return
        self._last = now
        elapsed = max(now - self._start, 1e-9)
        rate = self._done / elapsed
        left = (self._total - self._done) / rate
        print(
            f"{self._title}: {100 * self._done / self._total:3.0f} %  "
            f"{rate * self._scale:.3g} {self._unit}/s  {elapsed:.0f} s gone, {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )


def is_own_terminal() -> bool:
    """Tell whether standard error is a terminal of this process's own."""
    return sys.stderr.isatty() and not any(name in os.environ for name in _LAUNCHERS)


@contextmanager
def show_progress(title: str, total: float, style: Style, unit: str = "", scale: float = 1.0) -> Iterator[Progress]:
    """Show the progress of what the body does.

    Parameters
    ----------
    title
        What is being done.
    total
        How much there is to do.
    style
        `auto` is a bar where standard error is a terminal of this process's own, lines elsewhere.
    unit, scale
        What a rate is shown in, and how much of it one of `total` is.
    """
    if style == "auto":
        style = "bar" if is_own_terminal() else "lines"
    if style == "none":
        yield _Silent()
    elif style == "lines":
        yield _Lines(title, total, unit, scale)
    else:
        with _bar(title, total, unit, scale) as bar:
            yield bar


@contextmanager
def _bar(title: str, total: float, unit: str, scale: float) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if not task.speed else f"{task.speed * scale:.3g} {unit}/s")

    class Bar:
        def advance(self, amount: float) -> None:
            shown.advance(task, amount)

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True, force_terminal=True)) as shown:
        task = shown.add_task(title, total=total)
        yield Bar()


@contextmanager
def show_count(title: str, style: Style) -> Iterator[Callable[[int, int], None]]:
    """Show the progress of work that says itself how much it has done, and of how much.

    Parameters
    ----------
    title
        What is being done.
    style
        As for `show_progress`.
    """
    with ExitStack() as stack:
        shown: list[Progress] = []
        done_before = 0

        def count(done: int, total: int) -> None:
            nonlocal done_before
            if not shown:
                shown.append(stack.enter_context(show_progress(title, total, style, "steps")))
            shown[0].advance(done - done_before)
            done_before = done

        yield count
