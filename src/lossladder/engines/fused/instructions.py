"""Functions of lanes that the processor has instructions for: comparing, rounding, reading bits."""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils

from lossladder.engines.fused.simd import FLAGS, REGISTER, intrinsic, spread, vector

ON_X86 = llvm.get_default_triple().startswith("x86_64")


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


# of two lanes, or of lanes and a number; a NaN on the left stays
larger = _pick("<")
smaller = _pick(">")


@intrinsic
def choose(typing_context: Any, a: Any, b: Any, if_less: Any, otherwise: Any) -> Any:
    """Return, lane by lane, `if_less` where a < b, else `otherwise` (also where a is NaN)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a_, b_, yes, no = (
            spread(context, builder, v, t, a) for v, t in zip(args, sig.args, strict=True)
        )
        return builder.select(builder.fcmp_ordered("<", a_, b_), yes, no)

    return a(a, b, if_less, otherwise), generate


def elementwise(name: str) -> Any:
    """Return one of LLVM's functions of one number (`exp`, `log`, `rint`, `fabs`), on lanes."""

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
    """Return 1 / value of float32 lanes, to 12 bits or more."""
    # from the processor's table, if it has one: a few cycles, where a division takes a dozen
    table = {16: "llvm.x86.avx512.rcp14.ps.512", 8: "llvm.x86.avx.rcp.ps.256"}.get(REGISTER)
    piece = ir.VectorType(ir.FloatType(), REGISTER)
    index = ir.IntType(32)

    def reciprocal(builder: Any, register: Any) -> Any:
        if table is None or not ON_X86:
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
    """Return 2 ** whole for whole float32 lanes in [-126, 127]."""

    # the bits of the exponent, written directly: they begin at bit 23, with 127 standing for 0
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        integers = ir.VectorType(ir.IntType(32), whole.lanes)
        exponent = builder.fptosi(args[0], integers)
        biased = builder.add(exponent, ir.Constant(integers, [127] * whole.lanes))
        bits = builder.shl(biased, ir.Constant(integers, [23] * whole.lanes))
        return builder.bitcast(bits, vector(whole))

    return whole(whole), generate


@intrinsic
def split(typing_context: Any, value: Any) -> Any:
    """Return positive float32 lanes as mantissa in [1, 2) and exponent of 2."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        integers = ir.VectorType(ir.IntType(32), value.lanes)

        def constant(number: int) -> ir.Constant:
            return ir.Constant(integers, [number] * value.lanes)

        bits = builder.bitcast(args[0], integers)
        exponent = builder.sub(builder.lshr(bits, constant(23)), constant(127))
        fraction = builder.or_(builder.and_(bits, constant(0x7FFFFF)), constant(127 << 23))
        pair = builder.bitcast(fraction, vector(value)), builder.sitofp(exponent, vector(value))
        return context.make_tuple(builder, sig.return_type, pair)

    return types.UniTuple(value, 2)(value), generate


# the processor's two switches: tiny results are zero, tiny operands are zero
FLUSH = 0x8040


@intrinsic
def flush_tiny_numbers(typing_context: Any) -> Any:
    """Let this thread take numbers below 1e-38 for zero; return how it was."""
    # A gradient that vanishes over a long window ends in such numbers, and each of them costs the
    # processor a hundred times an ordinary one.

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        before = _control(builder, None)
        _control(builder, builder.or_(before, ir.Constant(before.type, FLUSH)))
        return before

    return types.uint32(), generate


@intrinsic
def restore_tiny_numbers(typing_context: Any, before: Any) -> Any:
    """Undo `flush_tiny_numbers`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _control(builder, args[0])
        return context.get_dummy_value()

    return types.void(before), generate


def _control(builder: Any, value: Any) -> Any:
    """Read (no value) or write the register that says how floats are computed; x86 only."""
    number, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
    if not ON_X86:
        return ir.Constant(number, 0)
    place = cgutils.alloca_once(builder, number)
    if value is not None:
        builder.store(value, place)
    name = "llvm.x86.sse.stmxcsr" if value is None else "llvm.x86.sse.ldmxcsr"
    kind = ir.FunctionType(ir.VoidType(), [pointer])
    call = cgutils.get_or_insert_function(builder.module, kind, name)
    builder.call(call, [builder.bitcast(place, pointer)])
    return builder.load(place)
