"""The innermost loop of the CPU product, written in LLVM's vector types.

Numba's loop vectoriser reaches a tenth of the machine here: it neither keeps the sums in registers nor uses
512-bit vectors where LLVM prefers 256. This one function says exactly which vectors there are; everything
around it is ordinary Numba.

Every sum is the same chain of fused multiply-adds whatever the vector length, so results do not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

TILE_ROWS = 8
"""Rows (left stations) of the register tile."""

TILE_BYTES = 64
"""Columns (right stations) of the register tile, in bytes: 16 of float32 or 8 of float64."""

_INT64 = ir.IntType(64)


def _register_shape() -> tuple[int, int, int]:
    """Give the bytes of a vector, and how many rows of how many vectors have sums that fit the registers."""
    if llvmlite.binding.get_host_cpu_features().get("avx512f", False):
        return 64, 8, 1
    return 32, 2, 2


class _Emitter:
    """Emits the register tile for one scalar type.

    Parameters
    ----------
    builder
        LLVM builder at the point of the call.
    scalar
        LLVM float or double.
    n_bytes
        Size of the scalar.
    """

    def __init__(self, builder: Any, scalar: Any, n_bytes: int) -> None:
        vector_bytes, self.rows, self.across = _register_shape()
        self.builder = builder
        self.n_bytes = n_bytes
        self.columns = TILE_BYTES // n_bytes
        self.lanes = vector_bytes // n_bytes
        self.vector = ir.VectorType(scalar, self.lanes)
        signature = ir.FunctionType(self.vector, [self.vector] * 3)
        name = f"llvm.fmuladd.v{self.lanes}f{8 * n_bytes}"
        self.fma = cgutils.get_or_insert_function(builder.module, signature, name)

    def address(self, base: Any, offset: Any) -> Any:
        """Address of the vector that starts ``offset`` scalars after ``base``."""
        offset = _INT64(offset) if isinstance(offset, int) else offset
        return self.builder.bitcast(self.builder.gep(base, [offset]), self.vector.as_pointer())

    def load(self, base: Any, offset: Any) -> Any:
        """Vector that starts ``offset`` scalars after ``base``; no alignment is asked for."""
        return self.builder.load(self.address(base, offset), align=self.n_bytes)

    def splat(self, base: Any, offset: Any) -> Any:
        """Vector with the scalar at ``offset`` in every lane."""
        scalar = self.builder.load(self.builder.gep(base, [offset]))
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.IntType(32)(0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, lanes)

    def add_product(self, total: Any, a: Any, b: Any) -> None:
        """Emit total += a * b, where ``total`` is a stack slot that LLVM turns into a register."""
        self.builder.store(self.builder.call(self.fma, [a, b, self.builder.load(total)]), total)

    def tile(self, left: Any, right: Any, sums: Any, n_terms: Any) -> None:
        """Emit the loops over the register-sized parts of the tile."""
        for row in range(0, TILE_ROWS, self.rows):
            for column in range(0, self.columns, self.across * self.lanes):
                self._part(left, right, sums, n_terms, (row, column))

    def _part(self, left: Any, right: Any, sums: Any, n_terms: Any, corner: tuple[int, int]) -> None:
        """Emit the loop over terms of one part, its sums in registers, and add them to ``sums`` after it."""
        builder, zero = self.builder, ir.Constant(self.vector, [0.0] * self.lanes)
        rows = range(corner[0], corner[0] + self.rows)
        columns = range(corner[1], corner[1] + self.across * self.lanes, self.lanes)
        totals = {
            (r, part, c): cgutils.alloca_once(builder, self.vector) for r in rows for part in (0, 1) for c in columns
        }
        for total in totals.values():
            builder.store(zero, total)
        with cgutils.for_range(builder, n_terms) as loop:
            right_row = builder.mul(loop.index, _INT64(2 * self.columns))
            left_row = builder.mul(loop.index, _INT64(2 * TILE_ROWS))
            re = {c: self.load(right, builder.add(right_row, _INT64(c))) for c in columns}
            im = {c: self.load(right, builder.add(right_row, _INT64(self.columns + c))) for c in columns}
            for r in rows:
                a = self.splat(left, builder.add(left_row, _INT64(r)))
                b = self.splat(left, builder.add(left_row, _INT64(TILE_ROWS + r)))
                for c in columns:
                    self.add_product(totals[r, 0, c], a, re[c])
                    self.add_product(totals[r, 0, c], b, im[c])
                    self.add_product(totals[r, 1, c], b, re[c])
                    self.add_product(totals[r, 1, c], builder.fneg(a), im[c])
        for (r, part, c), total in totals.items():
            offset = (2 * r + part) * self.columns + c
            value = builder.fadd(self.load(sums, offset), builder.load(total))
            builder.store(value, self.address(sums, offset), align=self.n_bytes)


@intrinsic
def add_tile_product(
    typing_context: Any, left: Any, left_at: Any, right: Any, right_at: Any, n_terms: Any, sums: Any
) -> tuple[Any, Callable[..., Any]]:
    """Add the product of packed left rows with conjugated right columns to a register tile.

    sums[r, :, q] += sum_t left[t, r] * conj(right[t, q]), summed from zero in registers and added once.

    Parameters
    ----------
    left
        Flat contiguous array, float32 or float64; from ``left_at``: (term, re and im, TILE_ROWS).
    right
        Flat, same dtype; from ``right_at``: (term, re and im, column), TILE_BYTES of columns.
    n_terms
        Number of terms, intp.
    sums
        Flat, same dtype: (TILE_ROWS, re and im, column).
    """
    signature = types.void(left, types.intp, right, types.intp, types.intp, sums)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        dtype = signature.args[0].dtype
        emitter = _Emitter(builder, context.get_value_type(dtype), dtype.bitwidth // 8)
        left, left_at, right, right_at, n_terms, sums = arguments

        def start(array: Any, position: int, offset: Any) -> Any:
            data = context.make_array(signature.args[position])(context, builder, array).data
            return builder.gep(data, [offset])

        emitter.tile(start(left, 0, left_at), start(right, 2, right_at), start(sums, 5, _INT64(0)), n_terms)
        return context.get_dummy_value()

    return signature, codegen
