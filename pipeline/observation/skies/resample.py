"""Cubic convolution on even grids (Keys 1981, IEEE Trans. Acoust. Speech Signal Process. 29, 1153)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.observation.skies.base import Float64


def cubic_weights(fraction: Float64) -> Float64:
    """Return the weights of the four samples around a point.

    The kernel of Keys 1981 with a = -1/2: exact for parabolas, with an error of the third power of the spacing.

    Parameters
    ----------
    fraction
        (...,) how far the point is from the second sample to the third, 0 to 1.

    Returns
    -------
    float64
        (..., 4) of the samples at -1, 0, 1, 2.
    """
    t = np.asarray(fraction)
    return np.stack(
        [
            t * (-0.5 + t * (1 - 0.5 * t)),
            1 + t**2 * (-2.5 + 1.5 * t),
            t * (0.5 + t * (2 - 1.5 * t)),
            t**2 * (-0.5 + 0.5 * t),
        ],
        axis=-1,
    )


def cubic_taps(position: float, n_samples: int) -> list[tuple[int, float]]:
    """Return which samples of a row that ends make up a point of it, and their weights other than zero.

    Beyond an end the row goes on as a parabola through the last three samples (Keys 1981, boundary conditions).

    Parameters
    ----------
    position
        In samples, 0 to n_samples - 1; outside by rounding, the end.
    n_samples
        At least three.
    """
    position = float(np.clip(position, 0, n_samples - 1))
    first = min(int(position), n_samples - 2)
    weights = np.zeros(n_samples + 2)
    weights[first : first + 4] = cubic_weights(np.asarray(position - first))
    inner = weights[1:-1]
    inner[:3] += weights[0] * np.array([3.0, -3.0, 1.0])
    inner[-3:] += weights[-1] * np.array([1.0, -3.0, 3.0])
    return [(int(index), float(inner[index])) for index in np.flatnonzero(inner)]


def periodic_taps(positions: Float64, n_samples: int) -> tuple[npt.NDArray[np.int64], Float64]:
    """Return which samples of a row that repeats itself make up points of it, and their weights.

    Parameters
    ----------
    positions
        (point,) float64 in samples, any.
    n_samples
        After how many the row begins again.

    Returns
    -------
    indices, weights
        (point, 4) int64 and float64.
    """
    floor = np.floor(positions)
    indices = (floor.astype(np.int64)[:, np.newaxis] + np.arange(-1, 3)) % n_samples
    return indices, cubic_weights(positions - floor)


def cubic_along(values: Float64, indices: npt.NDArray[np.int64], weights: Float64) -> Float64:
    """Interpolate along the first axis.

    Parameters
    ----------
    values
        (sample, ...) float64.
    indices, weights
        (point, 4) as `periodic_taps` gives them.

    Returns
    -------
    float64
        (point, ...).
    """
    out = np.zeros((len(indices), *values.shape[1:]))
    for index, weight in zip(indices.T, weights.T, strict=True):
        out += weight.reshape(-1, *[1] * (values.ndim - 1)) * values[index]
    return out
