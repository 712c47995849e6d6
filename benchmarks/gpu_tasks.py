"""What `gpu.py` measures, a function for every task; each yields rows.

Rates of products are baselines x sources x times per second; "per_second" are the operations or bytes of the roof that
bounds the kernel. Times are the median of CUDA events over many launches, after one that compiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

Row = dict[str, Any]
N_TERMS, SECONDS = 1024, 0.5
FREQUENCY_HZ = 150e6
SPEED_OF_LIGHT_M_S = 299792458.0


def kernel_modules() -> tuple[Any, Any]:
    """Return the kernels on ordinary and on tensor cores; Numba's arrays have no types to check."""
    from kernels import cuda
    from kernels.cuda import tensor_cores

    return cuda, tensor_cores


def median_seconds(action: Callable[[], Any]) -> float:
    """Return the median time of an action on the device, launches one after another."""
    from numba import cuda

    action()
    cuda.synchronize()
    times: list[float] = []
    while len(times) < 5 or (sum(times) < SECONDS and len(times) < 200):
        before, after = cuda.event(), cuda.event()
        before.record()
        action()
        after.record()
        after.synchronize()
        times.append(cuda.event_elapsed_time(before, after) / 1e3)
    return float(np.median(times))


class Case:
    """Some dumps of the same terms on the device, and what of them the host needs for the error.

    Every dump has its own places of stations and sources, flux densities and responses.

    Parameters
    ----------
    n_stations, n_dumps
        Stations; dumps summed at once.
    """

    def __init__(self, n_stations: int, n_dumps: int) -> None:
        from numba import cuda

        rng = np.random.default_rng(n_stations)
        self.n_stations, self.n_dumps, shape = n_stations, n_dumps, (n_dumps, N_TERMS)
        self.uvw = rng.normal(scale=2e4, size=(n_dumps, n_stations, 3))
        self.lmn = rng.uniform(-0.5, 0.5, (*shape, 3))
        self.flux = (10 ** rng.uniform(-3, 4, shape) * rng.choice([-1.0, 1.0], shape)).astype(np.float32)
        self.coherency = (self.flux[..., None] * rng.uniform(-0.5, 0.5, (*shape, 4))).astype(np.float32)
        self.kind = np.arange(n_stations, dtype=np.int32)
        self.source = np.arange(N_TERMS, dtype=np.int32)
        self.jones = np.empty((n_dumps, n_stations, N_TERMS, 2, 2), np.complex64)
        for jones in self.jones:  # one by one: float64 of all would take a gigabyte and more
            parts = rng.uniform(-0.5, 0.5, (2, *jones.shape))
            jones.real, jones.imag = parts
        p, q = np.triu_indices(n_stations, 1)
        self.n_baselines = len(p)
        index = np.full((n_stations, n_stations), -1, np.int32)
        index[p, q] = np.arange(len(p))
        self.pairs = np.stack([p, q], axis=1)
        uvw, lmn = cuda.to_device(self.uvw[:, None]), cuda.to_device(self.lmn)
        epoch, offset_hz = cuda.to_device(np.zeros(N_TERMS, np.int32)), cuda.to_device(np.zeros(N_TERMS))
        self.geometry: Any = (uvw, epoch, lmn, FREQUENCY_HZ, offset_hz)
        self.phasors = cuda.device_array((n_dumps, 2, N_TERMS, n_stations), np.float32)
        self.index, self.out = cuda.to_device(index), cuda.device_array((n_dumps, len(p), 4), np.complex64)
        self.factors: dict[str, Any] = {
            "unpolarised": (cuda.to_device(self.flux),),
            "common": (cuda.to_device(self.coherency),),
            "per_kind": tuple(map(cuda.to_device, (self.jones, self.kind, self.source, self.coherency))),
        }

    def error(self, name: str, action: Callable[[], Any]) -> float:
        """Return the largest error of 100 baselines of the last dump, relative to the summed flux density."""
        rng, dump = np.random.default_rng(1), self.n_dumps - 1
        self.out.copy_to_device(np.zeros(self.out.shape, np.complex64))
        action()
        rows = rng.permutation(self.n_baselines)[:100]
        p, q = self.pairs[rows].T
        path_m = np.longdouble(self.uvw[dump, p] - self.uvw[dump, q]) @ self.lmn[dump].T
        turns = FREQUENCY_HZ / SPEED_OF_LIGHT_M_S * path_m
        fringe = np.exp(2j * np.pi * (turns - np.rint(turns)).astype(np.float64))
        xx, yy, re, im = self.coherency[dump].T.astype(np.float64)
        sky = np.stack([xx + 0j, re + 1j * im, re - 1j * im, yy + 0j], axis=1).reshape(-1, 2, 2)
        if name == "unpolarised":
            sky = self.flux[dump, :, None, None] * np.eye(2)
        left = right = np.broadcast_to(np.eye(2), (len(rows), N_TERMS, 2, 2))
        if name == "per_kind":
            left, right = (self.jones[dump, each].astype(np.complex128) for each in (p, q))
        expected = np.einsum("bt,btij,tjk,btlk->bil", fringe, left, sky, right.conj(), optimize=True).reshape(-1, 4)
        found = self.out.copy_to_host()[dump, rows]
        return float(np.abs(found - expected).max() / np.abs(self.flux[dump]).sum(dtype=np.float64))


def products(name: str, is_tensor: bool) -> Callable[[list[int]], Iterator[Row]]:
    """Make the task of one product on ordinary or tensor cores: alone, and with the phasors."""
    per_term = {"unpolarised": 8, "common": 32, "per_kind": 64}[name] * (3 if is_tensor else 1)
    roof = "tensor cores" if is_tensor else "float32"

    def task(stations: list[int]) -> Iterator[Row]:
        kernels, tensor_cores = kernel_modules()
        for n_stations in stations:
            case = Case(n_stations, max(4, min(64, 24 * 512**2 // n_stations**2)))
            product = getattr(tensor_cores if is_tensor else kernels, name)
            factors = case.factors[name]

            def alone(case: Case = case, product: Any = product, factors: Any = factors) -> None:
                product(case.phasors, *factors, case.index, case.out)

            def whole(case: Case = case, alone: Callable[[], None] = alone) -> None:
                kernels.phasors(*case.geometry, case.phasors)
                alone()

            error = case.error(name, whole)
            work = case.n_baselines * N_TERMS * case.n_dumps
            for what, action in (("product", alone), ("phasors and product", whole)):
                rate = work / median_seconds(action)
                label = f"{n_stations} stations, {case.n_dumps} dumps, {what}"
                row = {"case": label, "rate": rate, "unit": "baselines·sources·times/s", "roof": roof, "error": error}
                yield {**row, "per_second": rate * per_term}

    return task


def phasors(stations: list[int]) -> Iterator[Row]:
    """Measure the phasors alone; their bytes are what is written."""
    kernels = kernel_modules()[0]
    for n_stations in stations:
        case = Case(n_stations, 16)
        seconds = median_seconds(partial(kernels.phasors, *case.geometry, case.phasors))
        made = case.phasors.size / 2
        row = {"case": f"{n_stations} stations", "rate": made / seconds, "unit": "phasors/s", "roof": "memory"}
        yield {**row, "per_second": 8 * made / seconds}


def averages(stations: list[int]) -> Iterator[Row]:
    """Measure `accumulate`: visibilities read, sums and weights read and written."""
    from numba import cuda

    kernels = kernel_modules()[0]
    for n_stations in stations:
        n = n_stations * (n_stations - 1) // 2
        shape = (16, n, 4)
        vis, sums = (cuda.to_device(np.zeros(shape, np.complex64)) for _ in range(2))
        weights, counts = cuda.to_device(np.ones(n, np.float32)), cuda.to_device(np.zeros((16, n), np.float32))
        arrays = (vis, weights, sums, counts)
        seconds = median_seconds(partial(kernels.accumulate, *arrays))
        moved = 16 * n * (3 * 32 + 2 * 4) / seconds
        yield {"case": f"{n_stations} stations", "per_second": moved, "unit": "B/s", "roof": "memory"}


def gaussians(stations: list[int]) -> Iterator[Row]:
    """Measure Gaussians of stations alike, 64 terms: alone, and with the stations along their axes."""
    from numba import cuda

    kernels = kernel_modules()[0]
    for n_stations in stations:
        case, n_terms = Case(n_stations, 1), 64
        waves, sky = (cuda.to_device(np.ones(shape, np.float32)) for shape in ((2, n_terms, n_stations), (n_terms, 4)))
        none = cuda.to_device(np.zeros((0, 1, 2, 2), np.complex64))
        uvw, epoch, _, _, offset_hz = case.geometry
        axes = np.random.default_rng(3).normal(scale=2e-13, size=(n_terms, 2, 3))
        form, once = np.tile([1.0, 0.0, 1.0], (n_terms, 1)), np.arange(n_terms, dtype=np.int32)
        along, axes, form, once = map(cuda.to_device, (np.zeros((n_terms, n_stations, 3)), axes, form, once))
        where = (uvw[0], epoch[:n_terms], axes, once, FREQUENCY_HZ, offset_hz[:n_terms], along)
        arguments = (waves, none, cuda.to_device(case.kind), once, sky, form, once, along, case.index, case.out[0])

        def alone(arguments: Any = arguments) -> None:
            kernels.gaussians(*arguments)

        def whole(where: Any = where, alone: Callable[[], None] = alone) -> None:
            kernels.along_axes(*where)
            alone()

        whole()  # else Gaussians alone would be points
        for what, action in (("Gaussians", alone), ("stations along axes and Gaussians", whole)):
            rate = case.n_baselines * n_terms / median_seconds(action)
            yield {"case": f"{n_stations} stations, {what}", "rate": rate, "unit": "baselines·sources·times/s"}


def array_responses(stations: list[int]) -> Iterator[Row]:
    """Measure responses of one kind of station, 256 elements, each with a matrix."""
    from numba import cuda

    kernels = kernel_modules()[0]
    rng, n_sources = np.random.default_rng(2), 50_000
    enu, weight = rng.uniform(-19, 19, (256, 3)), np.ones(256, complex)
    inputs = (enu, weight, np.array([0, 256]), rng.uniform(-1, 1, (n_sources, 3)))
    arrays: Any = tuple(map(cuda.to_device, inputs))
    for dtype in ("complex64", "complex128"):
        field, out = cuda.to_device(np.ones((n_sources, 4), dtype)), cuda.device_array((1, n_sources, 4), dtype)
        seconds = median_seconds(partial(kernels.array_responses, *arrays, FREQUENCY_HZ, field, out))
        yield {"case": f"256 elements, {dtype}", "rate": 256 * n_sources / seconds, "unit": "elements·sources/s"}


def dipoles(stations: list[int]) -> Iterator[Row]:
    """Measure responses of crossed dipoles of some length above a plane."""
    from numba import cuda

    kernels = kernel_modules()[0]
    rng, n_looks = np.random.default_rng(4), 1_000_000
    enu, north = rng.normal(size=(2, n_looks, 3)) / np.sqrt(3.0)  # about unit vectors
    arrays: Any = tuple(map(cuda.to_device, (enu, north, np.eye(3)[[1, 0]])))
    for dtype in ("complex64", "complex128"):
        out = cuda.device_array((n_looks, 4), dtype)
        seconds = median_seconds(partial(kernels.dipoles, *arrays, 0.2, 0.25, out))
        yield {"case": dtype, "rate": n_looks / seconds, "unit": "responses/s"}


def copies(stations: list[int]) -> Iterator[Row]:
    """Measure copies to the host: waited for, sent to locked memory, and sent while a product runs."""
    from pipeline.parallel.device import open_device

    kernels, device = kernel_modules()[0], open_device("cuda", "mixed", 0, 1)
    case = Case(max(stations), 16)
    out, other = np.empty(case.out.shape, np.complex64), device.empty(case.out.shape, np.complex64)

    def send() -> None:
        device.send(case.out, out)
        device.wait_for_sends()

    def predict() -> None:
        kernels.unpolarised(case.phasors, *case.factors["unpolarised"], case.index, other)

    def both() -> None:
        device.send(case.out, out)
        predict()
        device.wait_for_sends()

    kernels.phasors(*case.geometry, case.phasors)
    for name, action in (("waited for", lambda: device.download(case.out, out)), ("sent", send)):
        yield {"case": name, "rate": out.nbytes / median_seconds(action), "unit": "B/s"}
    apart, together = median_seconds(send) + median_seconds(predict), median_seconds(both)
    yield {"case": "sent beside a product", "rate": apart / together, "unit": "times as fast as one after the other"}


def roofs(stations: list[int]) -> Iterator[Row]:
    """Measure what the device does at most: float32, tensor cores as the products use them, memory."""
    from numba import cuda

    from kernels.cuda import probes

    n_blocks = 8 * cuda.get_current_device().MULTIPROCESSOR_COUNT
    out = cuda.device_array(n_blocks * 256, np.float32)
    for name, kernel in (("float32", probes.multiply_adds), ("tensor cores", probes.matrix_products)):
        if name == "float32" or cuda.get_current_device().compute_capability >= (8, 0):
            work = kernel(n_blocks, 2000, out)
            seconds = median_seconds(partial(kernel, n_blocks, 2000, out))
            yield {"name": name, "per_second": work / seconds, "unit": "flop/s"}
    source, target = (cuda.device_array(1 << 28, np.float32) for _ in range(2))
    seconds = median_seconds(lambda: target.copy_to_device(source))
    yield {"name": "memory", "per_second": 2 * source.nbytes / seconds, "unit": "B/s"}


TASKS: dict[str, Callable[[list[int]], Iterator[Row]]] = {
    "roofs": roofs,
    "unpolarised": products("unpolarised", False),
    "unpolarised, tensor cores": products("unpolarised", True),
    "common": products("common", False),
    "common, tensor cores": products("common", True),
    "per_kind, all differ": products("per_kind", False),
    "per_kind, all differ, tensor cores": products("per_kind", True),
    "phasors": phasors,
    "accumulate": averages,
    "gaussians": gaussians,
    "array_responses": array_responses,
    "dipoles": dipoles,
    "copies": copies,
}
