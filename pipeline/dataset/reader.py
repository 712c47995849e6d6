"""Reading of datasets and live streams: what is there, and readers for its bands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.dataset.band import BandReader, Patience
from pipeline.dataset.manifest import Manifest, read_manifest, read_observation
from pipeline.dataset.schema import VARIABLE_NAMES, Block
from pipeline.dataset.select import Baselines, Dumps, Selection
from pipeline.dataset.source import FileSource
from pipeline.errors import DatasetError

__all__ = ["BandReader", "Dataset", "open_dataset"]


@dataclass(frozen=True)
class Dataset:
    """A dataset that was opened: its manifest and configuration, and readers for its bands.

    Attributes
    ----------
    path : Path
        Its folder.
    manifest : Manifest
        As it was when the dataset was opened.
    observation : dict
        The effective configuration, observation.yaml.
    """

    path: Path
    manifest: Manifest
    observation: dict[str, Any]

    @property
    def n_bands(self) -> int:
        """Number of bands."""
        return len(self.manifest.bands)

    def band(
        self,
        index: int,
        *,
        variables: tuple[str, ...] = VARIABLE_NAMES,
        baselines: Baselines | None = None,
        dumps: Dumps | None = None,
        timeout_s: float = 0.0,
        verify: bool = True,
    ) -> BandReader:
        """Return a reader of one band; one reader goes through the band once.

        Parameters
        ----------
        index : int
            Index of the band.
        variables : tuple of str
            The variables to read; ``dump`` and ``time_utc`` always are.
        baselines : optional
            Indices, a slice of them, or a rule such as `select.by_length`; the header and the blocks then hold
            only these, in the band's order. None: all.
        dumps : range or slice, optional
            A stretch of dumps. Steps without any of them are passed over unread. None: all.
        timeout_s : float, s
            How long to wait for each step of a band that is still being written. 0: do not wait.
        verify : bool
            Compare the checksums of ``vis`` and ``weight``, which are of a writer's whole part of a step: all of that
            is read, and then cut. If not, only the chosen bytes are read, and a change of them goes unseen.
            All other variables are small and are always verified.

        Raises
        ------
        DatasetError
            If there is no such band or variable. What else is chosen is checked when the band is opened.
        """
        if not 0 <= index < self.n_bands:
            raise DatasetError(f"{self.path}: no band {index}; it has bands 0 to {self.n_bands - 1}")
        entry = self.manifest.bands[index]
        selection = Selection(variables, baselines, dumps, verify)
        expected = {
            "band": entry.index,
            "channels": entry.channels,
            "config_sha256": self.manifest.config_sha256,
        }
        source = FileSource(self.path / entry.path, index, timeout_s > 0, self.manifest.state == "running")
        return BandReader(source, selection, expected, timeout_s)

    def blocks(
        self, bands: Iterable[int] | None = None, *, at_once: int = 1, timeout_s: float = 0.0, **options: Any
    ) -> Iterator[tuple[BandReader, Block]]:
        """Yield the blocks of several bands, each with its reader: ``reader.header`` says which band it is of.

        Parameters
        ----------
        bands : iterable of int, optional
            The bands, in the order in which they are begun. None: all.
        at_once : int
            How many bands are read at the same time; their blocks come in turns, as they are there. 1: band after
            band.
        timeout_s : float, s
            How long to wait for a block of any of these bands. 0: do not wait.
        options
            As `band` takes them, the same for all bands.

        Raises
        ------
        DatasetError
            What a reader raises; the other bands are not read on then.
        """
        waiting = list(range(self.n_bands) if bands is None else bands)
        reading: list[BandReader] = []
        patience = Patience(timeout_s)
        with ExitStack() as stack:
            while waiting or reading:
                while waiting and len(reading) < at_once:
                    reading.append(self.band(waiting.pop(0), timeout_s=timeout_s, **options))
                    stack.callback(reading[-1].close)
                before = len(reading)
                came = False
                for reader in reading:
                    block = reader.poll()
                    if block is not None:
                        came = True
                        yield reader, block
                for reader in [reader for reader in reading if reader.done]:
                    reader.close()
                    reading.remove(reader)
                if came or len(reading) < before:
                    patience.renew()
                elif not patience.wait():
                    raise reading[0].late()


def open_dataset(path: Path) -> Dataset:
    """Open a dataset.

    Raises
    ------
    DatasetError
        If `path` is no dataset, or one of another version of the format.
    IncompleteError, CorruptError
        If the manifest or the configuration is not whole.
    """
    path = Path(path)
    manifest = read_manifest(path)
    return Dataset(path, manifest, read_observation(path, manifest))
