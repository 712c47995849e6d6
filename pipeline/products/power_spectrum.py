"""The power spectrum of the 21 cm line from image cubes: per sphere and per cylinder of wavenumbers.

The sky of each plane is found behind its dirty image, turned into brightness temperature, and Fourier transformed along
all three axes. docs/power-spectrum.md has the definitions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.config.diffuse import CosmologyConfig
from pipeline.errors import ConfigError
from pipeline.products.power_spectrum_bins import (
    Cylindrical,
    Powers,
    Spherical,
    average_over_cylinders,
    average_over_spheres,
    number_bins,
)
from pipeline.products.power_spectrum_cube import Cube, check_alike, open_cube
from pipeline.products.power_spectrum_modes import (
    Grid,
    Taper,
    check_cuts,
    grid_of,
    independent_share,
    inner_modes,
    kept_modes,
    taper_weights,
)
from pipeline.products.power_spectrum_sky import Sampling, cut_field

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]
Progress = Callable[[int, int], None]

#: Random skies that are sent through the array's sampling to learn which modes it keeps: at least so many in all.
_LEAST_PROBES: Final = 32
_PROBE_SEED: Final = 0


@dataclass(frozen=True)
class PowerSettings:
    """How to measure.

    Attributes
    ----------
    field_rad
        Width of the square that holds the sky, around the phase centre; None for half of the image.
    beam_fwhm_rad
        Full width at half maximum of the stations' power beam, a Gaussian; None where the field was seen evenly.
    taper
        Along the line of sight.
    n_bins, n_perp_bins
        Spherical bins, even in log k; bins of k_perp, even in k_perp.
    k_range_per_mpc
        Wavenumbers to use; None for all.
    max_par
        Largest k_par, in units of the largest there is, pi / depth of a plane: averaging over a plane's width folds
        power from beyond it onto the modes near it.
    wedge_rad, wedge_margin_per_mpc
        Modes below the wedge of foregrounds up to that angle from the phase centre, and so much above it, are left
        out; None for no wedge.
    max_loss
        A mode across the line of sight is kept where the error that the array's sampling makes of a random sky's
        power is below this share of it, and so it is for the modes next to it.
    cosmology
        From frequency to distance.
    n_threads
        Of the Fourier transforms.
    """

    field_rad: float | None = None
    beam_fwhm_rad: float | None = None
    taper: Taper = "none"
    n_bins: int = 10
    n_perp_bins: int = 10
    k_range_per_mpc: tuple[float, float] | None = None
    max_par: float = 0.5
    wedge_rad: float | None = None
    wedge_margin_per_mpc: float = 0.0
    max_loss: float = 0.01
    cosmology: CosmologyConfig = field(default_factory=lambda: CosmologyConfig(name="Planck18"))
    n_threads: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))


@dataclass(frozen=True)
class PowerMeasurement:
    """What was measured.

    Attributes
    ----------
    spherical, cylindrical
        The power.
    grid
        The modes.
    mode_bin
        (plane, y, x) int: the spherical bin of each mode, -1 where it is not used; x towards east.
    taper
        (plane,) float64.
    cubes
        What it was measured from.
    redshift
        Of the middle of the band.
    """

    spherical: Spherical
    cylindrical: Cylindrical
    grid: Grid
    mode_bin: NDArray[np.intp]
    taper: Floats
    cubes: tuple[Cube, ...]
    redshift: float


def measure_power(paths: Sequence[Path], settings: PowerSettings, progress: Progress | None = None) -> PowerMeasurement:
    """Measure the power spectrum of one cube, or the cross-power of two.

    Parameters
    ----------
    paths
        One cube of `dawnstream image`, or two of the same sky whose noise differs: the noise of one cube is in its
        power, that of two adds nothing on average.
    settings
        How to measure.
    progress
        Called with the planes done and to do.

    Raises
    ------
    ConfigError
        If a setting is out of its range.
    DatasetError
        If a cube cannot be used, or no mode is left.
    """
    from pipeline.observation.cosmology import redshift

    check_cuts(settings)
    if len(paths) not in (1, 2):
        raise ConfigError(f"{len(paths)} cubes; give one, or two for their cross-power")
    cubes = tuple(open_cube(path) for path in paths)
    check_alike(cubes)
    grid = grid_of(cubes[0], settings)
    counter = _Counter(len(cubes) * grid.n_planes, progress)
    skies = [_find_sky(cube, grid, settings, counter) for cube in cubes]
    across = inner_modes(np.logical_and.reduce([sky.loss < settings.max_loss for sky in skies]))
    kept = kept_modes(grid, across, settings)
    taper = taper_weights(settings.taper, grid.n_planes)
    modes = [_transform(sky.temperature_mk, grid, taper) for sky in skies]
    share = independent_share(taper)
    powers, k = Powers.of(modes, _seen_volume(cubes[0], grid, settings)), grid.k
    mode_bin, *edges = number_bins(k, kept, settings.n_bins)
    return PowerMeasurement(
        spherical=average_over_spheres(powers, k, mode_bin, (edges[0], edges[1]), share),
        cylindrical=average_over_cylinders(powers.power, grid, kept, settings.n_perp_bins, share),
        grid=grid,
        mode_bin=mode_bin,
        taper=taper,
        cubes=cubes,
        redshift=float(redshift(cubes[0].middle_hz)),
    )


@dataclass
class _Counter:
    """Counts planes for a progress bar."""

    n_planes: int
    progress: Progress | None
    n_done: int = 0

    def step(self) -> None:
        self.n_done += 1
        if self.progress is not None:
            self.progress(self.n_done, self.n_planes)


@dataclass(frozen=True)
class _Sky:
    """Brightness temperature (plane, y, x), mK, and the share of its power that each mode (y, x) loses."""

    temperature_mk: Floats
    loss: Floats


def _find_sky(cube: Cube, grid: Grid, settings: PowerSettings, counter: _Counter) -> _Sky:
    """Find the sky behind every plane, and what becomes of random skies on the way.

    Notes
    -----
    A random sky z of unit variance has |Z|^2 = size^2 on average in each mode. The mean of |Z' - Z|^2 over planes, Z'
    the sky that is found of it, says both how much of a mode is lost and how much of others is mixed into it.
    """
    from pipeline.observation.cosmology import kelvin_to_jy

    n, generator = grid.size, np.random.Generator(np.random.Philox(key=_PROBE_SEED))
    n_probes = -(-_LEAST_PROBES // grid.n_planes)
    offset = (np.arange(n) - n // 2) * cube.cell_rad
    solid_angle = cube.cell_rad**2 / np.sqrt(1 - offset[:, None] ** 2 - offset**2)
    temperature, loss = np.empty((grid.n_planes, n, n)), np.zeros((n, n))
    for plane, (dirty, psf) in enumerate(cube.planes()):
        sampling = Sampling(cut_field(psf, 2 * n - 1), n, settings.n_threads)
        probes = generator.standard_normal((n_probes, n, n))
        found = sampling.solve(np.concatenate([cut_field(dirty, n)[None], sampling.dirty(probes)]))
        temperature[plane] = 1e3 * found[0] / kelvin_to_jy(cube.frequency_hz[plane], solid_angle)
        loss += (np.abs(np.fft.fft2(found[1:] - probes)) ** 2).sum(axis=0)
        counter.step()
    return _Sky(temperature, loss / (n_probes * grid.n_planes * n**2))


def _transform(temperature_mk: Floats, grid: Grid, taper: Floats) -> Complex:
    """Return the integral of T exp(-i k x) over the field, (plane, y, x) complex128, mK Mpc^3, averaging undone."""
    modes = np.fft.fftn(temperature_mk * taper[:, None, None]) * grid.voxel_mpc3
    return np.asarray(modes / grid.averaging_response()[:, None, None])


def _seen_volume(cube: Cube, grid: Grid, settings: PowerSettings) -> float:
    """Return the volume that the field's power comes from, Mpc^3: that of the squared taper and squared beam."""
    weight = float((taper_weights(settings.taper, grid.n_planes) ** 2).mean())
    if settings.beam_fwhm_rad is not None:
        offset = (np.arange(grid.size) - grid.size // 2) * cube.cell_rad
        beam = np.exp(-4 * np.log(2) * (offset / settings.beam_fwhm_rad) ** 2)
        weight *= float((beam**2).mean()) ** 2
    return grid.volume_mpc3 * weight
