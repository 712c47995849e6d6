"""A dataset dump by dump, as plots need it: what has a weight, in the polarisation asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError, CorruptError
from pipeline.products.settings import STOKES

if TYPE_CHECKING:
    from pipeline.dataset.reader import Dataset
    from pipeline.dataset.schema import BandHeader

SPEED_OF_LIGHT_M_S = 299_792_458.0

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Dump:
    """One dump of one band: its cross-correlations.

    Attributes
    ----------
    header
        The band's.
    index
        Of the dump.
    pairs
        (baseline, 2) int32, stations of each baseline.
    uvw_m
        (baseline, 3) float64.
    weight
        (channel, baseline) float64; 0 where flagged.
    vis
        (channel, baseline) complex128, Jy, 0 where flagged; no baselines if it was not asked for.
    """

    header: BandHeader
    index: int
    pairs: NDArray[np.int32]
    uvw_m: Floats
    weight: Floats
    vis: NDArray[np.complex128]

    @property
    def wavenumber(self) -> Floats:
        """Wavelengths a metre: (channel,) float64."""
        return np.asarray(self.header.channel_hz, np.float64) / SPEED_OF_LIGHT_M_S


def polarisation_factors(name: str, polarisations: Sequence[str]) -> NDArray[np.complex128]:
    """Return what each polarisation is multiplied with before they are summed.

    Parameters
    ----------
    name
        A Stokes parameter or one of `polarisations`.
    polarisations
        Those of the band.

    Raises
    ------
    ConfigError
        If there is no such polarisation.
    """
    parts = STOKES.get(name, {name: 1})
    if not set(parts) <= set(polarisations):
        raise ConfigError(f"--pol: {name!r} is not known; use one of {', '.join((*STOKES, *polarisations))}")
    return np.array([parts.get(polarisation, 0) for polarisation in polarisations], np.complex128)


def read_dumps(
    dataset: Dataset, bands: Sequence[int], polarisation: str | None, progress: Progress | None = None
) -> Iterator[Dump]:
    """Yield the dumps of some bands, band after band, a block in memory at a time.

    Parameters
    ----------
    dataset
        That was opened.
    bands
        Indices of its bands.
    polarisation
        Which to read, "I" or "XX" and the like; None to read no visibilities.
    progress
        Called with the blocks read and all there are.

    Raises
    ------
    ConfigError
        If there is no such polarisation.
    DatasetError
        If a band cannot be read.
    CorruptError
        If a visibility that has a weight is not finite.
    """
    names = ("station_uvw", "weight") if polarisation is None else ("station_uvw", "weight", "vis")
    n_read, n_all = 0, sum(dataset.manifest.bands[band].steps for band in bands)
    for index in bands:
        with dataset.band(index, variables=names) as band:
            header = band.header
            factors = None if polarisation is None else polarisation_factors(polarisation, header.polarisations)
            cross = np.flatnonzero(header.baselines[:, 0] != header.baselines[:, 1])
            pairs = header.baselines[cross]
            for block in band:
                for time, number in enumerate(block.dump):
                    uvw = block.station_uvw[time][pairs[:, 0]] - block.station_uvw[time][pairs[:, 1]]
                    weight = block.weight[time][:, cross].astype(np.float64)
                    vis = np.zeros((len(header.channel_hz), 0), np.complex128)
                    if factors is not None:
                        vis = _chosen(block.vis[time][:, cross], factors, weight, f"band {index}, dump {number}")
                    yield Dump(header, int(number), pairs, uvw, weight, vis)
                n_read += 1
                if progress is not None:
                    progress(n_read, n_all)


def _chosen(
    vis: NDArray[np.complex64], factors: NDArray[np.complex128], weight: Floats, where: str
) -> NDArray[np.complex128]:
    """Sum polarisations times factors: (channel, baseline), 0 where flagged."""
    used = np.flatnonzero(factors)
    # What is flagged may be anything, and not a number times zero is none either.
    kept = np.where(weight[..., None] == 0, 0, vis[..., used])
    with np.errstate(invalid="ignore"):  # an error, below
        summed = kept.astype(np.complex128) @ factors[used]
    if not np.isfinite(summed).all():
        raise CorruptError(
            f"{where}: a visibility with a weight is not finite; such a sample must have weight zero. "
            f"Make the dataset anew"
        )
    return summed
