"""A CUDA driver without a GPU, compiled from C on the spot: see null_driver.c."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path


def missing() -> str:
    """Say what is missing to use it; empty if nothing is."""
    if importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed; pip install 'dawnstream[ptx]'"
    return "" if shutil.which("cc") else "there is no C compiler"


def build(folder: Path) -> Path:
    """Compile libcuda.so.1 into a folder, which LD_LIBRARY_PATH is to name, and return the folder."""
    source, library = Path(__file__).with_name("null_driver.c"), folder / "libcuda.so.1"
    options = ["-O2", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1"]
    subprocess.run(["cc", *options, "-o", library, source, "-ldl"], check=True)
    return folder
