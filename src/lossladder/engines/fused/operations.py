"""What torch's operations mean: each as nodes of the graph, whose normal form does the rest.

A value is some numbers of a node, or of parameters, in the shape that torch gives them without the
axis of the batch. Operations that move numbers about (transpose, broadcast, slice) compute nothing:
they are done on the places of the numbers, with NumPy.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossladder.engines.fused.graph import (
    ELEMENTWISE,
    LARGEST,
    SUM,
    Base,
    Builder,
    Node,
    Weight,
    places,
)

BATCH = 10007  # a size that no other axis has; the traced tensors have no numbers, and cost nothing


class Untraceable(Exception):
    """A step does what cannot be compiled.

    Args:
        does: what it does, in words that follow "the step".
        instead: what to write instead; empty: nothing would do.
    """

    def __init__(self, does: str, instead: str = "") -> None:
        super().__init__(does)
        self.does, self.instead = does, instead


@dataclass(frozen=True, eq=False)
class Value:
    """Numbers of a batched node, or of parameters.

    Args:
        source: the node, or the parameter's name.
        index: which of its numbers, in their shape without the batch.
        batched: whether they differ between sequences.
        rows: how often the first axis of torch's shape holds the batch; 0: there is no such axis.
            More than 1: the batch and the first axis of `index` are one.
    """

    source: Base
    index: NDArray[np.int64]
    batched: bool
    rows: int = 1

    def described(self) -> tuple[object, ...]:
        """Return what it is, to be compared."""
        return self.source, self.index.shape, self.index.tobytes(), self.batched, self.rows


@dataclass(frozen=True)
class Less:
    """The comparison a < b, or with `unless` its contrary."""

    a: Any
    b: Any
    unless: bool

    def described(self) -> tuple[object, ...]:
        """Return what it is, to be compared."""
        return *(getattr(v, "described", lambda v=v: v)() for v in (self.a, self.b)), self.unless


class Operations:
    """Gives torch's operations their meaning.

    Args:
        builder: makes the nodes.
    """

    def __init__(self, builder: Builder) -> None:
        self.b = builder
        self.constants: dict[str, Tensor] = {}

    def knows(self, name: str) -> bool:
        """Return whether an operation has a meaning here."""
        plain = name.strip("_")
        return plain in _SAME or hasattr(self, f"_do_{plain}")

    def call(self, name: str, out: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Return the value of an operation, whose result torch gave the shape of `out`."""
        plain = name.strip("_")
        if plain in _SAME:
            op, arity = _SAME[plain]
            return self.elementwise(op, *args[:arity])
        if not self.knows(name):
            raise Untraceable(
                f"computes {plain}, which the compiler does not know",
                "what is made of sums, products and functions of single numbers",
            )
        return getattr(self, f"_do_{plain}")(out, *args, **kwargs)

    # --- values -----------------------------------------------------------------------------------

    def constant(self, tensor: Tensor) -> Any:
        """Return the value of a tensor that is no parameter, and the same in every step."""
        if tensor.is_meta:
            raise Untraceable("makes a tensor whose numbers are lost here", "it in the constructor")
        if tensor.numel() == 1 and tensor.ndim == 0:
            return float(tensor)
        spread = tensor.ndim > 0 and tensor.shape[0] == BATCH
        if spread and not bool((tensor == tensor[:1]).all()):
            raise _mixes("gives each sequence of the batch numbers of its own")
        held = tensor[0] if spread else tensor
        same = (n for n, t in self.constants.items() if torch.equal(t, held))
        name = next(same, f"constant {len(self.constants)}")
        self.constants[name] = held.detach().clone()
        index = np.arange(held.numel()).reshape(tuple(held.shape))
        return Value(name, index, False, int(spread))

    def whole(self, node: Node, shape: Sequence[int], batched: bool = True, rows: int = 1) -> Value:
        """Return all numbers of a node, in a shape."""
        return Value(node, np.arange(node.size).reshape(tuple(shape)), batched, rows)

    def filled(self, number: float, shape: Sequence[int]) -> Value:
        """Return a number everywhere, in a shape of torch's."""
        features, rows = _without_batch(tuple(shape))
        return Value(self.b.const(number), np.zeros(features, np.int64), False, rows)

    def node(self, value: Any, shape: tuple[int, ...] | None = None, fused: bool = False) -> Node:
        """Return a value as a node, its numbers spread over a shape of features.

        Args:
            value: of torch's.
            shape: of features; None: its own.
            fused: a function of parameters may be computed where it is used, not once a window.
        """
        if isinstance(value, Less):
            return self.node(self._chosen(value, 1.0, 0.0), shape, fused)
        if not isinstance(value, Value):
            return self.b.const(float(value))
        if isinstance(value.source, Node) and value.source.op == "const":
            return value.source
        index = value.index if shape is None else _spread(value, shape)
        if index.size and (index == index.flat[0]).all():
            index = index.reshape(-1)[:1]
        if value.batched:
            return self.b.gather(value.source, index.ravel().tolist())
        source = value.source
        # a function of parameters within another is computed with it
        whole = fused and isinstance(source, Node) and source.op in ELEMENTWISE
        if whole and np.array_equal(index.ravel(), np.arange(source.size)):
            return source
        return self.b.view(source, index.ravel().tolist())

    def elementwise(self, op: str, *values: Any) -> Any:
        """Return a function of numbers at the same place."""
        known = [v for v in values if isinstance(v, (Value, Less))]
        if not known:
            raise Untraceable(f"computes {op} of numbers alone")
        shape, rows = self._broadcast(known)
        fused = not any(_is_batched(v) for v in known)
        node = self.b.elementwise(op, *(self.node(v, shape, fused) for v in values))
        return self._result(node, shape, rows)

    def _result(self, node: Node, shape: tuple[int, ...], rows: int) -> Value:
        if node.op == "view":
            index = np.resize(np.array(node.attr[1]), shape)
            return Value(node.attr[0], index, False, rows)
        if node.size == 1 and math.prod(shape) != 1:
            return Value(node, np.zeros(shape, np.int64), node.batched, rows)
        return self.whole(node, shape, node.batched, rows)

    def _broadcast(self, values: Sequence[Any]) -> tuple[tuple[int, ...], int]:
        """Return the shape of features that values have together, and how the batch stands."""
        flat: list[Value] = []
        for value in values:
            both = (value.a, value.b) if isinstance(value, Less) else (value,)
            flat += [v for v in both if isinstance(v, Value)]
        rows = max(v.rows for v in flat)
        axes = max((v.index.ndim + (v.rows == 1) for v in flat), default=0) if rows else 0
        shapes = []
        for v in flat:
            shape = v.index.shape
            # an axis of one in the place of the batch
            if rows and not v.rows and len(shape) == axes and rows == 1:
                shape = shape[1:]
            shapes.append(shape)
        return np.broadcast_shapes(*shapes), rows

    def reduce(self, value: Any, axes: Sequence[int] | None, kind: str = SUM) -> Value:
        """Return the sum, or the largest, over axes of torch's, which are kept with size one."""
        value = self._as_value(value)
        over = range(value.index.ndim) if axes is None else [_axis(value, a) for a in axes]
        if axes is None and value.rows:
            raise _mixes(
                "takes a sum, a mean or the largest over the batch",
                "a sum of each sequence alone (dim=-1); torch.where for a branch",
            )
        over = sorted(over)
        keep = [a for a in range(value.index.ndim) if a not in over]
        shape = tuple(1 if a in over else n for a, n in enumerate(value.index.shape))
        index = value.index
        if kind == LARGEST and isinstance(value.source, Node) and value.batched:
            node = self.b.expand(self.node(value), index.size)
            value, index = self.whole(node, index.shape), np.arange(node.size).reshape(index.shape)
        table = index.transpose([*keep, *over]).reshape(math.prod(shape), -1)
        if value.batched:
            return self._result(
                self.b.collect(value.source, table.tolist(), kind), shape, value.rows
            )
        node = self._collected_from(value.source, table.tolist(), kind)
        return self.whole(node, shape, False, value.rows)

    def _as_value(self, value: Any) -> Value:
        if isinstance(value, Less):
            return self._chosen(value, 1.0, 0.0)
        if isinstance(value, Value):
            return value
        return self.filled(float(value), ())

    def weight(self, value: Value) -> Weight:
        """Return a matrix of parameters as strides; one that has none is copied into order."""
        index = value.index
        inputs, outputs = index.shape
        down = int(index[1, 0] - index[0, 0]) if inputs > 1 else 0
        right = int(index[0, 1] - index[0, 0]) if outputs > 1 else 0
        if np.array_equal(index, places(index.shape, (down, right), int(index[0, 0]))):
            return value.source, int(index[0, 0]), (inputs, outputs), (down, right)
        copy = self._collected(value)
        return copy, 0, (inputs, outputs), (outputs, 1)

    def _collected(self, value: Value) -> Node:
        """Return some numbers of parameters, computed once a window so that they lie in order."""
        return self._collected_from(value.source, value.index.reshape(-1, 1).tolist(), SUM)

    def _collected_from(self, source: Base, rows: Sequence[Sequence[int]], kind: str) -> Node:
        """Return sums, or the largest, of numbers of parameters, each of those that a row lists."""
        flat = tuple(i for row in rows for i in row)
        view = self.b.view(source, range(max(flat) + 1))
        starts = tuple(np.cumsum([0, *map(len, rows)]).tolist())
        return self.b.make("collect", (view,), len(rows), (kind, starts, flat), batched=False)

    # --- shapes -----------------------------------------------------------------------------------

    def _do_view(self, out: Tensor, a: Any, *_: Any) -> Any:
        if isinstance(a, (Less, float)):
            return a
        features, rows = _without_batch(tuple(out.shape))
        if bool(rows) != bool(a.rows):
            raise _mixes("moves the batch to another axis")
        return replace(a, index=a.index.reshape(features), rows=rows)

    _do_reshape = _do_unsqueeze = _do_squeeze = _do_unsafe_view = _do_flatten = _do_view

    def _do_expand(self, out: Tensor, a: Any, *_: Any, **__: Any) -> Any:
        a = self._as_value(a)
        features, rows = _without_batch(tuple(out.shape))
        return replace(a, index=_spread(a, features, len(out.shape)), rows=rows)

    def _do_repeat(self, out: Tensor, a: Value, times: Sequence[int]) -> Value:
        if a.rows:
            if times[0] != 1 or a.rows > 1:
                raise _mixes("repeats the batch")
            times = times[1:]
        return replace(a, index=np.tile(a.index, times))

    def _do_permute(self, out: Tensor, a: Value, axes: Sequence[int]) -> Value:
        if not a.rows:
            return replace(a, index=a.index.transpose([x % len(axes) for x in axes]))
        if axes[0] % len(axes) != 0 or a.rows > 1:
            raise _mixes("moves the batch to another axis")
        return replace(a, index=a.index.transpose([x % len(axes) - 1 for x in axes[1:]]))

    def _do_t(self, out: Tensor, a: Value) -> Value:
        count = len(out.shape)
        return self._do_permute(out, a, list(range(count))[::-1])

    def _do_transpose(self, out: Tensor, a: Value, i: int, j: int) -> Value:
        axes = list(range(len(out.shape)))
        axes[i], axes[j] = axes[j], axes[i]
        return self._do_permute(out, a, axes)

    def _do_clone(self, out: Tensor, a: Any, *_: Any, **__: Any) -> Any:
        if isinstance(out, Tensor) and not out.is_floating_point() and not isinstance(a, Less):
            raise Untraceable("turns numbers into whole ones", "torch.floor or torch.round")
        return a

    _do_alias = _do_contiguous = _do_to_copy = _do_lift_fresh = _do_lift_fresh_copy = _do_clone

    def _do_detach(self, out: Tensor, a: Any) -> Any:
        return self.elementwise("stop", a) if isinstance(a, (Value, Less)) else a

    _do_detach_copy = _do_detach

    def _do_slice(
        self, out: Any, a: Value, dim: int = 0, start: Any = 0, stop: Any = None, step: int = 1
    ) -> Value:
        stop = None if stop is not None and stop >= 2**62 else stop
        if a.rows and dim % (a.index.ndim + (a.rows == 1)) == 0:
            if not start and (stop is None or stop >= BATCH):
                return a
            raise _mixes("takes some sequences out of the batch")
        return replace(a, index=a.index[_at(a, dim, slice(start, stop, step))])

    def _do_select(self, out: Any, a: Value, dim: int, index: int) -> Value:
        if a.rows and dim % (a.index.ndim + (a.rows == 1)) == 0:
            raise _mixes("takes one sequence out of the batch")
        return replace(a, index=np.asarray(a.index[_at(a, dim, index)]))

    def _do_index_select(self, out: Any, a: Value, dim: int, index: Any) -> Value:
        chosen = np.atleast_1d(self._whole_numbers(index))
        return replace(a, index=np.take(a.index, chosen, _axis(a, dim)))

    def _do_index(self, out: Any, a: Value, picks: Sequence[Any]) -> Value:
        given = [k for k, pick in enumerate(picks) if pick is not None]
        if len(given) != 1:
            raise Untraceable("picks along several axes at once", "one axis after the other")
        chosen = self._whole_numbers(picks[given[0]])
        return replace(a, index=np.take(a.index, chosen, _axis(a, given[0])))

    def _whole_numbers(self, value: Any) -> NDArray[np.int64]:
        """Return the numbers of a constant that says which numbers of others are meant."""
        if not isinstance(value, Value):
            return np.array(int(value))
        tensor = self.constants.get(value.source) if isinstance(value.source, str) else None
        if tensor is None or tensor.is_floating_point():
            raise Untraceable("picks numbers by other numbers", "torch.where, or a product")
        numbers = tensor.numpy().ravel()[value.index]
        return np.flatnonzero(numbers) if tensor.dtype == torch.bool else numbers

    def _do_diagonal(
        self, out: Any, a: Value, offset: int = 0, dim1: int = 0, dim2: int = 1
    ) -> Value:
        return replace(a, index=np.diagonal(a.index, offset, _axis(a, dim1), _axis(a, dim2)))

    _do_diagonal_copy = _do_diagonal

    def _do_constant_pad_nd(self, out: Any, a: Any, pads: Sequence[int], value: float = 0) -> Value:
        a = self._as_value(a)
        for k in range(len(pads) // 2):
            axis = _axis(a, -1 - k)
            before, after = pads[2 * k : 2 * k + 2]
            count = a.index.shape[axis]
            kept = slice(max(-before, 0), count - max(-after, 0))
            parts = [replace(a, index=a.index[_at(a, -1 - k, kept)])]
            for first, number in ((True, before), (False, after)):
                if number > 0:
                    shape = (*a.index.shape[:axis], number, *a.index.shape[axis + 1 :])
                    more = Value(self.b.const(value), np.zeros(shape, np.int64), False, a.rows)
                    parts.insert(0 if first else len(parts), more)
            a = self._do_cat(out, parts, -1 - k) if len(parts) > 1 else parts[0]
        return a

    def _do_split(self, out: Any, a: Value, size: int, dim: int = 0) -> list[Value]:
        count = a.index.shape[_axis(a, dim)]
        sizes = [min(size, count - i) for i in range(0, count, size)]
        return self._do_split_with_sizes(out, a, sizes, dim)

    def _do_split_with_sizes(
        self, out: Any, a: Value, sizes: Sequence[int], dim: int = 0
    ) -> list[Value]:
        ends = np.cumsum(sizes)[:-1]
        return [replace(a, index=part) for part in np.split(a.index, ends, _axis(a, dim))]

    def _do_unbind(self, out: Any, a: Value, dim: int = 0) -> list[Value]:
        return self._apart(a, _axis(a, dim))

    def _apart(self, a: Value, axis: int) -> list[Value]:
        """Return the slices along an axis of features."""
        count = a.index.shape[axis]
        return [replace(a, index=np.asarray(np.take(a.index, k, axis))) for k in range(count)]

    def _do_unfold(self, out: Any, a: Value, dim: int, size: int, step: int) -> Value:
        axis = _axis(a, dim)
        windows = np.lib.stride_tricks.sliding_window_view(a.index, size, axis)
        return replace(a, index=windows[_at(a, dim, slice(None, None, step))])

    def _do_flip(self, out: Any, a: Value, dims: Sequence[int]) -> Value:
        return replace(a, index=np.flip(a.index, tuple(_axis(a, d) for d in dims)))

    def _do_roll(self, out: Any, a: Value, shifts: Any, dims: Sequence[int] = ()) -> Value:
        if not dims:
            raise _mixes("rolls over the batch", "name the axis: dims=-1")
        return replace(a, index=np.roll(a.index, tuple(shifts), tuple(_axis(a, d) for d in dims)))

    def _do_cat(self, out: Tensor, parts: Sequence[Any], dim: int = 0) -> Value:
        values = [self._as_value(part) for part in parts]
        values = [v for v in values if v.index.size]
        batched = any(v.batched for v in values)
        rows = max(v.rows for v in values)
        axis = _axis(values[0], dim)
        nodes = [self.b.expand(self.node(v), v.index.size) for v in values]
        at = np.cumsum([0, *(v.index.size for v in values)])
        index = np.concatenate(
            [at[k] + np.arange(v.index.size).reshape(v.index.shape) for k, v in enumerate(values)],
            axis,
        )
        if batched:
            return Value(self.b.concat(nodes), index, True, rows)
        views = [v if v.op in ("view", "expand") else self.b.view(v, range(v.size)) for v in nodes]
        node = self.b.make("join", views, int(at[-1]), None, batched=False)
        return Value(node, index, False, rows)

    def _do_stack(self, out: Tensor, parts: Sequence[Any], dim: int = 0) -> Value:
        values = [self._as_value(part) for part in parts]
        first = values[0]
        count = first.index.ndim + (first.rows == 1) + 1
        axis = dim % count - (first.rows == 1)
        if first.rows and dim % count == 0:
            raise _mixes("moves the batch to another axis")
        wider = [replace(v, index=np.expand_dims(v.index, axis)) for v in values]
        return self._do_cat(out, wider, dim % count)

    # --- numbers ----------------------------------------------------------------------------------

    def _do_scalar_tensor(self, out: Tensor, value: float, **_: Any) -> float:
        return float(value)

    def _do_full(self, out: Tensor, size: Any, value: float, **_: Any) -> Value:
        return self.filled(float(value), out.shape)

    def _do_full_like(self, out: Tensor, like: Any, value: float, **_: Any) -> Value:
        return self.filled(float(value), out.shape)

    def _do_new_full(self, out: Tensor, like: Any, size: Any, value: float, **_: Any) -> Value:
        return self.filled(float(value), out.shape)

    def _do_new_zeros(self, out: Tensor, *_: Any, **__: Any) -> Value:
        return self.filled(0.0, out.shape)

    _do_zeros_like = _do_zeros = _do_new_zeros

    def _do_new_ones(self, out: Tensor, *_: Any, **__: Any) -> Value:
        return self.filled(1.0, out.shape)

    _do_ones_like = _do_ones = _do_new_ones

    # --- functions --------------------------------------------------------------------------------

    def _do_add(self, out: Any, a: Any, b: Any, alpha: float = 1) -> Any:
        return self.elementwise("add", a, b if alpha == 1 else self.elementwise("mul", b, alpha))

    def _do_sub(self, out: Any, a: Any, b: Any, alpha: float = 1) -> Any:
        return self.elementwise("sub", a, b if alpha == 1 else self.elementwise("mul", b, alpha))

    def _do_rsub(self, out: Any, a: Any, b: Any, alpha: float = 1) -> Any:
        return self._do_sub(out, b, a, alpha)

    def _do_pow(self, out: Any, a: Any, power: Any) -> Any:
        if isinstance(power, Value):
            logarithm = self.elementwise("log", a) if isinstance(a, Value) else math.log(a)
            return self.elementwise("exp", self.elementwise("mul", power, logarithm))
        if power == 0:
            return self.filled(1.0, out.shape)
        if power in _POWERS:
            for op in _POWERS[power]:
                a = self.elementwise(op, a)
            return a
        if power == int(power):
            result = a
            for _ in range(int(abs(power)) - 1):
                result = self.elementwise("mul", result, a)
            return result if power > 0 else self.elementwise("reciprocal", result)
        return self.elementwise("exp", self.elementwise("mul", self.elementwise("log", a), power))

    def _do_rsqrt(self, out: Any, a: Any) -> Any:
        return self._do_pow(out, a, -0.5)

    def _do_log1p(self, out: Any, a: Any) -> Any:
        return self.elementwise("log", self.elementwise("add", a, 1.0))

    def _do_expm1(self, out: Any, a: Any) -> Any:
        return self.elementwise("sub", self.elementwise("exp", a), 1.0)

    def _do_softplus(self, out: Any, a: Any, beta: float = 1, threshold: float = 20) -> Any:
        steep = a if beta == 1 else self.elementwise("mul", a, beta)
        inner = self.elementwise("softplus", steep)
        inner = inner if beta == 1 else self.elementwise("mul", inner, 1 / beta)
        if threshold >= 20:  # from where on the two differ in the ninth digit
            return inner
        return self._chosen(Less(threshold, steep, unless=False), a, inner)

    def _do_log_sigmoid_forward(self, out: Any, a: Any) -> list[Any]:
        low = self.elementwise("softplus", self.elementwise("neg", a))
        return [self.elementwise("neg", low), None]

    def _do_silu(self, out: Any, a: Any) -> Any:
        return self.elementwise("mul", a, self.elementwise("sigmoid", a))

    def _do_gelu(self, out: Any, a: Any, approximate: str = "none") -> Any:
        if approximate == "tanh":
            cube = self.elementwise("mul", self._do_pow(out, a, 3), 0.044715)
            inner = self.elementwise(
                "mul", self.elementwise("add", a, cube), math.sqrt(2 / math.pi)
            )
            curve = self.elementwise("tanh", inner)
        else:
            curve = self.elementwise("erf", self.elementwise("mul", a, math.sqrt(0.5)))
        share = self.elementwise("mul", self.elementwise("add", curve, 1.0), 0.5)
        return self.elementwise("mul", a, share)

    def _do_elu(
        self, out: Any, a: Any, alpha: float = 1, scale: float = 1, input_scale: float = 1
    ) -> Any:
        low = self.elementwise("mul", self.elementwise("minimum", a, 0.0), input_scale)
        low = self.elementwise("mul", self._do_expm1(out, low), alpha)
        whole = self._chosen(Less(0.0, a, unless=False), a, low)
        return whole if scale == 1 else self.elementwise("mul", whole, scale)

    def _do_leaky_relu(self, out: Any, a: Any, slope: float = 0.01) -> Any:
        low = self.elementwise("mul", a, slope)
        return self._chosen(Less(0.0, a, unless=False), a, low)

    def _do_lerp(self, out: Any, a: Any, b: Any, weight: Any) -> Any:
        rise = self.elementwise("mul", self.elementwise("sub", b, a), weight)
        return self.elementwise("add", a, rise)

    def _do_addcmul(self, out: Any, a: Any, b: Any, c: Any, value: float = 1) -> Any:
        product = self.elementwise("mul", b, c)
        scaled = product if value == 1 else self.elementwise("mul", product, value)
        return self.elementwise("add", a, scaled)

    def _do_clamp(self, out: Any, a: Any, low: Any = None, high: Any = None) -> Any:
        # torch hands a number at its limit the whole gradient, and a maximum a half of it
        if low is not None:
            a = self._chosen(Less(a, low, unless=False), low, a)
        return a if high is None else self._chosen(Less(high, a, unless=False), high, a)

    _do_hardtanh = _do_clamp

    def _do_clamp_min(self, out: Any, a: Any, low: Any) -> Any:
        return self._do_clamp(out, a, low)

    def _do_clamp_max(self, out: Any, a: Any, high: Any) -> Any:
        return self._do_clamp(out, a, None, high)

    def _do_ceil(self, out: Any, a: Any) -> Any:
        return self.elementwise("neg", self.elementwise("floor", self.elementwise("neg", a)))

    def _do_trunc(self, out: Any, a: Any) -> Any:
        low, high = self._do_ceil(out, a), self.elementwise("floor", a)
        return self._chosen(Less(a, 0.0, unless=False), low, high)

    def _do_remainder(self, out: Any, a: Any, b: Any) -> Any:
        whole = self.elementwise("floor", self.elementwise("div", a, b))
        return self.elementwise("sub", a, self.elementwise("mul", whole, b))

    def _do_exp2(self, out: Any, a: Any) -> Any:
        return self.elementwise("exp", self.elementwise("mul", a, math.log(2)))

    def _do_log2(self, out: Any, a: Any) -> Any:
        return self.elementwise("mul", self.elementwise("log", a), 1 / math.log(2))

    def _do_log10(self, out: Any, a: Any) -> Any:
        return self.elementwise("mul", self.elementwise("log", a), 1 / math.log(10))

    def _do_sinh(self, out: Any, a: Any) -> Any:
        return self.elementwise("mul", self.elementwise("sub", *self._growing(a)), 0.5)

    def _do_cosh(self, out: Any, a: Any) -> Any:
        return self.elementwise("mul", self.elementwise("add", *self._growing(a)), 0.5)

    def _growing(self, a: Any) -> tuple[Any, Any]:
        return self.elementwise("exp", a), self.elementwise("exp", self.elementwise("neg", a))

    def _do_tan(self, out: Any, a: Any) -> Any:
        return self.elementwise("div", self.elementwise("sin", a), self.elementwise("cos", a))

    def _do_erfc(self, out: Any, a: Any) -> Any:
        return self.elementwise("sub", 1.0, self.elementwise("erf", a))

    def _do_logaddexp(self, out: Any, a: Any, b: Any) -> Any:
        rise = self.elementwise("softplus", self.elementwise("sub", b, a))
        return self.elementwise("add", a, rise)

    def _do_hypot(self, out: Any, a: Any, b: Any) -> Any:
        both = (self.elementwise("square", v) for v in (a, b))
        return self.elementwise("sqrt", self.elementwise("add", *both))

    def _do_sign(self, out: Any, a: Any) -> Any:
        negative = self._chosen(Less(a, 0.0, unless=False), -1.0, 0.0)
        return self._chosen(Less(0.0, a, unless=False), 1.0, negative)

    def _do_lt(self, out: Any, a: Any, b: Any) -> Less:
        return Less(a, b, unless=False)

    def _do_gt(self, out: Any, a: Any, b: Any) -> Less:
        return Less(b, a, unless=False)

    def _do_ge(self, out: Any, a: Any, b: Any) -> Less:
        return Less(a, b, unless=True)

    def _do_le(self, out: Any, a: Any, b: Any) -> Less:
        return Less(b, a, unless=True)

    def _do_logical_not(self, out: Any, a: Any) -> Less:
        if not isinstance(a, Less):
            raise Untraceable("negates what is no comparison of its own")
        return replace(a, unless=not a.unless)

    _do_bitwise_not = _do_logical_not

    def _do_logical_and(self, out: Any, a: Any, b: Any) -> Less:
        return Less(0.5, self.elementwise("mul", a, b), unless=False)

    _do_bitwise_and = _do_logical_and

    def _do_logical_or(self, out: Any, a: Any, b: Any) -> Less:
        return Less(0.5, self.elementwise("add", a, b), unless=False)

    _do_bitwise_or = _do_logical_or

    def _do_ne(self, out: Any, a: Any, b: Any) -> Less:
        return self._do_logical_or(out, Less(a, b, unless=False), Less(b, a, unless=False))

    def _do_eq(self, out: Any, a: Any, b: Any) -> Less:
        return replace(self._do_ne(out, a, b), unless=True)

    def _do_where(self, out: Any, test: Any, yes: Any, no: Any) -> Any:
        if isinstance(test, Value) and not test.batched:
            test = Less(0.5, test, unless=False)  # a mask that is always the same
        if not isinstance(test, Less):
            raise Untraceable("chooses by what is no comparison of numbers")
        return self._chosen(test, yes, no)

    def _chosen(self, test: Less, yes: Any, no: Any) -> Any:
        return self.elementwise(
            "select", test.a, test.b, *((no, yes) if test.unless else (yes, no))
        )

    # --- sums and products ------------------------------------------------------------------------

    def _do_sum(self, out: Any, a: Any, dims: Any = None, keepdim: bool = False, **_: Any) -> Value:
        return self._in_shape(self.reduce(a, dims or None), out)

    def _do_mean(self, out: Any, a: Any, dims: Any = None, keepdim: bool = False, **_: Any) -> Any:
        return self._in_shape(self._mean(self._as_value(a), dims or None), out)

    def _mean(self, a: Value, dims: Any) -> Any:
        total = self.reduce(a, dims)
        return self.elementwise("mul", total, total.index.size / a.index.size)

    def _do_amax(self, out: Any, a: Any, dims: Any = (), keepdim: bool = False) -> Value:
        if isinstance(a, Value) and not a.batched:
            raise Untraceable("computes the largest of parameters")
        return self._in_shape(self.reduce(a, dims or None, LARGEST), out)

    def _do_amin(self, out: Any, a: Any, dims: Any = (), keepdim: bool = False) -> Any:
        most = self._do_amax(out, self.elementwise("neg", a), dims)
        return self.elementwise("neg", most)

    def _do_var(
        self, out: Any, a: Any, dims: Any = None, correction: float = 1, keepdim: bool = False
    ) -> Any:
        off = self.elementwise("sub", a, self._mean(self._as_value(a), dims))
        total = self.reduce(self.elementwise("square", off), dims)
        count = off.index.size / total.index.size
        return self._in_shape(self.elementwise("mul", total, 1 / (count - correction)), out)

    def _do_var_mean(
        self, out: Any, a: Any, dims: Any = None, correction: float = 1, keepdim: bool = False
    ) -> list[Any]:
        variance = self._do_var(out[0], a, dims, correction)
        return [variance, self._do_mean(out[1], a, dims)]

    def _do_prod(self, out: Any, a: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> Any:
        if dim is None:
            raise _mixes("multiplies over the batch", "name the axis: x.prod(-1)")
        a = self._as_value(a)
        axis = _axis(a, dim)
        product, *others = self._apart(a, axis)
        for factor in others:
            product = self.elementwise("mul", product, factor)
        return self._in_shape(product, out)

    def _do_max(self, out: Any, a: Any, *_: Any) -> Any:
        # torch's gradient goes to one of several that are the largest, whose place nobody knows
        raise Untraceable("takes the place of the largest along with it", "x.amax(-1)")

    def _do_min(self, out: Any, a: Any, *_: Any) -> Any:
        raise Untraceable("takes the place of the smallest along with it", "x.amin(-1)")

    def _do_linalg_vector_norm(
        self, out: Any, a: Any, power: float = 2, dims: Any = None, *_: Any, **__: Any
    ) -> Any:
        if power == 1:
            return self._in_shape(self.reduce(self.elementwise("abs", a), dims), out)
        if power != 2:
            instead = (
                "x.abs().amax(-1)" if power == math.inf else "(x.abs() ** p).sum(-1) ** (1 / p)"
            )
            raise Untraceable(f"computes a norm of power {power}", instead)
        squares = self.reduce(self.elementwise("square", a), dims)
        # at zero the slope is zero, as in torch, and not infinite
        guarded = self.elementwise("maximum", squares, 1e-37)
        return self._in_shape(self.elementwise("sqrt", guarded), out)

    def _do_softmax(self, out: Any, a: Any, dim: int, *_: Any) -> Any:
        e = self._exponentials(a, dim)
        return self.elementwise("div", e, self.reduce(e, [dim]))

    def _do_log_softmax(self, out: Any, a: Any, dim: int, *_: Any) -> Any:
        off = self.elementwise("sub", a, self._most(a, dim))
        total = self.reduce(self.elementwise("exp", off), [dim])
        return self.elementwise("sub", off, self.elementwise("log", total))

    def _do_logsumexp(self, out: Any, a: Any, dims: Any, keepdim: bool = False) -> Any:
        (dim,) = dims
        total = self.reduce(self._exponentials(a, dim), [dim])
        whole = self.elementwise("add", self.elementwise("log", total), self._most(a, dim))
        return self._in_shape(whole, out)

    def _exponentials(self, a: Any, dim: int) -> Any:
        return self.elementwise("exp", self.elementwise("sub", a, self._most(a, dim)))

    def _most(self, a: Any, dim: int) -> Any:
        # it cancels in what is computed with it, and so does its derivative
        return self.elementwise("stop", self.reduce(a, [dim], LARGEST))

    def _do_cumsum(self, out: Any, a: Any, dim: int, **_: Any) -> Value:
        a = self._as_value(a)
        axis = _axis(a, dim)
        count = a.index.shape[axis]
        last = np.moveaxis(a.index, axis, -1)
        rows = [row[: k + 1].tolist() for row in last.reshape(-1, count) for k in range(count)]
        if a.batched:
            node = self.b.expand(self.b.collect(a.source, rows), last.size)
        else:
            node = self._collected_from(a.source, rows, SUM)
        index = np.moveaxis(np.arange(node.size).reshape(last.shape), -1, axis)
        return Value(node, index, a.batched, a.rows)

    def _do_native_layer_norm(
        self, out: Any, a: Any, over: Sequence[int], gain: Any, bias: Any, eps: float
    ) -> list[Any]:
        dims = [-1 - k for k in range(len(over))]
        off = self.elementwise("sub", a, self._mean(self._as_value(a), dims))
        variance = self._mean(self.elementwise("square", off), dims)
        root = self.elementwise("sqrt", self.elementwise("add", variance, eps))
        scaled = self.elementwise("mul", off, self.elementwise("reciprocal", root))
        scaled = scaled if gain is None else self.elementwise("mul", scaled, gain)
        return [scaled if bias is None else self.elementwise("add", scaled, bias), None, None]

    def _do_native_group_norm(
        self,
        out: Any,
        a: Any,
        gain: Any,
        bias: Any,
        n: Any,
        c: Any,
        s: Any,
        groups: int,
        eps: float,
    ) -> list[Any]:
        a = self._as_value(a)
        shape = a.index.shape
        apart = replace(a, index=a.index.reshape(groups, -1))
        flat = self._do_native_layer_norm(out, apart, (apart.index.shape[1],), None, None, eps)[0]
        scaled = replace(flat, index=flat.index.reshape(shape))
        for op, vector in (("mul", gain), ("add", bias)):
            if vector is not None:
                along = replace(vector, index=vector.index.reshape(-1, *(1 for _ in shape[1:])))
                scaled = self.elementwise(op, scaled, along)
        return [scaled, None, None]

    def _do_native_batch_norm(self, out: Any, *_: Any, **__: Any) -> Any:
        raise _mixes("takes means over the batch", "nn.LayerNorm, which takes them over features")

    _do_native_batch_norm_legit = _do_native_batch_norm_legit_no_training = _do_native_batch_norm

    def _do_fused_rms_norm(
        self, out: Any, a: Any, over: Sequence[int], gain: Any, eps: float | None
    ) -> list[Any]:
        mean = self._mean(self.elementwise("square", a), [-1 - k for k in range(len(over))])
        # torch's own default
        root = self.elementwise("add", mean, 1.1920929e-07 if eps is None else eps)
        scaled = self.elementwise("mul", a, self._do_rsqrt(out, root))
        return [scaled if gain is None else self.elementwise("mul", scaled, gain), None]

    def _in_shape(self, value: Any, out: Any) -> Any:
        features, rows = _without_batch(tuple(out.shape))
        return replace(value, index=value.index.reshape(features), rows=rows)

    def _do_mm(self, out: Tensor, a: Any, b: Any) -> Any:
        features, rows = _without_batch(tuple(out.shape))
        if not a.batched and not b.batched and not b.rows:
            left = a.index.reshape(-1, a.index.shape[-1])  # the same for every sequence, maybe
            sizes = (*left.shape, b.index.shape[1])
            node = self.b.make(
                "matmul",
                (self._operand(a), self._operand(b)),
                sizes[0] * sizes[2],
                sizes,
                batched=False,
            )
            return self.whole(node, features, False, rows)
        if b.batched or not a.rows:
            raise _mixes("multiplies matrices across the batch")
        lines = a.index.reshape(-1, a.index.shape[-1])
        weight = self.weight(b)
        terms = [
            self.b.affine([(self.b.gather(a.source, line.tolist()), weight)]) for line in lines
        ]
        return self.whole(self.b.concat(terms), features, True, rows)

    def _operand(self, value: Value) -> Node:
        """Return a matrix of parameters as a view, its numbers in order."""
        return self.b.view(value.source, value.index.ravel().tolist())

    def _do_addmm(
        self, out: Tensor, bias: Any, a: Any, b: Any, beta: float = 1, alpha: float = 1
    ) -> Any:
        product = self._do_mm(out, a, b)
        product = product if alpha == 1 else self.elementwise("mul", product, alpha)
        bias = bias if beta == 1 else self.elementwise("mul", bias, beta)
        return self.elementwise("add", product, bias)

    def _do_mv(self, out: Tensor, a: Value, b: Value) -> Any:
        column = replace(b, index=b.index[:, None])
        wide = torch.empty((*out.shape, 1), device="meta")
        return self._in_shape(self._do_mm(wide, a, column), out)

    def _do_bmm(self, out: Tensor, a: Value, b: Value) -> Any:
        """Return products of matrices, one for each sequence."""
        if not a.batched and not b.batched and len(a.index) == 1:
            one, other = (replace(v, index=v.index[0]) for v in (a, b))
            return self._in_shape(self._do_mm(out[0], one, other), out)
        if not a.rows or not b.rows:
            raise Untraceable("multiplies stacks of matrices of parameters")
        left = replace(a, index=a.index[..., :, :, None])
        right = replace(b, index=b.index[..., None, :, :])
        if left.index.shape[-2] == 1:  # an outer product
            return self._in_shape(self.elementwise("mul", left, right), out)
        total = self.reduce(self.elementwise("mul", left, right), [-2])
        return self._in_shape(total, out)

    def _do_linalg_matrix_exp(self, out: Tensor, a: Value) -> Any:
        """Return the matrix exponential by its series at a 64th, squared six times."""
        if a.batched or a.index.ndim != 2:
            raise Untraceable("computes matrix_exp of what is no matrix of parameters")
        size = a.index.shape[0]
        one = self.constant(torch.eye(size))
        small = self.elementwise("mul", a, 1 / 64)
        total = self.elementwise("add", one, small)
        power, factorial = small, 1.0
        for k in range(2, 11):
            power, factorial = self._do_mm(out, power, small), factorial * k
            total = self.elementwise("add", total, self.elementwise("mul", power, 1 / factorial))
        for _ in range(6):
            total = self._do_mm(out, total, total)
        return total


def _is_batched(value: Any) -> bool:
    if isinstance(value, Less):
        return _is_batched(value.a) or _is_batched(value.b)
    return isinstance(value, Value) and value.batched


def _without_batch(shape: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """Return the features' shape of a shape of torch's, and the batch's share of its first axis."""
    if BATCH in shape[1:]:
        raise _mixes("moves the batch to another axis")
    if not shape or shape[0] % BATCH or not shape[0]:
        return shape, 0
    rows = shape[0] // BATCH
    return (shape[1:] if rows == 1 else (rows, *shape[1:])), rows


def _spread(value: Value, shape: tuple[int, ...], axes: int | None = None) -> NDArray[np.int64]:
    """Return the places of a value, broadcast over a shape of features."""
    index = value.index
    # an axis of one in the place of the batch
    if not value.rows and index.ndim > len(shape):
        index = index.reshape(index.shape[1:])
    return np.broadcast_to(index, shape)


def _axis(value: Value, dim: int) -> int:
    """Return which axis of features an axis of torch's is."""
    axes = value.index.ndim + (value.rows == 1)
    dim = dim % axes if axes else 0
    if value.rows and dim == 0:
        raise _mixes("mixes the sequences of the batch")
    return dim - (value.rows == 1)


def _at(value: Value, dim: int, part: Any) -> tuple[Any, ...]:
    return (*[slice(None)] * _axis(value, dim), part)


def _mixes(does: str, instead: str = "a function of each sequence alone") -> Untraceable:
    return Untraceable(does, instead)


_POWERS: dict[float, tuple[str, ...]] = {
    2: ("square",),
    0.5: ("sqrt",),
    -0.5: ("sqrt", "reciprocal"),
    -1: ("reciprocal",),
    -2: ("square", "reciprocal"),
}
# torch's name, ours, and of how many values
_SAME: dict[str, tuple[str, int]] = {
    **{name: (name, 1) for name in ("abs", "cos", "erf", "exp", "floor", "log", "neg")},
    **{name: (name, 1) for name in ("reciprocal", "relu", "round", "sigmoid", "sin", "sqrt")},
    **{name: (name, 1) for name in ("square", "tanh")},
    **{name: (name, 2) for name in ("div", "maximum", "minimum", "mul")},
}
