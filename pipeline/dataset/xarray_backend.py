"""xarray's way into a dataset: ``xarray.open_dataset("NAME.dawn", engine="dawnstream")``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendEntrypoint
from xarray.core import indexing

from pipeline.dataset.access import BandAccess
from pipeline.dataset.reader import Dataset, open_dataset
from pipeline.dataset.schema import BandHeader
from pipeline.dataset.xarray_arrays import BandPart, BaselineUvw, StepArray, band_part
from pipeline.errors import CorruptError, DatasetError, IncompleteError

UNIX_EPOCH_MJD = 40587
DAY_NS = 86_400_000_000_000

SAME = ("n_dumps", "station_names", "station_m", "baselines", "polarisations", "phase_centre_rad", "integration_s")
"""What must not differ between bands that become one array."""

CONVENTIONS = (
    "V_pq = sum over sources of J_p B J_q^H K_p conj(K_q), K_p = exp(+2 pi i nu/c (u_p l + v_p m + w_p (n - 1))), "
    "B = [[I+Q, U+iV], [U-iV, I-Q]]; p = antenna1, q = antenna2; uvw = r(antenna1) - r(antenna2); X north, Y east "
    "(IAU); the Measurement Set's signs"
)


class DawnstreamBackend(BackendEntrypoint):
    """Opens a dataset for xarray: manifest, headers and times now, all else when it is looked at."""

    description = "Visibilities of Dawnstream (NAME.dawn)"
    open_dataset_parameters: ClassVar[tuple[str, ...] | None] = ("filename_or_obj", "drop_variables", "bands", "verify")

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        bands: Iterable[int] | None = None,
        verify: bool = True,
    ) -> xr.Dataset:
        """Return the dataset, lazily.

        Parameters
        ----------
        filename_or_obj : str or path
            The dataset's folder.
        drop_variables : str or iterable of str, optional
            What to leave out.
        bands : iterable of int, optional
            The bands to open, in this order; default: all.
        verify : bool
            Compare the checksums of visibilities and weights, for which steps are read whole. If not, only what is
            looked at is read, and what of it was changed is not seen.

        Raises
        ------
        IncompleteError
            If a band chosen is not complete. What is cut short later shows when it is read.
        CorruptError
            If bands or manifest contradict each other; changed bytes show when they are read.
        DatasetError
            If it is no dataset, or has not such bands.
        """
        dataset = open_dataset(Path(os.fspath(filename_or_obj)))
        chosen = _chosen(dataset, bands)
        headers = _headers(dataset, chosen)
        stops = np.cumsum([len(header.channel_hz) for header in headers]).tolist()
        parts = [
            band_part(dataset.path.absolute(), index, first, stop)
            for index, first, stop in zip(chosen, [0, *stops], stops, strict=False)
        ]
        with parts[0].manager.acquire_context() as band:
            coordinates = {**_times(band), **_axes(headers, chosen)}
            variables = _variables(parts, headers[0], np.diff(band.edges).tolist(), verify)
        found = xr.Dataset(variables, coordinates, _attributes(dataset, headers[0]))
        dropped = [drop_variables] if isinstance(drop_variables, str) else drop_variables or []
        found = found.set_xindex("frequency").drop_vars(dropped, errors="ignore")
        found.set_close(partial(_close, parts))
        return found

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Tell whether it is a folder NAME.dawn."""
        try:
            path = Path(os.fspath(filename_or_obj))
        except TypeError:
            return False
        return path.suffix == ".dawn" and path.is_dir()


def _close(parts: Sequence[BandPart]) -> None:
    for part in parts:
        part.manager.close()


def _chosen(dataset: Dataset, bands: Iterable[int] | None) -> list[int]:
    """Return the bands to open; each must be there, and complete."""
    chosen = list(range(dataset.n_bands)) if bands is None else [int(band) for band in bands]
    if not chosen or len(set(chosen)) < len(chosen):
        raise DatasetError(f"{dataset.path}: bands are {chosen}; name at least one, and each once")
    for band in chosen:
        if not 0 <= band < dataset.n_bands:
            raise DatasetError(f"{dataset.path}: no band {band}; it has bands 0 to {dataset.n_bands - 1}")
    missing = [band for band in chosen if not dataset.manifest.bands[band].complete]
    if missing:
        raise IncompleteError(
            f"{dataset.path}: bands {missing} are not complete: the run is not over, or was ended early; wait for it, "
            "or open the others with bands=[...]"
        )
    return chosen


def _headers(dataset: Dataset, chosen: Sequence[int]) -> list[BandHeader]:
    headers = []
    for index in chosen:
        with dataset.band(index, variables=()) as band:
            headers.append(band.header)
        for name in SAME:
            if not np.array_equal(getattr(headers[-1], name), getattr(headers[0], name)):
                raise CorruptError(
                    f"{dataset.path}: {name} of band {index} is not that of band {chosen[0]}; they are of two runs"
                )
    return headers


def _times(band: BandAccess) -> dict[str, xr.Variable]:
    """Return the coordinates along time; their steps are read, and checked, now."""
    blocks = [band.read(step, ("time_utc",)) for step in range(len(band.edges) - 1)]
    utc = np.concatenate([block.time_utc for block in blocks])
    mid_point = {"long_name": "mid-point of the dump, UTC"}
    return {
        "time": xr.Variable("time", datetime64(utc), {"standard_name": "time", **mid_point}),
        "mjd_day": xr.Variable("time", utc[:, 0], {"long_name": "Modified Julian Date: day", "units": "d"}),
        "mjd_fraction": xr.Variable("time", utc[:, 1], {"long_name": "fraction of the day, UTC", "units": "d"}),
        "dump": xr.Variable(
            "time", np.concatenate([block.dump for block in blocks]), {"long_name": "index of the dump"}
        ),
    }


def datetime64(time_utc: NDArray[np.float64]) -> NDArray[np.datetime64]:
    """Return days and fractions (time, 2) as datetime64[ns], rounded to the nanosecond.

    Notes
    -----
    UTC days are taken as 86,400 s, as datetime64 does; the seconds of a day with a leap second are then not SI's.
    """
    days = np.floor(time_utc[:, 0])
    within = np.rint(((time_utc[:, 0] - days) + time_utc[:, 1]) * DAY_NS)
    return ((days.astype(np.int64) - UNIX_EPOCH_MJD) * DAY_NS + within.astype(np.int64)).view("datetime64[ns]")


def _axes(headers: Sequence[BandHeader], chosen: Sequence[int]) -> dict[str, xr.Variable]:
    """Return the coordinates along all axes but time."""
    first = headers[0]
    hz = {"units": "Hz"}
    frequency = np.concatenate([header.channel_hz for header in headers])
    width = np.concatenate([header.channel_width_hz for header in headers])
    band = np.repeat(np.array(chosen, np.int64), [len(header.channel_hz) for header in headers])
    antenna = "index of the {} station of the baseline"
    return {
        "frequency": xr.Variable(
            "channel", frequency, {"standard_name": "radiation_frequency", "long_name": "centre of the channel", **hz}
        ),
        "channel_width": xr.Variable("channel", width, {"long_name": "width of the channel", **hz}),
        "band": xr.Variable("channel", band, {"long_name": "index of the band"}),
        "antenna1": xr.Variable("baseline", first.baselines[:, 0], {"long_name": antenna.format("first")}),
        "antenna2": xr.Variable("baseline", first.baselines[:, 1], {"long_name": antenna.format("second")}),
        "pol": xr.Variable("pol", list(first.polarisations), {"long_name": "polarisation; X is north, Y is east"}),
        "station": xr.Variable("station", list(first.station_names), {"long_name": "name of the station"}),
        "uvw": xr.Variable("uvw", ["u", "v", "w"], {"long_name": "u east, v north, w towards the phase centre"}),
        "xyz": xr.Variable("xyz", ["x", "y", "z"], {"long_name": "geocentric axes (ITRF)"}),
        "station_position": xr.Variable(
            ("station", "xyz"),
            first.station_m,
            {"long_name": "position of the station, geocentric (ITRF)", "units": "m"},
        ),
    }


def _variables(
    parts: Sequence[BandPart], first: BandHeader, dumps: Sequence[int], verify: bool
) -> dict[str, xr.Variable]:
    """Return the variables, lazy, with the chunks they are best read in: a band and a step."""
    sizes = {**first.sizes, "time": first.n_dumps, "channel": parts[-1].stop}
    chunks = {**sizes, "time": tuple(dumps), "channel": tuple(part.stop - part.first for part in parts)}

    def lazy(array: StepArray, axes: tuple[str, ...], **attributes: str) -> xr.Variable:
        best = {"preferred_chunks": {axis: chunks[axis] for axis in axes}}
        return xr.Variable(axes, indexing.LazilyIndexedArray(array), attributes, best)

    def shape(axes: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(sizes[axis] for axis in axes)

    vis, weight = ("time", "channel", "baseline", "pol"), ("time", "channel", "baseline")
    station_uvw, baseline_uvw = ("time", "station", "uvw"), ("time", "baseline", "uvw")
    visibilities = StepArray("vis", parts, shape(vis), "complex64", verify)
    weights = StepArray("weight", parts, shape(weight), "float32", verify)
    of_stations = StepArray("station_uvw", parts, shape(station_uvw), "float64")
    of_baselines = BaselineUvw(parts, first.n_dumps, first.baselines)
    where = "towards the apparent phase centre"
    return {
        "vis": lazy(visibilities, vis, long_name="visibility", units="Jy"),
        "weight": lazy(weights, weight, long_name="fine channels times dumps that contributed; 0: flagged", units="1"),
        "baseline_uvw": lazy(
            of_baselines, baseline_uvw, long_name=f"baseline, antenna1 minus antenna2, {where}", units="m"
        ),
        "station_uvw": lazy(of_stations, station_uvw, long_name=f"station, {where}", units="m"),
    }


def _attributes(dataset: Dataset, header: BandHeader) -> dict[str, Any]:
    """Return what is said once, as numbers, lists and text, which every format keeps."""
    return {
        "title": str(dataset.observation.get("name", "")),
        "conventions": CONVENTIONS,
        "phase_centre_icrs_rad": list(header.phase_centre_rad),
        "array_lonlatheight_rad_rad_m": list(header.array_lonlatheight),
        "integration_s": header.integration_s,
        "config_sha256": dataset.manifest.config_sha256,
        "format_version": dataset.manifest.version,
        "software": dataset.manifest.software,
        "created": dataset.manifest.created,
    }
