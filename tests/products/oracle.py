"""Visibilities and dirty images by direct sums, in NumPy and float64; shares no code with the imager.

V_pq = sum_s B_s exp(+2 pi i nu/c (u l + v m + w (n - 1))), uvw = r_p - r_q, as DESIGN has it; the dirty image
is the real part of the weighted mean of V times the conjugate phasor.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import numpy as np

C = 299792458.0


@dataclass
class Header:
    """Stands in for the dataset's header of a band."""

    channel_hz: np.ndarray
    baselines: np.ndarray
    band: int = 3
    integration_s: float = 2.0
    phase_centre_rad: tuple = (0.3, -0.5)
    array_lonlatheight: tuple = (2.0, -0.47, 365.0)
    polarisations: tuple = ("XX", "XY", "YX", "YY")
    channel_width_hz: np.ndarray = field(init=False)

    def __post_init__(self):
        self.channel_width_hz = np.full(len(self.channel_hz), 1e5)


@dataclass
class Block:
    """Stands in for the dataset's block."""

    dump: np.ndarray
    time_utc: np.ndarray
    station_uvw: np.ndarray
    weight: np.ndarray
    vis: np.ndarray | None


class FakeBand:
    """A band in memory; hands out no visibilities when only the weights are asked for."""

    def __init__(self, header, blocks):
        self.header, self.blocks, self.openings = header, blocks, []

    @contextlib.contextmanager
    def open(self, variables):
        self.openings.append(variables)
        yield self if "vis" in variables else FakeBand(self.header, [self._bare(b) for b in self.blocks])

    @staticmethod
    def _bare(block):
        return Block(block.dump, block.time_utc, block.station_uvw, block.weight, None)

    def __iter__(self):
        return iter(self.blocks)


def random_band(rng, n_stations, extent_m, channel_hz, n_dumps, sources, autocorrelations=False, split=2):
    """Make a band of random station tracks; `sources` is (source, 6): l, m, I, Q, U, V."""
    first = np.stack(np.triu_indices(n_stations, 0 if autocorrelations else 1), 1).astype(np.int32)
    header = Header(np.array(channel_hz), first)
    uvw = rng.uniform(-extent_m / 2, extent_m / 2, (n_dumps, n_stations, 3))
    vis = visibilities(uvw, first, header.channel_hz, sources).astype(np.complex64)
    weight = rng.integers(1, 36, vis.shape[:3]).astype(np.float32)
    times = np.stack([np.full(n_dumps, 60000.0), 0.25 + np.arange(n_dumps) * 2 / 86400], 1)
    blocks = [
        Block(np.arange(i, min(i + split, n_dumps)), *(a[i : i + split] for a in (times, uvw, weight, vis)))
        for i in range(0, n_dumps, split)
    ]
    return FakeBand(header, blocks)


def visibilities(station_uvw, baselines, channel_hz, sources):
    """Return (time, channel, baseline, pol) complex128."""
    sources = np.asarray(sources, float)
    i, q, u, v = sources[:, 2:].T
    lmn = _lmn(sources[:, :2].T)
    b = np.stack([i + q, u + 1j * v, u - 1j * v, i - q], axis=1)
    uvw = station_uvw[:, baselines[:, 0]] - station_uvw[:, baselines[:, 1]]
    out = [np.exp(2j * np.pi * f / C * (uvw @ lmn)) @ b for f in channel_hz]
    return np.stack(out, axis=1)


def flatten(band):
    """Return uvw in wavelengths (sample, 3), weight (sample,), vis (sample, pol) of cross-correlations."""
    cross = band.header.baselines[:, 0] != band.header.baselines[:, 1]
    pairs = band.header.baselines[cross]
    uvw, weight, vis = [], [], []
    for block in band.blocks:
        for t in range(len(block.dump)):
            for c, f in enumerate(band.header.channel_hz):
                xyz = block.station_uvw[t]
                uvw.append((xyz[pairs[:, 0]] - xyz[pairs[:, 1]]) * f / C)
                weight.append(block.weight[t, c, cross].astype(float))
                vis.append(block.vis[t, c, cross].astype(complex))
    return np.concatenate(uvw), np.concatenate(weight), np.concatenate(vis)


def _lmn(lm):
    return np.concatenate([lm, [np.sqrt(1 - (lm**2).sum(axis=0)) - 1]])


def dirty_at(uvw, weight, vis, lm):
    """Return the dirty image at directions (2, pixel) from uvw in wavelengths, by a direct sum."""
    used = weight > 0
    phasor = np.exp(-2j * np.pi * (uvw[used] @ _lmn(lm)))
    return ((weight[used] * vis[used]) @ phasor).real / weight.sum()


def pixel_directions(size, cell_rad):
    """Return l (x,) and m (y,) of the pixels of an image with north up and east left."""
    offset = (np.arange(size) - size // 2) * cell_rad
    return -offset, offset


def stokes_of(vis):
    """Return I, Q, U, V (sample,) each of vis (sample, pol)."""
    xx, xy, yx, yy = vis.T
    return {"I": (xx + yy) / 2, "Q": (xx - yy) / 2, "U": (xy + yx) / 2, "V": (xy - yx) / 2j}
