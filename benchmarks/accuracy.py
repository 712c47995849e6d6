"""The largest error of predicted visibilities, as a fraction of the summed flux density.

    python benchmarks/accuracy.py [--sources N] [--stations N]

The stations are the outermost of SKA-Low's AA4 layout, at 350 MHz: baselines to 73 km, 86,000 wavelengths.
The oracle sums in long double with phases in long double, and shares no code with the kernels.
"""

from __future__ import annotations

import argparse

import numpy as np

FREQUENCY_HZ = 350e6
SPEED_OF_LIGHT_M_S = 299792458.0


def oracle(uvw: np.ndarray, lmn: np.ndarray, flux_jy: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Sum over sources in long double, baseline by baseline."""
    wide = np.longdouble
    turns = lmn.astype(wide) @ uvw.astype(wide).T * (wide(FREQUENCY_HZ) / wide(SPEED_OF_LIGHT_M_S))
    angle = 2 * np.arccos(wide(-1)) * (turns - np.rint(turns))
    phasors = np.cos(angle) + 1j * np.sin(angle)
    return np.array([(flux_jy * phasors[:, p] * phasors[:, q].conj()).sum() for p, q in pairs])


def main() -> None:
    """Print the error in both precisions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=50_000)
    parser.add_argument("--stations", type=int, default=21)
    options = parser.parse_args()

    from kernels import cpu
    from pipeline.config.telescope import TelescopeConfig
    from pipeline.observation.telescope import load_telescope

    random = np.random.default_rng(2026)
    enu_m = load_telescope(TelescopeConfig(array="ska-low-aa4")).enu_m
    uvw = enu_m[np.argsort(np.linalg.norm(enu_m, axis=1))[-options.stations :]]
    lm = random.uniform(-0.7, 0.7, (options.sources, 2))
    n1 = np.sqrt(1 - (lm**2).sum(axis=1)) - 1
    lmn = np.ascontiguousarray(np.column_stack([lm, n1]))
    flux_jy = 10 ** random.uniform(-5, 2, options.sources)
    pairs = np.array(np.triu_indices(options.stations, 1)).T
    index = np.full((options.stations, options.stations), -1, np.int32)
    index[pairs[:, 0], pairs[:, 1]] = np.arange(len(pairs))
    longest_m = np.linalg.norm(uvw[pairs[:, 0]] - uvw[pairs[:, 1]], axis=1).max()
    epoch, offset_hz = np.zeros(options.sources, np.int32), np.zeros(options.sources)
    expected = oracle(uvw, lmn, flux_jy, pairs)
    print(f"{options.sources:,} sources, {longest_m / 1e3:.1f} km, {FREQUENCY_HZ / 1e6:.0f} MHz")
    for name, real, cplx in (("mixed", np.float32, np.complex64), ("double", np.float64, np.complex128)):
        phasors = np.full((1, 2, options.sources, options.stations), np.nan, real)
        out = np.zeros((1, len(pairs), 4), cplx)  # the product adds to it
        cpu.phasors(uvw[None, None], epoch, lmn[None], FREQUENCY_HZ, offset_hz, phasors)
        cpu.unpolarised(phasors, flux_jy[None].astype(real), index, out)
        error = np.abs(out[0, :, 0] - expected).max() / flux_jy.sum()
        print(f"{name:8}{float(error):.1e} of the summed flux")


if __name__ == "__main__":
    main()
