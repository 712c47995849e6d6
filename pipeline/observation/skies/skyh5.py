"""SkyH5 files of pyradiosky, the format of pyuvsim's skies (SkyH5 memo of pyradiosky), read with h5py alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.config.sources import Interpolation
from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Float64
from pipeline.observation.skies.components import Components, check_components
from pipeline.observation.skies.spectra import Table
from pipeline.observation.skies.text_lines import ANY_HZ

_SPECTRA: Final = ("flat", "spectral_index", "subband", "full")


@dataclasses.dataclass(frozen=True)
class StokesOfFile:
    """Flux densities of a file by frequency; one frequency's are read when they are asked for.

    Attributes
    ----------
    path
        The file.
    unit_jy
        The size of the file's unit.
    """

    path: Path
    unit_jy: float

    def __getitem__(self, index: int) -> Float64:
        """Return I, Q, U, V at the file's frequency `index`, (source, 4) float64, Jy."""
        import h5py

        with h5py.File(self.path, "r") as file:
            plane: Float64 = np.asarray(file["Data/stokes"][:, index, :], dtype=np.float64).T * self.unit_jy
        return plane


def read_skyh5(path: Path, interpolation: Interpolation) -> tuple[Components, list[str]]:
    """Read a file of point sources.

    Parameters
    ----------
    path
        The file.
    interpolation
        How to get from one of the file's frequencies to the next, for the types subband and full.

    Returns
    -------
    sky, notes
        The sources, and lines for people.

    Raises
    ------
    ConfigError
        If the file is no SkyH5 file of points, or a number is bad.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if "Header" not in file or "Data/stokes" not in file:
                raise ConfigError(f"{path}: has no Header or no Data/stokes; give a SkyH5 file, as pyradiosky writes")
            sky = _read(path, file, interpolation)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read as HDF5 ({error}); give a SkyH5 file") from error
    check_components(sky, str(path), range(sky.n_sources))
    for table in sky.tables:
        table.check_numbers(sky.label)
    return sky, []


def _read(path: Path, file: Any, interpolation: Interpolation) -> Components:
    """Read an open file."""
    header = file["Header"]
    component, spectral = (_text(path, header, key) for key in ("component_type", "spectral_type"))
    if component != "point":
        raise ConfigError(
            f"{path}: component_type is {component!r}, a map and no list of sources; it must be 'point': write a map "
            "as FITS, and give that as an entry {healpix: PATH}"
        )
    if spectral not in _SPECTRA:
        raise ConfigError(f"{path}: spectral_type is {spectral!r}; it must be one of {', '.join(_SPECTRA)}")
    ra_rad, dec_rad = _directions(path, header)
    n_sources = len(ra_rad)
    unit_jy = _unit_size(path, file["Data/stokes"], "Jy")
    shape = file["Data/stokes"].shape
    if len(shape) != 3 or shape[0] != 4 or shape[2] != n_sources:
        raise ConfigError(f"{path}: Data/stokes has shape {shape}; it must be (4, frequencies, {n_sources} sources)")
    zeros = np.zeros(n_sources)
    sky = Components(
        names=_names(header),
        ra_rad=ra_rad,
        dec_rad=dec_rad,
        stokes_jy=np.zeros((n_sources, 4)),
        reference_hz=zeros + ANY_HZ,
        spectral_index=zeros,
    )
    stokes = StokesOfFile(path, unit_jy)
    if spectral in ("subband", "full"):
        return dataclasses.replace(sky, tables=(_table(path, header, shape[1], stokes, interpolation),))
    if shape[1] != 1:
        raise ConfigError(f"{path}: holds {shape[1]} frequencies; spectral_type {spectral!r} has one")
    sky = dataclasses.replace(sky, stokes_jy=stokes[0])
    if spectral == "flat":
        return sky
    return dataclasses.replace(
        sky,
        reference_hz=_numbers(path, header, "reference_frequency", "Hz"),
        spectral_index=_numbers(path, header, "spectral_index", ""),
    )


def _table(path: Path, header: Any, n_frequencies: int, stokes: StokesOfFile, interpolation: Interpolation) -> Table:
    """Take the flux densities at the file's frequencies."""
    frequency_hz = _numbers(path, header, "freq_array", "Hz")
    if len(frequency_hz) != n_frequencies:
        raise ConfigError(
            f"{path}: freq_array holds {len(frequency_hz)} frequencies, Data/stokes {n_frequencies}; write it again"
        )
    unpolarised = not any(stokes[index][:, 1:].any() for index in range(n_frequencies))
    return Table(str(path), None, frequency_hz, stokes, interpolation, unpolarised)


def _directions(path: Path, header: Any) -> tuple[Float64, Float64]:
    """Return ICRS right ascensions and declinations, rad; older files hold them without the group skycoord."""
    group = header.get("skycoord", header)
    frame = _text(path, group, "frame").lower() if "frame" in group else "icrs"
    pairs = (("ra", "dec"), ("l", "b"), ("lon", "lat"))
    pair = next((pair for pair in pairs if pair[0] in group and pair[1] in group), None)
    if pair is None:
        raise ConfigError(f"{path}: holds no directions (ra and dec, in Header/skycoord); write it again")
    first, second = (_numbers(path, group, key, "rad") for key in pair)
    if frame == "icrs":
        return first, second
    equinox = _text(path, group, "equinox") if "equinox" in group else "J2000.000"
    if frame not in ("fk5", "galactic") or (frame == "fk5" and equinox != "J2000.000"):
        raise ConfigError(
            f"{path}: directions are in the frame {frame!r}, equinox {equinox}; it must be icrs, galactic, or fk5 of "
            "J2000: turn them with pyradiosky's transform_to"
        )
    from astropy.coordinates import SkyCoord

    icrs = SkyCoord(first, second, unit="rad", frame=frame).icrs
    return np.asarray(icrs.ra.rad), np.asarray(icrs.dec.rad)


def _names(header: Any) -> npt.NDArray[Any]:
    """Return the sources' names."""
    return np.array([name.decode("utf-8") for name in header["name"][()]], dtype=np.dtypes.StringDType())


def _text(path: Path, group: Any, key: str) -> str:
    """Return a text of the header."""
    if key not in group:
        raise ConfigError(f"{path}: {group.name} has no {key}; give a SkyH5 file, as pyradiosky writes")
    value = group[key][()]
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _numbers(path: Path, group: Any, key: str, unit: str) -> Float64:
    """Return numbers of the header in `unit`."""
    if key not in group:
        raise ConfigError(f"{path}: {group.name} has no {key}; give a SkyH5 file, as pyradiosky writes")
    return np.asarray(group[key][()], dtype=np.float64) * (_unit_size(path, group[key], unit) if unit else 1.0)


def _unit_size(path: Path, dataset: Any, unit: str) -> float:
    """Return the size of a dataset's unit."""
    from astropy.units import Unit, UnitsError

    written = dataset.attrs.get("unit", "")
    try:
        return float(Unit(written).to(unit))
    except (ValueError, UnitsError) as error:
        raise ConfigError(
            f"{path}: {dataset.name} is in {written!r}; it must have a unit that can be turned into {unit}"
        ) from error
