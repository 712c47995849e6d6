"""Columns of tables that astropy reads, as numbers in the unit that is needed."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Float64


def read_table(path: Path) -> Any:
    """Read a file as an `astropy.table.Table`.

    Raises
    ------
    ConfigError
        If astropy cannot read it.
    """
    from astropy.table import Table

    kind = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".vot": "votable", ".xml": "votable"}
    try:
        # Other endings: astropy looks at the file.
        table = Table.read(path, format=kind.get(path.suffix.lower()))
    except Exception as error:  # astropy's readers raise whatever their parsers do
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{path}: cannot be read as a table ({type(error).__name__}: {reason}); give a CSV, ECSV, FITS "
            "or VOTable file with the ending .csv, .ecsv, .fits or .vot"
        ) from error
    return table


def need_columns(path: Path, table: Any, wanted: list[str], what_for: str) -> None:
    """Raise ConfigError, with the nearest name, if a column is missing; `what_for` says who needs it."""
    for name in wanted:
        if name not in table.colnames:
            near = difflib.get_close_matches(name, table.colnames, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"{path}: has no column {name!r}, which {what_for} needs; {hint}columns: {', '.join(table.colnames)}"
            )


def numbers(path: Path, table: Any, column: str, unit: str) -> Float64:
    """Return a column as float64 in `unit`, which is also what bare numbers are taken in; missing is NaN.

    Raises
    ------
    ConfigError
        If it holds no numbers, or has a unit that cannot be turned into `unit`.
    """
    from astropy.coordinates import Angle
    from astropy.units import Quantity, UnitConversionError

    values = table[column]
    try:
        if unit == "deg" and values.dtype.kind in "UO":
            # Angles as text, such as 0h10m and -27d.
            degrees: Float64 = Angle(list(values), unit="deg").deg
            return degrees
        # Missing values are NaN from here on.
        filled = values.astype(np.float64)
        filled = filled.filled(np.nan) if hasattr(filled, "filled") else filled
        # A column with a unit is converted, one without is taken as it is.
        converted: Float64 = np.asarray(Quantity(filled, unit).value, dtype=np.float64)
    except (ValueError, TypeError, UnitConversionError) as error:
        raise ConfigError(
            f"{path}: column {column!r} does not hold numbers in {unit or 'no unit'} ({error}); "
            "give every row a number, or the column a unit that can be turned into it"
        ) from error
    return converted


def texts(values: Any) -> Any:
    """Return a column as an array of text, which holds a million names in a few bytes more than their letters."""
    return np.array([str(value) for value in values], dtype=np.dtypes.StringDType())
