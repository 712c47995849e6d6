"""What imaging a dataset takes, known before it begins."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pipeline.errors import PlanError
from pipeline.products.cubeset import CubeSet
from pipeline.products.primary_beam import DIRECTIONS_BYTES
from pipeline.products.settings import ImageSettings, memory_estimate
from pipeline.telemetry.describe import counted, human_bytes, rows

if TYPE_CHECKING:
    from pipeline.dataset.schema import BandHeader

_PIXEL_BYTES = 8


@dataclasses.dataclass(frozen=True)
class Shape:
    """What is read: the number of bands, the dumps of each, and the shape of its blocks."""

    n_bands: int
    n_stations: int
    n_baselines: int
    n_channels: int
    block_dumps: int
    n_dumps: int

    @classmethod
    def of_band(cls, n_bands: int, header: BandHeader, n_steps: int) -> Shape:
        """Return the shape of blocks of a band with so many steps."""
        block_dumps = -(-header.n_dumps // n_steps)
        n_stations, n_baselines, n_channels = header.sizes["station"], header.sizes["baseline"], header.sizes["channel"]
        return cls(n_bands, n_stations, n_baselines, n_channels, block_dumps, header.n_dumps)


@dataclasses.dataclass(frozen=True)
class ImagePlan:
    """What imaging takes.

    Attributes
    ----------
    n_ranks, n_local
        Ranks, and how many of them share a machine.
    shape
        What is read.
    at_once
        Bands that a rank images at the same time.
    readings
        How often a band is read.
    settings
        How it is imaged.
    memory_bytes
        What a rank needs at most, the interpreter and its modules aside.
    disk_bytes
        Of all files made.
    """

    n_ranks: int
    n_local: int
    shape: Shape
    at_once: int
    readings: int
    settings: ImageSettings
    memory_bytes: int
    disk_bytes: int

    def check_memory(self, limit_bytes: float | None, free_bytes: int) -> None:
        """Refuse what does not fit.

        Parameters
        ----------
        limit_bytes
            `image.memory`, for one rank; None: what is free, shared among the ranks of this machine.
        free_bytes
            Of this machine.

        Raises
        ------
        PlanError
            If a rank needs more.
        """
        limit = free_bytes / self.n_local if limit_bytes is None else min(limit_bytes, free_bytes / self.n_local)
        if self.memory_bytes <= limit:
            return
        what = "are free for it" if limit_bytes is None or limit < limit_bytes else "are allowed by image.memory"
        raise PlanError(
            f"imaging {self.settings.size} x {self.settings.size} pixels of Stokes {self.settings.stokes} needs "
            f"{human_bytes(self.memory_bytes)} on a rank, and {human_bytes(limit)} {what}; use fewer pixels "
            "(image.size), fewer Stokes parameters, or fewer ranks or threads on a machine"
        )

    def describe(self) -> str:
        """Say it to people."""
        settings, shape = self.settings, self.shape
        pixels = f"{settings.size} x {settings.size} pixels, Stokes {settings.stokes}, {settings.weight} weights"
        planes = f"1 image of {counted(shape.n_bands, 'band')}" if settings.continuum else f"{shape.n_bands} planes"
        blocks = f"{shape.block_dumps} dumps of {shape.n_baselines:,} baselines, {shape.n_stations} stations"
        together = "" if self.at_once == 1 else f", {self.at_once} bands at a time"
        return rows(
            [
                ("image", f"{pixels}; {planes}"),
                ("blocks", blocks),
                ("read", f"{counted(self.readings, 'time')}{together}"),
                ("ranks", f"{counted(self.n_ranks, 'rank')}, {counted(settings.n_threads, 'thread')} each"),
                ("memory", f"{human_bytes(self.memory_bytes)} on each rank, beside what Python itself takes"),
                ("disk", human_bytes(self.disk_bytes)),
            ]
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return dataclasses.asdict(self)


def plan_images(
    shape: Shape, settings: ImageSettings, files: CubeSet, ranks: tuple[int, int], follows: bool, at_once: int = 1
) -> ImagePlan:
    """Plan the imaging of a dataset.

    Parameters
    ----------
    shape
        What is read.
    settings, files
        How it is imaged, and into which files.
    ranks
        How many there are, and how many of them share a machine.
    follows
        Quick looks are shown.
    at_once
        Bands that a rank images at the same time.
    """
    n_images = len(settings.stokes) + 2 + (settings.primary_beam_cut is not None)
    image = settings.size**2 * _PIXEL_BYTES
    read = (shape.n_baselines, shape.n_channels, shape.block_dumps, shape.n_stations, shape.n_dumps)
    one_band = memory_estimate(settings, *read)
    memory = at_once * one_band
    # A band's images divided, and one plane turned into float32 and its bytes.
    memory += n_images * image + image
    if settings.continuum:
        # The sum as it comes from all ranks and the rank's own slice; a plane as sent and as received.
        memory += 2 * n_images * image + n_images * image // ranks[0] + 3 * image
    if settings.primary_beam_cut is not None:
        # All stations may be of kinds of their own: weights of pairs; answers; directions and sums of all pixels.
        memory += 4 * at_once * shape.n_stations**2 * _PIXEL_BYTES + DIRECTIONS_BYTES + 16 * image
    if follows:
        memory += 5 * image
    return ImagePlan(
        n_ranks=ranks[0],
        n_local=ranks[1],
        shape=shape,
        at_once=at_once,
        readings=1 if settings.weight == "natural" else 3 if follows else 2,
        settings=settings,
        memory_bytes=memory,
        disk_bytes=files.n_bytes,
    )
