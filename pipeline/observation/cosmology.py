"""The 21 cm line: frequency to redshift, to comoving lengths, and brightness to flux density.

All lengths are comoving and in Mpc, not Mpc/h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.config.diffuse import CosmologyConfig

Float64 = npt.NDArray[np.float64]

#: Rest frequency of the hyperfine line of hydrogen (Essen et al. 1971, Nature 229, 110), Hz.
LINE_HZ: Final = 1420405751.7667

#: Speed of light, m/s, exact, and Boltzmann's constant, J/K, exact (SI 2019).
_LIGHT_M_S: Final = 299792458.0
_BOLTZMANN_J_K: Final = 1.380649e-23


def redshift(frequency_hz: npt.ArrayLike) -> Float64:
    """Return the redshift at which the line is seen at a frequency.

    Parameters
    ----------
    frequency_hz
        Any shape, Hz, above zero.

    Returns
    -------
    float64
        The same shape: LINE_HZ / frequency - 1.
    """
    return np.asarray(LINE_HZ / np.asarray(frequency_hz, dtype=np.float64) - 1.0)


def kelvin_to_jy(frequency_hz: npt.ArrayLike, solid_angle_sr: npt.ArrayLike) -> Float64:
    """Return the flux density of one kelvin over a solid angle.

    Rayleigh-Jeans: S = 2 k nu^2 / c^2 T Omega (Rybicki & Lightman 1979, section 1.5), 1 Jy = 1e-26 W/m^2/Hz.

    Parameters
    ----------
    frequency_hz
        Any shape, Hz.
    solid_angle_sr
        A shape that broadcasts against it, sr.

    Returns
    -------
    float64
        The broadcast shape, Jy/K.
    """
    wavenumbers = np.asarray(frequency_hz, dtype=np.float64) / _LIGHT_M_S
    return np.asarray(2e26 * _BOLTZMANN_J_K * wavenumbers**2 * np.asarray(solid_angle_sr, dtype=np.float64))


def cosmology(config: CosmologyConfig) -> Any:
    """Return the astropy cosmology that a configuration describes."""
    from astropy import cosmology as known

    if config.name is not None:
        return getattr(known, config.name)
    return known.FlatLambdaCDM(H0=config.h0, Om0=config.om0)


def transverse_mpc(universe: Any, frequency_hz: npt.ArrayLike) -> Float64:
    """Return the comoving transverse distance: Mpc (comoving, not Mpc/h) per radian on the sky.

    D_M of Hogg 1999 (astro-ph/9905116), eq. 16.

    Parameters
    ----------
    universe
        An astropy cosmology.
    frequency_hz
        Any shape, Hz: where the line is seen.

    Raises
    ------
    ConfigError
        If a frequency is above that of the line at rest.
    """
    return np.asarray(universe.comoving_transverse_distance(_seen(frequency_hz)).to_value("Mpc"), dtype=np.float64)


def depth_mpc(universe: Any, frequency_hz: npt.ArrayLike, width_hz: npt.ArrayLike) -> Float64:
    """Return the comoving depth, Mpc (not Mpc/h), of a band `width_hz` wide centred on `frequency_hz`.

    The difference of the line-of-sight comoving distances (Hogg 1999, eq. 15) of its two edges, so that it holds for
    wide bands too; for narrow ones it tends to c (1 + z)^2 / (H(z) LINE_HZ) width_hz.

    Parameters
    ----------
    universe
        An astropy cosmology.
    frequency_hz, width_hz
        Shapes that broadcast, Hz.

    Raises
    ------
    ConfigError
        If an edge is above the line's frequency at rest.
    """
    centre, half = np.asarray(frequency_hz, dtype=np.float64), np.asarray(width_hz, dtype=np.float64) / 2
    far = universe.comoving_distance(_seen(centre - half)).to_value("Mpc")
    near = universe.comoving_distance(_seen(centre + half)).to_value("Mpc")
    return np.asarray(far - near, dtype=np.float64)


def _seen(frequency_hz: npt.ArrayLike) -> Float64:
    """Return redshifts, which must not be below zero."""
    frequencies = np.asarray(frequency_hz, dtype=np.float64)
    wrong = ~((frequencies > 0) & (frequencies <= LINE_HZ))
    if wrong.any():
        value = float(frequencies[wrong].ravel()[0])
        raise ConfigError(
            f"frequency: the 21 cm line is not seen at {value / 1e6:g} MHz; it is at {LINE_HZ / 1e6:.3f} MHz at rest "
            "and below that from a distance: choose a spectrum below it"
        )
    return redshift(frequencies)
