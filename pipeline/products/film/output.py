"""Files that appear once they are whole, and never in place of another that was not to be replaced."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import DatasetError


def refuse_existing(output: Path, overwrite: bool) -> None:
    """Leave alone what is there, unless told otherwise.

    Raises
    ------
    DatasetError
        If `output` exists and is not to be replaced, is a folder, or lies in none.
    """
    if output.is_dir():
        raise DatasetError(f"{output} is a folder; name a file")
    if output.exists() and not overwrite:
        raise DatasetError(f"{output} exists; choose another, or pass --overwrite")
    if not output.parent.is_dir():
        raise DatasetError(f"{output}: there is no folder {output.parent}; make it first")


@contextmanager
def put_in_place(output: Path) -> Iterator[Path]:
    """Give the name under which to write, and the file its own name after that; leave nothing if it fails.

    Raises
    ------
    DatasetError
        If the file cannot be written.
    """
    partial = output.with_name(f".{output.stem}.partial{output.suffix}")
    try:
        yield partial
        os.replace(partial, output)
    except OSError as error:
        raise DatasetError(f"{output}: cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
