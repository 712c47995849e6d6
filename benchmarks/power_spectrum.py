"""The science check: a field of known power spectrum through the run, its averaging and its image cube, and back.

    python benchmarks/power_spectrum.py [--cube CUBE] [--config CONFIG] [--png FILE] [--json FILE]

Without a cube, runs and images configs/eor-core.yaml in a temporary folder through the command line. The power spectrum
of the cube is compared, bin by bin,

- with that of the very field that was drawn, over the same modes, by NumPy's Fourier transform of the fine channels:
  what the array, the averaging, the imaging and the estimator did to it, cosmic variance aside. Within 5 %.
- with the power spectrum of the configuration: within its sampling error.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.eor import EorFieldEntry
from pipeline.config.file import load_config
from pipeline.config.observation import Config
from pipeline.inputs import observed
from pipeline.observation.skies.eor import EorField, from_config
from pipeline.products.power_spectrum import PowerMeasurement, PowerSettings, measure_power
from pipeline.products.power_spectrum_plot import plot_power
from pipeline.products.power_spectrum_table import over_same_modes

CONFIG = Path(__file__).parents[1] / "configs" / "eor-core.yaml"
WITHIN = 0.05

Floats = NDArray[np.float64]


def run_and_image(config: Path, folder: Path) -> Path:
    """Run and image a configuration through the command line; return the cube."""
    text = config.read_text(encoding="utf-8").splitlines()
    dataset, cube = folder / "eor.dawn", folder / "eor.fits"
    text = [f"output: {{path: {dataset}}}" if line.startswith("output:") else line for line in text]
    (folder / "eor.yaml").write_text("\n".join(text), encoding="utf-8")
    for command in (["run", folder / "eor.yaml"], ["image", dataset, "-o", cube]):
        start = time.perf_counter()
        words = [sys.executable, "-m", "pipeline", *map(str, command), "--progress", "none"]
        done = subprocess.run(words, capture_output=True, text=True, cwd=CONFIG.parents[1])
        if done.returncode:
            raise SystemExit(f"dawnstream {command[0]} failed:\n{done.stderr}")
        print(f"{command[0]:8} {time.perf_counter() - start:6.1f} s", file=sys.stderr)
    return cube


def the_field(config: Config) -> EorField:
    """Draw the field of a configuration."""
    entry = next(entry for entry in config.sky if isinstance(entry, EorFieldEntry))
    return from_config(entry.eor_field, observed(config))


def drawn_power(field: EorField, measured: PowerMeasurement) -> Floats:
    """Return Delta^2 (bin,), mK^2, of the drawn field over the modes that were measured.

    Modes of a plane cube and of the fine channels have the same wavenumbers, the finer ones more of them.
    """
    box, (n_planes, *across) = field.box, measured.mode_bin.shape
    if across != [box.size, box.size]:
        raise SystemExit(
            f"the field has {box.size} pixels along a side, and {across[0]} were measured; make them alike"
        )
    modes = np.fft.fftn(field.temperature_mk.astype(np.float64))
    number = np.rint(np.fft.fftfreq(n_planes, 1 / n_planes)).astype(int) % box.n_channels
    power = np.abs(modes[number]) ** 2 * box.cell_mpc**2 * box.depth_mpc / modes.size
    kept, k = measured.mode_bin >= 0, measured.grid.k
    bins = measured.mode_bin[kept]
    return np.asarray(np.bincount(bins, weights=(power * k**3)[kept]) / np.bincount(bins) / (2 * math.pi**2))


def compare(field: EorField, measured: PowerMeasurement) -> list[dict[str, float]]:
    """Return what was measured beside what was drawn and what was asked for, bin by bin."""
    drawn, s = drawn_power(field, measured), measured.spherical
    asked = over_same_modes(field.spectrum, measured)[1]
    return [
        {
            "k_per_mpc": float(s.k[i]),
            "n_modes": float(s.n_modes[i]),
            "measured_mk2": float(s.delta_squared[i]),
            "error_mk2": float(s.delta_squared_error[i]),
            "drawn_mk2": float(drawn[i]),
            "asked_mk2": float(asked[i]),
            "to_drawn": float(s.delta_squared[i] / drawn[i]),
            "to_asked_sigma": float((s.delta_squared[i] - asked[i]) / (asked[i] / math.sqrt(s.n_modes[i]))),
        }
        for i in range(len(s.k))
    ]


def report(rows: list[dict[str, float]]) -> bool:
    """Print the comparison; return whether it is within bounds."""
    print(" k 1/Mpc   modes  measured mK2     drawn     asked   /drawn  -asked, sigma")
    for row in rows:
        print(
            f"{row['k_per_mpc']:8.4f} {row['n_modes']:7.0f} {row['measured_mk2']:13.3f} {row['drawn_mk2']:9.3f} "
            f"{row['asked_mk2']:9.3f} {row['to_drawn']:8.4f} {row['to_asked_sigma']:14.2f}"
        )
    worst = max(abs(row["to_drawn"] - 1) for row in rows)
    # Each is a draw from a distribution of unit width; a mean square of 2 in ten bins would be one in 40.
    scatter = sum(row["to_asked_sigma"] ** 2 for row in rows) / len(rows)
    print(f"worst bin against the field that was drawn: {100 * worst:.2f} % (bound {100 * WITHIN:.0f} %)")
    print(f"mean square distance from the power spectrum asked for: {scatter:.2f} sampling variances (bound 2)")
    return worst < WITHIN and scatter < 2


def main() -> int:
    """Run, measure, compare, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=CONFIG, help="the observation")
    parser.add_argument("--cube", type=Path, help="its image cube, if it is there already")
    parser.add_argument("--png", type=Path, help="draw it")
    parser.add_argument("--json", type=Path, help="write the numbers")
    options = parser.parse_args()
    field = the_field(load_config(options.config))
    with tempfile.TemporaryDirectory() as folder:
        cube = options.cube or run_and_image(options.config, Path(folder))
        start = time.perf_counter()
        measured = measure_power([cube], PowerSettings())
        print(f"measure  {time.perf_counter() - start:6.1f} s", file=sys.stderr)
    rows = compare(field, measured)
    good = report(rows)
    if options.png:
        plot_power(measured, options.png, field.spectrum, np.array([row["drawn_mk2"] for row in rows]))
    if options.json:
        numbers: dict[str, Any] = {"good": good, "bins": rows}
        options.json.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
