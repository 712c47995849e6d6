"""Datasets of a random box of sky, made with NumPy alone: its own draw, its own sums, the dataset's own writer."""

from __future__ import annotations

import numpy as np
import yaml
from astropy import constants, units
from astropy.cosmology import Planck18

from pipeline.dataset.manifest import BandEntry, Manifest, config_sha256, create_dataset, finish_dataset
from pipeline.dataset.schema import BandHeader, Block
from pipeline.dataset.storage import band_name
from pipeline.dataset.writer import BandWriter

LINE_HZ = 1420405751.7667
SIZE, CELL_RAD = 16, np.radians(6 / 60)
N_PLANES, N_FINE, FINE_HZ, START_HZ = 12, 3, 30e3, 150e6
N_STATIONS, RADIUS_M = 80, 220.0
FREQUENCY_HZ = START_HZ + np.arange(N_PLANES * N_FINE) * FINE_HZ
MIDDLE_HZ = FREQUENCY_HZ.mean()
PHASE_CENTRE_RAD = (0.4, -0.47)


def comoving_steps():
    """Return the comoving width of a pixel and depth of a fine channel, Mpc: c (1 + z)^2 / (H line) per hertz."""
    z = LINE_HZ / MIDDLE_HZ - 1
    across = Planck18.comoving_transverse_distance(z).to_value("Mpc") * CELL_RAD
    per_hz = (constants.c * (1 + z) ** 2 / Planck18.H(z)).to_value("Mpc") / LINE_HZ
    return across, per_hz * FINE_HZ


def wavenumbers(n_planes, n_fine):
    """Return k_par (plane,), k_perp (y, x) and k (plane, y, x), 1/Mpc, in the order of a Fourier transform."""
    across, depth = comoving_steps()
    along = 2 * np.pi * np.fft.fftfreq(n_planes, n_fine * depth)
    east = 2 * np.pi * np.fft.fftfreq(SIZE, across)
    perp = np.hypot(east[:, None], east)
    return along, perp, np.hypot(along[:, None, None], perp)


def draw(seed, power):
    """Draw a box (fine channel, north, east), mK, of the power spectrum `power`(k), mK^2 Mpc^3."""
    across, depth = comoving_steps()
    k = wavenumbers(N_PLANES * N_FINE, 1)[2]
    k[0, 0, 0] = np.inf
    noise = np.random.default_rng(seed).standard_normal(k.shape)
    return np.fft.ifftn(np.fft.fftn(noise) * np.sqrt(power(k) / (across**2 * depth))).real


def power_over(box, mode_bin, taper=1.0):
    """Return k^3 P / (2 pi^2) (bin,), mK^2, of a box over the modes of planes that `mode_bin` numbers."""
    k, used = wavenumbers(N_PLANES, N_FINE)[2], mode_bin >= 0
    power = power_of_modes(box, taper)
    return np.bincount(mode_bin[used], weights=(power * k**3)[used]) / np.bincount(mode_bin[used]) / (2 * np.pi**2)


def power_of_modes(box, taper=1.0):
    """Return P (plane, y, x), mK^2 Mpc^3, of a box of fine channels at the wavenumbers of the planes."""
    across, depth = comoving_steps()
    modes = np.fft.fftn(box * np.broadcast_to(taper, len(box))[:, None, None]) * across**2 * depth
    held = np.rint(np.fft.fftfreq(N_PLANES, 1 / N_PLANES)).astype(int) % len(box)
    return np.abs(modes[held]) ** 2 / (box.size * across**2 * depth * np.mean(np.square(taper)))


def flux_densities(box):
    """Return Jy (fine channel, pixel) of temperatures in mK, by astropy's brightness temperature."""
    offset = (np.arange(SIZE) - SIZE // 2) * CELL_RAD
    n = np.sqrt(1 - offset[:, None] ** 2 - offset**2)
    area = CELL_RAD**2 / n * units.sr
    return np.stack(
        [
            (plane * 1e-3 * units.K).to_value(units.Jy, units.brightness_temperature(hz * units.Hz, beam_area=area))
            for plane, hz in zip(box, FREQUENCY_HZ, strict=True)
        ]
    ).reshape(len(box), -1)


def stations_m():
    """Return the stations' u, v, w in m: an even disc, and a little w."""
    rng = np.random.default_rng(5)
    radius, angle = RADIUS_M * np.sqrt(rng.uniform(size=N_STATIONS)), rng.uniform(0, 2 * np.pi, N_STATIONS)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), rng.uniform(-2, 2, N_STATIONS)], 1)


def visibilities(box, noise_jy=0.0, seed=0):
    """Return Stokes I visibilities (plane, baseline) of a box, averaged from its fine channels, with noise."""
    offset = (np.arange(SIZE) - SIZE // 2) * CELL_RAD
    m, l_east = (axis.ravel() for axis in np.meshgrid(offset, offset, indexing="ij"))
    lmn = np.stack([l_east, m, np.sqrt(1 - l_east**2 - m**2) - 1])
    p, q = np.triu_indices(N_STATIONS, 1)
    fine = []
    for hz, jy in zip(FREQUENCY_HZ, flux_densities(box), strict=True):
        phasor = np.exp(2j * np.pi * hz / 299792458.0 * (stations_m() @ lmn))
        fine.append(((phasor * jy) @ phasor.conj().T)[p, q])
    rng = np.random.default_rng(seed)
    planes = np.reshape(fine, (N_PLANES, N_FINE, -1)).mean(axis=1)
    return planes + noise_jy * (rng.standard_normal(planes.shape) + 1j * rng.standard_normal(planes.shape))


def make(path, planes):
    """Write a dataset of visibilities (plane, baseline), Jy, the same in XX and YY."""
    text = yaml.safe_dump({"name": "box", "telescope": {"array": "disc"}})
    pairs = np.stack(np.triu_indices(N_STATIONS, 1), 1).astype(np.int32)
    entries = tuple(
        BandEntry(
            index=b,
            path=band_name(b),
            channels=(N_FINE * b, N_FINE * (b + 1)),
            frequency_hz=float(FREQUENCY_HZ[N_FINE * b : N_FINE * (b + 1)].mean()),
            steps=1,
        )
        for b in range(N_PLANES)
    )
    manifest = Manifest(software="dawnstream 0", config_sha256=config_sha256(text), plan={}, bands=entries)
    create_dataset(path, text, manifest, overwrite=False)
    for entry, values in zip(entries, planes, strict=True):
        header = BandHeader(
            band=entry.index,
            n_dumps=1,
            channel_hz=np.array([entry.frequency_hz]),
            channel_width_hz=np.array([N_FINE * FINE_HZ]),
            channels=entry.channels,
            station_names=tuple(f"s{i}" for i in range(N_STATIONS)),
            station_m=np.zeros((N_STATIONS, 3)),
            baselines=pairs,
            phase_centre_rad=PHASE_CENTRE_RAD,
            array_lonlatheight=(2.0379, -0.4682, 365.0),
            integration_s=1.0,
            software="dawnstream 0",
            config_sha256=config_sha256(text),
        )
        vis = np.zeros((1, 1, len(pairs), 4), np.complex64)
        vis[0, 0, :, [0, 3]] = values
        weight = np.full(vis.shape[:3], N_FINE, np.float32)
        times = np.array([[61366.0, 0.5]])
        with BandWriter(path / entry.path, header, n_block_dumps=1) as writer:
            writer.write(Block(np.arange(1), times, stations_m()[None], vis, weight))
    finish_dataset(path, [True] * N_PLANES)
    return path
