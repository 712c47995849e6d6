"""The subtables of a Measurement Set: what is observed, with which array, in which frames.

Columns and their meaning: Kemball & Wieringa 2000, CASA memo 229, section 3.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.products.export.contents import DAY_S, Contents
from pipeline.version import software

LINEAR = {"XX": 9, "XY": 10, "YX": 11, "YY": 12}
"""casacore's numbers of the products of linear feeds (Stokes::StokesTypes)."""

TOPOCENTRIC = 5
"""casacore's number of frequencies as the array sees them (MFrequency::TOPO)."""

MJD_OF_UNIX_DAY_0 = 40587


def fill_subtables(path: Path, contents: Contents) -> None:
    """Fill the empty subtables that `casacore.tables.default_ms` made.

    Parameters
    ----------
    path
        The Measurement Set.
    contents
        What it holds.
    """
    half = contents.header.integration_s / 2
    begin, end = float(contents.time_s[0]) - half, float(contents.time_s[-1]) + half
    _fill(path, "ANTENNA", _antennas(contents))
    _fill(path, "FEED", _feeds(contents, (begin + end) / 2, end - begin))
    _fill(path, "FIELD", _field(contents, begin), frame=("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"))
    _fill(path, "OBSERVATION", _observation(contents, begin, end))
    _fill(path, "HISTORY", _history(contents))
    _fill(path, "SPECTRAL_WINDOW", _spectral_window(contents))
    _fill(path, "POLARIZATION", _polarization(contents))
    _fill(path, "DATA_DESCRIPTION", {"FLAG_ROW": [False], "POLARIZATION_ID": [0], "SPECTRAL_WINDOW_ID": [0]})
    _fill(path, "PROCESSOR", _processor())
    _fill(path, "STATE", _state())
    _fill(path, "POINTING", {}, frame=("DIRECTION", "TARGET"))


def _fill(path: Path, name: str, columns: dict[str, list[Any]], frame: tuple[str, ...] = ()) -> None:
    """Fill a subtable: lists of the values of its rows; columns of directions become ICRS."""
    from casacore.tables import table

    with table(f"{path}/{name}", readonly=False, ack=False) as subtable:
        for column in frame:
            keywords = subtable.getcolkeyword(column, "MEASINFO")
            subtable.putcolkeyword(column, "MEASINFO", {**keywords, "Ref": "ICRS"})
        subtable.addrows(max((len(values) for values in columns.values()), default=0))
        for column, values in columns.items():
            if isinstance(values[0], list):
                for row, value in enumerate(values):
                    subtable.putcell(column, row, value)
            elif isinstance(values[0], str):
                subtable.putcol(column, values)
            else:
                subtable.putcol(column, np.asarray(values))


def _antennas(contents: Contents) -> dict[str, list[Any]]:
    """Stations; a mount says how feeds turn against the sky: not at all, or with the parallactic angle."""
    names = list(contents.header.station_names)
    n = len(names)
    return {
        "OFFSET": [np.zeros(3)] * n,
        "POSITION": list(contents.header.station_m),
        "TYPE": ["GROUND-BASED"] * n,
        "DISH_DIAMETER": [contents.diameter_m] * n,
        "FLAG_ROW": [False] * n,
        "MOUNT": ["ALT-AZ" if contents.feeds_turn else "EQUATORIAL"] * n,
        "NAME": names,
        "STATION": names,
    }


def _feeds(contents: Contents, middle_s: float, length_s: float) -> dict[str, list[Any]]:
    n = len(contents.header.station_names)
    return {
        "POSITION": [np.zeros(3)] * n,
        "BEAM_OFFSET": [np.zeros((2, 2))] * n,
        "POLARIZATION_TYPE": [["X", "Y"]] * n,
        "POL_RESPONSE": [np.eye(2, dtype=np.complex64)] * n,
        "RECEPTOR_ANGLE": [np.zeros(2)] * n,
        "ANTENNA_ID": list(range(n)),
        "BEAM_ID": [-1] * n,
        "FEED_ID": [0] * n,
        "INTERVAL": [length_s] * n,
        "NUM_RECEPTORS": [2] * n,
        "SPECTRAL_WINDOW_ID": [-1] * n,
        "TIME": [middle_s] * n,
    }


def _field(contents: Contents, begin_s: float) -> dict[str, list[Any]]:
    direction = np.array([contents.header.phase_centre_rad])
    return {
        "DELAY_DIR": [direction],
        "PHASE_DIR": [direction],
        "REFERENCE_DIR": [direction],
        "CODE": [""],
        "FLAG_ROW": [False],
        "NAME": [contents.name],
        "NUM_POLY": [0],
        "SOURCE_ID": [-1],
        "TIME": [begin_s],
    }


def _observation(contents: Contents, begin_s: float, end_s: float) -> dict[str, list[Any]]:
    return {
        "TIME_RANGE": [np.array([begin_s, end_s])],
        "LOG": [[""]],
        "SCHEDULE": [[""]],
        "FLAG_ROW": [False],
        "OBSERVER": [""],
        "PROJECT": [contents.name],
        "RELEASE_DATE": [end_s],
        "SCHEDULE_TYPE": [""],
        "TELESCOPE_NAME": [contents.array],
    }


def _history(contents: Contents) -> dict[str, list[Any]]:
    import time

    header = contents.header
    return {
        "APP_PARAMS": [[f"config_sha256={header.config_sha256}", f"bands={','.join(map(str, contents.bands))}"]],
        "CLI_COMMAND": [[""]],
        "APPLICATION": [software()],
        "MESSAGE": [f"simulated by {header.software}, exported by {software()}"],
        "OBJECT_ID": [-1],
        "OBSERVATION_ID": [0],
        "ORIGIN": ["dawnstream export"],
        "PRIORITY": ["INFO"],
        "TIME": [time.time() + MJD_OF_UNIX_DAY_0 * DAY_S],
    }


def _spectral_window(contents: Contents) -> dict[str, list[Any]]:
    width = contents.channel_width_hz
    return {
        "MEAS_FREQ_REF": [TOPOCENTRIC],
        "CHAN_FREQ": [contents.channel_hz],
        "REF_FREQUENCY": [float(contents.channel_hz.mean())],
        "CHAN_WIDTH": [width],
        "EFFECTIVE_BW": [width],
        "RESOLUTION": [width],
        "FLAG_ROW": [False],
        "FREQ_GROUP": [0],
        "FREQ_GROUP_NAME": [""],
        "IF_CONV_CHAIN": [0],
        "NAME": [f"bands {contents.bands[0]} to {contents.bands[-1]}"],
        "NET_SIDEBAND": [1],
        "NUM_CHAN": [contents.n_channels],
        "TOTAL_BANDWIDTH": [float(width.sum())],
    }


def _polarization(contents: Contents) -> dict[str, list[Any]]:
    pols = contents.header.polarisations
    product = np.array([["XY".index(letter) for letter in pol] for pol in pols], np.int32)
    return {
        "CORR_TYPE": [np.array([LINEAR[pol] for pol in pols], np.int32)],
        "CORR_PRODUCT": [product],
        "FLAG_ROW": [False],
        "NUM_CORR": [len(pols)],
    }


def _processor() -> dict[str, list[Any]]:
    return {"FLAG_ROW": [False], "MODE_ID": [-1], "TYPE": ["CORRELATOR"], "TYPE_ID": [-1], "SUB_TYPE": [""]}


def _state() -> dict[str, list[Any]]:
    return {
        "CAL": [0.0],
        "FLAG_ROW": [False],
        "LOAD": [0.0],
        "OBS_MODE": ["OBSERVE_TARGET#ON_SOURCE"],
        "REF": [False],
        "SIG": [True],
        "SUB_SCAN": [0],
    }
