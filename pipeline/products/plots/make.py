"""A plot of a dataset or a cube, as the command line asks for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from pipeline.errors import ConfigError
from pipeline.products.film.imagecube import ImageCube
from pipeline.products.film.output import put_in_place, refuse_existing
from pipeline.products.film.settings import chosen, title_of
from pipeline.products.film.skyfigure import SkyView, new_figure, save_figure
from pipeline.products.plots.dumps import Progress, read_dumps
from pipeline.products.settings import STOKES

if TYPE_CHECKING:
    from pipeline.dataset.reader import Dataset
    from pipeline.dataset.schema import BandHeader

Kind = Literal["uv-coverage", "amplitude", "waterfall", "spectrum", "psf"]

#: The settings that each kind of plot looks at.
_USED = {
    "uv-coverage": ("bands",),
    "amplitude": ("bands", "polarisation"),
    "waterfall": ("bands", "polarisation", "baseline", "phase"),
    "spectrum": ("bands", "polarisation"),
    "cube-spectrum": ("polarisation", "pixel"),
    "psf": ("plane",),
}
_SUFFIXES = (".png", ".pdf", ".svg")
_SIZES = {"uv-coverage": (7.6, 6.6), "psf": (12.0, 5.2)}
_SIZE = (8.6, 5.6)


@dataclasses.dataclass(frozen=True)
class PlotSettings:
    """What to plot.

    Attributes
    ----------
    kind
        One of `Kind`.
    bands
        Which bands of a dataset, as a Python slice; "" for all.
    polarisation
        Of the visibilities or the cube: "I" or another Stokes parameter, or "XX" and the like.
    baseline
        Waterfall: "A,B"; None for the average over all.
    phase
        Waterfall: the phase, not the amplitude.
    pixel
        Spectrum of a cube: "X,Y"; None for the brightest.
    plane
        Point-spread function: which plane.
    dpi
        Dots per inch.
    """

    kind: Kind
    bands: str = ""
    polarisation: str = "I"
    baseline: str | None = None
    phase: bool = False
    pixel: str | None = None
    plane: int = 0
    dpi: int = 150

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ConfigError(f"--kind: {self.kind!r} is not known; use one of {', '.join(get_args(Kind))}")
        if not 20 <= self.dpi <= 1200:
            raise ConfigError(f"--dpi: {self.dpi} lies outside 20 to 1200")


def make_plot(
    source: Path, output: Path, settings: PlotSettings, overwrite: bool = False, progress: Progress | None = None
) -> str:
    """Plot a dataset (a folder) or a cube (a file).

    Parameters
    ----------
    source
        What to plot.
    output
        The picture, ``.png``, ``.pdf`` or ``.svg``. It appears once it is whole.
    settings
        What of it.
    overwrite
        Replace a picture that is there.
    progress
        Called with the blocks read and all there are.

    Returns
    -------
    str
        The title of the picture.

    Raises
    ------
    ConfigError
        If a setting is no good.
    DatasetError
        If the source cannot be read, or the picture exists or cannot be written.
    """
    if output.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"{output}: a plot ends in {', '.join(_SUFFIXES)}; {output.suffix!r} is none of them")
    of_cube = settings.kind == "psf" or (settings.kind == "spectrum" and not Path(source).is_dir())
    _refuse_meaningless(settings, of_cube)
    refuse_existing(output, overwrite)
    figure = new_figure(*_SIZES.get(settings.kind, _SIZE))
    title = _plot_cube(figure, source, settings) if of_cube else _plot_dataset(figure, source, settings, progress)
    with put_in_place(output) as partial:
        save_figure(figure, partial, settings.dpi)
    return title


def _plot_cube(figure: Any, source: Path, settings: PlotSettings) -> str:
    from pipeline.products.plots.psf import draw_psf, measure_psf, psf_of
    from pipeline.products.plots.spectrum import draw_spectrum, find_pixel, pixel_spectrum

    if Path(source).is_dir():
        raise ConfigError(f"--kind: {settings.kind} is of a cube, and {source} is a folder; image the dataset first")
    with ImageCube(psf_of(source) if settings.kind == "psf" else source) as cube:
        name, about = title_of(cube, settings.polarisation)
        if settings.kind == "psf":
            measured = measure_psf(cube, settings.plane)
            title = f"{name}   point-spread function at {cube.frequency_hz[settings.plane] / 1e6:.4f} MHz"
            draw_psf(figure, measured, SkyView.of(cube), title)
            return title
        x, y = find_pixel(cube, settings.pixel, settings.polarisation)
        spectrum = pixel_spectrum(cube, (x, y), settings.polarisation)
        ra, dec = (float(angle) for angle in cube.sky.pixel_to_world_values(x, y))
        title = f"{name}   {about}\npixel {x}, {y} at {ra:.4f}° {dec:+.4f}° ({cube.frame})"
        draw_spectrum(figure, spectrum, f"brightness  [{cube.unit or 'unit not given'}]", title)
        return title


def _plot_dataset(figure: Any, source: Path, settings: PlotSettings, progress: Progress | None) -> str:
    from pipeline.dataset.reader import open_dataset

    if Path(source).is_file():
        raise ConfigError(f"--kind: {settings.kind} is of a dataset, and {source} is a file; name the folder NAME.dawn")
    dataset = open_dataset(source)
    bands = chosen(settings.bands, dataset.n_bands, "bands")
    title = _title(dataset, bands, settings)
    if settings.kind == "waterfall":
        return _plot_waterfall(figure, dataset, bands, settings, title, progress)
    polarisation = None if settings.kind == "uv-coverage" else settings.polarisation
    dumps = read_dumps(dataset, bands, polarisation, progress)
    if settings.kind == "uv-coverage":
        from pipeline.products.plots.coverage import draw_coverage, measure_coverage

        coverage = measure_coverage(dumps)
        title += f"\n{coverage.n_samples:,} visibilities and their conjugates"
        draw_coverage(figure, coverage, title)
    elif settings.kind == "amplitude":
        from pipeline.products.plots.amplitude import draw_amplitudes, measure_amplitudes

        draw_amplitudes(figure, measure_amplitudes(dumps), title)
    else:
        from pipeline.products.plots.spectrum import draw_spectrum, measure_spectrum

        draw_spectrum(figure, measure_spectrum(dumps), "mean amplitude  [Jy]", title)
    return title


def _plot_waterfall(
    figure: Any,
    dataset: Dataset,
    bands: Sequence[int],
    settings: PlotSettings,
    title: str,
    progress: Progress | None,
) -> str:
    from pipeline.products.plots.waterfall import averaged_together, draw_waterfall, find_baseline, measure_waterfall

    headers = [_look(dataset, band)[0] for band in bands]
    first = headers[0]
    channels = [
        (header.band, float(centre), float(width))
        for header in headers
        for centre, width in zip(header.channel_hz, header.channel_width_hz, strict=True)
    ]
    baseline = None if settings.baseline is None else find_baseline(settings.baseline, first.station_names)
    dumps = read_dumps(dataset, bands, settings.polarisation, progress)
    measured = measure_waterfall(dumps, channels, first.n_dumps, first.integration_s, baseline)
    of = "all baselines" if baseline is None else "-".join(first.station_names[station] for station in baseline)
    averaged = averaged_together(measured)
    title += f"\n{of}" + (f", averages of {averaged}" if averaged else "")
    start = _look(dataset, bands[0])[1]
    draw_waterfall(figure, measured, "phase" if settings.phase else "amplitude", start, title)
    return title


def _look(dataset: Dataset, band: int) -> tuple[BandHeader, str]:
    """Return the header of a band, and when its first dump begins, UTC."""
    with dataset.band(band, variables=()) as opened:
        day, fraction = (float(part) for part in next(iter(opened)).time_utc[0])
        begin_s = fraction * 86400 - opened.header.integration_s / 2
        start = datetime(1858, 11, 17) + timedelta(days=day, seconds=begin_s)  # the day 0 of MJD
        return opened.header, f"{start + timedelta(seconds=0.5):%Y-%m-%d %H:%M:%S}"


def _title(dataset: Dataset, bands: Sequence[int], settings: PlotSettings) -> str:
    """Return name, polarisation, frequencies and start."""
    megahertz = np.array([dataset.manifest.bands[band].frequency_hz for band in bands]) / 1e6
    frequency = f"{megahertz.min():.4f}" + (f" to {megahertz.max():.4f}" if len(bands) > 1 else "") + " MHz"
    named = f"Stokes {settings.polarisation}   " if settings.polarisation in STOKES else f"{settings.polarisation}   "
    polarisation = "" if settings.kind == "uv-coverage" else named
    return f"{dataset.observation['name']}   {polarisation}{frequency}   {_look(dataset, bands[0])[1]} UTC"


def _refuse_meaningless(settings: PlotSettings, of_cube: bool) -> None:
    """Refuse options that the kind of plot has no use for, rather than leave them aside."""
    used = _USED["cube-spectrum" if of_cube and settings.kind == "spectrum" else settings.kind]
    for field in dataclasses.fields(settings):
        named = field.name not in ("kind", "dpi") and getattr(settings, field.name) != field.default
        if named and field.name not in used:
            option = "pol" if field.name == "polarisation" else field.name
            raise ConfigError(
                f"--{option} means nothing to --kind {settings.kind} of {'cube' if of_cube else 'dataset'}s"
            )
