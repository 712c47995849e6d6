"""What one exported file holds: some bands of a dataset, and all that a header says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.schema import BandHeader, Block
from pipeline.errors import DatasetError
from pipeline.units import parse_quantity

Float64 = NDArray[np.float64]
DAY_S = 86400.0

GROUND_FEEDS = ("dipole", "uvbeam")
"""Types of stations whose feeds are fixed to the ground, so that they turn as the sky passes."""


@dataclass(frozen=True, eq=False)
class Contents:
    """The bands of one file, in order; their channels are its channels.

    Attributes
    ----------
    header
        Of the first band.
    bands
        Indices within the dataset.
    time_utc
        (dump, 2) float64: mid-points, MJD day and fraction.
    channel_hz, channel_width_hz
        (channel,) float64, Hz: of all bands.
    name, array
        Of the observation, and of the telescope's array.
    station
        The configuration's section ``telescope.station``.
    """

    header: BandHeader
    bands: tuple[int, ...]
    time_utc: Float64
    channel_hz: Float64
    channel_width_hz: Float64
    name: str
    array: str
    station: dict[str, Any]

    @classmethod
    def of(cls, headers: Sequence[BandHeader], time_utc: Float64, observation: dict[str, Any]) -> Contents:
        """Put the headers of the bands together; `time_utc` is the first band's.

        Raises
        ------
        DatasetError
            If the bands do not fit into one file.
        """
        first = headers[0]
        for header in headers[1:]:
            for what in _SHARED:
                if not np.array_equal(getattr(header, what), getattr(first, what)):
                    raise DatasetError(
                        f"band {header.band}: its {what} differ from band {first.band}'s, so they cannot be "
                        "channels of one file; export with --split, or leave it out with --bands"
                    )
            if len(header.channel_hz) != len(first.channel_hz):
                raise DatasetError(
                    f"band {header.band} has {len(header.channel_hz)} channels, band {first.band} has "
                    f"{len(first.channel_hz)}; one file needs the same number in each: export with --split"
                )
        telescope = observation["telescope"]
        return cls(
            header=first,
            bands=tuple(header.band for header in headers),
            time_utc=time_utc,
            channel_hz=np.concatenate([header.channel_hz for header in headers]),
            channel_width_hz=np.concatenate([header.channel_width_hz for header in headers]),
            name=str(observation["name"]),
            array=Path(str(telescope["array"])).name,
            station=telescope.get("station") or {"type": "isotropic"},
        )

    @property
    def n_rows(self) -> int:
        """Rows: baselines of every dump."""
        return self.header.n_dumps * len(self.header.baselines)

    @property
    def time_s(self) -> Float64:
        """(dump,) float64: mid-points in seconds of MJD, as Measurement Sets count time; good to 1 µs."""
        seconds: Float64 = (self.time_utc * DAY_S).sum(axis=1)
        return seconds

    @property
    def channels_per_band(self) -> int:
        """Channels of each band."""
        return len(self.header.channel_hz)

    @property
    def n_channels(self) -> int:
        """Channels of the file."""
        return len(self.channel_hz)

    @property
    def n_pols(self) -> int:
        """Polarisations."""
        return len(self.header.polarisations)

    @property
    def feeds_turn(self) -> bool:
        """Whether X and Y are fixed to the ground, so that they turn against the sky; else X is the sky's north."""
        return _has_ground_feeds(self.station)

    @property
    def diameter_m(self) -> float:
        """Diameter of the stations' dishes; 0 where they have none."""
        return parse_quantity(self.station["diameter"], "length", "m") if "diameter" in self.station else 0.0


_SHARED = ("n_dumps", "integration_s", "baselines", "station_m", "station_names", "phase_centre_rad", "polarisations")


def _has_ground_feeds(section: Any) -> bool:
    if isinstance(section, dict):
        return section.get("type") in GROUND_FEEDS or any(map(_has_ground_feeds, section.values()))
    return isinstance(section, list) and any(map(_has_ground_feeds, section))


def vis_rows(block: Block) -> NDArray[np.complex64]:
    """Return visibilities as rows, (time × baseline, channel, pol)."""
    by_row = block.vis.transpose(0, 2, 1, 3)
    return by_row.reshape(-1, *by_row.shape[2:])


def weight_rows(block: Block) -> NDArray[np.float32]:
    """Return weights as rows, (time × baseline, channel)."""
    return block.weight.transpose(0, 2, 1).reshape(-1, block.weight.shape[1])


def uvw_rows(block: Block, baselines: NDArray[np.int32]) -> Float64:
    """Return ANTENNA1 minus ANTENNA2 as rows, (time × baseline, 3), m."""
    first, second = baselines.T.astype(np.intp)
    uvw = np.empty((len(block.dump), len(baselines), 3))
    for one, stations in zip(uvw, block.station_uvw, strict=True):
        # Five times as fast as indices in brackets: this is a tenth of what an export has to do.
        np.take(stations, first, axis=0, out=one, mode="clip")
        one -= np.take(stations, second, axis=0, mode="clip")
    return uvw.reshape(-1, 3)
