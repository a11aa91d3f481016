"""Arithmetic on lanes in LLVM's own language: numbers side by side, one lane a sequence.

In float32 functions are polynomials or ratios of two, because a call of the C library computes one
number at a time. In float64, which serves to check the derivation, they are the C library's. Errors
in float32: tanh, logistic and erf 5e-7 absolute; exp and log 2e-7 relative; sin and cos 2e-7
absolute up to 8192. A NaN in a lane stays one: a network that diverges must say so.
"""

# ruff: noqa: D102  methods have the names of the graph's functions, and are these
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from llvmlite import ir

from lossladder.engines.fused.processor import Processor

# Fused multiply-add, reciprocals for divisions, no care for the sign of zero; never "no NaNs".
FLAGS = ("contract", "arcp", "nsz", "afn")
I64, I32 = ir.IntType(64), ir.IntType(32)


class Lanes:
    """Emits arithmetic on `width` numbers side by side.

    Args:
        builder: where to.
        number: LLVM's type of one.
        width: lanes.
        processor: whose instructions there are.
    """

    def __init__(
        self, builder: ir.IRBuilder, number: ir.Type, width: int, processor: Processor
    ) -> None:
        # its stubs know neither flags nor alignment
        self.b: Any = builder
        self.number, self.width, self.processor = number, width, processor
        self.type = ir.VectorType(number, width)
        self.double = isinstance(number, ir.DoubleType)
        self._align = 8 if self.double else 4

    def const(self, value: float) -> ir.Constant:
        """Return a number in every lane."""
        return ir.Constant(self.type, [value] * self.width)

    def load(self, pointer: Any) -> Any:
        """Return lanes from memory that may begin anywhere."""
        value = self.b.load(pointer, typ=self.type)
        value.align = self._align
        return value

    def store(self, value: Any, pointer: Any) -> None:
        """Store lanes in memory that may begin anywhere."""
        self.b.store(value, pointer).align = self._align

    def spread(self, number: Any) -> Any:
        """Return one number in every lane."""
        undefined = ir.Constant(self.type, ir.Undefined)
        first = self.b.insert_element(undefined, number, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, self.width), [0] * self.width)
        return self.b.shuffle_vector(first, undefined, zeros)

    # --- the graph's functions --------------------------------------------------------------------

    def add(self, a: Any, b: Any) -> Any:
        return self.b.fadd(a, b, flags=FLAGS)

    def sub(self, a: Any, b: Any) -> Any:
        return self.b.fsub(a, b, flags=FLAGS)

    def mul(self, a: Any, b: Any) -> Any:
        return self.b.fmul(a, b, flags=FLAGS)

    def div(self, a: Any, b: Any) -> Any:
        return self.b.fdiv(a, b, flags=FLAGS)

    def neg(self, a: Any) -> Any:
        return self.sub(self.const(0.0), a)

    def square(self, a: Any) -> Any:
        return self.mul(a, a)

    def reciprocal(self, a: Any) -> Any:
        return self.div(self.const(1.0), a)

    def expand(self, a: Any) -> Any:
        return a

    stop = expand

    def select(self, a: Any, b: Any, yes: Any, no: Any) -> Any:
        return self.b.select(self.b.fcmp_ordered("<", a, b), yes, no)

    def maximum(self, a: Any, b: Any) -> Any:
        return self._pick("<", a, b)

    def minimum(self, a: Any, b: Any) -> Any:
        return self._pick(">", a, b)

    def _pick(self, other_if: str, a: Any, b: Any) -> Any:
        """Return b where the comparison holds, else a; a NaN of either stays."""
        other = self.b.or_(self.b.fcmp_ordered(other_if, a, b), self.b.fcmp_unordered("!=", b, b))
        return self.b.select(other, b, a)

    def relu(self, a: Any) -> Any:
        negative = self.b.fcmp_ordered("<", a, self.const(0.0))
        return self.b.select(negative, self.const(0.0), a)

    def sqrt(self, a: Any) -> Any:
        return self._llvm("sqrt", a)

    def abs(self, a: Any) -> Any:
        return self._llvm("fabs", a)

    def floor(self, a: Any) -> Any:
        return self._llvm("floor", a)

    def round(self, a: Any) -> Any:
        return self._llvm("rint", a)

    def _llvm(self, name: str, a: Any) -> Any:
        """Return one of LLVM's functions of one number."""
        full = f"llvm.{name}.v{self.width}f{64 if self.double else 32}"
        return self.b.call(external(self.b.module, full, self.type, [self.type]), [a])

    def _polynomial(self, x: Any, *coefficients: float) -> Any:
        total = self.const(coefficients[0])
        for c in coefficients[1:]:
            total = self.add(self.mul(total, x), self.const(c))
        return total

    def tanh(self, x: Any) -> Any:
        if self.double:
            return self._each("tanh", x)
        return self._tanh(x, 1.0, 1.0)

    def _tanh(self, x: Any, slope: float, height: float) -> Any:
        """Return height * tanh(slope * x), both powers of two, which cost nothing."""
        # An odd polynomial over an even one, the best of their degrees on [-8.2, 8.2] in largest
        # error (1.6e-7, before rounding); beyond, tanh is 1 to seven digits.
        p = 1.110280327e-5, 2.919356828e-3, 1.289537035e-1, 9.999992177e-1
        q = 2.358115844e-7, 2.342943737e-4, 2.368377652e-2, 4.622842017e-1, 1.0
        x = self._within(x, -8.2 / slope, 8.2 / slope)
        s = self.mul(x, x)
        above = (height * slope ** (7 - 2 * k) * c for k, c in enumerate(p))
        below = (slope ** (8 - 2 * k) * c for k, c in enumerate(q))
        return self.fast_ratio(
            self.mul(x, self._polynomial(s, *above)), self._polynomial(s, *below)
        )

    def _within(self, x: Any, low: float, high: float) -> Any:
        """Return x clamped; a NaN stays."""
        b, low_, high_ = self.b, self.const(low), self.const(high)
        x = b.select(b.fcmp_ordered("<", x, low_), low_, x)
        return b.select(b.fcmp_ordered(">", x, high_), high_, x)

    def fast_ratio(self, a: Any, x: Any) -> Any:
        """Return a / x for x neither 0 nor infinite: a division takes as long as half a tanh."""
        guess = self._guessed_reciprocal(x)
        if guess is None:
            return self.div(a, x)
        # a Newton step on the guess, beside which the product with `a` is computed
        return self.mul(self.mul(a, guess), self.sub(self.const(2.0), self.mul(x, guess)))

    def _guessed_reciprocal(self, x: Any) -> Any:
        """Return the processor's rough guess of 1 / x; None: it makes none."""
        register = min(self.width, self.processor.register)
        name = self.processor.reciprocal_table(register)
        if name is None or self.double:
            return None
        piece = ir.VectorType(self.number, register)
        every = ir.Constant(ir.IntType(register), -1)
        extra = [ir.Constant(piece, None), every] if "avx512" in name else []
        guess = external(self.b.module, name, piece, [piece, *(each.type for each in extra)])
        return self._by_registers(x, register, lambda part: self.b.call(guess, [part, *extra]))

    def _look_up(self, table: Sequence[float], which: Any) -> Any:
        """Return numbers of a table, one for each lane of `which`, of which the last bits count."""
        assert self.processor.look_up is not None
        name, entries = self.processor.look_up
        register = entries // 2
        piece, lanes = ir.VectorType(self.number, register), ir.VectorType(I32, register)
        low, high = (ir.Constant(piece, [*half]) for half in (table[:register], table[register:]))
        find = external(self.b.module, name, piece, [piece, lanes, piece])
        return self._by_registers(
            which, register, lambda part: self.b.call(find, [low, part, high])
        )

    def _by_registers(self, x: Any, size: int, compute: Callable[[Any], Any]) -> Any:
        """Return what an instruction makes of lanes, so many at once."""
        parts = []
        for start in range(0, self.width, size):
            # of a register that is not full, the lanes behind are not looked at
            lanes = [min(lane, self.width - 1) for lane in range(start, start + size)]
            parts.append(compute(self.b.shuffle_vector(x, x, places(lanes))))
        if size == self.width:
            return parts[0]
        return self.b.shuffle_vector(parts[0], parts[-1], places(range(self.width)))

    def sigmoid(self, x: Any) -> Any:
        if self.double:
            return self.reciprocal(self.add(self.const(1.0), self.exp(self.neg(x))))
        # the same curve as tanh, half as steep and half as high
        return self.add(self._tanh(x, 0.5, 0.5), self.const(0.5))

    def exp(self, x: Any) -> Any:
        if self.double:
            return self._llvm("exp", x)
        # from 128 log 2 on the power is infinite, and with it the value
        x = self._within(x, -87.0, 89.0)
        # exp x = 2^(n / parts) exp r; a processor that looks the roots of 2 up has a shorter r
        _, parts = self.processor.look_up or ("", 1)
        # beside so large a number whole ones are the last digits: those of n + 127 parts
        large = self.const(1.5 * 2**23 + 127 * parts)
        biased = self.add(self.mul(x, self.const(1.44269504 * parts)), large)
        n = self.sub(biased, large)
        # log 2 in two parts, of which the first has few digits: n times it is exact
        r = self.sub(x, self.mul(n, self.const(0.693359375 / parts)))
        r = self.add(r, self.mul(n, self.const(2.12194440e-4 / parts)))
        digits = self.b.bitcast(biased, ir.VectorType(I32, self.width))
        whole = self.b.lshr(digits, self._integers(parts.bit_length() - 1))
        power = self.b.bitcast(self.b.shl(whole, self._integers(23)), self.type)
        if parts > 1:
            root = self._look_up([2 ** (k / parts) for k in range(parts)], digits)
            # exp r - 1, the best of its degree on |r| < log 2 / 64
            less_one = self.mul(self._polynomial(r, 0.5, 1.0000146622), r)
            return self.mul(self.add(self.mul(root, less_one), root), power)
        p = self._polynomial(
            r,
            *(1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3),
            *(4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1),
        )
        return self.mul(self.add(self.add(self.mul(self.mul(p, r), r), r), self.const(1.0)), power)

    def _integers(self, value: int) -> ir.Constant:
        return ir.Constant(ir.VectorType(I32, self.width), [value] * self.width)

    def log(self, x: Any) -> Any:
        if self.double:
            return self._llvm("log", x)
        # x = m 2**n with m in [0.71, 1.41]; log m = 2 artanh(s), s = (m - 1) / (m + 1)
        integers = ir.VectorType(I32, self.width)
        bits = self.b.bitcast(x, integers)
        n = self.b.sitofp(
            self.b.sub(self.b.lshr(bits, self._integers(23)), self._integers(127)), self.type
        )
        fraction = self.b.and_(bits, self._integers(0x7FFFFF))
        m = self.b.bitcast(self.b.or_(fraction, self._integers(127 << 23)), self.type)
        big = self.b.fcmp_ordered(">=", m, self.const(1.41421356))
        n = self.b.select(big, self.add(n, self.const(1.0)), n)
        m = self.b.select(big, self.mul(self.const(0.5), m), m)
        s = self.div(self.sub(m, self.const(1.0)), self.add(m, self.const(1.0)))
        z = self.mul(s, s)
        series = self.mul(self._polynomial(z, 0.2222222, 0.28571428, 0.4, 0.66666667), z)
        value = self.mul(s, self.add(series, self.const(2.0)))
        value = self.add(value, self.mul(n, self.const(0.69314718)))
        # infinity and NaN have bits like any number: pass them on
        value = self.b.select(self.b.fcmp_ordered("<", x, self.const(3e38)), value, x)
        positive = self.b.fcmp_unordered(">", x, self.const(0.0))
        value = self.b.select(positive, value, self.const(float("nan")))
        zero = self.b.fcmp_ordered("==", x, self.const(0.0))
        return self.b.select(zero, self.const(float("-inf")), value)

    def softplus(self, x: Any) -> Any:
        small = self.exp(self.neg(self.abs(x)))
        tail = (
            self._each("log1p", small)
            if self.double
            else self.log(self.add(self.const(1.0), small))
        )
        return self.add(self.relu(x), tail)

    def sin(self, x: Any) -> Any:
        return self._llvm("sin", x) if self.double else self._sine(x, 0.0)

    def cos(self, x: Any) -> Any:
        return self._llvm("cos", x) if self.double else self._sine(x, 0.5)

    def _sine(self, x: Any, quarter: float) -> Any:
        """Return the sine half a period's multiple n after x; for the cosine, n + 1/2."""
        b, pi = self.b, (3.140625, 9.67502593994140625e-4, 1.509957990978376432e-7)
        n = self.round(self.add(self.mul(x, self.const(0.318309886)), self.const(quarter)))
        turn = self.sub(n, self.const(quarter))
        # pi in three parts, of which the first two have few digits
        r = x
        for part in pi:
            r = self.sub(r, self.mul(turn, self.const(part)))
        z = self.mul(r, r)
        series = self._polynomial(
            z, 2.6083159809786593541503e-6, -1.981069071916863322258e-4, 8.333078585565089895e-3
        )
        series = self.add(self.mul(series, z), self.const(-1.6666659712791442871e-1))
        value = self.add(r, self.mul(self.mul(r, z), series))
        sound = b.select(b.fcmp_ordered("<", self.abs(n), self.const(1e9)), n, self.const(0.0))
        odd = b.and_(b.fptosi(sound, ir.VectorType(I32, self.width)), self._integers(1))
        return b.select(b.icmp_signed("==", odd, self._integers(1)), self.neg(value), value)

    def erf(self, x: Any) -> Any:
        if self.double:
            return self._each("erf", x)
        # Abramowitz and Stegun (1964), 7.1.26
        size = self.abs(x)
        t = self.reciprocal(self.add(self.const(1.0), self.mul(self.const(0.3275911), size)))
        series = self._polynomial(
            t, 1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592
        )
        tail = self.mul(self.mul(series, t), self.exp(self.neg(self.square(size))))
        value = self.sub(self.const(1.0), tail)
        return self.select(x, self.const(0.0), self.neg(value), value)

    def _each(self, name: str, x: Any) -> Any:
        """Return a function of the C library's, lane by lane."""
        function = external(self.b.module, name, self.number, [self.number])
        result = ir.Constant(self.type, ir.Undefined)
        for lane in range(self.width):
            place = ir.Constant(I32, lane)
            value = self.b.call(function, [self.b.extract_element(x, place)])
            result = self.b.insert_element(result, value, place)
        return result


def external(
    module: ir.Module, name: str, result: ir.Type, arguments: Sequence[ir.Type]
) -> ir.Function:
    """Return a function that LLVM, the processor or the C library has."""
    known = module.globals.get(name)
    return known or ir.Function(module, ir.FunctionType(result, arguments), name)


def places(lanes: Iterable[int]) -> ir.Constant:
    """Return lanes as a shuffle wants them."""
    listed = [*lanes]
    return ir.Constant(ir.VectorType(I32, len(listed)), listed)
