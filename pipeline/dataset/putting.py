"""From blocks to the variables of ADIOS2's steps, the same for files and streams."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.schema import (
    CHECKS,
    VARIABLES,
    Array,
    BandHeader,
    Block,
    Variable,
    attribute_values,
    float32_pairs,
    shape_of,
)
from pipeline.dataset.storage import checksum

BlockSums = NDArray[np.uint32]
"""Checksums of a block, one for each variable of the schema, (variable,) uint32."""


def block_sums(block: Block, is_first: bool = True) -> BlockSums:
    """Return the CRC-32C of what a writer puts of a block; 0 for what it does not put.

    Parameters
    ----------
    block : Block
        The writer's part.
    is_first : bool
        Whether it is the first writer, which puts what is not by baseline.
    """
    sums = np.zeros(len(VARIABLES), np.uint32)
    for column, variable in enumerate(VARIABLES):
        array: Array = getattr(block, variable.name)
        if array.size and (variable.by_baseline or is_first):
            sums[column] = checksum(array)
    return sums


class Putter:
    """Puts the blocks of a band into an ADIOS2 output.

    Parameters
    ----------
    io
        ADIOS2's, before it opens the output.
    header : BandHeader
        Of the band.
    n_block_dumps : int
        The most dumps in a block.
    n_writers, rank : int
        How many write the band together, and which one this is.
    """

    def __init__(self, io: Any, header: BandHeader, n_block_dumps: int, n_writers: int = 1, rank: int = 0) -> None:
        self.sizes = {
            **header.sizes,
            "time": n_block_dumps,
            "writer": n_writers,
            "variable": len(VARIABLES),
        }
        self._io, self._header, self._rank = io, header, rank
        self._handles = {}
        for variable in (*VARIABLES, *CHECKS):
            shape = list(shape_of(variable.axes, self.sizes))
            kind = np.empty(0, variable.dtype)
            self._handles[variable.name] = io.define_variable(variable.name, kind, shape, [0] * len(shape), shape)

    def define_attributes(self) -> None:
        """Define what is the same for all steps."""
        for name, value in attribute_values(self._header).items():
            self._io.define_attribute(name, value)

    def define_attributes_again(self) -> None:
        """Define them for the next step of a stream, whose readers only get those of the steps that they see.

        A list of texts becomes one text, a line for each: SST (ADIOS2 2.12.1) delivers lists of texts empty.
        """
        self._io.remove_all_attributes()
        for name, value in attribute_values(self._header).items():
            self._io.define_attribute(name, "\n".join(value) if isinstance(value, list) else value)

    def put(self, engine: Any, block: Block, sums: BlockSums, first: int = 0) -> None:
        """Put a block into the step that was begun; its arrays must live and stay as they are until ``end_step``.

        Parameters
        ----------
        engine
            ADIOS2's, within a step.
        block : Block
            This writer's part.
        sums : (variable,) uint32
            Its checksums, as `block_sums` returns them.
        first : int
            The band's baseline that is the first of this part.
        """
        n_times, is_first = len(block.dump), self._rank == 0
        for variable in VARIABLES:
            array: Array = getattr(block, variable.name)
            if array.size == 0 or not (variable.by_baseline or is_first):
                continue
            array = float32_pairs(array) if variable.name == "vis" else array
            self._put(engine, variable, array, {"baseline": first} if variable.by_baseline else {}, n_times)
        ours = np.array([[first, block.vis.shape[2]]], np.int64)
        # These two are small, and gone when this returns: they are copied.
        checks: tuple[Array, ...] = (sums[np.newaxis], ours)
        for variable, check in zip(CHECKS, checks, strict=True):
            self._put(engine, variable, check, {"writer": self._rank}, n_times, is_copied=True)

    def _put(
        self,
        engine: Any,
        variable: Variable,
        array: Array,
        start: dict[str, int],
        n_times: int,
        is_copied: bool = False,
    ) -> None:
        import adios2

        handle = self._handles[variable.name]
        handle.set_shape(list(shape_of(variable.axes, {**self.sizes, "time": n_times})))
        handle.set_selection([[start.get(axis, 0) for axis in variable.axes], list(array.shape)])
        # Deferred: ADIOS2 writes from the array itself, no copy.
        engine.put(handle, array, adios2.Mode.Sync if is_copied else adios2.Mode.Deferred)
