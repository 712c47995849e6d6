"""Synthetic sources that follow published source counts."""

from __future__ import annotations

from typing import Final

import numpy as np

from pipeline.config.sources import PopulationConfig, PopulationEntry
from pipeline.observation.skies.base import Float64, Observed
from pipeline.observation.skies.components import Components, Numbered

_COUNTS_HZ: Final = 154e6
#: log10(S^2.5 dN/dS) = sum_k a_k log10(S)^k, S in Jy, dN/dS per Jy and sr: Franzen et al. 2019, PASA 36, e004, eq. 11.
_COUNTS: Final = (3.52, 0.307, -0.388, -0.0404, 0.0351, 0.00600)
_CELLS_PER_E_FOLD: Final = 2000
# Each quantity has a stream of random numbers of its own.
_NUMBER, _FLUX, _PLACE, _INDEX = range(4)


def counts_per_jy_sr(flux_jy: Float64) -> Float64:
    """Return the differential source counts dN/dS at 154 MHz, 1/(Jy sr).

    Parameters
    ----------
    flux_jy
        (flux,) float64, Jy, within `COUNTS_RANGE_JY`.
    """
    counts: Float64 = 10 ** np.polynomial.polynomial.polyval(np.log10(flux_jy), _COUNTS) * flux_jy**-2.5
    return counts


def from_config(entry: PopulationEntry, observed: Observed) -> Components:
    """Draw a population: points, unpolarised, with power-law spectra.

    The draw depends on the entry and the phase centre alone, so every rank would draw the same.

    Parameters
    ----------
    entry
        What to draw.
    observed
        Gives the phase centre, around which sources lie unless the entry says otherwise.
    """
    config = entry.population
    edges_ln, above = _cumulative(config.flux.min_jy, config.flux.max_jy)
    expected = 4 * np.pi * np.sin(config.radius_rad / 2) ** 2 * above[0]
    n_sources = round(expected)
    if config.number == "poisson":
        n_sources = int(_stream(config.seed, _NUMBER).poisson(expected))
    # Where a fraction of the cumulative counts is reached; `above` falls, interp wants it to rise.
    fractions = _stream(config.seed, _FLUX).random(n_sources)
    flux_jy = np.exp(np.interp(fractions * above[0], above[::-1], edges_ln[::-1]))
    ra_rad, dec_rad = _directions(config, observed, n_sources)
    index = config.spectral_index
    return Components(
        names=Numbered("population", n_sources),
        ra_rad=ra_rad,
        dec_rad=dec_rad,
        stokes_jy=np.stack([flux_jy, *np.zeros((3, n_sources))], axis=-1),
        reference_hz=np.full(n_sources, _COUNTS_HZ),
        spectral_index=index.mean + index.scatter * _stream(config.seed, _INDEX).standard_normal(n_sources),
    )


def _stream(seed: int, quantity: int) -> np.random.Generator:
    """Return the random numbers of one quantity: a counter-based generator, keyed by seed and quantity."""
    return np.random.Generator(np.random.Philox(key=[seed, quantity]))


def _cumulative(low_jy: float, high_jy: float) -> tuple[Float64, Float64]:
    """Integrate the counts from above, by the trapezoidal rule in ln S.

    The cells are so small that the relative error of the integral is below 1e-6.

    Returns
    -------
    edges_ln, above
        (edge,) float64: ln S, and the number of sources per sr above S.
    """
    low, high = np.log([low_jy, high_jy])
    edges = np.linspace(low, high, int(np.ceil((high - low) * _CELLS_PER_E_FOLD)) + 2)
    flux_jy = np.exp(edges)
    density = counts_per_jy_sr(flux_jy) * flux_jy
    cells = (density[1:] + density[:-1]) / 2 * np.diff(edges)
    return edges, np.append(np.cumsum(cells[::-1])[::-1], 0.0)


def _directions(config: PopulationConfig, observed: Observed, n_sources: int) -> tuple[Float64, Float64]:
    """Place sources evenly on a cap of the sphere; ICRS right ascension and declination, rad."""
    centre = config.centre
    ra_0, dec_0 = observed.phase_centre_rad if centre is None else (centre.ra_rad, centre.dec_rad)
    first, second = _stream(config.seed, _PLACE).random((2, n_sources))
    # Areas of caps go with the square of the half angle's sine.
    half_sin = np.sin(config.radius_rad / 2) * np.sqrt(first)
    sin, cos = 2 * half_sin * np.sqrt(1 - half_sin**2), 1 - 2 * half_sin**2
    angle = 2 * np.pi * second
    # Along the centre, to its north and to its east.
    north, east = sin * np.cos(angle), sin * np.sin(angle)
    in_plane = cos * np.cos(dec_0) - north * np.sin(dec_0)
    z = cos * np.sin(dec_0) + north * np.cos(dec_0)
    ra = np.mod(ra_0 + np.arctan2(east, in_plane), 2 * np.pi)
    return ra, np.arctan2(z, np.hypot(in_plane, east))
