"""How fast visibilities are predicted, beside matvis on the same observation.

    python benchmarks/predict.py [--stations N ...] [--sources N] [--times N] [--repeat N] [--threads N] [--cpu-time]

Both predict an unpolarised sky for stations that are alike, one channel, all cross-correlations, from
coordinates on the sky to visibilities. They take turns; the first turn, in which kernels are compiled, is not
counted. Printed are baselines × sources × times per second, median and best, the median of the ratios turn by
turn, and how far the amplitudes are apart.

matvis needs an environment of its own: MATVIS_PYTHON names its Python (`make bench` sees to it). It runs with
the settings that were fastest: a uniform beam, ERFA's coordinates computed in full once, all pairs kept.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

LONGITUDE_RAD, LATITUDE_RAD, HEIGHT_M = 2.0379241, -0.4681797, 365.0
START_MJD, INTEGRATION_S, FREQUENCY_HZ = (61366.0, 0.5), 0.85, 150e6
PHASE_CENTRE_RAD = (0.0, float(np.radians(-27)))
ARRAY_RADIUS_M = 1000.0


def observation(n_stations: int, n_sources: int, n_times: int) -> dict[str, np.ndarray]:
    """Return stations in a disk, and sources within 20 degrees of a phase centre near the zenith."""
    random = np.random.default_rng(1)
    radius_m = ARRAY_RADIUS_M * np.sqrt(random.random(n_stations))
    angle_rad = random.uniform(0, 2 * np.pi, n_stations)
    east_m, north_m = radius_m * np.cos(angle_rad), radius_m * np.sin(angle_rad)
    return {
        "enu_m": np.stack([east_m, north_m, random.normal(0, 1, n_stations)], axis=1),
        "ra_rad": random.uniform(-0.25, 0.25, n_sources) % (2 * np.pi),
        "dec_rad": PHASE_CENTRE_RAD[1] + random.uniform(-0.25, 0.25, n_sources),
        "flux_jy": random.lognormal(size=n_sources),
        "mid_point_s": (np.arange(n_times) + 0.5) * INTEGRATION_S,
    }


class Dawnstream:
    """Predicts the observation with geometry and kernels as a run does.

    Parameters
    ----------
    sky
        What `observation` returned.
    precision
        "mixed" or "double".
    n_threads
        Threads.
    """

    def __init__(self, sky: dict[str, np.ndarray], precision: str, n_threads: int) -> None:
        from pipeline.costs.memory import BATCH_BYTES
        from pipeline.observation.geometry import Geometry
        from pipeline.observation.skies.components import Components
        from pipeline.observation.sky import Sky
        from pipeline.observation.telescope import Telescope
        from pipeline.parallel.device import open_device

        n_stations, n_sources = len(sky["enu_m"]), len(sky["ra_rad"])
        names = tuple(map(str, range(n_stations)))
        telescope = Telescope("disk", names, sky["enu_m"], LONGITUDE_RAD, LATITUDE_RAD, HEIGHT_M)
        stokes_jy = np.zeros((n_sources, 4))
        stokes_jy[:, 0] = sky["flux_jy"]
        flat, reference_hz = np.zeros(n_sources), np.full(n_sources, FREQUENCY_HZ)
        names = tuple(map(str, range(n_sources)))
        self._sky = Sky((Components(names, sky["ra_rad"], sky["dec_rad"], stokes_jy, reference_hz, flat),))
        self._geometry = Geometry(telescope, self._sky, *PHASE_CENTRE_RAD, START_MJD, INTEGRATION_S)
        self._device = open_device("cpu", precision, 0, n_threads)
        self._pairs = np.triu_indices(n_stations, 1)
        index = np.full((n_stations, n_stations), -1, np.int32)
        index[self._pairs] = np.arange(self._pairs[0].size)
        self._index = self._device.upload(index)
        n_times = len(sky["mid_point_s"])
        one_bytes = 2 * n_sources * n_stations * np.dtype(self._device.real).itemsize
        shape: tuple[int, ...] = (max(1, min(n_times, BATCH_BYTES["cpu"] // one_bytes)), 2, n_sources, n_stations)
        self._phasors = self._device.empty(shape, self._device.real)
        shape = (n_times, self._pairs[0].size, 4)
        self._visibilities = self._device.empty(shape, self._device.complex)

    def predict(self) -> None:
        """Predict all times, as many at once as their phasors allow."""
        moments = self._geometry.moments(np.arange(len(self._visibilities)) + 0.5)
        device, kernels, at_once = self._device, self._device.kernels, len(self._phasors)
        flux_jy = self._sky.stokes_at(FREQUENCY_HZ)[:, 0].astype(device.real)
        epoch = device.upload(np.zeros(len(flux_jy), np.int32))
        offset_hz = device.upload(np.zeros(len(flux_jy)))
        kernels.clear(self._visibilities)
        for first in range(0, len(moments), at_once):
            some, out = moments[first : first + at_once], self._visibilities[first : first + at_once]
            station_uvw = device.upload(np.stack([moment.station_uvw for moment in some])[:, np.newaxis])
            lmn = device.upload(np.stack([moment.lmn() for moment in some]))
            intensity = device.upload(np.tile(flux_jy, (len(some), 1)))
            phasors = self._phasors[: len(some)]
            kernels.phasors(station_uvw, epoch, lmn, FREQUENCY_HZ, offset_hz, phasors)
            kernels.unpolarised(phasors, intensity, self._index, out)

    def amplitudes(self) -> np.ndarray:
        """Return (time, station, station) of the last prediction, Jy; zero on and below the diagonal."""
        n_stations = len(self._index)
        matrix = np.zeros((len(self._visibilities), n_stations, n_stations))
        matrix[:, *self._pairs] = np.abs(self._visibilities[..., 0])
        return matrix


class Matvis:
    """matvis in a process of its own, asked over a pipe.

    Parameters
    ----------
    python
        The Python that has it.
    path
        File with what `observation` returned.
    precision
        1 or 2: float32 or float64.
    n_threads
        Threads.
    cpu_time
        Count processor time instead of wall time.
    """

    def __init__(self, python: str, path: Path, precision: int, n_threads: int, cpu_time: bool) -> None:
        threads = {f"{name}_NUM_THREADS": str(n_threads) for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
        command = [python, __file__, "--matvis", str(path), str(precision)] + ["--cpu-time"] * cpu_time
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env={**os.environ, **threads})

    def predict(self) -> float:
        """Predict all times and return how long it took, s."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("matvis was started without pipes")
        print("predict", file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("matvis failed; MATVIS_PYTHON must name a Python that has it: make bench, or pip install matvis")
        return float(answer)


def serve_matvis(path: Path, precision: int, clock: Callable[[], float]) -> None:
    """Be the other process: predict whenever asked, and keep the amplitudes beside the observation."""
    import astropy.units as u
    from astropy.coordinates import EarthLocation
    from astropy.time import Time
    from astropy.utils import iers
    from matvis import simulate_vis
    from pyuvdata.analytic_beam import UniformBeam

    iers.conf.auto_download, iers.conf.auto_max_age = False, None
    sky = dict(np.load(path))
    n_stations = len(sky["enu_m"])
    arguments = {
        "ants": dict(enumerate(sky["enu_m"])),
        "fluxes": sky["flux_jy"][:, None],
        "ra": sky["ra_rad"],
        "dec": sky["dec_rad"],
        "freqs": np.array([FREQUENCY_HZ]),
        "times": Time(*START_MJD, format="mjd", scale="utc") + sky["mid_point_s"] * u.s,
        "beams": [UniformBeam()],
        "telescope_loc": EarthLocation.from_geodetic(LONGITUDE_RAD * u.rad, LATITUDE_RAD * u.rad, HEIGHT_M * u.m),
        "polarized": False,
        "precision": precision,
        "coord_method": "CoordinateRotationERFA",
        "coord_method_params": {"update_bcrs_every": 60.0},
    }
    for _ in sys.stdin:
        start = clock()
        visibilities = simulate_vis(**arguments)[0]
        seconds = clock() - start
        # matvis halves Stokes I: the polarisations add up to it.
        matrix = 2.0 * np.abs(visibilities.reshape(-1, n_stations, n_stations))
        np.save(path.with_suffix(f".{precision}.npy"), np.triu(matrix, 1))
        print(seconds, flush=True)


@contextmanager
def matvis(path: Path, precision: int, n_threads: int, cpu_time: bool) -> Iterator[Matvis]:
    """Start matvis, and end it."""
    other = Matvis(os.environ.get("MATVIS_PYTHON", sys.executable), path, precision, n_threads, cpu_time)
    try:
        yield other
    finally:
        other.process.kill()
        other.process.wait()


def clock_of(options: argparse.Namespace) -> Callable[[], float]:
    """Return the clock asked for."""
    return time.process_time if options.cpu_time else time.perf_counter


def compare(path: Path, sky: dict[str, np.ndarray], precision: str, options: argparse.Namespace) -> str:
    """Let both take turns and return a row of the table."""
    ours = Dawnstream(sky, precision, options.threads)
    other_precision = 1 if precision == "mixed" else 2
    seconds, clock = [], clock_of(options)
    with matvis(path, other_precision, options.threads, options.cpu_time) as other:
        for _ in range(options.repeat + 1):
            start = clock()
            ours.predict()
            seconds.append((clock() - start, other.predict()))
    n_stations = len(sky["enu_m"])
    work = n_stations * (n_stations - 1) // 2 * options.sources * options.times
    mine, theirs = zip(*seconds[1:], strict=True)
    rates = [work / statistics.median(mine), work / statistics.median(theirs), work / min(mine), work / min(theirs)]
    ratio = statistics.median(their_s / my_s for my_s, their_s in seconds[1:])
    apart = np.abs(ours.amplitudes() - np.load(path.with_suffix(f".{other_precision}.npy"))).max()
    apart /= sky["flux_jy"].sum()
    columns = [f"{rate:12.2e}" for rate in rates]
    columns.insert(2, f"{ratio:8.1f}")
    return f"{n_stations:8} {precision:>9} {' '.join(columns)} {apart:12.1e}"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--sources", type=int, default=1000)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu-time", action="store_true", help="per CPU second: for a busy machine, with --threads 1")
    parser.add_argument("--matvis", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.matvis:
        serve_matvis(Path(options.matvis[0]), int(options.matvis[1]), clock_of(options))
        return
    print(f"{options.sources} sources, {options.times} times, one channel, {options.threads} threads")
    print("baselines x sources x times per second; amplitudes apart: largest, over the summed flux")
    columns = f"{'Dawnstream':>12} {'matvis':>12} {'ratio':>8} {'best':>12} {'matvis best':>12} {'apart':>12}"
    print(f"{'stations':>8} {'precision':>9} {columns}")
    with tempfile.TemporaryDirectory() as folder:
        for n_stations in options.stations:
            sky = observation(n_stations, options.sources, options.times)
            path = Path(folder) / f"{n_stations}.npz"
            np.savez(path, allow_pickle=False, **sky)
            for precision in ("mixed", "double"):
                print(compare(path, sky, precision, options), flush=True)


if __name__ == "__main__":
    main()
