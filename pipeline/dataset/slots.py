"""Room in shared memory for blocks on their way to the process that streams them."""

from __future__ import annotations

import mmap
import os

import numpy as np

from pipeline.dataset.schema import VARIABLE_NAMES, VARIABLES, Array, BandHeader, Block, shape_of

_ALIGNED = 64


class Slots:
    """Blocks of a band in shared memory; each side makes its own of the same file descriptor.

    Parameters
    ----------
    fd : int
        Of the memory.
    header : BandHeader
        Of the band.
    n_block_dumps : int
        The most dumps in a block.
    n_slots : int
        How many blocks there is room for. What is never used takes no memory.
    """

    def __init__(self, fd: int, header: BandHeader, n_block_dumps: int, n_slots: int) -> None:
        sizes = {**header.sizes, "time": n_block_dumps}
        self._arrays: list[dict[str, Array]] = []
        places, offset = [], 0
        for _ in range(n_slots):
            for variable in VARIABLES:
                is_vis = variable.name == "vis"
                shape = shape_of(variable.axes[:-1] if is_vis else variable.axes, sizes)
                dtype = np.dtype("complex64" if is_vis else variable.dtype)
                places.append((shape, dtype, offset))
                n_bytes = int(np.prod(shape)) * dtype.itemsize
                offset += -(-n_bytes // _ALIGNED) * _ALIGNED
        os.ftruncate(fd, offset)
        memory = mmap.mmap(fd, offset)
        arrays = [np.frombuffer(memory, dtype, int(np.prod(s)), at).reshape(s) for s, dtype, at in places]
        for slot in range(n_slots):
            own = arrays[slot * len(VARIABLES) : (slot + 1) * len(VARIABLES)]
            self._arrays.append(dict(zip(VARIABLE_NAMES, own, strict=True)))

    def fill(self, slot: int, block: Block) -> None:
        """Copy a block into a slot."""
        for name, array in self._arrays[slot].items():
            source: Array = getattr(block, name)
            array[: len(source)] = source

    def block(self, slot: int, n_times: int) -> Block:
        """Return the block of a slot; its arrays are the slot itself."""
        return Block(*(self._arrays[slot][name][:n_times] for name in VARIABLE_NAMES))
