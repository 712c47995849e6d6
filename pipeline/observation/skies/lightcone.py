"""A light-cone of the 21 cm line as a sky: pixels that stay, brightness resampled for every channel."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.errors import ConfigError
from pipeline.observation.cosmology import LINE_HZ, cosmology, kelvin_to_jy, redshift
from pipeline.observation.skies.base import Float64, Observed, SkyPart
from pipeline.observation.skies.eor import pixel_directions
from pipeline.observation.skies.lightconefile import LightconeFile, open_lightcone
from pipeline.observation.skies.pixels import Recent, edges_hz
from pipeline.observation.skies.resample import cubic_along, cubic_taps, periodic_taps

if TYPE_CHECKING:
    from pipeline.config.diffuse import CosmologyConfig, LightconeEntry

#: Two cosmologies are the same if H0 and Om0 agree to this.
_SAME: Final = 1e-4


@dataclasses.dataclass(frozen=True)
class Slices:
    """Reads slices of a light-cone, less their mean if asked.

    Attributes
    ----------
    file
        The light-cone.
    remove_mean
        Whether to subtract the mean over a slice's whole box.
    """

    file: LightconeFile
    remove_mean: bool

    def __call__(self, index: int) -> Float64:
        """Return one slice, (x, y) float64, K."""
        values = self.file.read(index)
        return values - values.mean() if self.remove_mean else values


@dataclasses.dataclass(frozen=True)
class Lightcone(SkyPart):
    """A light-cone on a square grid of direction cosines.

    Attributes
    ----------
    ra_rad, dec_rad
        (source,) float64, ICRS; row by row from the south, each from the west.
    solid_angle_sr
        (source,) float64 of a pixel.
    size, cell_rad
        Pixels along a side, their width in direction cosines.
    file
        The file and its slices.
    universe
        Astropy cosmology.
    slices
        Gives a slice, (x, y) float64, K.
    """

    ra_rad: Float64
    dec_rad: Float64
    solid_angle_sr: Float64
    size: int
    cell_rad: float
    file: LightconeFile
    universe: Any
    slices: Callable[[int], Float64]

    @property
    def is_unpolarised(self) -> bool:
        """The line is not polarised."""
        return True

    def label(self, source: int) -> str:
        """Name a pixel, for messages."""
        row, column = divmod(source, self.size)
        return f"{self.file.path.name} pixel {column} to the east, {row} to the north"

    def temperature_k(self, frequency_hz: float) -> Float64:
        """Return brightness temperatures at a frequency, (north, east) float64, K.

        Cubic convolution along the line of sight, in comoving distance, then across, in comoving lengths: the box's
        cell n_cells // 2 stays on the centre, and the box repeats itself beyond its sides.

        Raises
        ------
        ConfigError
            If the light-cone is not there at the frequency.
        """
        self.check_band(frequency_hz, frequency_hz)
        away_mpc = self._distance_mpc(frequency_hz)
        steps = (away_mpc - self.file.distance_mpc[0]) / np.diff(self.file.distance_mpc).mean()
        taps = cubic_taps(steps, len(self.file.distance_mpc))
        box = sum((weight * self.slices(index) for index, weight in taps), start=np.zeros(()))
        # Cells per pixel; in a flat universe the distance along the line of sight is that across, too.
        pace = self.cell_rad * away_mpc / self.file.cell_mpc
        cells = (np.arange(self.size, dtype=np.float64) - self.size // 2) * pace + self.file.n_cells // 2
        indices, weights = periodic_taps(cells, self.file.n_cells)
        # x grows to the east, y to the north.
        return cubic_along(cubic_along(box, indices, weights).T, indices, weights)

    def stokes_at(self, frequency_hz: float) -> Float64:
        """Return I, Q, U, V at a frequency, (source, 4) float64, Jy."""
        stokes = np.zeros((self.n_sources, 4))
        stokes[:, 0] = self.temperature_k(frequency_hz).ravel() * kelvin_to_jy(frequency_hz, self.solid_angle_sr)
        return stokes

    def check_band(self, low_hz: float, high_hz: float) -> None:
        """Raise ConfigError unless slices are there from `low_hz` to `high_hz`."""
        from astropy import units
        from astropy.cosmology import z_at_value

        near, far = self.file.distance_mpc[[0, -1]]
        # Less than a thousandth of a slice: distances in a file are rounded.
        slack = 1e-3 * (self.file.distance_mpc[1] - near)
        if low_hz > 0 and high_hz < LINE_HZ:
            low_mpc, high_mpc = self._distance_mpc(high_hz), self._distance_mpc(low_hz)
            if near - slack <= low_mpc and high_mpc <= far + slack:
                return
        ends = [z_at_value(self.universe.comoving_distance, away * units.Mpc, zmax=1e4) for away in (far, near)]
        first, last = (LINE_HZ / (1 + float(end)) for end in ends)
        raise ConfigError(
            f"{self.file.path}: the slices cover {first / 1e6:.6f} MHz to {last / 1e6:.6f} MHz, and frequencies from "
            f"{low_hz / 1e6:.6f} MHz to {high_hz / 1e6:.6f} MHz are asked for; nothing is extrapolated: choose the "
            "spectrum within the light-cone, or give one that covers it"
        )

    def _distance_mpc(self, frequency_hz: float) -> float:
        return float(self.universe.comoving_distance(redshift(frequency_hz)).to_value("Mpc"))


def read_lightcone(entry: LightconeEntry, observed: Observed) -> tuple[Lightcone, list[str]]:
    """Lay a grid of pixels over a light-cone; slices are read as channels ask for them.

    Parameters
    ----------
    entry
        The file, and where it lies on the sky.
    observed
        The phase centre and the band.

    Returns
    -------
    part, notes
        The pixels, and lines for people.

    Raises
    ------
    ConfigError
        If the file cannot be used, its cosmology is another than the configuration's, or the field is larger than the
        box, or coarser than its cells.
    """
    file = open_lightcone(entry.lightcone, entry.field)
    universe = _same_universe(file, entry.cosmology)
    low_hz, high_hz = edges_hz(observed)
    slices = Recent(Slices(file, entry.mean == "remove"), 4)
    # Without pixels yet: whether the slices cover the band, which the grid depends on.
    Lightcone(np.empty(0), np.empty(0), np.empty(0), 0, 0.0, file, universe, slices).check_band(low_hz, high_hz)
    farthest_mpc = float(universe.comoving_distance(redshift(low_hz)).to_value("Mpc"))
    own_rad = file.cell_mpc / farthest_mpc
    size, cell_rad = entry.size or file.n_cells, entry.cell_rad or own_rad
    _check_grid(entry, size, cell_rad, file, own_rad)
    centre = entry.centre
    about = observed.phase_centre_rad if centre is None else (centre.ra_rad, centre.dec_rad)
    ra_rad, dec_rad, n = pixel_directions(size, cell_rad, about)
    part = Lightcone(ra_rad, dec_rad, cell_rad**2 / n, size, cell_rad, file, universe, slices)
    arcmin = np.degrees(cell_rad) * 60
    note = f"{file.path.name}: {size} x {size} pixels of {arcmin:.4g} arcmin, {size * arcmin / 60:.4g} deg across"
    return part, [note]


def _same_universe(file: LightconeFile, config: CosmologyConfig | None) -> Any:
    """Return the file's cosmology, or the configuration's where the file has none."""
    if config is None and file.universe is None:
        raise ConfigError(f"{file.path}: says nothing of its cosmology; set 'cosmology', such as {{name: Planck18}}")
    if config is None:
        return file.universe
    given = cosmology(config)
    if file.universe is None:
        return given
    for name, ours, theirs in (
        ("H0", given.H0.value, file.universe.H0.value),
        ("Om0", given.Om0, file.universe.Om0),
    ):
        if abs(ours - theirs) > _SAME * theirs:
            raise ConfigError(
                f"{file.path}: was made with {name} = {theirs:.6g}, and cosmology has {ours:.6g}; remove 'cosmology': "
                "the file's own is taken"
            )
    return file.universe


def _check_grid(entry: LightconeEntry, size: int, cell_rad: float, file: LightconeFile, own_rad: float) -> None:
    """Check the field against the box as it is seen at the lowest frequency, where it is smallest."""
    arcmin = 60 * np.degrees([cell_rad, own_rad])
    corner = size / np.sqrt(2) * cell_rad
    field_deg, box_deg = size * arcmin[0] / 60, file.n_cells * arcmin[1] / 60
    rounding = 1 + 1e-9
    if cell_rad > own_rad * rounding:
        raise ConfigError(
            f"{file.path}: cell is {arcmin[0]:.5g} arcmin, and the light-cone's cells are {arcmin[1]:.5g} arcmin at "
            "the lowest frequency; brightness is interpolated, not averaged, and what is smaller than a pixel would "
            "come back as something larger: choose a cell no larger than that"
        )
    if corner >= 1:
        raise ConfigError(
            f"{file.path}: {size} pixels of {arcmin[0]:.5g} arcmin reach to a direction cosine of {corner:.3g} in the "
            "corner, which must stay below 1; use fewer pixels or smaller ones"
        )
    if field_deg > box_deg * rounding and not entry.tile:
        raise ConfigError(
            f"{file.path}: the field is {field_deg:.5g} deg across, and the box {box_deg:.5g} deg at the lowest "
            "frequency; choose fewer or smaller pixels, or set 'tile: true' to repeat the box"
        )
