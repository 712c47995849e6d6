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
    """How much there is of everything that `interpolate` takes; all looks are somebody's, in no order."""

    n_moments: int
    n_rows: int
    n_values: int
    n_others: int
    n_looks: int
    n_parts: int

    @property
    def n_across(self) -> int:
        """Numbers of a row of the output."""
        return self.n_values + self.n_others * self.n_parts

    def arguments(self, real: Any, seed: int = 5) -> tuple[NDArray[Any], ...]:
        """Arguments of `interpolate` but the last."""
        rng = np.random.default_rng(seed)
        shapes = (
            (self.n_rows, self.n_moments, self.n_values),
            (N_DUMPS, self.n_moments),
            (self.n_rows, self.n_looks, self.n_parts),
        )
        look = np.full(N_DUMPS * self.n_others, -1, np.int32)
        look[: self.n_looks] = np.arange(self.n_looks)
        looks = rng.permutation(look).reshape(N_DUMPS, self.n_others)
        return (*(rng.normal(size=shape).astype(real) for shape in shapes), looks)

    def garbage(self, real: Any) -> NDArray[Any]:
        """Return what stands in the output before."""
        return np.full((N_DUMPS, self.n_rows, self.n_across), np.nan, real)


def interpolated(
    values: NDArray[Any], weights: NDArray[Any], others: NDArray[Any], look: NDArray[Any]
) -> tuple[LongDouble, LongDouble]:
    """Return what `interpolate` should make, and by how much it may be off: not at all behind the values."""
    n_rows, n_moments, n_values = values.shape
    epsilon, n_parts = np.finfo(values.dtype).eps, others.shape[2]
    out = np.zeros((len(look), n_rows, n_values + look.shape[1] * n_parts), np.longdouble)
    bound = np.zeros_like(out)
    for d, r, m, i in np.ndindex(len(look), n_rows, n_moments, n_values):
        part = np.longdouble(weights[d, m]) * np.longdouble(values[r, m, i])
        out[d, r, i] += part
        bound[d, r, i] += n_moments * epsilon * abs(part)
    for d, r, j, part in np.ndindex(len(look), n_rows, look.shape[1], n_parts):
        if look[d, j] >= 0:
            out[d, r, n_values + j * n_parts + part] = others[r, look[d, j], part]
    return out, bound
