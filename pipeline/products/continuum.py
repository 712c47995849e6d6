"""All bands of a dataset into one image, each gridded at its own frequencies (multi-frequency synthesis).

Sums over bands are added in order of band, so the image is the same bits for any number of ranks. Its spectrum is taken
for flat: what a source's spectral index does across the bands stays in the image, at the effective frequency to first
order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError, DawnstreamError
from pipeline.products.cubeheader import edges_hz
from pipeline.products.image import BandImage, BandSums, divided, measure_density
from pipeline.products.ranks import Communicator, OrderedTotal, rounds
from pipeline.products.samples import OpenBand
from pipeline.products.settings import ImageSettings
from pipeline.products.weighting import UVDensity

Floats = NDArray[np.float64]
#: A band's index, and what it came to; the images may have been let go.
Gridded = tuple[int, BandSums]
#: Opens a band by its index; called anew for each reading.
Bands = Callable[[int], OpenBand]
#: Grids a band, given the density of all samples; anything else `grid_band` needs is known to it.
GridBand = Callable[[int, UVDensity | None], BandSums]


@dataclasses.dataclass(frozen=True)
class Continuum:
    """One image of many bands.

    Attributes
    ----------
    image
        The image; its frequency is the middle of all bands, its header that of the first.
    effective_hz
        Mean of the bands' frequencies, by imaging weight.
    fine_channels
        Fine channels that went into it.
    bands
        Indices of the bands that did.
    """

    image: BandImage
    effective_hz: float
    fine_channels: int
    bands: tuple[int, ...]


def image_continuum(
    n_bands: int,
    bands: Bands,
    settings: ImageSettings,
    ranks: Communicator,
    grid: GridBand,
    progress: Callable[[], None] | None = None,
) -> tuple[Continuum, dict[int, DatasetError]]:
    """Image all bands together.

    Parameters
    ----------
    n_bands
        Number of bands.
    bands
        Opens them.
    settings
        How to image.
    ranks
        That share the bands; each makes this call.
    grid
        Grids one band.
    progress
        Called after every block while the density is measured.

    Returns
    -------
    Continuum
        The same on every rank.
    dict
        The error of each band that could not be read and is not in the image, by its index.

    Raises
    ------
    DatasetError
        If no band can be imaged: the error of the first.
    """
    missing: dict[int, DatasetError] = {}
    while True:
        density = None
        if settings.weight != "natural":
            density, unread = _density(n_bands, bands, settings, ranks, missing, progress)
            missing |= unread
        continuum, lost = _summed(n_bands, settings, ranks, missing, density, grid)
        missing |= lost
        if continuum is None:
            raise missing[min(missing)]
        if not lost or density is None:
            return continuum, dict(sorted(missing.items()))
        # The weights are those of samples that are not in the image: once more without them.


def _density(
    n_bands: int,
    bands: Bands,
    settings: ImageSettings,
    ranks: Communicator,
    missing: Mapping[int, DatasetError],
    progress: Callable[[], None] | None,
) -> tuple[UVDensity, dict[int, DatasetError]]:
    """Return the density of the samples of all bands together, and the errors of those that cannot be read."""
    shape = UVDensity.empty(settings.size, settings.cell_rad).sums.shape
    total = OrderedTotal(ranks, (1, *shape))
    lost: dict[int, DawnstreamError] = {}
    for index in rounds(n_bands, ranks):
        own = None
        if index is not None and index not in missing:
            try:
                own = measure_density(bands(index), settings, progress).sums[None]
            except DawnstreamError as error:
                lost[index] = error
        total.add(own)
    density = UVDensity(settings.size, settings.cell_rad, total.everywhere()[0])
    return density, _joined(ranks.allgather(lost))


def _summed(
    n_bands: int,
    settings: ImageSettings,
    ranks: Communicator,
    missing: Mapping[int, DatasetError],
    density: UVDensity | None,
    grid: GridBand,
) -> tuple[Continuum | None, dict[int, DatasetError]]:
    """Return the image of all bands but those `missing`, and the errors of others; None if that leaves none."""
    n_planes = len(settings.stokes) + 2 + (settings.primary_beam_cut is not None)
    total = OrderedTotal(ranks, (n_planes, settings.size, settings.size))
    own: list[Gridded] = []
    lost: dict[int, DawnstreamError] = {}
    for index in rounds(n_bands, ranks):
        planes = None
        if index is not None and index not in missing:
            try:
                sums = grid(index, density)
            except DawnstreamError as error:
                lost[index] = error
            else:
                planes = sums.images if sums.beam is None else np.concatenate([sums.images, sums.beam[None]])
                own.append((index, dataclasses.replace(sums, images=np.empty(0), beam=None)))
        total.add(planes)
    everyone = sorted((one for share in ranks.allgather(own) for one in share), key=lambda one: one[0])
    everything = total.everywhere()
    errors = _joined(ranks.allgather(lost))
    return (_image(everyone, everything, settings) if everyone else None), errors


def _joined(shares: list[dict[int, DawnstreamError]]) -> dict[int, DatasetError]:
    """Gather the errors of bands; an error that is not a band's own, such as a bad setting, is raised everywhere."""
    errors: dict[int, DatasetError] = {}
    for share in shares:
        for index, error in share.items():
            if not isinstance(error, DatasetError):
                raise error
            errors[index] = error
    return errors


def _image(bands: list[Gridded], planes: Floats, settings: ImageSettings) -> Continuum:
    """Divide the sums over all bands, and put down what belongs to them."""
    n_images = len(settings.stokes) + 2
    gridded = [sums for _, sums in bands]
    weight = sum(sums.weight for sums in gridded)
    edges = np.array([edges_hz(sums.header) for sums in gridded])
    low_hz, high_hz = float(edges.min()), float(edges.max())
    together = dataclasses.replace(
        gridded[0],
        images=planes[:n_images],
        beam=planes[n_images] if len(planes) > n_images else None,
        weight=weight,
        weight_seen=sum(sums.weight_seen for sums in gridded),
        weight_kept=sum(sums.weight_kept for sums in gridded),
        start_utc=min(sums.start_utc for sums in gridded),
    )
    image = divided(together, settings)
    return Continuum(
        image=dataclasses.replace(image, frequency_hz=(low_hz + high_hz) / 2, width_hz=high_hz - low_hz),
        effective_hz=sum(sums.weight * float(np.mean(sums.header.channel_hz)) for sums in gridded) / weight,
        fine_channels=sum(sums.header.channels[1] - sums.header.channels[0] for sums in gridded),
        bands=tuple(index for index, _ in bands),
    )
