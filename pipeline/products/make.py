"""The image cube of a dataset as its configuration asks for it."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.observation import ImageConfig
from pipeline.dataset.reader import open_dataset
from pipeline.parallel.topology import World
from pipeline.products.cube import CubeReport, image_dataset
from pipeline.products.settings import ImageSettings
from pipeline.telemetry.progress import Style, show_count


def make_images(dataset: Path, output: Path, stokes: str, world: World, overwrite: bool, style: Style) -> CubeReport:
    """Image a dataset with the settings of its own configuration, bands shared among the ranks.

    Parameters
    ----------
    dataset, output
        The dataset; the cube.
    stokes
        One or several of "IQUV".
    world
        The ranks.
    overwrite
        Replace a cube that is there.
    style
        How the first rank shows progress.

    Raises
    ------
    DatasetError
        If the dataset cannot be read or the cube cannot be written; on every rank alike.
    """
    image = ImageConfig.model_validate(open_dataset(dataset).observation["image"])
    settings = ImageSettings(
        size=image.size,
        cell_rad=image.cell_rad,
        weight=image.weight,
        robust=image.robust,
        stokes=stokes,
        n_threads=world.n_threads,
    )
    with show_count("imaging", style if world.rank == 0 else "none") as progress:
        return image_dataset(dataset, output, settings, world.comm, progress, overwrite)
