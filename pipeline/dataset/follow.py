"""Following a run: what each block of its bands holds, as the blocks come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.patience import Patience
from pipeline.dataset.reader import Dataset, open_dataset
from pipeline.dataset.schema import VARIABLES, Block
from pipeline.errors import DatasetError, TimedOutError

AT_ONCE = 256
"""Bands whose files are looked at together: each that is open takes three file descriptors of usually 1024."""

PARALLEL_HANDS = slice(None, None, 3)
"""XX and YY of XX, XY, YX, YY."""


@dataclass(frozen=True)
class Amplitudes:
    """What the visibilities of a block are like.

    Attributes
    ----------
    mean_jy, rms_jy : float or None, Jy
        Mean of abs(V) and root of the mean of abs(V)^2 over XX and YY of all that is not flagged; None if all is.
    flagged : float
        Share of the samples (time, channel, baseline) with weight 0.
    """

    mean_jy: float | None
    rms_jy: float | None
    flagged: float


@dataclass(frozen=True)
class Followed:
    """A block that came.

    Attributes
    ----------
    band : int
        Of which band.
    dumps : tuple of int
        Its first and last dump.
    n_done, n_dumps : int
        Dumps of the band that came so far, and that there are.
    n_missed : int
        Dumps of the band that a stream did not bring so far.
    seconds : float, s
        Since following began.
    n_bytes : int
        Bytes of the block, as it is kept.
    amplitudes : Amplitudes or None
        None if they were not asked for.
    """

    band: int
    dumps: tuple[int, int]
    n_done: int
    n_dumps: int
    n_missed: int
    seconds: float
    n_bytes: int
    amplitudes: Amplitudes | None


def wait_for_dataset(path: Path, timeout_s: float, stream: bool = False) -> Dataset:
    """Open a dataset once it is there; `stream`: its streams, also where there are files.

    Raises
    ------
    TimedOutError
        If it is not there in time.
    DatasetError
        What `open_dataset` raises for one that cannot be read.
    """
    patience = Patience(timeout_s)
    while not path.exists():
        if not patience.wait():
            raise TimedOutError(f"{path}: no such folder within {timeout_s:g} s; is this the output.path of the run?")
    while True:
        try:
            dataset = open_dataset(path)
            return Dataset(path, dataset.manifest, dataset.observation, stream or not dataset.manifest.files)
        except DatasetError:
            # A run that has just begun makes the folder first, and then what is in it.
            if (path / "manifest.json").exists() or not patience.wait():
                raise


def follow(dataset: Dataset, timeout_s: float, amplitudes: bool = True) -> Iterator[Followed]:
    """Yield what is known of each block of all bands, as they come; end when the run has ended.

    Parameters
    ----------
    dataset : Dataset
        As `wait_for_dataset` returns it.
    timeout_s : float, s
        How long to wait for a block of any band.
    amplitudes : bool
        Read the visibilities, too; if not, only what tells of progress.

    Raises
    ------
    DatasetError
        What a reader raises: the writer died, no block came in time, what came is broken or not all.
    """
    began = time.monotonic()
    variables = ("vis", "weight") if amplitudes else ("dump",)
    done: dict[int, int] = {}
    at_once = None if dataset.live else AT_ONCE
    for reader, block in dataset.blocks(at_once=at_once, timeout_s=timeout_s, variables=variables, gaps=True):
        header = reader.header
        band, n_times = header.band, len(block.dump)
        done[band] = done.get(band, 0) + n_times
        sizes = {**header.sizes, "time": n_times}
        yield Followed(
            band=band,
            dumps=(int(block.dump[0]), int(block.dump[-1])),
            n_done=done[band],
            n_dumps=header.n_dumps,
            n_missed=sum(len(gap) for gap in reader.missed),
            seconds=time.monotonic() - began,
            n_bytes=sum(variable.n_bytes(sizes) for variable in VARIABLES),
            amplitudes=measure(block) if amplitudes else None,
        )


def measure(block: Block) -> Amplitudes:
    """Measure the amplitudes of a block's visibilities."""
    total, squares, n_kept = 0.0, 0.0, 0
    # Dump by dump: the copies are small then.
    for vis, weight in zip(block.vis, block.weight, strict=True):
        kept: NDArray[np.float32] = np.abs(vis[weight > 0][:, PARALLEL_HANDS])
        total += float(kept.sum(dtype=np.float64))
        squares += float(np.square(kept, dtype=np.float64).sum())
        n_kept += kept.size
    flagged = float((block.weight == 0).mean())
    if n_kept == 0:
        return Amplitudes(None, None, flagged)
    return Amplitudes(total / n_kept, float(np.sqrt(squares / n_kept)), flagged)
