"""What is gridded: the cross-correlations of a band that have a weight and are wanted, dump by dump."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError, CorruptError
from pipeline.products.settings import STOKES, ImageSettings

if TYPE_CHECKING:
    from pipeline.config.image import UVDistance
    from pipeline.dataset.schema import BandHeader, Block

SPEED_OF_LIGHT_M_S = 299_792_458.0

#: What the density of samples needs of a dataset; reading the visibilities as well would cost far more.
DENSITY_VARIABLES = ("station_uvw", "weight")

#: What imaging needs.
IMAGE_VARIABLES = (*DENSITY_VARIABLES, "vis")


Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


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

    dump is their dump's index; baseline (row,) intp their baselines' in the header; uvw (row, 3) float64 m;
    weight (row, channel) float64, zero for a sample left out; vis (stokes, row, channel) complex128 Jy.
    """

    dump: int
    baseline: Indices
    uvw: Floats
    weight: Floats
    vis: NDArray[np.complex128]


class Selection:
    """Turns blocks into samples, dump by dump, and keeps count of what the image's uv range leaves out."""

    def __init__(self, header: BandHeader, settings: ImageSettings) -> None:
        self.header = header
        self.settings = settings
        self.cross = np.flatnonzero(header.baselines[:, 0] != header.baselines[:, 1])
        self.stations = header.baselines[self.cross]
        self.uv_limit = 0.5 / settings.cell_rad
        self.wavenumber = np.asarray(header.channel_hz, np.float64) / SPEED_OF_LIGHT_M_S
        self.factors = np.array(
            [[STOKES[letter].get(pol, 0) for pol in header.polarisations] for letter in settings.stokes]
        )
        self.weight_seen = 0.0
        self.weight_kept = 0.0

    @property
    def fraction_left_out(self) -> float:
        """Share of the weight asked for that the image's uv range left out."""
        return 1 - self.weight_kept / self.weight_seen if self.weight_seen else 0.0

    def geometry(self, block: Block) -> Iterator[tuple[int, Indices, Floats, Floats]]:
        """Yield, dump by dump, its index in the block, the baselines with a weight, uvw and weight."""
        for time in range(block.weight.shape[0]):
            uvw = block.station_uvw[time][self.stations[:, 0]] - block.station_uvw[time][self.stations[:, 1]]
            weight = block.weight[time].T[self.cross].astype(np.float64)
            self._keep_wanted(uvw, weight)
            self.weight_seen += float(weight.sum())
            reach_m = np.abs(uvw[:, :2]).max(axis=1, initial=0)
            weight[reach_m[:, None] * self.wavenumber > self.uv_limit] = 0
            self.weight_kept += float(weight.sum())
            kept = np.flatnonzero(weight.any(axis=1))
            yield time, self.cross[kept], uvw[kept], weight[kept]

    def _keep_wanted(self, uvw: Floats, weight: Floats) -> None:
        """Set the weights (row, channel) outside `image.uv_range` to zero."""
        settings = self.settings
        if settings.uv_min is None and settings.uv_max is None:
            return
        distance_m = np.hypot(uvw[:, 0], uvw[:, 1])[:, None]
        if settings.uv_min is not None:
            weight[self._in_its_unit(distance_m, settings.uv_min) < settings.uv_min.value] = 0
        if settings.uv_max is not None:
            weight[self._in_its_unit(distance_m, settings.uv_max) > settings.uv_max.value] = 0

    def _in_its_unit(self, distance_m: Floats, limit: UVDistance) -> Floats:
        """Return the distances (row, channel) in the unit of a limit."""
        return distance_m * (self.wavenumber if limit.in_wavelengths else np.ones_like(self.wavenumber))

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
            dump = int(block.dump[time])
            if not np.isfinite(vis).all():
                raise CorruptError(
                    f"band {self.header.band}, dump {dump}: a visibility with a weight is "
                    f"not finite; such a sample must have weight zero. Make the dataset anew"
                )
            yield Samples(dump, baseline, uvw, weight, vis)

    def wavelengths(self, uvw: Floats, weight: Floats) -> tuple[NDArray[np.bool_], Floats, Floats]:
        """Return the mask of samples with a weight (row, channel), and their u and v in wavelengths."""
        used = weight > 0
        u = (uvw[:, 0:1] * self.wavenumber)[used]
        v = (uvw[:, 1:2] * self.wavenumber)[used]
        return used, u, v


def wanted_baselines(settings: ImageSettings) -> Callable[[BandHeader], NDArray[np.bool_]] | None:
    """Return the rule by which baselines are read, for `Dataset.band`; None if all are.

    The rule raises ConfigError for a pattern that fits no station.
    """
    if not settings.stations and not settings.without_stations:
        return None

    def wanted(header: BandHeader) -> NDArray[np.bool_]:
        names = header.station_names
        kept = _named(names, settings.stations, "image.stations") if settings.stations else np.ones(len(names), bool)
        kept &= ~_named(names, settings.without_stations, "image.without_stations")
        return np.asarray(kept[header.baselines].all(axis=1))

    return wanted


def _named(names: tuple[str, ...], patterns: tuple[str, ...], key: str) -> NDArray[np.bool_]:
    """Return which stations the patterns name, (station,) bool."""
    found = np.zeros(len(names), bool)
    for pattern in patterns:
        fits = np.array([fnmatch.fnmatchcase(name, pattern) for name in names])
        if not fits.any():
            raise ConfigError(
                f"{key}: {pattern!r} fits no station; there are {len(names)}, {names[0]!r} to {names[-1]!r}, "
                "and patterns such as 'S1*'"
            )
        found |= fits
    return found
