"""A band as a stream of checked blocks; every way to end has an error of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from types import TracebackType

import numpy as np

from pipeline.dataset.decode import read_header
from pipeline.dataset.patience import Patience
from pipeline.dataset.pieces import CHUNK_BYTES
from pipeline.dataset.room import Room
from pipeline.dataset.schema import BandHeader, Block
from pipeline.dataset.select import Indices, Selection
from pipeline.dataset.source import REMEDY, Source
from pipeline.dataset.step import Part, begin_block, read_block
from pipeline.errors import CorruptError, DatasetError, IncompleteError, TimedOutError

ALL_BYTES = 2**62
"""Of a stream all of a variable is asked for at once: each time costs a way to the writer and back."""

CheckedBlock = tuple[Block, tuple[str, ...]]
"""A block, and a sentence for each checksum that does not hold."""


class BandReader:
    """A stream of the blocks of one band; made by `Dataset.band` or `open_stream`, used as a context manager.

    Iterating yields each `Block` in order, with its checksums verified. It ends normally only after the last
    dump asked for. One reader goes through the band once.

    Parameters
    ----------
    source : Source
        Where the steps come from.
    selection : Selection
        What is read.
    expected : dict
        Attributes of the header that are known from elsewhere, and must be the same.
    timeout_s : float, s
        How long to wait for each step. 0: do not wait.
    gaps : bool
        Of a live stream: go on over dumps that never came and keep them in `missed`. If not, that is an error.

    Raises
    ------
    IncompleteError
        The band is missing, was cut short, ends before the last dump, or dumps of a live stream never came.
    CorruptError
        A checksum, the schema or the manifest does not hold.
    TimedOutError
        The writer may be alive, but no step came in time.
    WriterDiedError
        The writer went away without closing the band.
    """

    def __init__(
        self, source: Source, selection: Selection, expected: dict[str, object], timeout_s: float, gaps: bool = False
    ) -> None:
        self._source = source
        self._selection = selection
        self._expected = expected
        self._timeout_s = timeout_s
        self._gaps = gaps
        self._whole: BandHeader | None = None
        self._header: BandHeader | None = None
        self._chosen: Indices | None = None
        self._dumps = range(0)
        self._next_dump = 0
        self._missed: list[range] = []
        self._in_step = False
        self._done = False
        self._room = Room()

    def __enter__(self) -> BandReader:
        patience = Patience(self._timeout_s)
        try:
            while not self.ready():
                if not patience.wait():
                    raise self.late()
        except BaseException:
            self._source.drop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._source.close()
        else:
            self._source.drop()

    @property
    def header(self) -> BandHeader:
        """What is the same for all steps, with the chosen baselines only; there once the reader was entered."""
        return self._entered(self._header)

    @property
    def whole_header(self) -> BandHeader:
        """What is the same for all steps, with all baselines of the band."""
        return self._entered(self._whole)

    @property
    def baselines(self) -> Indices:
        """Indices of the chosen baselines within the band, (baseline,) int64."""
        return np.arange(len(self.whole_header.baselines)) if self._chosen is None else self._chosen

    @property
    def dumps(self) -> range:
        """The dumps asked for; there once the reader was entered."""
        self._entered(self._header)
        return self._dumps

    @property
    def missed(self) -> tuple[range, ...]:
        """Stretches of dumps asked for that a live stream did not bring; of files, none is ever missed."""
        return tuple(self._missed)

    @property
    def done(self) -> bool:
        """Whether all dumps asked for have come, and, if the last is among them, the end as well."""
        return self._done

    def __iter__(self) -> Iterator[Block]:
        for block, wrong in self.checked_blocks():
            yield self._checked(block, wrong)

    def checked_blocks(self) -> Iterator[CheckedBlock]:
        """Yield each block and a sentence for each of its checksums that does not hold; go on after those."""
        self._entered(self._header)
        patience = Patience(self._timeout_s)
        while not self._done:
            found = self._take()
            if found is not None:
                yield found
                patience.renew()
            elif not self._done and not patience.wait():
                raise self.late()

    def poll(self) -> Block | None:
        """Return the next block if it is there, else None, at once; None as well once the reader is `done`.

        Raises the same errors as iterating does, but for TimedOutError. Needs no entering; then `close` ends it.
        """
        if self._done or (self._header is None and not self.ready()):
            return None
        found = self._take()
        return None if found is None else self._checked(*found)

    def ready(self) -> bool:
        """Look for the first step, without waiting, and tell whether the header is known."""
        if self._header is not None:
            return True
        # ADIOS2 has the attributes only once a step was begun.
        found = self._source.look()
        if found is False:
            raise self._source.ended()
        if found:
            self._in_step = True
            self._read_header()
        return bool(found)

    def late(self) -> TimedOutError:
        """Return the error for a step that did not come in time."""
        return self._source.late(self._timeout_s)

    def close(self) -> None:
        """Let go of the band, for those who `poll` without entering."""
        self._source.close() if self._done else self._source.drop()

    def _entered(self, value: BandHeader | None) -> BandHeader:
        if value is None:
            raise DatasetError(f"{self._source.path}: the reader is not open; use it in a `with` statement")
        return value

    def _checked(self, block: Block, wrong: tuple[str, ...]) -> Block:
        if wrong:
            raise CorruptError(f"{self._source.path}: {'; '.join(wrong)}; the bytes are not those written; {REMEDY}")
        return block

    def _take(self) -> CheckedBlock | None:
        """Return the next block asked for, if it is there; see to it whether the end has come."""
        while not self._done:
            if not self._in_step:
                found = self._source.look()
                if found is None:
                    return None
                if not found:
                    self._end()
                    return None
                self._in_step = True
            taken = self._read_step()
            if taken is not None:
                return taken
        return None

    def _read_step(self) -> CheckedBlock | None:
        """Read the step that was begun, and end it; None if it holds no dump asked for."""
        source, header = self._source, self.whole_header
        if self._next_dump >= header.n_dumps:
            raise CorruptError(f"{source.path}: there are steps after the last dump, {header.n_dumps - 1}")
        where = str(source.path)
        first = None if source.is_live else self._next_dump
        step = source.guarded(lambda: begin_block(source.io, source.engine, header, first, where))
        self._note_gap(step.dumps.start)
        inside = range(max(step.dumps.start, self._dumps.start), min(step.dumps.stop, self._dumps.stop))
        taken = None
        if inside:
            part = Part(self._selection.wanted, inside, self._chosen, self._selection.verify)
            at_once = ALL_BYTES if source.is_live else CHUNK_BYTES
            taken = source.guarded(lambda: read_block(source.io, source.engine, step, part, self._room, at_once))
        source.engine.end_step()
        self._in_step = False
        self._advance(step.dumps.stop)
        return taken

    def _advance(self, next_dump: int) -> None:
        self._next_dump = self._source.next_dump = next_dump
        # The last dump of all is followed by the end of the band, which is looked for; others are not.
        self._done = self._dumps.stop <= next_dump < self.whole_header.n_dumps

    def _note_gap(self, first: int) -> None:
        """Keep in mind the dumps that a live stream did not bring."""
        lost = range(max(self._next_dump, self._dumps.start), min(first, self._dumps.stop))
        if lost:
            if not self._gaps:
                raise IncompleteError(
                    f"{self._source.path}: dumps {lost.start} to {lost.stop - 1} did not come: the stream was joined "
                    "late, or dropped them because its queue was full; read the files, or pass gaps=True to go on "
                    "and look at `missed`"
                )
            self._missed.append(lost)

    def _end(self) -> None:
        """Take the end of the band."""
        if self._next_dump < self.whole_header.n_dumps:
            # A stream's writer closes it only in good order: what is lacking was dropped.
            if not self._source.is_live:
                raise self._source.ended()
            self._note_gap(self.whole_header.n_dumps)
            self._next_dump = self.whole_header.n_dumps
        self._done = True

    def _read_header(self) -> None:
        source = self._source
        header = source.guarded(lambda: read_header(source.io, str(source.path)))
        for name, expected in self._expected.items():
            found = getattr(header, name)
            if found != expected:
                raise CorruptError(
                    f"{source.path}: {name} is {found}, the manifest says {expected}; "
                    "the band belongs to another dataset, put the right one back"
                )
        source.n_dumps = header.n_dumps
        self._dumps = self._selection.chosen_dumps(header.n_dumps)
        self._chosen = self._selection.chosen_baselines(header)
        cut = header if self._chosen is None else dataclasses.replace(header, baselines=header.baselines[self._chosen])
        self._whole, self._header = header, cut
