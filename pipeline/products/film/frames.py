"""The planes of a cube as frames of a film, and the film as MP4 or GIF."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError, DatasetError
from pipeline.products.film.colours import ColourRange, colour_range, plane_statistics, with_ends
from pipeline.products.film.imagecube import ImageCube
from pipeline.products.film.settings import FilmSettings, title_of
from pipeline.products.film.skyfigure import colour_norm, draw_beam, draw_pixels, new_figure, sky_axes

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Frame = NDArray[np.uint8]
Progress = Callable[[int, int], None]

_SIZE_IN = (8.2, 7.2)
_DPI = 120
_GIF_FASTEST = 50  # planes a second: a GIF counts in hundredths of a second, and browsers take 1 of them for 10
_QUALITY = "18"  # x264's constant rate factor: seen as lossless, mostly


class FramePainter:
    """Draws plane after plane into one figure, so that nothing but the pixels moves.

    Parameters
    ----------
    cube
        What to draw.
    settings
        How.
    fixed
        The range of colours for all planes; None to choose one for each.
    """

    def __init__(self, cube: ImageCube, settings: FilmSettings, fixed: ColourRange | None) -> None:
        self.cube, self.settings, self.fixed = cube, settings, fixed
        self.figure: Any = new_figure(*_SIZE_IN)
        self.figure.set_dpi(_DPI)
        self.axes = sky_axes(self.figure, cube)
        norm = colour_norm(fixed or colour_range([]), settings.scale)
        blank = np.full(cube.shape, np.nan)
        self.image = draw_pixels(self.figure, self.axes, blank, norm, settings.colours, cube.unit)
        self.name, self.about = title_of(cube, settings.stokes)
        self.beam: Any = None
        middle = {"transform": self.axes.transAxes, "ha": "center", "va": "center", "fontsize": 14}
        self.notice = self.axes.text(0.5, 0.5, "no data in this plane", bbox={"facecolor": "white"}, **middle)
        self._title(0)
        # Laid out once: were the labels to move from frame to frame, the film would tremble.
        self.figure.canvas.draw()
        self.figure.set_layout_engine("none")

    def frame(self, index: int) -> Frame:
        """Draw a plane: (row, column, 3), sides even, as films want them."""
        plane = self.cube.plane(index, self.settings.stokes)
        measured = plane_statistics(plane)
        if self.fixed is None:
            self.image.set_norm(colour_norm(colour_range([measured]), self.settings.scale))
        self.image.set_data(np.ma.masked_invalid(plane))
        self.notice.set_visible(measured is None)
        if self.beam is not None:
            self.beam.remove()
        self.beam = draw_beam(self.axes, self.cube, self.cube.beams[index])
        self._title(index)
        self.figure.canvas.draw()
        pixels: Frame = np.asarray(self.figure.canvas.buffer_rgba())[..., :3]
        return np.ascontiguousarray(pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2])

    def _title(self, index: int) -> None:
        place = f"{self.cube.frequency_hz[index] / 1e6:.4f} MHz   ({index + 1} of {self.cube.n_planes})"
        self.axes.set_title(f"{self.name}   {self.about}\n{place}", pad=22, fontsize=11)


def write_frames(
    cube: ImageCube, planes: Sequence[int], settings: FilmSettings, out: Path, progress: Progress | None = None
) -> None:
    """Write a film; the suffix of `out` says which, ``.mp4`` or ``.gif``.

    Parameters
    ----------
    cube
        What to show.
    planes
        Which planes, in order.
    settings
        How; without `per_plane` the cube is read twice, first for its range.
    out
        Where the film goes.
    progress
        Called with the planes read and all there are to read.

    Raises
    ------
    ConfigError
        If what writes MP4 is not installed, or a GIF cannot be so fast.
    DatasetError
        If the cube cannot be read or the film cannot be written.
    """
    write = _write_mp4 if out.suffix.lower() == ".mp4" else _write_gif
    n_read, n_all = 0, len(planes) * (1 if settings.per_plane else 2)

    def read() -> None:
        nonlocal n_read
        n_read += 1
        if progress is not None:
            progress(n_read, n_all)

    fixed = None if settings.per_plane else _fixed_range(cube, planes, settings, read)
    painter = FramePainter(cube, settings, fixed)

    def frames() -> Iterator[Frame]:
        for index in planes:
            yield painter.frame(index)
            read()

    try:
        write(frames(), painter.image, settings, out)
    except (OSError, RuntimeError) as error:
        raise DatasetError(f"{out}: the film cannot be written: {error}") from error


def _fixed_range(
    cube: ImageCube, planes: Sequence[int], settings: FilmSettings, read: Callable[[], None]
) -> ColourRange:
    """Choose one range for all planes."""
    measured = []
    for index in planes:
        measured.append(plane_statistics(cube.plane(index, settings.stokes)))
        read()
    return with_ends(colour_range(measured), settings.ends)


def need_encoder() -> Any:
    """Return the package that brings ffmpeg.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ConfigError(
            f"an .mp4 needs ffmpeg, from the package imageio-ffmpeg ({error}); install it with: "
            f"pip install 'dawnstream[film]', or choose .html or .gif, which need nothing more"
        ) from error
    return imageio_ffmpeg


def _write_mp4(frames: Iterator[Frame], drawn: Any, settings: FilmSettings, out: Path) -> None:
    """Write H.264 in the pixel format that every player takes."""
    first = next(frames)
    writer = need_encoder().write_frames(
        str(out),
        (first.shape[1], first.shape[0]),
        fps=settings.fps,
        codec="libx264",
        quality=None,
        pix_fmt_out="yuv420p",
        macro_block_size=2,
        output_params=["-crf", _QUALITY, "-movflags", "+faststart"],
    )
    writer.send(None)
    try:
        writer.send(first)
        for frame in frames:
            writer.send(frame)
    finally:
        writer.close()


def _write_gif(frames: Iterator[Frame], drawn: Any, settings: FilmSettings, out: Path) -> None:
    """Write a GIF of one palette: the colours of the scale, and greys for letters."""
    from PIL import Image

    if settings.fps > _GIF_FASTEST:
        raise ConfigError(f"--fps: {settings.fps:g} is more than a GIF can, {_GIF_FASTEST} planes a second")
    greys = np.repeat(np.linspace(0, 255, 48)[:, None], 3, axis=1)
    colours = drawn.cmap(np.linspace(0, 1, 256 - len(greys)))[:, :3] * 255
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.rint(np.concatenate([greys, colours])).astype(np.uint8).tobytes())

    def in_palette(frame: Frame) -> Picture:
        return Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)

    in_palette(next(frames)).save(
        out,
        format="GIF",
        save_all=True,
        append_images=(in_palette(frame) for frame in frames),
        duration=round(1000 / settings.fps),
        loop=0,
    )
