"""Numbers between moments, and others behind them, one after another in long double: no line shared with kernels."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

LongDouble = NDArray[np.longdouble]

N_DUMPS = 3


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much there is of everything that `interpolate` takes; `n_looks` are behind those at the moments."""

    n_moments: int
    n_rows: int
    n_between: int
    n_others: int
    n_looks: int
    n_parts: int

    def arguments(self, real: Any, seed: int = 5) -> tuple[Any, ...]:
        """Arguments of `interpolate` but the last; all looks behind the moments are somebody's, in no order."""
        rng, n_at_moments = np.random.default_rng(seed), self.n_moments * self.n_between
        shapes = (self.n_rows, n_at_moments + self.n_looks, self.n_parts), (N_DUMPS, self.n_moments)
        values, weights = (rng.normal(size=shape).astype(real) for shape in shapes)
        look = np.full(N_DUMPS * self.n_others, -1, np.int32)
        look[: self.n_looks] = n_at_moments + np.arange(self.n_looks)
        return values, weights, self.n_between, rng.permutation(look).reshape(N_DUMPS, self.n_others)

    def garbage(self, real: Any) -> NDArray[Any]:
        """Return what stands in the output before."""
        return np.full((N_DUMPS, self.n_rows, self.n_between + self.n_others, self.n_parts), np.nan, real)


def interpolated(
    values: NDArray[Any], weights: NDArray[Any], n_between: int, look: NDArray[Any]
) -> tuple[LongDouble, LongDouble]:
    """Return what `interpolate` should make, and by how much it may be off: not at all behind the first sources."""
    (n_rows, _, n_parts), (n_dumps, n_moments) = values.shape, weights.shape
    out = np.zeros((n_dumps, n_rows, n_between + look.shape[1], n_parts), np.longdouble)
    bound, epsilon = np.zeros_like(out), np.finfo(values.dtype).eps
    for d, r, m, s, i in np.ndindex(n_dumps, n_rows, n_moments, n_between, n_parts):
        part = np.longdouble(weights[d, m]) * np.longdouble(values[r, m * n_between + s, i])
        out[d, r, s, i] += part
        bound[d, r, s, i] += n_moments * epsilon * abs(part)
    for d, r, j, i in np.ndindex(n_dumps, n_rows, look.shape[1], n_parts):
        if look[d, j] >= 0:
            out[d, r, n_between + j, i] = values[r, look[d, j], i]
    return out, bound
