"""Read a dataset with ADIOS2 alone: `pip install adios2 crc32c numpy`, `python read_adios2.py NAME.dawn`.

Prints frequency, dumps, sum of weights and mean amplitude of every band. Compares every checksum, and ends with an
error where a band, a step or a byte is missing or wrong. Imports nothing of Dawnstream; docs/dataset.md is the format.
"""

import json
import sys
from pathlib import Path

import adios2
import numpy as np
from crc32c import crc32c

# What a step holds, in the order of the columns of crc32c.
TYPES = {"dump": "i8", "time_utc": "f8", "station_uvw": "f8", "vis": "f4", "weight": "f4"}


def read(io, band, name, dtype):
    """Return a variable of the step that was begun."""
    variable = io.inquire_variable(name)
    array = np.empty(variable.shape(), dtype)
    band.get(variable, array)
    return array


def check(arrays, sums, parts):
    """Compare row i of `sums` with what writer i wrote: its baselines of vis and weight; the first also all else."""
    for column, (name, array) in enumerate(arrays.items()):
        for writer, (first, count) in enumerate(parts):
            by_baseline = name in ("vis", "weight")
            part = array[:, :, first : first + count] if by_baseline else array[: 0 if writer else None]
            if crc32c(part.tobytes()) != sums[writer, column]:
                sys.exit(f"{name} of writer {writer} was changed")


def read_band(path):
    """Read a band to its end, and return its frequency, dumps, sum of weights, mean amplitude."""
    io = adios2.Adios().declare_io("band")
    io.set_engine("BP5")
    io.add_transport("File", {"Library": "stdio"})  # or a file cut short would be waited for, for ever
    io.set_parameters({"OpenTimeoutSecs": "0"})  # or a missing file would be waited for, for an hour
    band = io.open(str(path), adios2.Mode.Read)
    next_dump, n_dumps, weights, amplitudes = 0, None, 0.0, 0.0
    while (status := band.begin_step(adios2.StepMode.Read, 0.0)) == adios2.StepStatus.OK:
        n_dumps = int(io.inquire_attribute("n_dumps").data()[0])
        hz = np.mean(io.inquire_attribute("channel_hz").data())
        arrays = {name: read(io, band, name, dtype) for name, dtype in TYPES.items()}
        check(arrays, read(io, band, "crc32c", "u4"), read(io, band, "writer_baselines", "i8"))
        vis = arrays["vis"].view(np.complex64)[..., 0]  # time, channel, baseline, pol; Jy
        amplitudes += np.abs(vis).sum(dtype=float) / vis[0].size
        weights += arrays["weight"].sum(dtype=float)
        next_dump += len(vis)
        band.end_step()
    if next_dump != n_dumps:
        sys.exit(f"{path}: {status} after {next_dump} of {n_dumps} dumps")
    band.close()
    return hz, n_dumps, weights, amplitudes / n_dumps


for entry in json.loads(Path(sys.argv[1], "manifest.json").read_text())["bands"]:
    found = read_band(Path(sys.argv[1], entry["path"]))
    print("{}: {:.3f} Hz, {} dumps, weights {:.6f}, mean |V| {:.6f} Jy".format(entry["path"], *found))
