"""Light-cones as 21cmFAST writes them: the HDF5 layouts of its versions 3 and 4."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Float64

#: Kelvin of the value one; 21cmFAST's own files say nothing and are in mK.
_KELVIN: Final = {"mK": 1e-3, "K": 1.0}
#: How far slices may lie outside the redshifts that were simulated, as a part of their distance.
_SLACK: Final = 0.02


@dataclasses.dataclass(frozen=True)
class LightconeFile:
    """What a light-cone file says about its slices.

    Attributes
    ----------
    path, dataset
        The file, and the path of the cube (x, y, line of sight) in it.
    n_cells
        Cells along x and along y.
    cell_mpc
        Comoving size of a cell across, Mpc.
    distance_mpc
        (slice,) float64 comoving distance along the line of sight, Mpc, ascending and evenly spaced.
    first_slice
        Index along the cube's last axis of the first of these.
    kelvin
        Kelvin of the value one.
    universe
        The astropy cosmology of the file; None if it says nothing of it.
    """

    path: Path
    dataset: str
    n_cells: int
    cell_mpc: float
    distance_mpc: Float64
    first_slice: int
    kelvin: float
    universe: Any

    def read(self, index: int) -> Float64:
        """Read one slice and nothing else, (x, y) float64, K.

        Raises
        ------
        ConfigError
            If a value is not finite.
        """
        import h5py

        with h5py.File(self.path, "r") as file:
            values = np.asarray(file[self.dataset][:, :, self.first_slice + index], dtype=np.float64)
        if not np.isfinite(values).all():
            raise ConfigError(
                f"{self.path}: slice {index} of {self.dataset} has {int((~np.isfinite(values)).sum())} values that are "
                "not finite; give a light-cone that is whole"
            )
        return values * self.kelvin


def open_lightcone(path: Path, field: str) -> LightconeFile:
    """Read everything but the cube.

    The layouts are those of `LightCone.save` in 21cmFAST 3.0 to 3.4 (groups ``user_params``, ``cosmo_params``) and 4.0
    on (group ``InputParameters``).

    Parameters
    ----------
    path
        The file.
    field
        Which of the cubes in group ``lightcones``.

    Raises
    ------
    ConfigError
        If the layout is another, or numbers do not agree with one another.
    """
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read as HDF5 ({error}); give a light-cone that 21cmFAST saved") from error
    with file:
        return _of_file(file, path, field)


def _of_file(file: Any, path: Path, field: str) -> LightconeFile:
    """Read an open file."""
    cube = _cube(file, path, field)
    inside = file.get("InputParameters", file)
    options = next((inside[name] for name in ("simulation_options", "user_params") if name in inside), None)
    if options is None:
        raise ConfigError(
            f"{path}: has neither the group user_params (21cmFAST 3) nor InputParameters/simulation_options (4), "
            f"but {', '.join(file)}; give a light-cone that one of these saved"
        )
    n_cells, box_mpc = int(_number(options, "HII_DIM", path)), _number(options, "BOX_LEN", path)
    universe = _universe(inside, path)
    distance_mpc = _distances(file, path, universe, box_mpc / n_cells, cube.shape[-1])
    if cube.shape != (n_cells, n_cells, len(distance_mpc)):
        raise ConfigError(
            f"{path}: {cube.name} is {cube.shape}, and HII_DIM ({n_cells}) and the {len(distance_mpc)} distances "
            "ask for another shape; give a light-cone with flat slices, as from a RectilinearLightconer"
        )
    # Slices that were only there to make redshift-space distortions (21cmFAST 4).
    low, high = (int(file.attrs.get(f"{end}_buffer_pixels", 0)) for end in ("lowz", "highz"))
    distance_mpc = distance_mpc[low : len(distance_mpc) - high]
    _check_distances(path, distance_mpc, universe, inside.get("node_redshifts"))
    kelvin = _KELVIN[_unit(cube, "mK", _KELVIN, path)]
    return LightconeFile(path, cube.name, n_cells, box_mpc / n_cells, distance_mpc, low, kelvin, universe)


def _cube(file: Any, path: Path, field: str) -> Any:
    """Return the dataset of a field."""
    group = file.get("lightcones")
    if group is None or field not in group:
        there = "no group lightcones" if group is None else f"only {', '.join(group)} in it"
        raise ConfigError(
            f"{path}: has no lightcones/{field}: there is {there}; give a light-cone that 21cmFAST saved, or name "
            "one of its cubes of brightness temperature with 'field'"
        )
    cube = group[field]
    if cube.ndim != 3:
        raise ConfigError(
            f"{path}: {cube.name} has {cube.ndim} axes; give a light-cone with three (x, y, line of sight), as from a "
            "RectilinearLightconer"
        )
    return cube


def _number(group: Any, key: str, path: Path) -> float:
    value = group.attrs.get(key)
    if not isinstance(value, (int, float, np.integer, np.floating)) or not (np.isfinite(value) and value > 0):
        raise ConfigError(
            f"{path}: attribute {key} of {group.name} is {value!r}; it must be a number above zero: give a light-cone "
            "that 21cmFAST saved"
        )
    return float(value)


def _unit(dataset: Any, default: str, known: dict[str, float], path: Path) -> str:
    """Return a dataset's unit: its attribute ``unit`` or ``units``, or else what 21cmFAST means."""
    found = next((dataset.attrs[key] for key in ("unit", "units") if key in dataset.attrs), default)
    text = found.decode() if isinstance(found, bytes) else str(found)
    if text not in known:
        raise ConfigError(
            f"{path}: {dataset.name} is in {text!r}; only {' or '.join(known)} is taken: convert it, or correct its "
            "attribute"
        )
    return text


def _universe(inside: Any, path: Path) -> Any:
    """Return the file's cosmology as 21cmFAST makes it: astropy's Planck15 with other H0, Om0, Ob0 and, in 4, Neff."""
    if "cosmo_params" not in inside:
        return None
    from astropy.cosmology import Planck15

    group = inside["cosmo_params"]
    hlittle, om0, ob0 = (_number(group, key, path) for key in ("hlittle", "OMm", "OMb"))
    n_neutrinos = 3.044 if "simulation_options" in inside else Planck15.Neff
    return Planck15.clone(name=f"cosmology of {path.name}", H0=100 * hlittle, Om0=om0, Ob0=ob0, Neff=n_neutrinos)


def _distances(file: Any, path: Path, universe: Any, cell_mpc: float, n_slices: int) -> Float64:
    """Return the comoving distance of every slice, Mpc."""
    for name in ("lightcone_distances", "distances"):  # 21cmFAST 4, 3.4
        if name in file:
            _unit(file[name], "Mpc", {"Mpc": 1.0}, path)
            return np.asarray(file[name][()], dtype=np.float64)
    if "redshift" not in file.attrs or universe is None:
        raise ConfigError(
            f"{path}: says nowhere how far its slices are: it has no dataset lightcone_distances or distances, nor an "
            "attribute redshift with cosmo_params; give a light-cone that 21cmFAST saved"
        )
    # 21cmFAST 3.0 to 3.3: from the lowest redshift on, one cell after the other.
    nearest_mpc = universe.comoving_distance(float(file.attrs["redshift"])).to_value("Mpc")
    return np.asarray(nearest_mpc + cell_mpc * np.arange(n_slices), dtype=np.float64)


def _check_distances(path: Path, distance_mpc: Float64, universe: Any, nodes: Any) -> None:
    """Refuse distances that are uneven, or that the simulated redshifts cannot be at: those in Mpc/h, say."""
    steps = np.diff(distance_mpc)
    if len(steps) < 2 or not (steps > 0).all() or np.ptp(steps) > 1e-4 * steps.mean():
        raise ConfigError(
            f"{path}: the {len(distance_mpc)} distances of the slices must be at least three, ascending and evenly "
            "spaced; give a light-cone that 21cmFAST saved"
        )
    if universe is None or nodes is None or nodes.shape in (None, ()):
        return
    ends = np.sort(np.asarray(nodes[()], dtype=np.float64))[[0, -1]]
    near, far = universe.comoving_distance(ends).to_value("Mpc")
    if distance_mpc[0] < near * (1 - _SLACK) or distance_mpc[-1] > far * (1 + _SLACK):
        raise ConfigError(
            f"{path}: slices are at {distance_mpc[0]:.1f} to {distance_mpc[-1]:.1f} Mpc, and what was simulated, "
            f"redshifts {ends[0]:.3f} to {ends[1]:.3f} (node_redshifts), is at {near:.1f} to {far:.1f} Mpc in the "
            "file's cosmology; correct the distances (Mpc, not Mpc/h) or cosmo_params"
        )
