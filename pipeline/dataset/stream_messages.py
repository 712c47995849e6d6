"""What a rank and the process that streams a band for it tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.dataset.schema import BandHeader


@dataclass(frozen=True)
class Stream:
    """What the stream of a band is to be.

    Attributes
    ----------
    contact : Path
        The file through which readers find it.
    header : BandHeader
        Of the band.
    n_block_dumps : int
        The most dumps in a block.
    queue : int
        The most blocks kept for readers.
    when_full : str
        "discard" or "block".
    readers : int
        Readers to wait for.
    """

    contact: Path
    header: BandHeader
    n_block_dumps: int
    queue: int
    when_full: str
    readers: int

    @property
    def n_slots(self) -> int:
        """Blocks there is room for on their way to the process; two, so that one is filled while the other is put."""
        return max(self.queue, 2)


@dataclass(frozen=True)
class Ready:
    """Said by the process of a band once the stream is open."""


@dataclass(frozen=True)
class Closed:
    """Said by the process of a band once its readers have everything."""


@dataclass(frozen=True)
class Failed:
    """Said by the process of a band when ADIOS2 fails."""

    reason: str
