"""What is gridded: the cross-correlations of a band that have a weight, dump by dump."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import CorruptError
from pipeline.products.settings import STOKES, ImageSettings

if TYPE_CHECKING:
    from pipeline.dataset.schema import BandHeader, Block

SPEED_OF_LIGHT_M_S = 299_792_458.0

#: What the density of samples needs of a dataset; reading the visibilities as well would cost far more.
DENSITY_VARIABLES = ("station_uvw", "weight")

#: What imaging needs.
IMAGE_VARIABLES = (*DENSITY_VARIABLES, "vis")


Floats = NDArray[np.float64]


class Band(Protocol):
    """What is read of one band: its header, then its blocks in order."""

    @property
    def header(self) -> BandHeader:
        """What holds for the whole band."""

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks."""


OpenBand = Callable[[tuple[str, ...]], AbstractContextManager[Band]]


@dataclass(frozen=True)
class Samples:
    """Some visibilities of cross-correlations that have a weight.

    uvw (row, 3) float64 m; weight (row, channel) float64, zero for a sample left out;
    vis (stokes, row, channel) complex128 Jy.
    """

    uvw: Floats
    weight: Floats
    vis: NDArray[np.complex128]


class Selection:
    """Turns blocks into samples, dump by dump, and keeps count of what the uv range leaves out."""

    def __init__(self, header: BandHeader, settings: ImageSettings) -> None:
        self.header = header
        self.cross = np.flatnonzero(header.baselines[:, 0] != header.baselines[:, 1])
        self.stations = header.baselines[self.cross]
        self.uv_limit = 0.5 / settings.cell_rad
        self.wavenumber = np.asarray(header.channel_hz, np.float64) / SPEED_OF_LIGHT_M_S
        self.factors = np.array(
            [[STOKES[letter].get(pol, 0) for pol in header.polarisations] for letter in settings.stokes]
        )
        self.weight_seen = 0.0
        self.weight_kept = 0.0

    def geometry(self, block: Block) -> Iterator[tuple[int, NDArray[np.intp], Floats, Floats]]:
        """Yield, dump by dump, its index in the block, the baselines with a weight, uvw and weight."""
        for time in range(block.weight.shape[0]):
            uvw = block.station_uvw[time][self.stations[:, 0]] - block.station_uvw[time][self.stations[:, 1]]
            weight = block.weight[time].T[self.cross].astype(np.float64)
            self.weight_seen += float(weight.sum())
            reach_m = np.abs(uvw[:, :2]).max(axis=1, initial=0)
            weight[reach_m[:, None] * self.wavenumber > self.uv_limit] = 0
            self.weight_kept += float(weight.sum())
            kept = np.flatnonzero(weight.any(axis=1))
            yield time, self.cross[kept], uvw[kept], weight[kept]

    def samples(self, block: Block) -> Iterator[Samples]:
        """Yield the samples of one dump after the other.

        Raises
        ------
        CorruptError
            If a visibility that has a weight is not finite.
        """
        for time, baseline, uvw, weight in self.geometry(block):
            vis = np.einsum("sp,cbp->sbc", self.factors, block.vis[time][:, baseline])
            vis[:, weight == 0] = 0
            if not np.isfinite(vis).all():
                raise CorruptError(
                    f"band {self.header.band}, dump {int(block.dump[time])}: a visibility with a weight is "
                    f"not finite; such a sample must have weight zero. Make the dataset anew"
                )
            yield Samples(uvw, weight, vis)

    def wavelengths(self, uvw: Floats, weight: Floats) -> tuple[NDArray[np.bool_], Floats, Floats]:
        """Return the mask of samples with a weight (row, channel), and their u and v in wavelengths."""
        used = weight > 0
        u = (uvw[:, 0:1] * self.wavenumber)[used]
        v = (uvw[:, 1:2] * self.wavenumber)[used]
        return used, u, v
