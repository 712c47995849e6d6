"""A film of a cube, as the command line asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.products.film.imagecube import ImageCube
from pipeline.products.film.output import put_in_place, refuse_existing
from pipeline.products.film.settings import FilmSettings, chosen

_KINDS = (".html", ".mp4", ".gif")


@dataclass(frozen=True)
class FilmReport:
    """What was made: its file, how many planes it shows, its bytes."""

    path: Path
    n_planes: int
    n_bytes: int


def make_film(
    cube: Path,
    output: Path,
    settings: FilmSettings,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> FilmReport:
    """Make a film across the frequencies of a cube.

    Parameters
    ----------
    cube
        A FITS cube.
    output
        ``.html`` for a page, ``.mp4`` or ``.gif`` for a film. It appears once it is whole.
    settings
        How.
    overwrite
        Replace a film that is there.
    progress
        Called with the planes done and all there are.

    Raises
    ------
    ConfigError
        If a setting is no good, the suffix is not known, or what writes MP4 is not installed.
    DatasetError
        If the cube cannot be read, or the film exists or cannot be written.
    """
    kind = output.suffix.lower()
    if kind not in _KINDS:
        raise ConfigError(
            f"{output}: a film ends in {', '.join(_KINDS)}, which say what it is; {kind!r} is none of them"
        )
    if kind != ".html" and settings.stride != 1:
        raise ConfigError("--stride is for pages (.html); an .mp4 or .gif has the size of its picture anyway")
    if kind == ".mp4":
        from pipeline.products.film.frames import need_encoder

        need_encoder()
    with ImageCube(cube) as opened:
        planes = chosen(settings.planes, opened.n_planes, "planes")
        opened.check_plane(planes[0], settings.stokes)
        refuse_existing(output, overwrite)
        with put_in_place(output) as partial:
            _write(opened, planes, settings, partial, progress)
    return FilmReport(output, len(planes), output.stat().st_size)


def _write(
    cube: ImageCube,
    planes: range,
    settings: FilmSettings,
    out: Path,
    progress: Callable[[int, int], None] | None,
) -> None:
    if out.suffix.lower() == ".html":
        from pipeline.products.film.page import write_page

        with out.open("w", encoding="utf-8") as file:
            write_page(cube, planes, settings, file, progress)
    else:
        from pipeline.products.film.frames import write_frames

        write_frames(cube, planes, settings, out, progress)
