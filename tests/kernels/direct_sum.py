"""Inputs, and the measurement equation summed directly in long double: no line shared with the kernels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

C_M_S = np.longdouble(299792458)
LongDouble = NDArray[np.longdouble]

PRECISIONS = {"mixed": (np.float32, np.complex64), "double": (np.float64, np.complex128)}


def stations(n: int, seed: int, span_m: float = 73e3) -> NDArray[np.float64]:
    """Positions u, v, w in metres, in no order; the first at the origin, the last two ``span_m`` apart."""
    rng = np.random.default_rng(seed)
    uvw = rng.normal(scale=span_m / 8, size=(n, 3))
    uvw[0] = 0.0
    if n > 2:
        direction = np.array([0.6, -0.64, 0.48])
        uvw[-2], uvw[-1] = direction * span_m / 2, -direction * span_m / 2
    return uvw


def sources(n: int, seed: int) -> NDArray[np.float64]:
    """Directions (l, m, n - 1) over most of the sky; the first at the phase centre."""
    rng = np.random.default_rng(seed)
    radius, angle = 0.95 * np.sqrt(rng.uniform(size=n)), rng.uniform(0, 2 * np.pi, n)
    ell, m = radius * np.cos(angle), radius * np.sin(angle)
    square = ell**2 + m**2
    lmn = np.stack([ell, m, -square / (1 + np.sqrt(1 - square))], axis=1)
    lmn[:1] = 0.0
    return lmn


def index_of(n_stations: int, keep: str, seed: int = 5) -> NDArray[np.int32]:
    """Baseline index that keeps "all", "cross" or "few" (a third, with whole rows left out) of the baselines."""
    p, q = np.triu_indices(n_stations, 1 if keep == "cross" else 0)
    if keep == "few":
        kept = (np.random.default_rng(seed).uniform(size=p.size) < 1 / 3) & (p % 5 != 1)
        kept[0] = True
        p, q = p[kept], q[kept]
    index = np.full((n_stations, n_stations), -1, np.int32)
    index[p, q] = np.arange(p.size)
    return index


@dataclasses.dataclass(frozen=True)
class Terms:
    """Sources at several times and frequencies, in no order: what `phasors` takes, and the source of each term.

    Positions of stations are (dump, epoch, station, 3), directions (dump, term, 3).
    """

    station_uvw: NDArray[np.float64]
    epoch: NDArray[np.int32]
    lmn: NDArray[np.float64]
    frequency_hz: float
    offset_hz: NDArray[np.float64]
    source: NDArray[np.int32]

    @property
    def arguments(self) -> tuple[Any, ...]:
        """Arguments of `phasors` but the last."""
        return self.station_uvw, self.epoch, self.lmn, self.frequency_hz, self.offset_hz

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the phasors: (dump, 2, term, station)."""
        return len(self.lmn), 2, self.epoch.size, self.station_uvw.shape[2]


def terms(
    n_stations: int, n_terms: int, n_dumps: int = 1, n_sources: int = 7, n_epochs: int = 3, seed: int = 20
) -> Terms:
    """Terms up to 350 MHz and 73 km; the first at the phase centre, at the highest frequency.

    Nothing about the directions and stations of one dump tells those of another.
    """
    rng = np.random.default_rng(seed)
    uvw = np.stack([stations(n_stations, seed + e) for e in range(n_dumps * n_epochs)])
    frequency_hz = rng.uniform(50e6, 350e6, n_terms)
    frequency_hz[:2] = 350e6
    epoch, source = (rng.integers(0, n, n_terms).astype(np.int32) for n in (n_epochs, n_sources))
    lmn = np.stack([sources(n_terms, seed + 99 + d) for d in range(n_dumps)])
    return Terms(uvw.reshape(n_dumps, n_epochs, n_stations, 3), epoch, lmn, 200e6, frequency_hz - 200e6, source)


def fringes(terms: Terms) -> tuple[LongDouble, ...]:
    """Cosine and sine of every dump, term and station, (dump, term, station), in long double."""
    n_dumps, _, n_terms, n_stations = terms.shape
    turns = np.zeros((n_dumps, n_terms, n_stations), np.longdouble)
    for dump in range(n_dumps):
        for axis in range(3):
            along = np.longdouble(terms.station_uvw[dump, terms.epoch, :, axis])
            turns[dump] += np.longdouble(terms.lmn[dump, :, None, axis]) * along
    frequency_hz = np.longdouble(terms.frequency_hz) + np.longdouble(terms.offset_hz)
    turns *= (frequency_hz / C_M_S)[:, None]
    turns -= np.rint(turns)
    angle = turns * 8 * np.arctan(np.longdouble(1))
    return np.cos(angle), np.sin(angle)


def visibilities(
    fringe: tuple[LongDouble, ...],
    index: NDArray[np.int32],
    jones: NDArray[np.complex128],
    stokes: NDArray[np.float64],
    envelope: Callable[[int, int], LongDouble] = lambda p, q: np.longdouble(1),
) -> NDArray[np.complex128]:
    """Sum V_pq = sum_t E_pq K_p conj(K_q) J_p B_t J_q^H of one dump, baseline by baseline.

    The fringe is (term, station) twice, jones (station, term, 2, 2), stokes (term, 4).
    """
    cosine, sine = fringe
    i, q_, u, v = stokes.T.astype(np.clongdouble)
    brightness = ((i + q_, u + 1j * v), (u - 1j * v, i - q_))
    wide = jones.astype(np.clongdouble)
    out = np.zeros((index.max() + 1, 4), np.complex128)
    for p, q in np.argwhere(index >= 0):
        phase = (cosine[:, p] + 1j * sine[:, p]) * (cosine[:, q] - 1j * sine[:, q]) * envelope(p, q)
        for a in range(2):
            for b in range(2):
                terms = np.zeros(len(stokes), np.clongdouble)
                for c in range(2):
                    for d in range(2):
                        terms += wide[p, :, a, c] * brightness[c][d] * wide[q, :, b, d].conj()
                out[index[p, q], 2 * a + b] = (phase * terms).sum()
    return out


def visibilities_of_dumps(
    fringe: tuple[LongDouble, ...],
    index: NDArray[np.int32],
    jones: NDArray[np.complex128],
    stokes: NDArray[np.float64],
) -> NDArray[np.complex128]:
    """Sum dump by dump, (dump, baseline, 4); all that `visibilities` takes then begins with an axis of dumps."""
    dumps = range(len(stokes))
    return np.stack([visibilities((fringe[0][d], fringe[1][d]), index, jones[d], stokes[d]) for d in dumps])


def fluxes(n: int, kind: str, seed: int) -> NDArray[np.float64]:
    """Stokes I in Jy: "mixed" signs over 7 decades, "negative", or "equal" (the worst case for float32 sums)."""
    rng = np.random.default_rng(seed)
    if kind == "equal":
        return np.full(n, 0.1)
    flux = 10 ** rng.uniform(-5, 2, n)
    return -flux if kind == "negative" else flux * rng.choice([-1.0, 1.0], n)


def envelopes(n: int, seed: int) -> NDArray[np.float64]:
    """Quadratic forms (a, b, c) in 1/m^2: scales of 100 m to 300 km, axis ratios to 1000; the first are points."""
    rng = np.random.default_rng(seed)
    along, angle = 10 ** rng.uniform(-11, -4, n), rng.uniform(0, np.pi, n)
    across = along * 10 ** rng.uniform(-6, 0, n)
    cosine, sine = np.cos(angle), np.sin(angle)
    form = np.stack(
        [
            along * cosine**2 + across * sine**2,
            2 * (along - across) * cosine * sine,
            along * sine**2 + across * cosine**2,
        ],
        axis=1,
    )
    form[1:3] = 0.0
    return form
