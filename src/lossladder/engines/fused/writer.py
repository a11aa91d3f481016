"""Writing LLVM's language as one would write loops: arrays, whole numbers, and lanes.

    with w.range(steps) as t, w.range(0, width, w.register) as i:
        total.add(rows[t, k, i] * gates[t, j, i])

What Python decides is decided when the code is written; a `with w.range` is a loop in the code.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from lossladder.engines.fused.lanes import I64, Lanes, external, places
from lossladder.engines.fused.processor import Processor

_BYTES = {1: ir.IntType(8), 4: ir.IntType(32), 8: I64}


class Whole:
    """A whole number in the code."""

    def __init__(self, w: "Writer", value: Any) -> None:
        self.w, self.value = w, value

    def _other(self, other: "Whole | int") -> Any:
        return other.value if isinstance(other, Whole) else ir.Constant(I64, other)

    def __add__(self, other: "Whole | int") -> "Whole":
        return Whole(self.w, self.w.b.add(self.value, self._other(other)))

    def __sub__(self, other: "Whole | int") -> "Whole":
        return Whole(self.w, self.w.b.sub(self.value, self._other(other)))

    def __mul__(self, other: "Whole | int") -> "Whole":
        return Whole(self.w, self.w.b.mul(self.value, self._other(other)))

    def __floordiv__(self, other: "Whole | int") -> "Whole":
        return Whole(self.w, self.w.b.sdiv(self.value, self._other(other)))

    def __mod__(self, other: "Whole | int") -> "Whole":
        return Whole(self.w, self.w.b.srem(self.value, self._other(other)))

    def up(self, multiple: int) -> "Whole":
        """Return the next multiple of a power of two."""
        return Whole(
            self.w, self.w.b.and_((self + (multiple - 1)).value, ir.Constant(I64, -multiple))
        )

    def smaller(self, other: "Whole") -> "Whole":
        """Return the smaller of two."""
        return Whole(self.w, self.w.b.select((self < other).value, self.value, other.value))

    def __lt__(self, other: "Whole | int") -> "Whole":
        return Whole(self.w, self.w.b.icmp_signed("<", self.value, self._other(other)))

    def is_(self, other: "Whole | int") -> "Whole":
        """Return whether two are equal."""
        return Whole(self.w, self.w.b.icmp_signed("==", self.value, self._other(other)))

    def __and__(self, other: "Whole") -> "Whole":
        return Whole(self.w, self.w.b.and_(self.value, other.value))

    def __or__(self, other: "Whole") -> "Whole":
        return Whole(self.w, self.w.b.or_(self.value, other.value))

    def __invert__(self) -> "Whole":
        return Whole(self.w, self.w.b.not_(self.value))


class Numbers:
    """Numbers side by side, or a single one, which goes with any others."""

    def __init__(self, w: "Writer", value: Any, width: int) -> None:
        self.w, self.value, self.width = w, value, width

    def __add__(self, other: "Numbers | float") -> "Numbers":
        return self.w.apply("add", self, other)

    def __sub__(self, other: "Numbers | float") -> "Numbers":
        return self.w.apply("sub", self, other)

    def __mul__(self, other: "Numbers | float") -> "Numbers":
        return self.w.apply("mul", self, other)

    def __truediv__(self, other: "Numbers | float") -> "Numbers":
        return self.w.apply("div", self, other)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: float) -> "Numbers":
        return self.w.apply("sub", other, self)

    def fast_ratio(self, other: "Numbers") -> "Numbers":
        """Return a ratio; see `Lanes.fast_ratio`."""
        return self.w.apply("fast_ratio", self, other)

    def larger(self, other: "Numbers | float") -> "Numbers":
        """Return the larger of two; a NaN of either stays."""
        return self.w.apply("maximum", self, other)

    def below(self, limit: "Numbers | float", yes: "Numbers", no: "Numbers | float") -> "Numbers":
        """Return `yes` where this is below a limit, else `no`, also where it is NaN."""
        return self.w.apply("select", self, limit, yes, no)

    def of(self, function: str) -> "Numbers":
        """Return a function of the graph's, such as `exp`."""
        return self.w.apply(function, self)

    def total(self) -> "Numbers":
        """Return the sum over lanes."""
        # in any order: one after another would take as many additions as there are lanes
        w, kind = self.w, self.value.type
        name = f"llvm.vector.reduce.fadd.v{self.width}f{w.bytes * 8}"
        reduce = external(w.module, name, w.number, [w.number, kind])
        zero = ir.Constant(w.number, 0.0)
        summed = w.b.call(reduce, [zero, self.value], fastmath=("reassoc",))
        return Numbers(w, w.lanes(1).spread(summed), 1)


class Variable:
    """Numbers that change: in registers once LLVM has seen all of the code."""

    def __init__(self, w: "Writer", width: int, start: float = 0.0) -> None:
        self.w, self.width = w, width
        self._place = w.entry.alloca(w.lanes(width).type)
        self.set(start)

    def get(self) -> Numbers:
        """Return them as they are now."""
        return Numbers(self.w, self.w.b.load(self._place), self.width)

    def set(self, value: Numbers | float) -> None:
        """Change them."""
        self.w.b.store(self.w.numbers(value, self.width), self._place)

    def add(self, more: Numbers | float) -> None:
        """Add to them."""
        self.set(self.get() + more)


class WholeVariable:
    """A whole number that changes."""

    def __init__(self, w: "Writer", start: Whole | int) -> None:
        self.w = w
        self._place = w.entry.alloca(I64)
        self.set(start)

    def get(self) -> Whole:
        """Return it as it is now."""
        return Whole(self.w, self.w.b.load(self._place))

    def set(self, value: Whole | int) -> None:
        """Change it."""
        self.w.b.store(self.w.whole(value).value, self._place)


class Array:
    """An array of numbers, or of whole numbers.

    Args:
        w: writes the code.
        address: of its first.
        sizes: of its axes but the first.
        bytes_: of a whole number; 0: it holds numbers.
    """

    def __init__(
        self, w: "Writer", address: Any, sizes: Sequence[Whole | int] = (), bytes_: int = 0
    ) -> None:
        self.w, self.bytes = w, bytes_
        self._base, self._sizes = address, list(sizes)

    def _place(self, index: Any) -> Any:
        axes = list(index) if isinstance(index, tuple) else [index]
        flat = self.w.whole(axes[0])
        for size, at in zip(self._sizes, axes[1:], strict=True):
            flat = flat * size + at
        return self.w.b.gep(self._base, [flat.value], inbounds=True)

    def load(self, index: Any, width: int) -> Numbers:
        """Return lanes, the first at an index."""
        lanes = self.w.lanes(width)
        pointer = self.w.b.bitcast(self._place(index), lanes.type.as_pointer())
        return Numbers(self.w, lanes.load(pointer), width)

    def reals(self, index: Any, width: int) -> Numbers:
        """Return whole numbers as numbers."""
        w = self.w
        kind = ir.VectorType(_BYTES[self.bytes], width)
        value = w.b.load(w.b.bitcast(self._place(index), kind.as_pointer()), typ=kind)
        value.align = self.bytes
        return Numbers(w, w.b.uitofp(value, w.lanes(width).type), width)

    def store(self, index: Any, value: Numbers | float, width: int) -> None:
        """Store lanes, the first at an index."""
        lanes = self.w.lanes(width)
        pointer = self.w.b.bitcast(self._place(index), lanes.type.as_pointer())
        lanes.store(self.w.numbers(value, width), pointer)

    def __getitem__(self, index: Any) -> Any:
        """Return one number, or one whole number."""
        if not self.bytes:
            return self.load(index, 1)
        value = self.w.b.load(self._place(index))
        return Whole(self.w, value if self.bytes == 8 else self.w.b.zext(value, I64))

    def __setitem__(self, index: Any, value: Any) -> None:
        if not self.bytes:
            self.store(index, value, 1)
            return
        value = self.w.whole(value).value
        narrow = value if self.bytes == 8 else self.w.b.trunc(value, _BYTES[self.bytes])
        self.w.b.store(narrow, self._place(index))

    def add(self, index: Any, more: Numbers, width: int = 1) -> None:
        """Add to numbers in place."""
        self.store(index, self.load(index, width) + more, width)

    def moved(self, count: Whole | int) -> "Array":
        """Return an array of the same axes that begins so many numbers later."""
        place = self.w.b.gep(self._base, [self.w.whole(count).value], inbounds=True)
        return Array(self.w, place, self._sizes, self.bytes)

    def part(self, *index: Any) -> "Array":
        """Return what lies behind the first indices."""
        whole = (*index, *[0] * (len(self._sizes) + 1 - len(index)))
        return Array(self.w, self._place(whole), self._sizes[len(index) :], self.bytes)


class Writer:
    """Writes one function, `void name(i64 *arguments)`.

    Args:
        module: where to.
        name: of the function.
        double: float64.
        processor: that it is written for.
        arguments: names of whole numbers and addresses, in order.
        apart: of those the arrays of which none overlaps another, at their front.
    """

    def __init__(
        self,
        module: ir.Module,
        name: str,
        double: bool,
        processor: Processor,
        arguments: Sequence[str],
        apart: Sequence[str] = (),
    ) -> None:
        self.module, self.processor = module, processor
        self.number = ir.DoubleType() if double else ir.FloatType()
        self.bytes = 8 if double else 4
        self.register, self.fewest = processor.register, processor.fewest
        kind = ir.FunctionType(ir.VoidType(), [I64.as_pointer()])
        function = ir.Function(module, kind, name)
        self.entry: Any = ir.IRBuilder(function.append_basic_block("variables"))
        given = [
            self.entry.load(self.entry.gep(function.args[0], [ir.Constant(I64, k)]))
            for k in range(len(arguments))
        ]
        if apart:
            given = self._hand_over(given, len(apart), f"{name}_")
        self._given = dict(zip(arguments, given, strict=True))
        self._body = self.entry.function.append_basic_block("body")
        self.b: Any = ir.IRBuilder(self._body)

    def _hand_over(self, given: list[Any], apart: int, name: str) -> Sequence[Any]:
        """Begin an inner function and return its arguments, of which the first are arrays apart."""
        # of arguments alone can LLVM be told so, and it forgets what it was told of inlined ones
        kinds = [_BYTES[1].as_pointer()] * apart + [I64] * (len(given) - apart)
        inner = ir.Function(self.module, ir.FunctionType(ir.VoidType(), kinds), name)
        inner.linkage = "internal"
        inner.attributes.add("noinline")
        for argument in inner.args[:apart]:
            argument.add_attribute("noalias")
        pointers = [
            self.entry.inttoptr(value, kind) if k < apart else value
            for k, (value, kind) in enumerate(zip(given, kinds, strict=True))
        ]
        self.entry.call(inner, pointers)
        self.entry.ret_void()
        self.entry = ir.IRBuilder(inner.append_basic_block("variables"))
        return inner.args

    def readable(self, name: str, size: int, line: int) -> None:
        """Promise that an array apart, of so many bytes, begins a line and can always be read."""
        # so that LLVM reads it before the first step, once, and not where it is used
        attributes = self._given[name].attributes
        attributes.align, attributes.dereferenceable = line, size

    def close(self) -> None:
        """End the function."""
        self.b.ret_void()
        self.entry.branch(self._body)

    def __getitem__(self, name: str) -> Whole:
        """Return an argument."""
        return Whole(self, self._given[name])

    def array(self, name: str, *sizes: Whole | int, bytes_: int = 0) -> Array:
        """Return an array by the argument with its address; `sizes` are without the first axis."""
        kind = _BYTES[bytes_] if bytes_ else self.number
        given = self._given[name]
        turn = self.entry.bitcast if given.type.is_pointer else self.entry.inttoptr
        return Array(self, turn(given, kind.as_pointer()), sizes, bytes_)

    def pointer(self, address: Whole) -> Any:
        """Return an address as that of numbers."""
        return self.b.inttoptr(address.value, self.number.as_pointer())

    def whole(self, value: Whole | int) -> Whole:
        """Return a whole number."""
        return value if isinstance(value, Whole) else Whole(self, ir.Constant(I64, value))

    def numbers(self, value: Numbers | float, width: int) -> Any:
        """Return LLVM's value of numbers in `width` lanes."""
        if not isinstance(value, Numbers):
            return self.lanes(width).const(value)
        if value.width == width:
            return value.value
        return self.lanes(width).spread(self.b.extract_element(value.value, ir.Constant(I64, 0)))

    def spread(self, value: Numbers | float, width: int = 1) -> Numbers:
        """Return numbers, or the same one, in `width` lanes."""
        return Numbers(self, self.numbers(value, width), width)

    def totals(self, four: Sequence[Numbers]) -> Numbers:
        """Return the sums over the lanes of four, side by side."""
        # halves are added for all at once, which takes a third of what they take one by one
        one, two, three, last = (numbers.value for numbers in four)
        part = four[0].width
        pairs = self._folded(one, two, part), self._folded(three, last, part)
        value = self._folded(*pairs, part // 2)
        while (part := value.type.count // 4) > 1:
            value = self._folded(value, None, part)
        return Numbers(self, value, 4)

    def _folded(self, a: Any, b: Any, part: int) -> Any:
        """Return the sums of the two halves of each part of one or two, side by side."""
        ends = a.type.count * (1 if b is None else 2)
        halves = []
        for start in (0, part // 2):
            lanes = [k for k in range(ends) if start <= k % part < start + part // 2]
            halves.append(self.b.shuffle_vector(a, a if b is None else b, places(lanes)))
        return self.b.fadd(*halves)

    def real(self, whole: Whole) -> Numbers:
        """Return a whole number as a number."""
        return Numbers(self, self.lanes(1).spread(self.b.sitofp(whole.value, self.number)), 1)

    def lanes(self, width: int) -> Lanes:
        """Return arithmetic on `width` lanes."""
        return Lanes(self.b, self.number, width, self.processor)

    def apply(self, function: str, *values: Numbers | float) -> Numbers:
        """Return a function of the graph's, of numbers side by side."""
        width = max(value.width for value in values if isinstance(value, Numbers))
        lanes = self.lanes(width)
        wide = (self.numbers(value, width) for value in values)
        return Numbers(self, getattr(lanes, function)(*wide), width)

    def variable(self, width: int | None = None, start: float = 0.0) -> Variable:
        """Return numbers that change, a register of them unless another width is named."""
        return Variable(self, width or self.register, start)

    def call(self, address: Whole, arguments: Whole) -> None:
        """Call another such function by its address."""
        pointer = I64.as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer])
        target = self.b.inttoptr(address.value, kind.as_pointer())
        self.b.call(target, [self.b.inttoptr(arguments.value, pointer)])

    def counter(self, start: Whole | int) -> "WholeVariable":
        """Return a whole number that changes."""
        return WholeVariable(self, start)

    def chosen(self, condition: Whole, yes: Whole | int, no: Whole | int) -> Whole:
        """Return one of two whole numbers."""
        pair = self.whole(yes).value, self.whole(no).value
        return Whole(self, self.b.select(condition.value, *pair))

    @contextmanager
    def range(self, *limits: Whole | int, step: Whole | int = 1) -> Iterator[Whole]:
        """Write a loop: of a count, or from a start to a stop."""
        start, stop = (0, *limits)[-2:]
        b, before = self.b, self.b.block
        head, inside = b.append_basic_block(), b.append_basic_block()
        after = b.append_basic_block()
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(I64)
        index.add_incoming(self.whole(start).value, before)
        b.cbranch(b.icmp_signed("<", index, self.whole(stop).value), inside, after)
        b.position_at_end(inside)
        yield Whole(self, index)
        index.add_incoming(b.add(index, self.whole(step).value), b.block)
        b.branch(head)
        b.position_at_end(after)

    def spans(
        self, count: Whole, body: Callable[[Whole, int], None], widths: Sequence[int] = ()
    ) -> None:
        """Write a body for many numbers of a count at once, then for fewer and fewer.

        Args:
            count: of numbers.
            body: is given the first of them, and how many.
            widths: how many, falling; by default registers, half of them, and one by one.
        """
        first: Whole | int = 0
        for width in dict.fromkeys(widths or (self.register, self.fewest, 1)):
            stop = count - count % width
            with self.range(first, stop, step=width) as i:
                body(i, width)
            first = stop

    @contextmanager
    def when(self, condition: Whole) -> Iterator[None]:
        """Write code that runs where a condition holds."""
        with self.b.if_then(condition.value):
            yield

    def flush_tiny_numbers(self, before: Any = None) -> Any:
        """Let this thread take numbers below 1e-38 for zero, and return how it was; or undo it."""
        # A gradient that vanishes over a long window ends in such numbers, and each of them costs
        # the processor a hundred times an ordinary one.
        if not self.processor.is_x86:
            return None
        i32, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        place = self.entry.alloca(i32)
        where = self.b.bitcast(place, pointer)
        read = external(self.module, "llvm.x86.sse.stmxcsr", ir.VoidType(), [pointer])
        write = external(self.module, "llvm.x86.sse.ldmxcsr", ir.VoidType(), [pointer])
        self.b.call(read, [where])
        found = self.b.load(place)
        # the processor's two switches: tiny results are zero, tiny operands are zero
        wanted = self.b.or_(found, ir.Constant(i32, 0x8040)) if before is None else before
        self.b.store(wanted, place)
        self.b.call(write, [where])
        return found
