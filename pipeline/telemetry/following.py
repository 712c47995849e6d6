"""What `dawnstream follow` shows of a run: a line or a bar for each band, or JSON lines for machines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pipeline.dataset.follow import Amplitudes, Followed
from pipeline.errors import DawnstreamError
from pipeline.telemetry.progress import Style, is_own_terminal

Show = Callable[[Followed], None]

SECONDS_BETWEEN_LINES = 2.0


@dataclass
class Rates:
    """Rates of a band since its first block: that one was there when following began, or marks the beginning."""

    first: Followed
    n_bytes: int = 0
    last: Followed = field(init=False)

    def __post_init__(self) -> None:
        self.last = self.first

    def add(self, block: Followed) -> None:
        """Take a block after the first."""
        self.n_bytes += block.n_bytes
        self.last = block

    @property
    def dumps_per_s(self) -> float | None:
        """Dumps a second; None as long as there was one block."""
        return self._per_second(self.last.n_done - self.first.n_done)

    @property
    def bytes_per_s(self) -> float | None:
        """Bytes a second; None as long as there was one block."""
        return self._per_second(self.n_bytes)

    def _per_second(self, amount: float) -> float | None:
        seconds = self.last.seconds - self.first.seconds
        return amount / seconds if seconds > 0 else None


class Totals:
    """The rates of all bands, and what of the whole has come."""

    def __init__(self) -> None:
        self.bands: dict[int, Rates] = {}
        self.n_bytes = 0

    def add(self, block: Followed) -> Rates:
        """Take a block; return the rates of its band."""
        self.n_bytes += block.n_bytes
        if block.band in self.bands:
            self.bands[block.band].add(block)
        else:
            self.bands[block.band] = Rates(block)
        return self.bands[block.band]

    def as_dict(self, seconds: float) -> dict[str, Any]:
        """Return plain numbers."""
        lasts = [rates.last for rates in self.bands.values()]
        return {
            "bands": len(lasts),
            "dumps": sum(last.n_done for last in lasts),
            "missed": sum(last.n_dumps - last.n_done for last in lasts),
            "bytes": self.n_bytes,
            "seconds": seconds,
        }


@contextmanager
def show_following(style: Style, as_json: bool) -> Iterator[Show]:
    """Show what is followed by the body, and how it ended.

    Parameters
    ----------
    style
        A bar for each band, lines, or nothing; `auto` is bars on a terminal of this process's own, lines elsewhere.
    as_json
        One JSON object a line on standard output for each block, and one for the end.
    """
    totals, began = Totals(), time.monotonic()
    if as_json:
        try:
            yield lambda block: _print_json(_as_dict(block, totals.add(block)))
        except DawnstreamError as error:
            end = {"event": "error", "kind": type(error).__name__, "message": str(error)}
            _print_json({**end, **totals.as_dict(time.monotonic() - began)})
            raise
        _print_json({"event": "end", **totals.as_dict(time.monotonic() - began)})
        return
    if style == "auto":
        style = "bar" if is_own_terminal() else "lines"
    with _bars(totals) if style == "bar" else _lines(totals, style) as show:
        yield show
    whole = totals.as_dict(time.monotonic() - began)
    missed = f", {whole['missed']} missed" if whole["missed"] else ""
    print(f"{whole['bands']} bands, {whole['dumps']} dumps{missed}, {whole['bytes'] / 1e6:.4g} MB: the run has ended")


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value), flush=True)


def _as_dict(block: Followed, rates: Rates) -> dict[str, Any]:
    amplitudes = {} if block.amplitudes is None else vars(block.amplitudes)
    plain = {name: value for name, value in vars(block).items() if name != "amplitudes"}
    return {
        "event": "block",
        **plain,
        **amplitudes,
        "dumps_per_s": rates.dumps_per_s,
        "bytes_per_s": rates.bytes_per_s,
    }


def _words(block: Followed, rates: Rates) -> list[str]:
    """Say in a few words what has come of a band."""
    words = [f"dump {block.dumps[1] + 1} of {block.n_dumps}"]
    if rates.dumps_per_s is not None and rates.bytes_per_s is not None:
        words.append(f"{rates.dumps_per_s:.3g} dumps/s")
        words.append(f"{rates.bytes_per_s / 1e6:.3g} MB/s")
    if block.n_missed:
        words.append(f"{block.n_missed} missed")
    return words + _amplitude_words(block.amplitudes)


def _amplitude_words(amplitudes: Amplitudes | None) -> list[str]:
    if amplitudes is None:
        return []
    if amplitudes.mean_jy is None or amplitudes.rms_jy is None:
        return ["all flagged"]
    words = [f"mean {amplitudes.mean_jy:.4g} Jy", f"rms {amplitudes.rms_jy:.4g} Jy"]
    return [*words, f"{100 * amplitudes.flagged:.3g} % flagged"]


@contextmanager
def _lines(totals: Totals, style: Style) -> Iterator[Show]:
    """Show a line for a band every few seconds, and for its last block."""
    shown: dict[int, float] = {}

    def show(block: Followed) -> None:
        rates = totals.add(block)
        is_last = block.dumps[1] == block.n_dumps - 1
        due = time.monotonic() - shown.get(block.band, -SECONDS_BETWEEN_LINES) >= SECONDS_BETWEEN_LINES
        if style == "lines" and (is_last or due):
            shown[block.band] = time.monotonic()
            print(f"band {block.band}: {', '.join(_words(block, rates))}", file=sys.stderr, flush=True)

    yield show


@contextmanager
def _bars(totals: Totals) -> Iterator[Show]:
    """Show a bar for each band that is not over, below what is over."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[words]}"))
    tasks: dict[int, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True, force_terminal=True)) as bars:

        def show(block: Followed) -> None:
            words = ", ".join(_words(block, totals.add(block)))
            if block.band not in tasks:
                tasks[block.band] = bars.add_task(f"band {block.band}", total=block.n_dumps, words=words)
            bars.update(tasks[block.band], completed=block.dumps[1] + 1, words=words)
            if block.dumps[1] == block.n_dumps - 1:
                bars.console.print(f"band {block.band}: {words}", highlight=False)
                bars.remove_task(tasks[block.band])

        yield show
