"""Lanes: numbers side by side in vector registers, one lane a sequence of the batch.

A compiler vectorises a plain loop when it can prove that it may. Here the kernels say outright
which numbers are computed together: speed does not hang on what a compiler can prove, and networks
of any size run the same compiled code.

    h = load(states, (t, unit, row), WIDE)        # 32 sequences' hidden unit
    store(states, (t + 1, unit, row), tanh(w * h + b))

Lanes know + - * / among themselves and with scalars; comparing and the like is in
`instructions.py`, and what is built from these in `arithmetic.py`. A NaN in a lane stays a NaN: no
flag lets the compiler assume that there is none, because a network that diverges must say so.
"""

import operator
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils, config
from numba.core.imputils import lower_constant
from numba.extending import (
    NativeValue,
    lower_builtin,
    models,
    register_model,
    type_callable,
    typeof_impl,
    unbox,
)

# of what it makes, no type checker knows the arguments
intrinsic: Any = extending.intrinsic

# Fused multiply-add, reciprocals for divisions, no care for the sign of zero; never "no NaNs".
FLAGS = ("contract", "arcp", "nsz", "afn")


def _vector_register() -> int:
    """Return how many float32 this processor computes at once."""
    # as Numba was told, else as the machine is
    named = vars(config).get("CPU_FEATURES")
    found = named if named is not None else llvm.get_host_cpu_features().flatten()
    enabled = {feature[1:] for feature in found.split(",") if feature.startswith("+")}
    if "avx512f" in enabled:
        return 16
    return 8 if "avx2" in enabled else 4


class Constant:
    """A number that compiled code can be chosen by: its value is part of its type."""

    def __init__(self, value: int) -> None:
        self.value = value


REGISTER = _vector_register()
NARROW = Constant(REGISTER)  # lanes in one register
# in two: twice as many sums under way, half as many loads of weights
WIDE = Constant(2 * REGISTER)


class ConstantType(types.Type):
    """The type of a `Constant`."""

    def __init__(self, value: int) -> None:
        self.value = value
        super().__init__(name=f"Constant({value})")


class Lanes(types.Type):
    """The type of some float32 or float64 side by side."""

    def __init__(self, dtype: types.Float, lanes: int) -> None:
        self.dtype = dtype
        self.lanes = lanes
        super().__init__(name=f"Lanes({dtype}, {lanes})")


@typeof_impl.register(Constant)
def _type_of_constant(constant: Constant, context: Any) -> ConstantType:
    return ConstantType(constant.value)


@lower_constant(ConstantType)
def _lower_constant(context: Any, builder: Any, ty: ConstantType, value: Constant) -> Any:
    return context.get_dummy_value()


@unbox(ConstantType)
def _unbox_constant(ty: ConstantType, constant: Any, unboxing: Any) -> NativeValue:
    return NativeValue(unboxing.context.get_dummy_value())


register_model(ConstantType)(models.OpaqueModel)


def scalar(dtype: types.Float) -> ir.Type:
    """Return LLVM's type of a number."""
    return ir.FloatType() if dtype == types.float32 else ir.DoubleType()


def vector(ty: Lanes) -> ir.VectorType:
    """Return LLVM's type of lanes."""
    return ir.VectorType(scalar(ty.dtype), ty.lanes)


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    """The way that Numba keeps lanes: as a vector of LLVM's."""

    def __init__(self, dmm: Any, fe_type: Lanes) -> None:
        super().__init__(dmm, fe_type, vector(fe_type))


def spread(context: Any, builder: Any, value: Any, ty: types.Type, lanes: Lanes) -> Any:
    """Return a number in every lane; lanes pass as they are."""
    if isinstance(ty, Lanes):
        return value
    value = context.cast(builder, value, ty, lanes.dtype)
    index, undefined = ir.IntType(32), ir.Constant(vector(lanes), ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(index, 0))
    everywhere = ir.Constant(ir.VectorType(index, lanes.lanes), [0] * lanes.lanes)
    return builder.shuffle_vector(first, undefined, everywhere)


def _arithmetic(operation: Any, instruction: str) -> None:
    """Teach an operator of Python to work on lanes."""

    @type_callable(operation)
    def typer(context: Any) -> Any:
        def result(a: types.Type, b: types.Type) -> types.Type | None:
            if isinstance(a, Lanes) and (a == b or isinstance(b, types.Number)):
                return a
            return b if isinstance(b, Lanes) and isinstance(a, types.Number) else None

        return result

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lanes = sig.return_type
        a, b = (spread(context, builder, v, t, lanes) for v, t in zip(args, sig.args, strict=True))
        return getattr(builder, instruction)(a, b, flags=FLAGS)

    for kinds in ((Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes)):
        lower_builtin(operation, *kinds)(lower)


for _plain, _in_place, _instruction in (
    (operator.add, operator.iadd, "fadd"),
    (operator.sub, operator.isub, "fsub"),
    (operator.mul, operator.imul, "fmul"),
    (operator.truediv, operator.itruediv, "fdiv"),
):
    _arithmetic(_plain, _instruction)
    _arithmetic(_in_place, _instruction)


def _address(context: Any, builder: Any, sig: Any, args: Any, lanes: Lanes) -> Any:
    """Return where lanes[0] lies in an array; `sig` and `args` begin with array and index."""
    array_type, index_type = sig.args[:2]
    array = context.make_array(array_type)(context, builder, args[0])
    index = [
        context.cast(builder, value, ty, types.intp)
        for value, ty in zip(cgutils.unpack_tuple(builder, args[1]), index_type, strict=True)
    ]
    pointer = cgutils.get_item_pointer(context, builder, array_type, array, index)
    return builder.bitcast(pointer, vector(lanes).as_pointer())


@intrinsic
def load(typing_context: Any, array: Any, index: Any, width: Any) -> Any:
    """Return lanes from consecutive places of an array, the first at `index`."""
    lanes = Lanes(array.dtype, width.value)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        loaded = builder.load(_address(context, builder, sig, args, lanes))
        # rows may start anywhere: an aligned load there would crash
        loaded.align = array.dtype.bitwidth // 8
        return loaded

    return lanes(array, index, width), generate


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Store lanes in consecutive places of an array, the first at `index`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        stored = builder.store(args[2], _address(context, builder, sig, args, value))
        stored.align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, index, value), generate


@intrinsic
def same(typing_context: Any, array: Any, index: Any, width: Any) -> Any:
    """Return one number of an array in every lane."""
    lanes = Lanes(array.dtype, width.value)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        one = Lanes(array.dtype, 1)
        pointer = _address(context, builder, sig, args, one)
        number = builder.load(builder.bitcast(pointer, scalar(array.dtype).as_pointer()))
        return spread(context, builder, number, array.dtype, lanes)

    return lanes(array, index, width), generate


@intrinsic
def zeros(typing_context: Any, array: Any, width: Any) -> Any:
    """Return zero in every lane, of the kind that `array` holds."""
    lanes = Lanes(array.dtype, width.value)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(vector(lanes), None)

    return lanes(array, width), generate


@intrinsic
def total(typing_context: Any, value: Any) -> Any:
    """Return the sum over all lanes."""
    # in any order: one after another would take as many additions as there are lanes
    number = scalar(value.dtype)
    name = f"llvm.vector.reduce.fadd.v{value.lanes}f{value.dtype.bitwidth}"

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(number, [number, vector(value)])
        reduce = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(reduce, [ir.Constant(number, 0.0), args[0]], fastmath=("reassoc",))

    return value.dtype(value), generate
