"""From a cell's step, written in plain torch, to the graph: torch runs it, on no numbers.

torch's operations are recorded below everything that is composed of them, on tensors that have a
shape and no numbers. A branch on numbers, `.item()` and NumPy fail there, and so are found.
"""

import linecache
import sysconfig
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise, zip_longest
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from lossladder.engines.fused.graph import Builder, Node, Picked, Weight, order, rebuild
from lossladder.engines.fused.operations import BATCH, Operations, Untraceable, Value
from lossladder.models import Layers, Network
from lossladder.models.recurrent import Cell, Recurrent, output_and_state

# nothing in there is a person's own
_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
_HERE = str(Path(__file__).parents[2])


@dataclass
class StepGraph:
    """A step of a network: what its state becomes, and what the readout reads.

    Args:
        builder: made the nodes.
        pieces: each part of the state, cut where a step slices it; the part that is read first.
        results: what each piece becomes.
        parts: of which of the network's states each part is; None: it is read, and never carried.
        weight, biases: of the readout, of what is read: (hidden, outputs).
        tensors: parameters, buffers and constants by name.
        starts: places of the initial state's numbers, where it is learned: (base, picked) a part.
        derived: what is made of parameters alone, in the order in which it must be computed.
    """

    builder: Builder
    pieces: list[list[Node]]
    results: list[list[Node]]
    parts: list[int | None]
    weight: Weight
    biases: tuple[Picked, ...]
    tensors: dict[str, Tensor]
    input_size: int
    starts: list[Picked | None]
    derived: list[Node] = field(default_factory=list)

    def flat(self) -> tuple[list[Node], list[Node]]:
        """Return all pieces, and all results."""
        pieces = [piece for part in self.pieces for piece in part]
        return pieces, [result for part in self.results for result in part]

    def products(self) -> int:
        """Return how many products of two numbers a step takes, or what costs about as much."""
        weights, others = [self.weight], 0
        for node in order(self.flat()[1]):
            if node.op == "affine":
                weights += node.attr[0]
            else:
                others += len(node.attr[2]) if node.op == "collect" else node.size
        return others + sum(inputs * outputs for _, _, (inputs, outputs), _ in weights)

    def described(self) -> str:
        """Return all that it says but the numbers of its tensors; equal graphs say the same.

        Raises:
            TypeError: if a node has an attribute of no kind that is known.
        """
        numbers: dict[Node, int] = {}
        lines: list[str] = []

        def said(thing: Any) -> str:
            if isinstance(thing, Node):
                for node in order([thing], numbers):
                    if node not in numbers:
                        inputs = [numbers[i] for i in node.inputs]
                        line = f"{node.op} {inputs} {node.size} {said(node.attr)} {node.batched}"
                        numbers[node] = len(lines)
                        lines.append(line)
                return f"#{numbers[thing]}"
            if isinstance(thing, (tuple, list)):
                return f"({', '.join(map(said, thing))})"
            if thing is None or isinstance(thing, (str, int, float)):
                return repr(thing)
            raise TypeError(f"a node has an attribute of type {type(thing).__name__}")

        shapes = [(name, tuple(tensor.shape)) for name, tensor in self.tensors.items()]
        whole = said([self.pieces, self.results, self.parts, self.weight, self.biases, shapes,
                      self.input_size, self.starts, self.derived])  # fmt: skip
        return "\n".join([*lines, whole])


def trace(network: Network) -> StepGraph:
    """Return the graph of a step of a network and of its readout.

    Raises:
        Untraceable: saying what the step does, on which line, and what to write instead.
    """
    cell = network.recurrent
    if type(network) is not Network:
        raise Untraceable(f"is one of {type(network).__name__}, which may compute something else")
    for part in cell.parts if isinstance(cell, Layers) else (cell,):
        if not isinstance(part, Cell) or type(part).forward is not Cell.forward:
            kind = type(part).__name__
            raise Untraceable(f"is not written out: {kind} computes whole windows", "a Cell")
    try:
        reader = _Reader(network)
        with _Constants(), _Recorder(reader):
            first, second = (reader.run() for _ in range(2))
            if [v.described() for v in first] != [v.described() for v in second]:
                raise Untraceable(
                    "does something else each time",
                    "a function of x and state, and of nothing that changes",
                )
        return reader.graph(first)
    except Untraceable as error:
        raise _located(error, error, cell) from None
    except Exception as error:  # a step may do anything, and fail on no numbers in any way
        raise _located(_explained(error), error, cell) from None


class _Step(nn.Module):
    """One step, so that torch can put other tensors in the place of parameters."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        cell = self.network.recurrent
        assert isinstance(cell, (Cell, Layers))
        output, after = output_and_state(cell.step(x, state))
        start = cell.initial_state(BATCH) if cell.learns_initial_state else ()
        return (self.network.readout(output), *after, *start)


class _Constants(TorchFunctionMode):
    """Lets constants of a step have numbers, also where it asks for them where x lies."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is Tensor.new_tensor or kwargs.get("device") is not None:
            kwargs["device"] = torch.device("cpu")
        if func is Tensor.__getitem__:  # a list would become a tensor without numbers
            place = args[1] if isinstance(args[1], tuple) else (args[1],)
            args = (args[0], tuple(map(_picked, place)))
        if func is torch.einsum and (found := _contracted(*args)) is not None:
            return found
        return func(*args, **kwargs)


def _picked(place: Any) -> Any:
    """Return places as numbers, where they are constants: a list, or a mask."""
    place = torch.tensor(place) if isinstance(place, list) else place
    mask = isinstance(place, Tensor) and place.dtype == torch.bool and not place.is_meta
    return place.nonzero()[:, 0] if mask and place.ndim == 1 else place


def _contracted(equation: str, *operands: Any) -> Tensor | None:
    """Return an einsum of which one operand has no batch, as a product; None: it is none such.

    As torch writes it the batch becomes another axis.
    """
    names, arrow, result = equation.replace(" ", "").partition("->")
    if len(operands) != 2 or not arrow or "." in names:
        return None
    a, b = operands
    left, right = names.split(",")
    if BATCH in b.shape:
        (a, left), (b, right) = (b, right), (a, left)
    letters = set(left) | set(right)
    once = all(len(set(some)) == len(some) for some in (left, right))
    over = [c for c in left if c in right and c not in result]
    fine = letters == {*result, *over} and not set(left) & set(right) & set(result)
    if BATCH in b.shape or not over or not once or not fine:
        return None
    own = [[c for c in some if c in result] for some in (left, right)]
    sizes = dict(zip(left + right, (*a.shape, *b.shape), strict=True))
    many = int(np.prod([sizes[c] for c in over]))
    first = a.permute([left.index(c) for c in (*own[0], *over)])
    second = b.permute([right.index(c) for c in (*over, *own[1])]).reshape(many, -1)
    product = first.reshape(*(sizes[c] for c in own[0]), many) @ second
    shaped = product.reshape([sizes[c] for c in (*own[0], *own[1])])
    return shaped.permute([(own[0] + own[1]).index(c) for c in result])


class _Recorder(TorchDispatchMode):
    """Hands every operation to a reader, and the shapes of its results to torch."""

    def __init__(self, reader: "_Reader") -> None:
        super().__init__()
        self.reader = reader

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: else torch imports its compiler, most of a second, to keep away from it."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = func._schema.name.split("::")[1]
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise Untraceable(
                f"draws random numbers ({name})", "a step that draws none, the same every time"
            )
        reader = self.reader
        symbolic = [
            t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor) and reader.knows(t)
        ]
        if not symbolic:
            # of constants, or making one: done once and for all
            if kwargs.get("device") is not None:
                kwargs["device"] = torch.device("cpu")
            return func(*args, **kwargs)
        if func._schema.is_mutable:
            return self._in_place(name, args, kwargs)
        if name in _NUMBERS:
            raise Untraceable(_NUMBERS[name][0], _NUMBERS[name][1])
        if not reader.operations.knows(name):
            # torch's own ways to write an operation in others
            with self:
                if func._can_decompose():
                    return func.decompose(*args, **kwargs)
                if func in _decompositions():
                    return _decompositions()[func](*args, **kwargs)
        shapes = tree_map(lambda t: t.to("meta") if isinstance(t, Tensor) else t, (args, kwargs))
        kwargs_of_shapes = {k: v for k, v in shapes[1].items() if k != "device"}
        out = func(*shapes[0], **kwargs_of_shapes)
        given = tree_map(lambda t: reader.value(t) if isinstance(t, Tensor) else t, (args, kwargs))
        result: Any = reader.operations.call(name, out, *given)
        # what is computed while torch records no gradients has none
        if not torch.is_grad_enabled() and isinstance(result, Value) and result.batched:
            result = reader.operations.elementwise("stop", result)
        if isinstance(out, Tensor):
            return reader.known(result, out)
        return type(out)(reader.known(r, o) for r, o in zip_longest(cast("Any", result), out))

    def _in_place(self, name: str, args: Any, kwargs: Any) -> Any:
        """Let a tensor stand for something else, if it alone has these numbers."""
        reader, target = self.reader, args[0]
        known = isinstance(target, Tensor) and reader.operations.knows(name)
        if not known or not reader.owns(target):
            raise Untraceable(
                f"writes into a tensor in place ({name})",
                "a new tensor, as by torch.cat or torch.where",
            )
        given = tree_map(lambda t: reader.value(t) if isinstance(t, Tensor) else t, (args, kwargs))
        return reader.known(reader.operations.call(name, target, *given), target)


_NUMBERS = {
    "_local_scalar_dense": (
        "asks for a number (.item(), float(...), or an if)",
        "the tensor itself, or torch.where in the place of an if",
    ),
    "is_nonzero": ("branches on a number", "torch.where"),
    "equal": ("branches on numbers", "torch.where"),
    "nonzero": ("looks for places by their numbers", "torch.where"),
}


@cache
def _decompositions() -> dict[Any, Any]:
    """Return torch's own ways to write one operation in others; imported for a rare one only."""
    from torch._decomp import core_aten_decompositions

    # as torch hands them out they are gathered anew at every look-up, which takes a seventh of a
    # second
    return dict(core_aten_decompositions())


class _Reader:
    """Runs a step, and keeps what each tensor stands for."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.b = Builder()
        self.operations = Operations(self.b)
        cell = network.recurrent
        self.tensors = {n: p.detach() for n, p in network.named_parameters()}
        self.tensors |= dict(network.named_buffers())
        with torch.no_grad():
            start = cell.initial_state(1)
        for part in start:
            if not part.is_floating_point():
                kind = "true and false" if part.dtype == torch.bool else "whole numbers"
                raise Untraceable(
                    f"has a state of {kind} ({part.dtype})", "real numbers, as by .to(x.dtype)"
                )
        self.shapes = [tuple(part.shape[1:]) for part in start]
        self.state = [
            self.b.given("state", int(np.prod(shape)), (k, 0))
            for k, shape in enumerate(self.shapes)
        ]
        self.input = self.b.given("input", cell.input_size)
        # tensors are held, so that their ids stay theirs
        self._values: dict[int, tuple[Tensor, Any]] = {}
        self._given: set[int] = set()

    def run(self) -> list[Value]:
        """Return what a step computes: logits, the state after it, and the initial state."""
        given = {}
        for name, tensor in self.tensors.items():
            index = np.arange(tensor.numel()).reshape(tuple(tensor.shape))
            value = Value(name, index, False, 0)
            given[f"network.{name}"] = self.known(value, tensor.to("meta"))
        dtype = next(iter(self.tensors.values())).dtype
        x = self._batch(self.input, (self.input.size,), dtype)
        state = tuple(
            self._batch(leaf, shape, dtype)
            for leaf, shape in zip(self.state, self.shapes, strict=True)
        )
        self._given = set(self._values)
        results = torch.func.functional_call(_Step(self.network), given, (x, state))
        values = [self.operations._as_value(self.value(result)) for result in results]
        learned = self.network.recurrent.learns_initial_state
        wanted = len(state) * (2 if learned else 1)
        shapes = [tuple(v.index.shape) for v in values[1:]]
        if shapes != [*self.shapes] * (2 if learned else 1) or len(shapes) != wanted:
            raise Untraceable(
                f"returns {len(shapes) // (2 if learned else 1)} tensors of shapes {shapes} "
                f"for each sequence, and was handed {len(state)} of {self.shapes}",
                "what state_parts or state_shapes say",
            )
        return values

    def _batch(self, leaf: Node, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        value = self.operations.whole(leaf, shape)
        return self.known(value, torch.empty(BATCH, *shape, device="meta", dtype=dtype))

    def known(self, value: Any, tensor: Tensor) -> Tensor:
        """Return a tensor that stands for a value from now on."""
        if tensor is not None:
            self._values[id(tensor)] = tensor, value
        return tensor

    def knows(self, tensor: Tensor) -> bool:
        """Return whether a tensor stands for anything."""
        return id(tensor) in self._values

    def owns(self, tensor: Tensor) -> bool:
        """Return whether a tensor was computed in the step, and no other shares its numbers."""
        place = tensor.untyped_storage()._cdata
        sharing = [t for t, _ in self._values.values() if t.untyped_storage()._cdata == place]
        return len(sharing) == 1 and id(tensor) not in self._given

    def value(self, tensor: Tensor) -> Any:
        """Return what a tensor stands for; one that nobody knows is a constant."""
        if not self.knows(tensor):
            self.known(self.operations.constant(tensor), tensor)
        return self._values[id(tensor)][1]

    # --- the graph --------------------------------------------------------------------------------

    def graph(self, values: list[Value]) -> StepGraph:
        """Return the graph of what a step computes."""
        count = 1 + len(self.state)
        computed = [self._node(value) for value in values[:count]]
        starts = self._starts(values[count:])
        logits, *after = rebuild(self.b, computed, {}, merge=True)
        read, weight, biases = self._readout(logits)
        leaves, results = list(self.state), after
        parts: list[int | None] = list(range(len(after)))
        if read not in results:
            leaves.append(self.b.given("state", read.size, (len(leaves), 0)))
            results, parts, starts = [*results, read], [*parts, None], [*starts, None]
        # what is read comes first
        first = results.index(read)
        turn = [first, *(k for k in range(len(leaves)) if k != first)]
        pieces, ends = self._in_pieces([leaves[k] for k in turn], [results[k] for k in turn])
        parts, starts = [parts[k] for k in turn], [starts[k] for k in turn]
        tensors = {**self.tensors, **self.operations.constants}
        graph = StepGraph(
            self.b, pieces, ends, parts, weight, biases, tensors, self.input.size, starts
        )
        graph.derived = _derived(graph)
        return graph

    def _node(self, value: Value) -> Node:
        node = self.b.expand(self.operations.node(value), value.index.size)
        if not node.batched:
            raise Untraceable("has a result that depends neither on the input nor on the state")
        return node

    def _starts(self, values: list[Value]) -> list[Picked | None]:
        starts: list[Picked | None] = []
        for value in values:
            if value.batched:
                raise Untraceable("begins in a state that differs between sequences")
            constant = isinstance(value.source, Node) and value.source.op == "const"
            picked = tuple(value.index.ravel().tolist())
            starts.append(None if constant else (value.source, picked))
        return starts or [None] * len(self.state)

    def _readout(self, logits: Node) -> tuple[Node, Weight, tuple[Picked, ...]]:
        """Return what the readout reads, and its weights; other logits are read whole."""
        if logits.op == "affine" and len({w[0] for w in logits.attr[0]}) == 1:
            weights, biases = logits.attr
            bases = {(w[0], w[3]) for w in weights}
            sizes = [w[2][0] for w in weights]
            base, offset, _, strides = weights[0]
            offsets = [offset + int(at) * strides[0] for at in np.cumsum([0, *sizes[:-1]])]
            if len(bases) == 1 and [w[1] for w in weights] == offsets:
                weight = (base, offset, (sum(sizes), logits.size), strides)
                return self.b.concat(logits.inputs), weight, biases
        eye = self.operations.constant(torch.eye(logits.size))
        return logits, self.operations.weight(eye), ()

    def _in_pieces(
        self, leaves: list[Node], results: list[Node]
    ) -> tuple[list[list[Node]], list[list[Node]]]:
        """Cut each state where it is sliced anywhere, so that every piece is used whole.

        A cut of what comes out can cut what goes in at yet another place; in the end, every number.
        """
        cuts = {leaf: {0, leaf.size} for leaf in leaves}
        for result, leaf in zip(results, leaves, strict=True):
            cuts[leaf] |= set(_joints(result))
        for node in order(results):
            if node.op == "part" and node.inputs[0] in cuts:
                cuts[node.inputs[0]] |= set(node.attr)
        while True:
            pieces, ends = self._cut(leaves, results, cuts)
            before = {leaf: len(found) for leaf, found in cuts.items()}
            owner = {p: leaf for leaf, part in zip(leaves, pieces, strict=True) for p in part}
            for node in order(r for part in ends for r in part):
                if node.op == "part" and node.inputs[0] in owner:
                    piece = node.inputs[0]
                    cuts[owner[piece]] |= {piece.attr[1] + at for at in node.attr}
            for part, found in zip(pieces, ends, strict=True):
                for piece, result in zip(part, found, strict=True):
                    cuts[owner[piece]] |= {piece.attr[1] + at for at in _joints(result)}
            if before == {leaf: len(found) for leaf, found in cuts.items()}:
                return pieces, ends

    def _cut(
        self, leaves: list[Node], results: list[Node], cuts: dict[Node, set[int]]
    ) -> tuple[list[list[Node]], list[list[Node]]]:
        pieces, replace = [], {}
        for leaf in leaves:
            at = sorted(cuts[leaf])
            part = leaf.attr[0]
            mine = [
                self.b.given("state", stop - start, (part, start)) for start, stop in pairwise(at)
            ]
            pieces.append(mine)
            replace[leaf] = self.b.concat(mine)
        flat, counts = [], []
        for result, mine in zip(rebuild(self.b, results, replace), pieces, strict=True):
            at = 0
            for piece in mine:
                flat.append(self.b.slice(result, at, at + piece.size))
                at += piece.size
            counts.append(len(mine))
        merged = iter(rebuild(self.b, flat, {}, merge=True))
        return pieces, [[next(merged) for _ in range(count)] for count in counts]


def _joints(node: Node) -> list[int]:
    """Return where the parts of a concatenation meet."""
    sizes = [part.size for part in node.inputs] if node.op == "concat" else []
    return np.cumsum(sizes, dtype=int).tolist()


def _derived(graph: StepGraph) -> list[Node]:
    """Return what is made of parameters alone and used, in the order it must be computed."""
    found: dict[Node, None] = {}

    def need(base: Any) -> None:
        if not isinstance(base, Node) or base in found:
            return
        for node in order([base]):
            if node.op == "view":
                need(node.attr[0])
        found[base] = None

    for node in order(graph.flat()[1]):
        if node.op == "view":
            need(node.attr[0])
        elif node.op == "affine":
            for weight in node.attr[0]:
                need(weight[0])
            for bias in node.attr[1]:
                need(bias[0])
    need(graph.weight[0])
    for bias in graph.biases:
        need(bias[0])
    for start in graph.starts:
        if start is not None:
            need(start[0])
    return list(found)


# --- reasons --------------------------------------------------------------------------------------


def _explained(error: Exception) -> Untraceable:
    said = (str(error).splitlines() or [""])[0][:150]
    if said.startswith("step returned"):
        does, _, instead = str(error).partition(": must be ")
        return Untraceable(does.removeprefix("step "), instead)
    if "meta" in said.lower() or isinstance(error, (TypeError, NotImplementedError)):
        if "numpy" in said.lower():
            return Untraceable("leaves torch for NumPy", "torch's own functions")
        if "item" in said or "bool" in said.lower() or "nonzero" in said:
            return Untraceable("branches on numbers, or asks for one", "torch.where")
    return Untraceable(f"fails on tensors without numbers: {type(error).__name__}: {said}")


def _located(reason: Untraceable, error: BaseException, cell: Recurrent) -> Untraceable:
    """Return a reason that names the line of the step, or else where the step begins."""
    line = _own_line(error.__traceback__)
    if line is None and isinstance(cell, Cell):
        code = type(cell).step.__code__
        line = _shown(code.co_filename, code.co_firstlineno)
    return reason if line is None else Untraceable(f"{reason.does} {line}", reason.instead)


def _shown(name: str, number: int) -> str:
    source = linecache.getline(name, number).strip()
    return f"(line {number} of {Path(name).name}: `{source}`)"


def _own_line(traceback: TracebackType | None) -> str | None:
    """Return the innermost line that is neither a library's nor this package's."""
    found = None
    while traceback is not None:
        name, number = traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        if not name.startswith((*_LIBRARIES, _HERE, "<")):
            found = _shown(name, number)
        traceback = traceback.tb_next
    return found
