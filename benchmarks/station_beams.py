"""SKA-Low's default station: its beam beside a filled disc's, its accuracy, and how fast it is evaluated.

    python benchmarks/station_beams.py [--png FILE] [--json FILE]

Array factors are compared with a sum over elements in extended precision that shares nothing with them. Half widths
and sidelobes are measured on cuts through the beam at the zenith. With --png, draws the picture in docs/stations.md.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import cpu
from pipeline.config.station import ApertureArrayConfig
from pipeline.observation.stations.aperture_array import ApertureArray
from pipeline.observation.stations.base import Directions
from pipeline.observation.stations.dipole import Dipole
from pipeline.observation.stations.layouts import load_layouts, ska_low_elements
from pipeline.observation.stations.scalar import Isotropic

SPEED_OF_LIGHT_M_S = 299_792_458.0
FREQUENCIES_HZ = (50e6, 150e6, 350e6)
N_ACCURACY, N_SPEED = 1009, 20011
HALF_POWER_OF_DISC = 1.029  # full width of the power of a filled disc, in wavelengths over diameters

Floats = NDArray[np.float64]


def station(seed: int | None, n_stations: int, dipoles: bool) -> ApertureArray:
    """Make stations of SKA-Low's layout: all the same, or each turned by another angle."""
    rotation: Any = "0 deg" if seed is None else {"seed": seed}
    layouts = load_layouts(ApertureArrayConfig.model_validate({"rotation": rotation}), n_stations)
    return ApertureArray(layouts, Dipole(1, None, None, 0.0) if dipoles else Isotropic(1))


def looking(zenith_angle: Floats, azimuth: Floats, pointing: tuple[float, float]) -> Directions:
    """Give directions by zenith angle and azimuth, rad, "north" being towards the zenith."""
    za, az = (values.ravel() for values in np.broadcast_arrays(zenith_angle, azimuth))
    enu = np.stack([np.sin(za) * np.sin(az), np.sin(za) * np.cos(az), np.cos(za)], axis=-1)
    north = np.stack([-np.cos(za) * np.sin(az), -np.cos(za) * np.cos(az), np.sin(za)], axis=-1)
    angle, towards = pointing
    centre = np.array([np.sin(angle) * np.sin(towards), np.sin(angle) * np.cos(towards), np.cos(angle)])
    return Directions(enu, north, centre)


def all_over(n: int) -> Directions:
    """Give directions all over the sky, from a station that looks 40 degrees off the zenith."""
    rng = np.random.default_rng(1)
    return looking(np.arccos(rng.uniform(0, 1, n)), rng.uniform(0, 2 * np.pi, n), (math.radians(40), 1.0))


def error(frequency_hz: float) -> float:
    """Return the largest error of an array factor against extended precision."""
    sky = all_over(N_ACCURACY)
    offset = sky.enu.astype(np.longdouble) - sky.pointing
    phase = 8 * np.arctan(np.longdouble(1)) * np.longdouble(frequency_hz) / np.longdouble(SPEED_OF_LIGHT_M_S)
    phase = phase * (offset @ ska_low_elements().astype(np.longdouble).T)
    expected = np.cos(phase).mean(axis=-1) + 1j * np.sin(phase).mean(axis=-1)
    found = station(None, 2, dipoles=False).respond(sky, frequency_hz, cpu)[0]
    return float(np.abs(found - expected).max())


def shape(frequency_hz: float) -> dict[str, float]:
    """Measure the beam at the zenith: full width at half power (deg), highest near and typical far sidelobes (dB)."""
    beam = station(None, 2, dipoles=False)
    wavelength = SPEED_OF_LIGHT_M_S / frequency_hz
    za = np.linspace(0, min(3 * wavelength / 38, np.pi / 2), 2001)
    azimuth = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    cuts = np.abs(beam.respond(looking(za, azimuth[:, None], (0.0, 0.0)), frequency_hz, cpu)[0].reshape(24, -1)) ** 2
    width = 2 * np.mean([za[np.argmax(cut < 0.5)] for cut in cuts])
    near = max(cut[np.argmax(np.diff(cut) > 0) :].max() for cut in cuts)
    sky = all_over(N_SPEED)
    far = np.linalg.norm(sky.enu - sky.pointing, axis=-1) > 3 * wavelength / 38
    power = np.abs(beam.respond(sky, frequency_hz, cpu)[0][far]) ** 2
    return {
        "frequency_mhz": frequency_hz / 1e6,
        "fwhm_deg": float(np.degrees(width)),
        "fwhm_of_disc_deg": math.degrees(HALF_POWER_OF_DISC * wavelength / 38),
        "near_sidelobe_db": float(10 * np.log10(near)),
        "far_sidelobes_db": float(10 * np.log10(power.mean())) if far.any() else math.nan,
        "error": error(frequency_hz),
    }


def speed(n_kinds: int) -> float:
    """Return kinds x sources x elements per second, of stations with dipoles."""
    stations = station(None if n_kinds == 1 else 3, n_kinds, dipoles=True)
    sky = all_over(N_SPEED)
    stations.respond(sky, 150e6, cpu)
    start = time.perf_counter()
    stations.respond(sky, 150e6, cpu)
    return n_kinds * N_SPEED * 256 / (time.perf_counter() - start)


def draw(path: Path) -> None:
    """Draw the layout and the beam at two pointings, 150 MHz."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3.7), layout="constrained")
    elements = ska_low_elements()
    axes[0].plot(elements[:, 0], elements[:, 1], ".", ms=4, color="k")
    axes[0].set(title="256 elements", xlabel="east (m)", ylabel="north (m)", aspect="equal")
    grid = np.linspace(-1, 1, 301)
    east, north = np.meshgrid(grid, grid)
    radius = np.hypot(east, north)
    seen = radius < 0.999
    beam = station(None, 2, dipoles=True)
    for axis, degrees in zip(axes[1:], (0, 45), strict=True):
        sky = looking(np.arcsin(radius[seen]), np.arctan2(east, north)[seen], (math.radians(degrees), math.radians(60)))
        jones = beam.respond(sky, 150e6, cpu)[0]
        power = np.full(radius.shape, np.nan)
        power[seen] = 10 * np.log10(np.maximum((np.abs(jones) ** 2).sum(axis=(-2, -1)) / 2, 1e-6))
        image = axis.imshow(power, origin="lower", extent=(-1, 1, -1, 1), vmin=-50, vmax=0, cmap="magma")
        axis.set(title=f"150 MHz, {degrees}° off the zenith", xlabel="sin za, east", ylabel="sin za, north")
    figure.colorbar(image, ax=axes[1:], label="power, (XX + YY)/2 (dB)", shrink=0.75)
    figure.savefig(path, dpi=75)


def main() -> None:
    """Measure, print, and draw if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--png", type=Path, help="draw the picture here")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    arguments = parser.parse_args()
    rows = [shape(frequency_hz) for frequency_hz in FREQUENCIES_HZ]
    print("  MHz  FWHM deg  disc's  near sidelobe dB  far sidelobes dB   error")
    for row in rows:
        print(
            f"{row['frequency_mhz']:5.0f} {row['fwhm_deg']:9.2f} {row['fwhm_of_disc_deg']:7.2f} "
            f"{row['near_sidelobe_db']:17.1f} {row['far_sidelobes_db']:17.1f} {row['error']:7.0e}"
        )
    speeds = {n_kinds: speed(n_kinds) for n_kinds in (1, 16)}
    for n_kinds, rate in speeds.items():
        print(f"{n_kinds:2d} kinds of station: {rate:.2e} kinds x sources x elements per second")
    if arguments.json:
        arguments.json.write_text(json.dumps({"beams": rows, "speed": speeds}, indent=2) + "\n", encoding="utf-8")
    if arguments.png:
        draw(arguments.png)


if __name__ == "__main__":
    main()
