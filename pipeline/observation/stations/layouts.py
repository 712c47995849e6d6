"""Where the elements of aperture-array stations stand."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.config.station import SKA_LOW, ApertureArrayConfig, RotationConfig
from pipeline.errors import ConfigError
from pipeline.observation import layout_files

Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]

_N_SKA_LOW = 256
# Outermost element of the spiral, and how far elements are moved from it: 38 m across at most, 1.5 m apart at least.
_SPIRAL_RADIUS_M = 18.85
_PERTURBATION_M = 0.15
_GOLDEN_ANGLE_RAD = math.pi * (3.0 - math.sqrt(5.0))


@dataclasses.dataclass(frozen=True)
class Layouts:
    """The element layouts of an array's stations.

    Attributes
    ----------
    elements
        One array per kind of station, (element, 3) float64, m: east, north, up from the station's position.
    kind
        (station,) int32: which of `elements` is a station's.
    """

    elements: tuple[Float64, ...]
    kind: Int32


def load_layouts(config: ApertureArrayConfig, n_stations: int) -> Layouts:
    """Read and turn the layouts of all stations; stations that come out the same are of one kind.

    Raises
    ------
    ConfigError
        If a file is bad, or there are not as many layouts or angles as stations.
    """
    if config.layout == SKA_LOW:
        layouts, layout_of = [ska_low_elements()], np.zeros(n_stations, np.int64)
    else:
        layouts, layout_of = _read(Path(config.layout), n_stations)
    angle_rad = _angles(config.rotation, n_stations)
    elements: list[Float64] = []
    kinds: dict[tuple[bytes, float], int] = {}
    kind = np.empty(n_stations, np.int32)
    for station in range(n_stations):
        layout, angle = layouts[layout_of[station]], float(angle_rad[station])
        same = (layout.tobytes(), angle)
        if same not in kinds:
            kinds[same] = len(elements)
            elements.append(turn(layout, angle))
        kind[station] = kinds[same]
    return Layouts(tuple(elements), kind)


def ska_low_elements() -> Float64:
    """Place the 256 elements of a station of SKA-Low, (element, 3) float64, m: east, north, up.

    A perturbed Vogel spiral, one of the layouts SKA-Low's prototype AAVS3 tried [Green et al., on AAVS3; the spiral:
    Vogel 1979, Mathematical Biosciences 44, 179]: element k lies at the radius ``R sqrt((k + 1/2) / (N - 1/2))`` and
    the angle k times the golden one, so that density is the same everywhere, and is then moved by up to 0.15 m.
    Number and diameter are the published ones, 256 elements within 38 m centre to centre [de Lera Acedo et al.
    2020, arXiv:2003.12744]; the single positions are not those of any station built.
    """
    k = np.arange(_N_SKA_LOW)
    radius = _SPIRAL_RADIUS_M * np.sqrt((k + 0.5) / (_N_SKA_LOW - 0.5))
    moved, towards = unit_draws(_N_SKA_LOW, 2 * _N_SKA_LOW).reshape(2, -1)
    moved = _PERTURBATION_M * np.sqrt(moved)
    elements = np.zeros((_N_SKA_LOW, 3))
    elements[:, 0] = radius * np.sin(k * _GOLDEN_ANGLE_RAD) + moved * np.sin(2.0 * math.pi * towards)
    elements[:, 1] = radius * np.cos(k * _GOLDEN_ANGLE_RAD) + moved * np.cos(2.0 * math.pi * towards)
    return elements


def unit_draws(seed: int, n: int) -> Float64:
    """Draw `n` numbers in [0, 1), (n,) float64, the same on every machine: draw i does not depend on `n`.

    Made of the generator's bits themselves, whose stream NumPy promises to keep; it does not for distributions.
    """
    bits = np.random.PCG64(seed).random_raw(n)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def turn(elements: Float64, angle_rad: float) -> Float64:
    """Turn (element, 3) positions about the vertical, from the north through the east."""
    sine, cosine = math.sin(angle_rad), math.cos(angle_rad)
    turned: Float64 = elements @ np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    return turned


def _read(path: Path, n_stations: int) -> tuple[list[Float64], npt.NDArray[np.int64]]:
    """Read one layout for all stations from a file, or the folder of each station."""
    if path.is_file():
        return [layout_files.read_elements(path).values], np.zeros(n_stations, np.int64)
    folders = layout_files.find_station_folders(path)
    layouts = [layout_files.read_station_folder(folder) for folder in folders]
    chosen = layout_files.read_station_types(path, len(folders))
    if chosen is not None:
        _check_count(f"telescope.station.layout: {path}/{layout_files.STATION_TYPES}", "lines", len(chosen), n_stations)
        return layouts, chosen
    if len(folders) == 1:
        return layouts, np.zeros(n_stations, np.int64)
    _check_count(f"telescope.station.layout: {path}", "folders of stations", len(folders), n_stations)
    return layouts, np.arange(n_stations)


def _angles(config: RotationConfig, n_stations: int) -> Float64:
    """Return the angle each station's layout is turned by, (station,) float64, rad."""
    if config.seed is not None:
        return 2.0 * math.pi * unit_draws(config.seed, n_stations)
    if config.file is not None:
        table = layout_files.read_text_table(config.file, "angle", required=1)
        _check_count(f"telescope.station.rotation.file: {config.file}", "angles", len(table.lines), n_stations)
        degrees: Float64 = table.values[:, 0]
        return degrees * (math.pi / 180.0)
    assert config.angle_rad is not None
    return np.full(n_stations, config.angle_rad)


def _check_count(where: str, what: str, found: int, n_stations: int) -> None:
    if found != n_stations:
        raise ConfigError(f"{where}: holds {found} {what}, and the array has {n_stations} stations; give one for each")
