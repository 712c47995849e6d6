"""The files of an image: the image itself and what belongs to it, written together and named once all are whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.products.cubefile import CubeFile
from pipeline.products.cubeheader import BandSummary, Content, cube_header
from pipeline.products.image import BandImage
from pipeline.products.settings import ImageSettings

Floats = NDArray[np.float64]


def psf_path(output: Path) -> Path:
    """Return where the point-spread functions of a cube go: ``cube-psf.fits`` beside ``cube.fits``."""
    return _beside(output, "psf")


def sampling_path(output: Path) -> Path:
    """Return where the point-spread functions without w term go: ``cube-sampling.fits`` beside ``cube.fits``."""
    return _beside(output, "sampling")


def primary_beam_path(output: Path) -> Path:
    """Return where the primary beam goes: ``cube-pb.fits`` beside ``cube.fits``."""
    return _beside(output, "pb")


def corrected_path(output: Path) -> Path:
    """Return where the image corrected for the primary beam goes: ``cube-pbcor.fits`` beside ``cube.fits``."""
    return _beside(output, "pbcor")


def _beside(output: Path, what: str) -> Path:
    return output.with_name(f"{output.stem}-{what}{output.suffix}")


@dataclass(frozen=True)
class _Member:
    """One of the files: what it holds, its Stokes parameters, and how its planes come from an image."""

    file: CubeFile
    content: Content
    stokes: str
    planes: Callable[[BandImage], Floats]


class CubeSet:
    """The files of an image.

    Parameters
    ----------
    output
        Where the image goes; the others go beside it.
    settings
        How it is made, which tells what belongs to it.
    n_planes
        Along the frequency axis.
    """

    def __init__(self, output: Path, settings: ImageSettings, n_planes: int) -> None:
        self.output, self._settings = output, settings
        pixels = (settings.size, settings.size)

        def member(path: Path, content: Content, stokes: str, planes: Callable[[BandImage], Floats]) -> _Member:
            return _Member(CubeFile(path, (len(stokes), n_planes, *pixels)), content, stokes, planes)

        members = [
            member(output, "dirty", settings.stokes, lambda image: image.dirty),
            member(psf_path(output), "psf", "I", lambda image: image.psf[None]),
            member(sampling_path(output), "sampling", "I", lambda image: image.sampling[None]),
        ]
        if settings.primary_beam_cut is not None:
            members += [
                member(primary_beam_path(output), "primary-beam", "I", lambda image: _beam_of(image)[None]),
                member(corrected_path(output), "corrected", settings.stokes, self._corrected),
            ]
        self._members = tuple(members)

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(member.file.n_bytes for member in self._members)

    def refuse_existing(self, overwrite: bool, looks: bool) -> None:
        """Leave alone what is there, unless told otherwise; one rank `looks`.

        Raises
        ------
        DatasetError
            If a file exists and must not be replaced, or is a folder.
        """
        for member in self._members:
            path = member.file.path
            if path.is_dir():
                raise DatasetError(f"{path} is a folder; name a file for the image, such as cube.fits")
            if looks and path.exists() and not overwrite:
                raise DatasetError(f"{path} exists; choose another output, or pass --overwrite")

    def create(self) -> None:
        """Make room for the files, on one rank."""
        for member in self._members:
            member.file.create()

    def write(self, plane: int, image: BandImage) -> None:
        """Write an image to its planes, on any rank."""
        for member in self._members:
            for stokes, pixels in enumerate(member.planes(image)):
                member.file.write_plane(stokes, plane, pixels)

    def write_blank(self, plane: int) -> None:
        """Write planes of NaN, on any rank."""
        blank = np.full((self._settings.size, self._settings.size), np.nan)
        for member in self._members:
            for stokes in range(len(member.stokes)):
                member.file.write_plane(stokes, plane, blank)

    def finish(self, summaries: Sequence[BandSummary], names: dict[str, str]) -> None:
        """Write the headers and give the files their names, the image last, on one rank.

        Parameters
        ----------
        summaries
            One for each plane.
        names
            Values of OBJECT and TELESCOP.
        """
        has_beams = all(summary.beam is not None or summary.missing is not None for summary in summaries)
        beams = [summary.beam for summary in summaries] if has_beams else None
        for member in reversed(self._members):
            header = cube_header(summaries, self._settings, member.stokes, names, member.content)
            member.file.finish(header, beams)

    def discard(self) -> None:
        """Leave nothing half-made behind, on one rank."""
        for member in self._members:
            member.file.discard()

    def _corrected(self, image: BandImage) -> Floats:
        """Return an image divided by the primary beam, NaN where that is below the cut, (stokes, y, x) float64."""
        beam = _beam_of(image)
        lowest = (self._settings.primary_beam_cut or 0.0) * beam.max()
        seen = (beam >= lowest) & (beam > 0)
        return image.dirty / np.where(seen, beam, np.nan)


def _beam_of(image: BandImage) -> Floats:
    assert image.primary_beam is not None
    return image.primary_beam
