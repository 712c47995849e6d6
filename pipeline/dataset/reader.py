"""Reading of datasets and live streams: what is there, and readers for its bands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.dataset.band import BandReader
from pipeline.dataset.manifest import BandEntry, Manifest, read_manifest, read_observation
from pipeline.dataset.patience import Patience
from pipeline.dataset.schema import VARIABLE_NAMES, Block
from pipeline.dataset.select import Baselines, Dumps, Selection
from pipeline.dataset.source import FileSource, Source
from pipeline.dataset.stream_source import StreamSource
from pipeline.errors import DatasetError

__all__ = ["BandReader", "Dataset", "open_dataset", "open_stream"]


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
    live : bool
        Bands are read from their streams, not from their files.
    """

    path: Path
    manifest: Manifest
    observation: dict[str, Any]
    live: bool = False

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
        gaps: bool = False,
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
        gaps : bool
            Of a live stream: go on over dumps that never came, because the reader joined late or the stream dropped
            them, and keep them in ``missed``. If not, they are an IncompleteError.

        Raises
        ------
        DatasetError
            If there is no such band or variable, or the dataset does not have its bands in files, or in streams.
            What else is chosen is checked when the band is opened.
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
        return BandReader(self._source(entry, timeout_s > 0), selection, expected, timeout_s, gaps)

    def _source(self, entry: BandEntry, waits: bool) -> Source:
        band_path = self.path / entry.path if self.manifest.files else None
        if self.live:
            if entry.stream is None:
                raise DatasetError(f"{self.path}: band {entry.index} is not streamed (output.stream); read its files")
            return StreamSource(self.path / entry.stream, self.path, band_path)
        if band_path is None:
            raise DatasetError(
                f"{self.path}: its bands were streamed only (output.stream.files: false), there is no file to read"
            )
        return FileSource(band_path, entry.index, waits and self.manifest.state == "running")

    def blocks(
        self, bands: Iterable[int] | None = None, *, at_once: int | None = None, timeout_s: float = 0.0, **options: Any
    ) -> Iterator[tuple[BandReader, Block]]:
        """Yield the blocks of several bands, each with its reader: ``reader.header`` says which band it is of.

        Parameters
        ----------
        bands : iterable of int, optional
            The bands, in the order in which they are begun. None: all.
        at_once : int, optional
            How many bands are read at the same time; their blocks come in turns, as they are there. None: one, or
            all if they are live, since a stream drops what is not taken.
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
        most = at_once or (len(waiting) if self.live else 1)
        reading: list[BandReader] = []
        patience = Patience(timeout_s)
        with ExitStack() as stack:
            while waiting or reading:
                while waiting and len(reading) < most:
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


def open_dataset(path: Path, live: bool = False) -> Dataset:
    """Open a dataset.

    Parameters
    ----------
    path : Path
        Its folder.
    live : bool
        Read the bands from the streams of the run that is making it, not from its files.

    Raises
    ------
    DatasetError
        If `path` is no dataset, or one of another version of the format.
    IncompleteError, CorruptError
        If the manifest or the configuration is not whole.
    """
    path = Path(path)
    manifest = read_manifest(path)
    return Dataset(path, manifest, read_observation(path, manifest), live)


def open_stream(
    contact: Path,
    *,
    variables: tuple[str, ...] = VARIABLE_NAMES,
    baselines: Baselines | None = None,
    dumps: Dumps | None = None,
    timeout_s: float = 0.0,
    verify: bool = True,
    gaps: bool = False,
) -> BandReader:
    """Return a reader of the stream whose contact file this is, such as ``NAME.dawn/stream/band-00000.sst``.

    For a contact file that was copied away from its dataset, too. All else is as for `Dataset.band`.
    """
    selection = Selection(variables, baselines, dumps, verify)
    return BandReader(StreamSource.of_contact(Path(contact)), selection, {}, timeout_s, gaps)
