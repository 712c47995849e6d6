"""Where sources are, and how bright they appear, one term after another in long double: no line shared with kernels."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

LongDouble = NDArray[np.longdouble]

N_SKY, N_PRESENT, N_DUMPS, N_EPOCHS = 11, 5, 3, 4

_HALF_EPSILON = np.finfo(np.float64).eps / 2

# Zeniths, and a direction l, m, n - 1 that is on their horizons to the last bit.
_ROOT = np.sqrt(0.5)
_ZENITHS = ((0.5, 0.5, _ROOT), (0.0, 0.0, 1.0), (-1.0, 0.0, 0.0))
_ON_HORIZON = ((_ROOT, -_ROOT, -1.0), (0.6, -0.8, -1.0), (0.0, 0.6, -0.2))

# Of the brightness, J B, its sum of two, that times J^H, its sum of two, and the weight, each to half an epsilon, and
# complex products to the square root of five halves: 8.5. A scalar response takes fewer.
_ROUNDINGS = 9

# Of -(l^2 + m^2) / (1 + n): a square, the sum, 1 + n and the quotient.
_ROUNDINGS_OF_N = 4


@dataclasses.dataclass(frozen=True)
class Seen:
    """What `apparent` takes but for the output, in its order."""

    stokes: NDArray[np.float64]
    row: NDArray[np.int32]
    weight: NDArray[np.float64]
    lmn: NDArray[np.float64]
    zenith: NDArray[np.float64]
    source: NDArray[np.int32]
    response: NDArray[Any]

    @property
    def arguments(self) -> tuple[NDArray[Any], ...]:
        """Arguments of `apparent` but the last."""
        return self.stokes, self.row, self.weight, self.lmn, self.zenith, self.source, self.response

    def of_dumps(self, dumps: slice) -> Seen:
        """Return some of the dumps."""
        own = {name: getattr(self, name)[dumps] for name in ("lmn", "zenith", "response")}
        return dataclasses.replace(self, **own)


def seen(n_terms: int, kind: str, dtype: Any, is_polarised: bool = True, seed: int = 31) -> Seen:
    """Terms of all sources in turn, the first on the horizon, the second below, the third above; three dumps.

    Responses are of a "kind": "none", "scalar" or "matrix".
    """
    rng = np.random.default_rng(seed)
    shape = {"none": (N_DUMPS, 0), "scalar": (N_DUMPS, N_PRESENT), "matrix": (N_DUMPS, N_PRESENT, 2, 2)}[kind]
    towards = rng.normal(size=(N_DUMPS, N_PRESENT, 3))
    towards /= np.linalg.norm(towards, axis=2, keepdims=True)
    zenith = np.array(_ZENITHS)
    towards[:, 1], towards[:, 2] = -zenith, zenith
    lmn = towards - [0.0, 0.0, 1.0]
    lmn[:, 0] = _ON_HORIZON
    stokes = rng.normal(size=(N_SKY, 4))
    if not is_polarised:
        stokes[:, 1:] = 0.0
    source = ((2 + np.arange(n_terms)) % N_PRESENT).astype(np.int32)  # a single term is one that is seen
    row, weight = rng.integers(0, N_SKY, n_terms).astype(np.int32), rng.normal(size=n_terms)
    return Seen(stokes, row, weight, lmn, zenith, source, (rng.normal(size=(*shape, 2)) @ [1, 1j]).astype(dtype))


def is_up(terms: Seen) -> NDArray[np.bool_]:
    """Whether sources are above the horizon, (dump, source)."""
    out = np.zeros(terms.lmn.shape[:2], bool)
    for d, s in np.ndindex(out.shape):
        ell, m, n1 = np.longdouble(terms.lmn[d, s])
        zenith = np.longdouble(terms.zenith[d])
        out[d, s] = ell * zenith[0] + m * zenith[1] + (n1 + 1) * zenith[2] > 0
    return out


def apparent(terms: Seen) -> tuple[LongDouble, LongDouble]:
    """XX, YY, Re XY, Im XY of every dump and term, and the sum of magnitudes of all that is added up in each."""
    up = is_up(terms)
    out = np.zeros((len(terms.lmn), terms.row.size, 4), np.longdouble)
    size = np.zeros_like(out)
    for d, t in np.ndindex(out.shape[:2]):
        if not up[d, terms.source[t]]:
            continue
        i, q, u, v = np.longdouble(terms.stokes[terms.row[t]])
        sky = ((i + q, u + 1j * v), (u - 1j * v, i - q))
        largest = ((abs(i) + abs(q), abs(u) + abs(v)), (abs(u) + abs(v), abs(i) + abs(q)))
        jones = _jones(terms.response, d, terms.source[t])
        for of_x_or_y, (a, b) in (((0,), (0, 0)), ((1,), (1, 1)), ((2, 3), (0, 1))):
            total, magnitude = np.clongdouble(0), np.longdouble(0)
            for c, e in itertools.product(range(2), range(2)):
                total += jones[a, c] * sky[c][e] * jones[b, e].conjugate()
                magnitude += abs(jones[a, c]) * largest[c][e] * abs(jones[b, e])
            weight = np.longdouble(terms.weight[t])
            for part, value in zip(of_x_or_y, (total.real, total.imag), strict=False):
                out[d, t, part], size[d, t, part] = weight * value, abs(weight) * magnitude
    return out, size


def _jones(response: NDArray[Any], dump: int, source: int) -> NDArray[np.clongdouble]:
    jones = np.zeros((2, 2), np.clongdouble)
    if response.ndim == 4:
        jones[...] = response[dump, source]
    else:
        jones[0, 0] = jones[1, 1] = response[dump, source] if response.shape[1] else 1
    return jones


def tolerance(size: LongDouble, stored: Any, computed: Any = np.float64) -> LongDouble:
    """Error that brightness of these magnitudes may have, with arithmetic of one type and stored in another."""
    return size * (_ROUNDINGS * np.finfo(computed).eps + np.finfo(stored).eps) / 2


def track(n_terms: int, n_moments: int, seed: int = 32) -> tuple[NDArray[Any], ...]:
    """Arguments of `directions` but the last: three dumps of four epochs, each with axes of its own.

    Nodes are no unit vectors here, so that n does not follow from l and m.
    """
    rng = np.random.default_rng(seed)
    nodes, weights = rng.uniform(-1, 1, (n_moments, N_SKY, 3)), rng.normal(size=(N_DUMPS, N_EPOCHS, n_moments))
    axes = np.linalg.qr(rng.normal(size=(N_DUMPS, N_EPOCHS, 3, 3)))[0]
    axes[..., 2, :] *= np.linalg.det(axes)[..., None]
    row, epoch = (rng.integers(0, n, n_terms).astype(np.int32) for n in (N_SKY, N_EPOCHS))
    return nodes, weights, axes, row, epoch


def directions(
    nodes: NDArray[Any], weights: NDArray[Any], axes: NDArray[Any], row: NDArray[Any], epoch: NDArray[Any]
) -> tuple[LongDouble, LongDouble]:
    """Return l, m, n - 1 of every dump and term, and the error they may have.

    Each of l, m, n is a sum of three parts for every moment, and a part a product of three.
    """
    lmn = np.zeros((len(weights), row.size, 3), np.longdouble)
    size = np.zeros_like(lmn)
    for d, t, axis in np.ndindex(lmn.shape):
        for m, i in itertools.product(range(len(nodes)), range(3)):
            part = np.longdouble(weights[d, epoch[t], m]) * np.longdouble(nodes[m, row[t], i])
            part *= np.longdouble(axes[d, epoch[t], axis, i])
            lmn[d, t, axis] += part
            size[d, t, axis] += abs(part)
    error = size * (3 * len(nodes) + 1) * _HALF_EPSILON
    out = lmn.copy()
    for d, t in np.ndindex(lmn.shape[:2]):
        ell, m, n = lmn[d, t]
        assert abs(n) > error[d, t, 2], "rounding would choose between the formulae in front and behind"
        out[d, t, 2] = n - 1 if n < 0 else (ell**2 + m**2) / (-1 - n)
    return out, _with_error_of_last(lmn, error)


def near_w(is_tilted: bool, seed: int = 33) -> tuple[tuple[NDArray[Any], ...], LongDouble, LongDouble]:
    """Place unit vectors within a microradian of w, or of what is opposite, at one moment: n - 1 from angles.

    Axes turn about w. It is one of the axes of the nodes, in which l, m and so n - 1 keep their relative digits; or is
    tilted towards them, and l and m have the error of numbers of about one.

    Returns
    -------
    Arguments of `directions` but the last; l, m, n - 1 of every dump and term; and the error they may have: of n - 1,
    nine epsilons of itself where w is not tilted.
    """
    rng = np.random.default_rng(seed)
    from_w, around = np.longdouble(10 ** rng.uniform(-9, -6, N_SKY)), np.longdouble(rng.uniform(0, 6, N_SKY))
    from_w[:3] = 0, 0, 1e-6
    sign = np.where(np.arange(N_SKY) % 2, -1, 1)  # all others are behind
    to_uvw = np.longdouble(np.roll(np.eye(3), 1, axis=1))
    if is_tilted:
        to_uvw = _about_w(np.longdouble(0.7)) @ to_uvw @ _about_w(np.longdouble(2.1)) @ to_uvw
    nodes = np.stack([np.sin(from_w) * np.cos(around), np.sin(from_w) * np.sin(around), sign * np.cos(from_w)], axis=1)
    row = np.tile(np.arange(N_SKY, dtype=np.int32), N_EPOCHS)
    epoch = np.repeat(np.arange(N_EPOCHS, dtype=np.int32), N_SKY)
    axes = np.zeros((N_DUMPS, N_EPOCHS, 3, 3), np.longdouble)
    out = np.zeros((N_DUMPS, row.size, 3), np.longdouble)
    for d, e in np.ndindex(N_DUMPS, N_EPOCHS):
        turn = np.longdouble(rng.uniform(0, 6))
        axes[d, e] = _about_w(turn) @ to_uvw
        here = out[d, epoch == e]
        here[:, 0], here[:, 1] = np.sin(from_w) * np.cos(around - turn), np.sin(from_w) * np.sin(around - turn)
        here[:, 2] = np.where(sign > 0, -2 * np.sin(from_w / 2) ** 2, -2 * np.cos(from_w / 2) ** 2)
        out[d, epoch == e] = here
    arguments = (np.float64(nodes @ to_uvw)[None], np.ones((N_DUMPS, N_EPOCHS, 1)), np.float64(axes), row, epoch)
    # Two parts that are not nought, or three: axes, nodes, a product, and sums.
    error = np.ones_like(out) * 5 * _HALF_EPSILON
    if not is_tilted:
        error[..., :2] = 4 * _HALF_EPSILON * np.sin(from_w)[row, None]
    return arguments, out, _with_error_of_last(out + np.array([0, 0, 1]), error)


def _about_w(turn: np.longdouble) -> LongDouble:
    """Rotation about the third axis."""
    cosine, sine = np.cos(turn), np.sin(turn)
    return np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]], np.longdouble)


def _with_error_of_last(lmn: LongDouble, error: LongDouble) -> LongDouble:
    """Errors of l, m, n - 1 of those of l, m, n: a difference behind, a quotient in front."""
    across, n, of_across, of_n = lmn[..., :2], lmn[..., 2], error[..., :2], error[..., 2]
    length = 1 + np.abs(n)
    in_front = ((2 * np.abs(across) + of_across) * of_across).sum(axis=-1) / length
    in_front += (across**2).sum(axis=-1) / length * (of_n / length + _ROUNDINGS_OF_N * _HALF_EPSILON)
    behind = of_n + _HALF_EPSILON * length
    return np.concatenate([of_across, np.where(n < 0, behind, in_front)[..., None]], axis=-1)
