"""Functions of lanes that the processor has instructions for: comparing, rounding, reading bits."""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lossladder.engines.fused.lanes import FLAGS, REGISTER, spread, vector


def _pick(keep_left_unless: str) -> Any:
    @intrinsic
    def function(typing_context: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            left, right = (
                spread(context, builder, v, t, a) for v, t in zip(args, sig.args, strict=True)
            )
            other = builder.fcmp_ordered(keep_left_unless, left, right)
            return builder.select(other, right, left)

        return a(a, b), generate

    return function


larger = _pick("<")  # of two lanes, or of lanes and a number; a NaN on the left stays
smaller = _pick(">")


@intrinsic
def choose(typing_context: Any, a: Any, b: Any, if_less: Any, otherwise: Any) -> Any:
    """Lane by lane: `if_less` where a < b, `otherwise` where not (also where a is NaN)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a_, b_, yes, no = (
            spread(context, builder, v, t, a) for v, t in zip(args, sig.args, strict=True)
        )
        return builder.select(builder.fcmp_ordered("<", a_, b_), yes, no)

    return a(a, b, if_less, otherwise), generate


def elementwise(name: str) -> Any:
    """One of LLVM's own functions of one number (`exp`, `log`, `rint`, `fabs`), on lanes."""

    @intrinsic
    def function(typing_context: Any, value: Any) -> Any:
        kind = ir.FunctionType(vector(value), [vector(value)])
        full = f"llvm.{name}.v{value.lanes}f{value.dtype.bitwidth}"

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, full), args)

        return value(value), generate

    return function


@intrinsic
def rough_reciprocal(typing_context: Any, value: Any) -> Any:
    """1 / value to 12 bits or more for float32 lanes.

    From the processor's own table if it has one.
    """
    table = {16: "llvm.x86.avx512.rcp14.ps.512", 8: "llvm.x86.avx.rcp.ps.256"}.get(REGISTER)
    piece = ir.VectorType(ir.FloatType(), REGISTER)
    index = ir.IntType(32)

    def reciprocal(builder: Any, register: Any) -> Any:
        if table is None or llvm.get_default_triple().split("-")[0] != "x86_64":
            return builder.fdiv(ir.Constant(piece, [1.0] * REGISTER), register, flags=FLAGS)
        extra = (
            [ir.Constant(piece, None), ir.Constant(ir.IntType(16), -1)] if REGISTER == 16 else []
        )
        kind = ir.FunctionType(piece, [piece, *(e.type for e in extra)])
        call = cgutils.get_or_insert_function(builder.module, kind, table)
        return builder.call(call, [register, *extra])

    def places(start: int, count: int) -> ir.Constant:
        return ir.Constant(ir.VectorType(index, count), list(range(start, start + count)))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        whole = args[0]
        undefined = ir.Constant(whole.type, ir.Undefined)
        pieces = [
            reciprocal(builder, builder.shuffle_vector(whole, undefined, places(start, REGISTER)))
            for start in range(0, value.lanes, REGISTER)
        ]
        if len(pieces) == 1:
            return pieces[0]
        return builder.shuffle_vector(*pieces, places(0, value.lanes))

    return value(value), generate


@intrinsic
def power_of_two(typing_context: Any, whole: Any) -> Any:
    """2 ** whole for whole float32 lanes in [-126, 127]: the exponent's bits written directly."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        integers = ir.VectorType(ir.IntType(32), whole.lanes)
        exponent = builder.fptosi(args[0], integers)
        biased = builder.add(exponent, ir.Constant(integers, [127] * whole.lanes))
        bits = builder.shl(biased, ir.Constant(integers, [23] * whole.lanes))
        return builder.bitcast(bits, vector(whole))

    return whole(whole), generate


@intrinsic
def split(typing_context: Any, value: Any) -> Any:
    """Positive float32 lanes as (mantissa in [1, 2), exponent).

    value = mantissa * 2 ** exponent.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        integers = ir.VectorType(ir.IntType(32), value.lanes)

        def constant(number: int) -> ir.Constant:
            return ir.Constant(integers, [number] * value.lanes)

        bits = builder.bitcast(args[0], integers)
        exponent = builder.sub(builder.lshr(bits, constant(23)), constant(127))
        fraction = builder.or_(builder.and_(bits, constant(0x7FFFFF)), constant(127 << 23))
        pair = (
            builder.bitcast(fraction, vector(value)),
            builder.sitofp(exponent, vector(value)),
        )
        return context.make_tuple(builder, sig.return_type, pair)

    return types.UniTuple(value, 2)(value), generate
