"""The Fourier modes of a field: their wavenumbers, what averaging left of them, and bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from pipeline.products.power_spectrum import PowerSettings
    from pipeline.products.power_spectrum_cube import Cube

Floats = NDArray[np.float64]
Taper = Literal["none", "hann", "blackman-harris"]

#: Cosine coefficients: Harris 1978, Proc. IEEE 66, 51, eq. 27 and table 1 (four terms, -92 dB).
_COSINES: Final[dict[str, tuple[float, ...]]] = {
    "none": (1.0,),
    "hann": (0.5, 0.5),
    "blackman-harris": (0.35875, 0.48829, 0.14128, 0.01168),
}


@dataclass(frozen=True)
class Grid:
    """The comoving grid of a field.

    Attributes
    ----------
    size, n_planes
        Pixels along a side; planes along the line of sight.
    cell_mpc, depth_mpc
        Comoving width of a pixel and depth of a plane, Mpc, at the middle of the band.
    fine_channels
        Channels averaged into a plane.
    wedge_slope
        k_par / k_perp of a foreground at the horizon.
    """

    size: int
    n_planes: int
    cell_mpc: float
    depth_mpc: float
    fine_channels: int
    wedge_slope: float

    @property
    def voxel_mpc3(self) -> float:
        """Comoving volume of a pixel of a plane, Mpc^3."""
        return self.cell_mpc**2 * self.depth_mpc

    @property
    def volume_mpc3(self) -> float:
        """Comoving volume of the field, Mpc^3."""
        return self.size**2 * self.n_planes * self.voxel_mpc3

    @property
    def k_perp(self) -> Floats:
        """Across the line of sight, (y, x) float64, 1/Mpc, in the order of a Fourier transform."""
        across = 2 * np.pi * np.fft.fftfreq(self.size, self.cell_mpc)
        return np.asarray(np.hypot(across[:, None], across))

    @property
    def k_par(self) -> Floats:
        """Along the line of sight, (plane,) float64, 1/Mpc, with signs."""
        return np.asarray(2 * np.pi * np.fft.fftfreq(self.n_planes, self.depth_mpc))

    @property
    def k(self) -> Floats:
        """Their length, (plane, y, x) float64, 1/Mpc."""
        return np.asarray(np.hypot(self.k_par[:, None, None], self.k_perp))

    def averaging_response(self) -> Floats:
        """Return what averaging channels into planes leaves of the amplitude of a mode, (plane,) float64.

        Notes
        -----
        The mean of exp(i k_par z) over n channels, sin(n x) / (n sin x) with x = k_par times half a channel's depth.
        """
        x = self.k_par * self.depth_mpc / self.fine_channels / 2
        n = self.fine_channels
        return np.asarray(np.divide(np.sin(n * x), n * np.sin(x), out=np.ones_like(x), where=x != 0))


def grid_of(cube: Cube, settings: PowerSettings) -> Grid:
    """Return the comoving grid of a cube's field.

    Raises
    ------
    ConfigError
        If the field needs more of the point-spread function than the image has, or the cube lies beyond the line.
    """
    from pipeline.observation.cosmology import cosmology, depth_mpc, transverse_mpc

    universe = cosmology(settings.cosmology)
    across = float(transverse_mpc(universe, cube.middle_hz))
    depth = float(depth_mpc(universe, cube.middle_hz, cube.step_hz))
    size = field_pixels(cube, settings.field_rad)
    return Grid(
        size=size,
        n_planes=cube.n_planes,
        cell_mpc=across * cube.cell_rad,
        depth_mpc=depth,
        fine_channels=cube.fine_channels,
        wedge_slope=across * cube.step_hz / (cube.middle_hz * depth),
    )


def field_pixels(cube: Cube, field_rad: float | None) -> int:
    """Return the pixels along a side of the field: as asked for, or half of the image.

    Raises
    ------
    ConfigError
        If there are fewer than 4, or more than half of the image.
    """
    most = (cube.size + 1) // 2
    size = most if field_rad is None else round(field_rad / cube.cell_rad)
    if not 4 <= size <= most:
        width, cell = (float(np.degrees(value)) for value in (size * cube.cell_rad, cube.cell_rad))
        raise ConfigError(
            f"--field: {size} pixels ({width:.4g} deg) of {cube.path.name}, which has {cube.size}; the field must have "
            f"from 4 to {most} pixels ({most * cell:.4g} deg), half of the image, as the point-spread function must "
            "reach from each edge of it to the other: image with a larger image.size, or take a smaller field"
        )
    return size


def taper_weights(name: Taper, n: int) -> Floats:
    """Return a taper along the line of sight, (plane,) float64: periodic, so that its squares add up evenly."""
    angle = 2 * np.pi * (np.arange(n) + 0.5) / n
    signs = (1, -1, 1, -1)
    terms = [
        sign * a * np.cos(order * angle) for order, (sign, a) in enumerate(zip(signs, _COSINES[name], strict=False))
    ]
    return np.asarray(np.sum(terms, axis=0))


def independent_share(taper: Floats) -> float:
    """Return how many of the modes along the line of sight are independent once tapered, as a share of them.

    The scatter of a mean over all of them, which is that of sum(w^4) over (sum w^2)^2.
    """
    squared = taper**2
    return float(squared.sum() ** 2 / (len(taper) * (squared**2).sum()))


def inner_modes(measured: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return those of the measured modes (y, x) that have measured ones all around; k = 0 counts as measured.

    Of modes at the rim of what is measured a part lies in those that are not, and what is found of them hangs on the
    last detail of the sampling, such as how an array seen aslant looks from the edge of the field.
    """
    around = measured.copy()
    around[0, 0] = True
    whole = np.logical_and.reduce([np.roll(around, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
    # Nothing lies beyond the largest wavenumbers of the grid, next to which a transform has those of opposite sign.
    n = len(measured)
    largest = np.abs(np.rint(np.fft.fftfreq(n, 1 / n))) == n // 2
    whole[largest, :] = whole[:, largest] = False
    return np.asarray(whole & measured)


def kept_modes(grid: Grid, across: NDArray[np.bool_], settings: PowerSettings) -> NDArray[np.bool_]:
    """Return which modes (plane, y, x) are used: measured by the array, kept by averaging, outside the cuts.

    Parameters
    ----------
    grid
        The modes.
    across
        (y, x): those that the array measures in all planes.
    settings
        The cuts.

    Raises
    ------
    DatasetError
        If none is left.
    """
    k_par, k_perp, k = np.abs(grid.k_par)[:, None, None], grid.k_perp, grid.k
    kept = across & (k_par <= settings.max_par * np.pi / grid.depth_mpc) & (k > 0)
    if settings.wedge_rad is not None:
        edge = grid.wedge_slope * np.sin(settings.wedge_rad) * k_perp + settings.wedge_margin_per_mpc
        kept = kept & (k_par > edge)
    if settings.k_range_per_mpc is not None:
        low, high = settings.k_range_per_mpc
        kept = kept & (k >= low) & (k <= high)
    if not kept.any():
        raise DatasetError(
            f"no mode is left of {kept.size}: the array measures {int(across.sum())} of {across.size} cells of the uv "
            f"plane, and the cuts take the others; look at --k-range, --wedge and --field, or use more baselines"
        )
    return np.asarray(kept)


def check_cuts(settings: PowerSettings) -> None:
    """Raise ConfigError if a setting is out of its range."""
    low, high = settings.k_range_per_mpc or (0.0, 1.0)
    wedge = settings.wedge_rad
    rules = {
        "--bins": (settings.n_bins, settings.n_bins >= 1, "at least 1"),
        "--k-range": (settings.k_range_per_mpc, 0 <= low < high, "two wavenumbers (1/Mpc), the smaller one first"),
        "--max-par": (settings.max_par, 0 <= settings.max_par < 1, "from 0 to below 1, in units of k_par's largest"),
        "--max-loss": (settings.max_loss, 0 < settings.max_loss < 1, "between 0 and 1"),
        "--wedge": (wedge, wedge is None or 0 <= wedge <= np.pi / 2, "an angle from 0 deg to 90 deg"),
        "--wedge-margin": (settings.wedge_margin_per_mpc, settings.wedge_margin_per_mpc >= 0, "not below 0"),
        "--field": (settings.field_rad, (settings.field_rad or 1) > 0, "an angle above 0"),
        "--beam": (settings.beam_fwhm_rad, (settings.beam_fwhm_rad or 1) > 0, "an angle above 0"),
        "--taper": (settings.taper, settings.taper in _COSINES, f"one of {', '.join(_COSINES)}"),
    }
    for name, (value, good, rule) in rules.items():
        if not good:
            raise ConfigError(f"{name}: {value!r} must be {rule}")
