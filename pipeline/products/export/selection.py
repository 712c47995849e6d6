"""Which bands of a dataset are exported."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pipeline.errors import DatasetError, IncompleteError

if TYPE_CHECKING:
    from pipeline.dataset.reader import Dataset

Format = Literal["ms", "uvh5"]


def format_of(output: Path, name: Format | None) -> Format:
    """Return the format of an export: the one named, or the one its name ends with.

    Raises
    ------
    DatasetError
        If neither says.
    """
    if name is not None:
        return name
    for known in get_args(Format):
        if output.suffix == f".{known}":
            return known  # type: ignore[no-any-return]
    raise DatasetError(f"{output} does not end in .ms or .uvh5; name the format with --format ms or --format uvh5")


def chosen_bands(text: str | None, n_bands: int) -> tuple[int, ...]:
    """Read a choice of bands such as ``0-3,7``; None is all of them.

    Raises
    ------
    DatasetError
        If it is no such list, or names bands that are not there.
    """
    if text is None:
        return tuple(range(n_bands))
    chosen: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if match is None:
            raise DatasetError(f"--bands {text}: {part!r} is no band; write numbers and ranges, such as 0-3,7")
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        if last < first or last >= n_bands:
            raise DatasetError(
                f"--bands {text}: {part.strip()} is not within the dataset's bands, 0 to {n_bands - 1}, in order"
            )
        chosen.update(range(first, last + 1))
    return tuple(sorted(chosen))


def check_complete(path: Path, dataset: Dataset, bands: Iterable[int]) -> None:
    """Refuse bands that the manifest does not call complete.

    Raises
    ------
    IncompleteError
        If there are any.
    """
    missing = [band for band in bands if not dataset.manifest.bands[band].complete]
    if missing:
        raise IncompleteError(
            f"{path}: of the bands to export {len(missing)} are not complete, the first is band {missing[0]}, and the "
            f"run is marked {dataset.manifest.state!r}; let the run finish, choose others with --bands, or export what "
            "is whole with --skip-incomplete"
        )


def broken_bands(dataset: Dataset, bands: Iterable[int]) -> dict[int, DatasetError]:
    """Read bands through, and return what is wrong with those that are not whole."""
    broken = {}
    for index in bands:
        try:
            with dataset.band(index) as band:
                for _ in band:
                    pass
        except DatasetError as error:
            broken[index] = error
    return broken
