"""What Numba has no words for: vectors of 16 bytes, pairs of half-precision numbers, a warp's matrix product.

Each becomes one or two instructions, made through LLVM. Numba's simulator runs plain Python, so it is given the
functions of `simulated` instead, which do the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.cuda.extending import intrinsic

from kernels.cuda import simulated

_FLOAT, _INT32 = ir.FloatType(), ir.IntType(32)

# Multiply 16 x 16 by 16 x 8 half-precision numbers and add in float32, all threads of a warp together; compute
# capability 8.0. [NVIDIA, PTX ISA, "Matrix fragments for mma.m16n8k16 with floating point type"]
_PRODUCT = "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {$0,$1,$2,$3}, {$4,$5,$6,$7}, {$8,$9}, {$10,$11,$12,$13};"


def _vector_pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Point to four elements of a flat array as one vector."""
    data = context.make_array(array_type)(context, builder, array).data
    first = builder.gep(data, [index])
    element = context.get_data_type(array_type.dtype)
    return builder.bitcast(first, ir.VectorType(element, 4).as_pointer(data.type.addrspace))


def _load4(typing: Any, array: Any, index: Any) -> Any:
    """Return array[index : index + 4] of a flat array that begins, as index does, at a multiple of 16 bytes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _vector_pointer(context, builder, signature.args[0], *arguments)
        vector = builder.load(pointer, align=16)
        values = [builder.extract_element(vector, _INT32(k)) for k in range(4)]
        return context.make_tuple(builder, signature.return_type, values)

    return types.UniTuple(array.dtype, 4)(array, index), generate


def _store4(typing: Any, array: Any, index: Any, values: Any) -> Any:
    """Set array[index : index + 4] of such an array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_value, index_value, tuple_value = arguments
        pointer = _vector_pointer(context, builder, signature.args[0], array_value, index_value)
        vector = ir.Constant(pointer.type.pointee, ir.Undefined)
        for k in range(4):
            element = builder.extract_value(tuple_value, k)
            vector = builder.insert_element(vector, element, _INT32(k))
        builder.store(vector, pointer, align=16)
        return context.get_dummy_value()

    return types.void(array, index, types.UniTuple(array.dtype, 4)), generate


def _halves(typing: Any, low: Any, high: Any) -> Any:
    """Round two float32 to half precision and put them into one uint32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_INT32, [_FLOAT, _FLOAT])
        return builder.asm(kind, "cvt.rn.f16x2.f32 $0, $2, $1;", "=r,f,f", arguments, side_effect=False)

    return types.uint32(types.float32, types.float32), generate


def _from_halves(typing: Any, pair: Any) -> Any:
    """Return the two half-precision numbers of a uint32 as float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        halves = builder.bitcast(arguments[0], ir.VectorType(ir.HalfType(), 2))
        values = [builder.fpext(builder.extract_element(halves, _INT32(k)), _FLOAT) for k in range(2)]
        return context.make_tuple(builder, signature.return_type, values)

    return types.UniTuple(types.float32, 2)(types.uint32), generate


def _warp_product(typing: Any, a: Any, b0: Any, b1: Any, c: Any) -> Any:
    """Return c + a b of a warp; see `simulated.warp_product`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a_value, b0_value, b1_value, c_value = arguments
        operands = [builder.extract_value(a_value, k) for k in range(4)]
        operands += [b0_value, b1_value, *(builder.extract_value(c_value, k) for k in range(4))]
        result = ir.LiteralStructType([_FLOAT] * 4)
        kind = ir.FunctionType(result, [_INT32] * 6 + [_FLOAT] * 4)
        constraints = "=f,=f,=f,=f,r,r,r,r,r,r,f,f,f,f"
        product = builder.asm(kind, _PRODUCT, constraints, operands, side_effect=True)
        values = [builder.extract_value(product, k) for k in range(4)]
        return context.make_tuple(builder, signature.return_type, values)

    four = types.UniTuple(types.float32, 4)
    return four(types.UniTuple(types.uint32, 4), types.uint32, types.uint32, four), generate


def _choose(generator: Callable[..., Any], stand_in: Callable[..., Any]) -> Any:
    """Give the stand-in where CUDA is simulated."""
    is_simulated = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")
    return stand_in if is_simulated else intrinsic(generator)


load4 = _choose(_load4, simulated.load4)
store4 = _choose(_store4, simulated.store4)
halves = _choose(_halves, simulated.halves)
from_halves = _choose(_from_halves, simulated.from_halves)
warp_product = _choose(_warp_product, simulated.warp_product)
