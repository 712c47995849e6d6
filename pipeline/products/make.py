"""The images of a dataset as its configuration and the command line ask for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config.image import ImageConfig
from pipeline.dataset.follow import wait_for_dataset
from pipeline.dataset.reader import Dataset, open_dataset
from pipeline.errors import ConfigError, DatasetError
from pipeline.memory import available_bytes
from pipeline.parallel.topology import World
from pipeline.products.cube import header_names, image_dataset
from pipeline.products.cubeset import CubeSet
from pipeline.products.follow import Follower, QuickLook, quick_look_path
from pipeline.products.imageplan import ImagePlan, Shape, plan_images
from pipeline.products.imagereport import CubeReport
from pipeline.products.ranks import agree
from pipeline.products.samples import wanted_baselines
from pipeline.products.settings import ImageSettings
from pipeline.telemetry.progress import Style, show_count


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes
    ----------
    dataset, output
        The dataset; the image.
    options
        Keys of the section ``image`` with values as in YAML, which replace those of the dataset's configuration.
    overwrite
        Replace what is there.
    follow_s, refresh_s
        How long to wait for data that have not been written yet, and how often to show the image so far, s; None: not
        to wait.
    stream
        Follow the bands' streams, also where there are files.
    png
        The picture that is to show the image so far; None: none.
    """

    dataset: Path
    output: Path
    options: Mapping[str, Any]
    overwrite: bool = False
    follow_s: float | None = None
    refresh_s: float = 10.0
    stream: bool = False
    png: Path | None = None


def make_images(request: Request, world: World, style: Style) -> CubeReport:
    """Image a dataset, bands shared among the ranks.

    Parameters
    ----------
    request
        What is asked for.
    world
        The ranks.
    style
        How the first rank shows progress.

    Raises
    ------
    ConfigError
        If an option cannot be used.
    PlanError
        If there is not enough memory.
    DatasetError
        If no band can be read or the image cannot be written; all on every rank alike.
    """
    dataset, image, settings = agree(lambda: _look(request, world), world.comm)
    plan = _planned(request, dataset, settings, world)
    agree(lambda: plan.check_memory(image.memory_bytes, available_bytes()), world.comm)
    follower = _follower(request, dataset, settings, world)
    with show_count("imaging", style if world.rank == 0 else "none") as progress:
        return image_dataset(
            request.dataset, request.output, settings, world.comm, progress, request.overwrite, follower
        )


def plan_of(request: Request, world: World) -> ImagePlan:
    """Say what imaging a dataset would take; errors as for `make_images`, but for what does not fit."""
    dataset, _, settings = agree(lambda: _look(request, world), world.comm)
    return _planned(request, dataset, settings, world)


def image_config(stored: Mapping[str, Any], options: Mapping[str, Any]) -> ImageConfig:
    """Return the section ``image`` of a configuration with some keys replaced.

    Raises
    ------
    ConfigError
        Naming the key that cannot be used.
    """
    merged = {**stored, **options}
    for key in ("uv_range",):
        if key in options:
            merged[key] = {**stored.get(key, {}), **options[key]}
    try:
        return ImageConfig.model_validate(merged)
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(("image", *(str(part) for part in detail["loc"])))
        raise ConfigError(f"{key}: {detail['msg'].removeprefix('Value error, ')}") from None


def _look(request: Request, world: World) -> tuple[Dataset, ImageConfig, ImageSettings]:
    """Open the dataset, and put together how it is imaged."""
    if request.follow_s is None:
        dataset = open_dataset(request.dataset)
    else:
        dataset = wait_for_dataset(request.dataset, request.follow_s, request.stream)
    image = image_config(dataset.observation["image"], request.options)
    settings = ImageSettings(
        size=image.size,
        cell_rad=image.cell_rad,
        weight=image.weight,
        robust=image.robust,
        taper_rad=image.taper_rad,
        uv_min=image.uv_range.min,
        uv_max=image.uv_range.max,
        stations=image.stations,
        without_stations=image.without_stations,
        stokes=image.stokes,
        continuum=image.continuum,
        primary_beam_cut=image.primary_beam_cut if image.primary_beam else None,
        n_threads=world.n_threads,
    )
    return dataset, image, settings


def _planned(request: Request, dataset: Dataset, settings: ImageSettings, world: World) -> ImagePlan:
    """Plan on the first rank, which looks at a band, for all of them."""

    def plan() -> ImagePlan | None:
        if world.rank > 0:
            return None
        files = CubeSet(request.output, settings, 1 if settings.continuum else dataset.n_bands)
        ranks = (world.size, world.n_local)
        if dataset.live:
            at_once = min(-(-dataset.n_bands // world.size), int(dataset.manifest.plan["n_groups"]))
            return plan_images(_planned_shape(dataset), settings, files, ranks, follows=True, at_once=at_once)
        return plan_images(
            _first_shape(request, dataset, settings), settings, files, ranks, request.follow_s is not None
        )

    planned: ImagePlan = world.comm.allgather(agree(plan, world.comm))[0]
    return planned


def _planned_shape(dataset: Dataset) -> Shape:
    """Return the shape of blocks as the run has planned them: joining a stream to look at it would disturb it."""
    plan = dataset.manifest.plan
    return Shape(dataset.n_bands, plan["n_stations"], plan["n_baselines"], 1, plan["block_dumps"], plan["n_dumps"])


def _first_shape(request: Request, dataset: Dataset, settings: ImageSettings) -> Shape:
    """Return the shape of blocks of the first band that can be read."""
    errors: list[DatasetError] = []
    chosen = wanted_baselines(settings)
    for entry in dataset.manifest.bands:
        try:
            if request.follow_s is not None:
                with Follower(request.follow_s).open_band(dataset, entry.index, (), chosen) as band:
                    return Shape.of_band(dataset.n_bands, band.header, entry.steps)
            with dataset.band(entry.index, variables=(), baselines=chosen) as band:
                return Shape.of_band(dataset.n_bands, band.header, entry.steps)
        except DatasetError as error:
            errors.append(error)
    raise errors[0]


def _follower(request: Request, dataset: Dataset, settings: ImageSettings, world: World) -> Follower | None:
    """Return what waits for data; on the first rank it shows the image so far."""
    if request.follow_s is None:
        return None
    if world.rank > 0:
        return Follower(request.follow_s, streams=dataset.live)
    path = quick_look_path(request.output)
    draw = None if request.png is None else _drawing(request.png, settings.stokes[0])
    look = QuickLook(path, header_names(dataset.observation), draw, request.refresh_s)
    return Follower(request.follow_s, look, streams=dataset.live)


def _drawing(png: Path, stokes: str) -> Callable[[Path], None]:
    """Return what draws a cube into a picture, which is replaced in one go."""
    from pipeline.products.png import png_plane

    def draw(cube: Path) -> None:
        beside = png.with_name(f".{png.stem}.partial{png.suffix}")
        png_plane(cube, 0, beside, stokes)
        beside.replace(png)

    return draw
