"""Packing of stations into panels, written in LLVM's vector types as `vector` is, and for the same reason.

What is packed is small beside the product, but Numba's own loops took longer for it than the product takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from kernels.cpu.vector import TILE_BYTES, TILE_ROWS

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)

MIXING = 32
"""Values of a coherency as `pack_jones_rows` wants it."""

# Lanes of a packed Jones matrix: (k, re or im, j) of J[j, k], which in memory is (j, k, re or im).
_BOTH = (0, 4, 1, 5, 2, 6, 3, 7)
# J[j, 0], and J[j, 1], in the place of every k; turned: with real and imaginary parts changed.
_FIRST, _FIRST_TURNED = (0, 4, 1, 5) * 2, (1, 5, 0, 4) * 2
_SECOND, _SECOND_TURNED = (2, 6, 3, 7) * 2, (3, 7, 2, 6) * 2
_TURN = (2, 3, 0, 1, 6, 7, 4, 5)  # Real and imaginary parts changed.
_SIGNS = (-1.0, -1.0, 1.0, 1.0) * 2


class _Lanes:
    """Emits vectors of one length.

    Parameters
    ----------
    context, builder
        Numba's, at the point of the call.
    scalar
        Numba float32 or float64.
    n_lanes
        Values of a vector.
    """

    def __init__(self, context: Any, builder: Any, scalar: Any, n_lanes: int) -> None:
        self.context, self.builder, self.n_lanes = context, builder, n_lanes
        self.n_bytes = scalar.bitwidth // 8
        self.scalar = context.get_value_type(scalar)
        self.vector = ir.VectorType(self.scalar, n_lanes)
        signature = ir.FunctionType(self.vector, [self.vector] * 3)
        name = f"llvm.fmuladd.v{n_lanes}f{8 * self.n_bytes}"
        self._fma = cgutils.get_or_insert_function(builder.module, signature, name)

    def pointer(self, array_type: Any, array: Any, offset: Any) -> Any:
        """Pointer to the scalar at ``offset`` of a flat array."""
        return self.builder.gep(self.context.make_array(array_type)(self.context, self.builder, array).data, [offset])

    def load(self, pointer: Any, offset: int = 0) -> Any:
        """Vector that starts ``offset`` scalars after a pointer."""
        at = self.builder.bitcast(self.builder.gep(pointer, [_INT64(offset)]), self.vector.as_pointer())
        return self.builder.load(at, align=self.n_bytes)

    def store(self, value: Any, pointer: Any, offset: int = 0) -> None:
        """Store a vector of any length ``offset`` scalars after a pointer."""
        at = self.builder.bitcast(self.builder.gep(pointer, [_INT64(offset)]), value.type.as_pointer())
        self.builder.store(value, at, align=self.n_bytes)

    def shuffle(self, value: Any, lanes: tuple[int, ...]) -> Any:
        """Vector of some lanes."""
        chosen = ir.Constant(ir.VectorType(_INT32, len(lanes)), list(lanes))
        return self.builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), chosen)

    def splat(self, value: Any) -> Any:
        """Vector of one value."""
        first = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, _INT32(0))
        return self.shuffle(first, (0,) * self.n_lanes)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """Emit a * b + c."""
        return self.builder.call(self._fma, [a, b, c])


def _copier(n_lanes_of: Callable[[int], int]) -> Any:
    """Make the function that copies a vector, times a factor; its length may depend on the bytes of a value."""

    @intrinsic
    def copy(
        typing_context: Any, source: Any, source_at: Any, factor: Any, target: Any, target_at: Any
    ) -> tuple[Any, Callable[..., Any]]:
        signature = types.void(source, types.intp, source.dtype, target, types.intp)

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            source, source_at, factor, target, target_at = arguments
            scalar = signature.args[0].dtype
            lanes = _Lanes(context, builder, scalar, n_lanes_of(scalar.bitwidth // 8))
            value = lanes.load(lanes.pointer(signature.args[0], source, source_at))
            scaled = builder.fmul(value, lanes.splat(factor))
            lanes.store(scaled, lanes.pointer(signature.args[3], target, target_at))
            return context.get_dummy_value()

        return signature, codegen

    return copy


# (source, source_at, factor, target, target_at): target[target_at + i] = factor * source[source_at + i], flat arrays.
copy_rows = _copier(lambda n_bytes: TILE_ROWS)
copy_columns = _copier(lambda n_bytes: TILE_BYTES // n_bytes)


@intrinsic
def turn_rows(
    typing_context: Any, source: Any, source_at: Any, re: Any, im: Any, target: Any, target_at: Any
) -> tuple[Any, Callable[..., Any]]:
    """Multiply the rows of one term by a complex factor: flat arrays, (re and im, TILE_ROWS) from where it says."""
    signature = types.void(source, types.intp, source.dtype, source.dtype, target, types.intp)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, source_at, re, im, target, target_at = arguments
        lanes = _Lanes(context, builder, signature.args[0].dtype, TILE_ROWS)
        start = lanes.pointer(signature.args[0], source, source_at)
        end = lanes.pointer(signature.args[4], target, target_at)
        real, imag, re, im = lanes.load(start), lanes.load(start, TILE_ROWS), lanes.splat(re), lanes.splat(im)
        lanes.store(lanes.fma(re, real, builder.fneg(builder.fmul(im, imag))), end)
        lanes.store(lanes.fma(re, imag, builder.fmul(im, real)), end, TILE_ROWS)
        return context.get_dummy_value()

    return signature, codegen


def _store_turned(lanes: _Lanes, value: Any, phasor: tuple[Any, Any], target: Any, stride: int) -> None:
    """Store K times a matrix (k, re or im, j): pairs of j, ``stride`` scalars apart."""
    signs = ir.Constant(lanes.vector, list(_SIGNS))
    re, im = lanes.splat(phasor[0]), lanes.builder.fmul(lanes.splat(phasor[1]), signs)
    product = lanes.fma(re, value, lanes.builder.fmul(im, lanes.shuffle(value, _TURN)))
    for pair in range(4):
        lanes.store(lanes.shuffle(product, (2 * pair, 2 * pair + 1)), target, pair * stride)


@intrinsic
def pack_jones_column(
    typing_context: Any, jones: Any, jones_at: Any, re: Any, im: Any, right: Any, right_at: Any
) -> tuple[Any, Callable[..., Any]]:
    """Pack K J as right columns j and inner terms k.

    Parameters
    ----------
    jones
        Flat, float32 or float64; from ``jones_at``: J (2, 2, re and im).
    re, im
        K.
    right
        Flat, same dtype: the panel; from ``right_at`` the columns of the station in the first of two inner terms.
    """
    signature = types.void(jones, types.intp, jones.dtype, jones.dtype, right, types.intp)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        jones, jones_at, re, im, right, right_at = arguments
        lanes = _Lanes(context, builder, signature.args[0].dtype, 8)
        matrix = lanes.shuffle(lanes.load(lanes.pointer(signature.args[0], jones, jones_at)), _BOTH)
        target = lanes.pointer(signature.args[4], right, right_at)
        _store_turned(lanes, matrix, (re, im), target, TILE_BYTES // lanes.n_bytes)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def pack_jones_row(
    typing_context: Any, jones: Any, jones_at: Any, mixing: Any, mixing_at: Any, re: Any, im: Any, left: Any, at: Any
) -> tuple[Any, Callable[..., Any]]:
    """Pack K J C as left rows j and inner terms k.

    Parameters
    ----------
    jones
        Flat, float32 or float64; from ``jones_at``: J (2, 2, re and im).
    mixing
        Flat, same dtype; from ``mixing_at``: what `mix` wrote of C.
    re, im
        K.
    left
        Flat, same dtype: the panel; from ``at`` the rows of the station in the first of two inner terms.
    """
    real = jones.dtype
    signature = types.void(jones, types.intp, mixing, types.intp, real, real, left, types.intp)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        jones, jones_at, mixing, mixing_at, re, im, left, at = arguments
        lanes = _Lanes(context, builder, signature.args[0].dtype, 8)
        matrix = lanes.load(lanes.pointer(signature.args[0], jones, jones_at))
        weights = lanes.pointer(signature.args[2], mixing, mixing_at)
        total = ir.Constant(lanes.vector, [0.0] * 8)
        for part, chosen in enumerate((_FIRST, _FIRST_TURNED, _SECOND, _SECOND_TURNED)):
            total = lanes.fma(lanes.load(weights, 8 * part), lanes.shuffle(matrix, chosen), total)
        _store_turned(lanes, total, (re, im), lanes.pointer(signature.args[6], left, at), TILE_ROWS)
        return context.get_dummy_value()

    return signature, codegen
