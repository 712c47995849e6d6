"""What the CUDA compiler makes of every kernel: registers, shared memory, spills and occupancy, without a GPU.

Needs the 'ptx' extra (numba-cuda and NVIDIA's ptxas); compiles for each compute capability that the toolkit knows.

    python benchmarks/ptx_report.py [--cc 8.0 9.0] [--json FILE]
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

CAPABILITIES = ("7.0", "8.0", "9.0")
LEAST_FOR_TENSOR_CORES = 8.0

#: Bytes of shared memory of a multiprocessor, and of it what the system takes for a block of threads. [CUDA C++
#: Programming Guide, "Technical Specifications per Compute Capability"]
SHARED_BYTES = {"7.0": (96 << 10, 0), "8.0": (164 << 10, 1024), "9.0": (228 << 10, 1024)}
REGISTERS, MAX_WARPS, MAX_BLOCKS, WARP = 65536, 64, 32, 32


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel as it is launched.

    Attributes
    ----------
    name
        For people.
    function
        What Numba compiles.
    signature
        Types of its arguments.
    threads, shared_bytes
        Of a block.
    needs_tensor_cores
        Whether it does.
    """

    name: str
    function: Any
    signature: tuple[Any, ...]
    threads: int
    shared_bytes: int = 0
    needs_tensor_cores: bool = False


def find_ptxas() -> str | None:
    """Return the path of ptxas: on the PATH, or beside Numba's toolkit."""
    found = importlib.util.find_spec("nvidia")
    folders = list(found.submodule_search_locations or []) if found else []
    beside = [path for folder in folders for path in Path(folder).glob("*/bin/ptxas")]
    return str(beside[0]) if beside else shutil.which("ptxas")


def missing() -> str:
    """Say what is missing to compile; empty if nothing is."""
    if importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed; pip install 'dawnstream[ptx]'"
    if find_ptxas() is None:
        return "ptxas is not installed; pip install 'dawnstream[ptx]'"
    return ""


def product_kernels() -> list[Kernel]:
    """Return the products of both precisions, and those of the tensor cores."""
    from numba import types

    from kernels.cuda import operands, products, tensor

    found, largest = [], types.Array(types.float32, 2, "C")
    for precision, is_single in (("float32", True), ("float64", False)):
        real, cplx = (types.float32, types.complex64) if is_single else (types.float64, types.complex128)
        flat, index, out = types.Array(real, 1, "C"), types.Array(types.int32, 2, "C"), types.Array(cplx, 3, "C")
        shared = products.SHARED[is_single] * (4 if is_single else 8)
        for name in ("unpolarised", "common", "per_kind"):
            factors = types.UniTuple(flat, 1 if name == "per_kind" else 2)
            kernel = getattr(products, f"_{name}")[is_single]
            found.append(Kernel(f"{name} {precision}", kernel, (factors, types.int64, index, out), 256, shared))
            if is_single:
                signature = (factors, largest, types.int64, index, out)
                kernel = getattr(tensor, f"_{name}")
                found.append(Kernel(f"{name} tensor cores", kernel, signature, 128, tensor.SHARED_BYTES, True))
        packed = (_kind_factors(real, cplx, 1), types.int64, types.int64, types.Array(real, 6, "C"))
        found.append(Kernel(f"pack {precision}", operands._pack, packed, 256))
    values = types.Array(types.float32, 2, "C")
    begin = Kernel("begin_largest", tensor._begin_largest, (types.int64, largest), 256, 0, True)
    return [*found, begin, Kernel("find_largest", tensor._find_largest, (values, types.int64, largest), 256, 0, True)]


def _kind_factors(real: Any, cplx: Any, n_dump_axes: int) -> Any:
    from numba import types

    def array(dtype: Any, n_axes: int) -> Any:
        return types.Array(dtype, n_axes + n_dump_axes, "C")

    ints = types.Array(types.int32, 1, "C")
    return types.Tuple((array(real, 3), array(cplx, 4), ints, ints, array(real, 2)))


def other_kernels() -> list[Kernel]:
    """Return all other kernels, of both precisions where there are two."""
    from numba import types

    from kernels.cuda import averages, beams, corruptions, sources
    from kernels.cuda.gaussians import _KERNELS, _along_axes
    from kernels.cuda.phasors import _phasors_double, _phasors_single

    def array(dtype: Any, n_axes: int) -> Any:
        return types.Array(dtype, n_axes, "C")

    f8, i4, u8, c16 = types.float64, types.int32, types.uint64, types.complex128
    pairs, place = array(i4, 2), types.UniTuple(f8, 4)
    elements = (array(f8, 2), array(c16, 1), array(types.int64, 1), array(f8, 2), f8)
    present = (array(f8, 2), array(i4, 1), array(f8, 1), array(f8, 3), array(f8, 2), array(i4, 1))
    track = (array(f8, 3), array(f8, 3), array(f8, 4), array(i4, 1), array(i4, 1), array(f8, 3))
    axes = (array(f8, 3), array(i4, 1), array(f8, 3), array(i4, 1), f8, array(f8, 1), array(f8, 3))
    found = [Kernel("directions", sources._directions, track, 256), Kernel("along_axes", _along_axes, axes, 256)]
    for precision, real, cplx in (("float32", types.float32, types.complex64), ("float64", f8, c16)):
        is_single = precision == "float32"
        vis, waves, many, weight = array(cplx, 2), array(real, 3), array(real, 4), array(types.float32, 1)
        make = _phasors_single if is_single else _phasors_double
        respond = beams._array_responses_single if is_single else beams._array_responses_double
        for name, function, signature in (
            ("phasors", make, (array(f8, 4), array(i4, 1), array(f8, 3), f8, array(f8, 1), many)),
            ("array_responses", respond, (*elements, array(cplx, 2), array(cplx, 3))),
            ("dipoles", beams._dipoles, (array(f8, 2), array(f8, 2), array(f8, 2), f8, f8, f8, f8, vis)),
            ("interpolate", beams._interpolate, (waves, array(real, 2), types.int64, array(i4, 2), many)),
            ("scale", beams._scale, (array(cplx, 3), array(i4, 1), array(i4, 1), many)),
            ("intensities", sources._intensities, (*present, array(c16, 2), array(real, 2))),
            ("coherencies", sources._coherencies, (*present, array(c16, 2), waves)),
            ("matrix coherencies", sources._coherencies_of_matrices, (*present, array(c16, 4), waves)),
            ("accumulate", averages._accumulate, (vis, weight, array(types.complex64, 2), weight)),
            ("add", averages._add, (array(types.complex64, 1), array(types.complex64, 1))),
            ("clear", averages._clear, (array(cplx, 1),)),
            ("add_noise", corruptions._add_noise, (pairs, array(f8, 1), u8, u8, u8, vis)),
            ("apply_gains", corruptions._apply_gains, (pairs, array(c16, 2), vis)),
            (
                "phase_screen",
                corruptions._phase_screen,
                (array(f8, 2), array(f8, 2), array(i4, 1), array(f8, 2), place, f8, waves),
            ),
        ):
            found.append(Kernel(f"{name} {precision}", function, signature, 256))
        rest = (array(f8, 2), array(i4, 1), array(f8, 3), pairs, vis)
        for name, has_kinds, factors in (
            ("alike", False, types.Tuple((waves, array(real, 2)))),
            ("kinds", True, _kind_factors(real, cplx, 0)),
        ):
            function = _KERNELS[is_single, has_kinds]
            found.append(Kernel(f"gaussians {name} {precision}", function, (factors, *rest), 256))
    return found


def compile_kernel(kernel: Kernel, capability: str) -> str:
    """Return the PTX of a kernel."""
    import numba.cuda.dispatcher
    from numba import cuda

    major, minor = (int(part) for part in capability.split("."))
    # Device functions of device functions are compiled for the device in use, and there is none.
    numba.cuda.dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=(major, minor))
    text: str = cuda.compile_ptx(kernel.function.py_func, kernel.signature, cc=(major, minor))[0]
    return text


def measure(kernel: Kernel, capability: str, ptxas: str) -> dict[str, Any]:
    """Compile a kernel and return what it takes; "problem" says why there is nothing."""
    row: dict[str, Any] = {"kernel": kernel.name, "cc": capability}
    if kernel.needs_tensor_cores and float(capability) < LEAST_FOR_TENSOR_CORES:
        return {**row, "problem": "tensor cores are used from 8.0 on"}
    try:
        ptx = compile_kernel(kernel, capability)
    except Exception as error:  # whatever the toolkit raises, the row says it
        return {**row, "problem": f"NVVM: {str(error).strip().splitlines()[-1][:100]}"}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(ptx)
        command = [ptxas, f"-arch=sm_{capability.replace('.', '')}", "-v", str(source), "-o", f"{folder}/kernel.cubin"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    registers = re.search(r"Used (\d+) registers", done.stderr)
    if done.returncode or registers is None:
        return {**row, "problem": f"ptxas: {(done.stderr.strip().splitlines() or ['failed'])[-1][:100]}"}
    spilt = re.search(r"(\d+) bytes spill stores", done.stderr)
    static = re.search(r"(\d+) bytes smem", done.stderr)
    shared = kernel.shared_bytes + (int(static.group(1)) if static else 0)
    blocks = occupancy(int(registers.group(1)), kernel.threads, shared, capability)
    return {
        **row,
        "registers": int(registers.group(1)),
        "shared_bytes": shared,
        "spill_bytes": int(spilt.group(1)) if spilt else 0,
        "blocks": blocks,
        "warps": blocks * kernel.threads // WARP,
        "wide_loads": len(re.findall(r"ld\.shared\.v[24]", ptx)),
        "matrix_products": ptx.count("mma.sync"),
    }


def occupancy(registers: int, threads: int, shared_bytes: int, capability: str) -> int:
    """Return how many blocks of threads a multiprocessor holds at once.

    Registers are given out by 256 for a warp. [CUDA C++ Best Practices Guide, "Occupancy"]
    """
    warps = -(-threads // WARP)
    by_registers = REGISTERS // (-(-registers * WARP // 256) * 256) // warps
    of_all, of_system = SHARED_BYTES[capability]
    by_shared = of_all // (shared_bytes + of_system) if shared_bytes else MAX_BLOCKS
    return min(by_registers, by_shared, MAX_WARPS // warps, MAX_BLOCKS)


def report(capabilities: list[str]) -> list[dict[str, Any]]:
    """Return a row for every kernel and capability."""
    ptxas = find_ptxas()
    if ptxas is None:
        raise FileNotFoundError("ptxas")
    kernels = [*product_kernels(), *other_kernels()]
    return [measure(kernel, capability, ptxas) for capability in capabilities for kernel in kernels]


def line(row: dict[str, Any]) -> str:
    """Return a row of the table."""
    if "problem" in row:
        return f"{row['cc']:4} {row['kernel']:26} {row['problem']}"
    columns = ("registers", "shared_bytes", "spill_bytes", "blocks", "warps", "wide_loads", "matrix_products")
    return f"{row['cc']:4} {row['kernel']:26}" + "".join(f"{row[name]:>10}" for name in columns)


def main() -> None:
    """Compile and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cc", nargs="+", default=list(CAPABILITIES), choices=CAPABILITIES)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if problem := missing():
        sys.exit(f"nothing is compiled: {problem}")
    rows = report(arguments.cc)
    print(f"{'cc':4} {'kernel':26} registers    shared     spilt    blocks     warps wide loads  products")
    for row in rows:
        print(line(row))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
