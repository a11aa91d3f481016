"""What becomes of a step, to be read: its graph, its way back, its loops, and where values lie.

python -m lossladder.engines.fused.show model=lstm task=count model.hidden_size=8
python -m lossladder.engines.fused.show model=rnn --llvm          what is handed to LLVM
python -m lossladder.engines.fused.show model=rnn --assembly      what LLVM makes of it

Everything here returns text. How to read it:

    x W + h U + b    sums of products with matrices of parameters, and a vector
    a * b            numbers at the same place; those with functions are computed together
    h, h'            a state before the step and after it
    h, s0, s1        parts of the state: h is what the readout sees, the others have numbers; what
                     the readout sees and no step is handed is o
    dh', da1         the loss's derivative by h' and by a1; d bias: by a vector of parameters
    da1(t+1)         that of the next step, which the way back has computed before this one
    direct h         what goes back to the state before by elementwise ways
    rows[2:4]        places of an array; rows(t+1) are those of the next step
"""

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import import_module
from itertools import pairwise
from math import prod

import numpy as np

from lossladder.console import many
from lossladder.engines.fused import store
from lossladder.engines.fused.graph import GIVEN, SUM, Base, Node, Picked, Weight, is_gather, order
from lossladder.engines.fused.kernel import Kernel
from lossladder.engines.fused.layout import OUT, Layout, up
from lossladder.engines.fused.loops import Loop, Place, is_free
from lossladder.engines.fused.machine_code import assemble, compile_module
from lossladder.engines.fused.processor import this_processor
from lossladder.engines.fused.reverse import turned

_WIDTH = 96  # characters a line
# functions that take longer than a multiplication
FUNCTIONS = {
    "cos", "div", "erf", "exp", "log", "reciprocal", "sigmoid", "sin", "softplus", "sqrt", "tanh",
}  # fmt: skip
_SIGNS = {"add": " + ", "sub": " - ", "mul": " * ", "div": " / "}
# how tightly operations bind; all others are written as functions
_BINDS = {"add": 1, "sub": 1, "affine": 1, "mul": 2, "div": 2, "neg": 2, "square": 3}
_TIGHT = 4
# these take other features' values
_OF_OTHERS = {"affine", "sum", "collect"}
_AFTER = "'"  # marks a state after the step


def show(kernel: Kernel, title: str, steps: int, batch: int) -> str:
    """Return all there is to say of a kernel, but its code.

    Args:
        kernel: to be shown.
        title: of the network and its task.
        steps: of a window; with the next, it decides how much memory is needed.
        batch: sequences of a window.
    """
    parts = [
        title,
        step_text(kernel),
        back_text(kernel),
        plan_text(kernel),
        cost_text(kernel),
        memory_text(kernel, steps, batch),
        code_text(kernel),
    ]
    return "\n\n".join(parts)


def step_text(kernel: Kernel) -> str:
    """Return the step in normal form: a line for each value that others use, or that is kept."""
    names = _Names(kernel.layout)
    graph, codes = kernel.layout.graph, kernel.codes
    lines = [f"  {names.leaf(names.input)}[{graph.input_size}] is the input"]
    if codes.count != graph.input_size or codes.base.any():
        lines[0] += f", told by {many(codes.count, 'number')}: x = base + code @ directions"
    sizes = [f"{names.part(k)}[{n}]" for k, n in names.sizes.items()]
    lines[0] += f"; {', '.join(sizes)} {'is the state' if len(sizes) == 1 else 'are the state'}"
    if graph.derived:
        lines += ["", "  of parameters alone, once a window:"]
        lines += [names.line(names.base(node), node, node.size) for node in graph.derived]
        lines += ["", "  in each step:"]
    lines += [names.line(names.of[node], node, node.size) for node in names.forward_lines]
    lines += [f"{name} = {value}" for name, value in names.handed_on()]
    lines.append(names.logits_line())
    if kernel.layout.relative:
        of = names.weight(graph.weight).removesuffix(".T")
        what = f"V and c: of {of} and its bias" if graph.biases else f"V: of {of}"
        lines.append(f"  {what}, each class less class 0, whose logit is 0")
    return _titled("The step, in normal form", lines)


def back_text(kernel: Kernel) -> str:
    """Return the way back through a step, as equations, and where the gradients come from."""
    names = _Names(kernel.layout)
    lines = [names.line(names.back[node], node, node.size) for node in names.backward_lines]
    if kernel.layout.begin:
        lines += ["", "  into the initial state, which is learned, before the first step:"]
        found = [node for loop in kernel.layout.begin for node, _ in loop.adds]
        lines += [names.line(names.back.get(n, "d"), n, n.size) for n in found]
    lines += ["", "  gradients, summed over steps and sequences:"]
    lines += _wrapped(*names.gradients())
    return _titled("The way back: dlogits is handed in by the loss", lines)


def plan_text(kernel: Kernel) -> str:
    """Return the loops, where each value lies, and what is kept for the way back."""
    names, layout = _Names(kernel.layout), kernel.layout
    lines: list[str] = []
    for title, loops, places in zip(
        ("forward, step by step", "backward, from the last step to the first", "begin, once"),
        (layout.forward, layout.backward, layout.begin),
        layout.places,
        strict=True,
    ):
        if loops:
            lines.append(f"  {title}")
            for number, loop in enumerate(loops, 1):
                lines += names.loop(number, loop, places, title != "forward, step by step")
    lines += [
        "",
        "  where values lie: a row has a number for each sequence, groups of rows begin at fours",
    ]
    lines += names.picture()
    lines += ["", *names.kept()]
    return _titled("The plan: loops over features, all sequences side by side", lines)


def cost_text(kernel: Kernel) -> str:
    """Return what a step costs for one sequence, as the loops do it."""
    layout = kernel.layout
    forward, backward = _Cost.of(layout.forward), _Cost.of(layout.backward)
    hidden, outputs = layout.hidden, layout.outputs
    blocks = [(up(b[1] - b[0], 3), up(b[3] - b[2], 4)) for b in kernel.weights.blocks.tolist()]
    gradient = sum(rows * columns for rows, columns in blocks)
    # three rows and four columns are read for twelve products
    loads = sum(rows // 3 * columns // 4 * 7 for rows, columns in blocks)
    table = [
        ("", "products", "functions", "read", "written"),
        ("forward", *forward.columns()),
        ("readout, there and back", 2 * hidden * outputs, "-", "-", "-"),
        ("backward", *backward.columns()),
        ("gradient of the weights", gradient, 0, loads, 0),
    ]
    total = ("all", *(sum(n for row in table if isinstance(n := row[k], int)) for k in range(1, 5)))
    lines = [
        f"  {row[0]:<26}" + "".join(f"{_thousands(n):>12}" for n in row[1:])
        for row in (*table, total)
    ]
    functions = forward.functions + backward.functions
    said = ", ".join(f"{count} {op}" for op, count in sorted(functions.items()))
    counted = "units that only fill a loop up are counted, the loss is not"
    lines.append(f"  functions: {said or 'none'}; {counted}")
    return _titled("The cost of a step, for one sequence", lines)


def memory_text(kernel: Kernel, steps: int, batch: int) -> str:
    """Return how much memory a window needs."""
    sizes = kernel.sizes(steps, batch)
    work = kernel.allocate(sizes)
    arrays = {n: a.nbytes for n, a in work._asdict().items() if isinstance(a, np.ndarray)}
    width = work.rows.shape[2]
    # views of what is counted already
    total = sum(arrays.values()) - arrays["out"] - arrays["out_sums"]
    largest = sorted(("rows", "gates", "logits", "temp"), key=lambda name: -arrays[name])
    lines = [
        f"  {many(steps, 'step')} and {many(batch, 'sequence')} a window, in slabs of {width}",
        f"  {total:,} bytes in all: " + ", ".join(f"{n} {arrays[n]:,}" for n in largest),
    ]
    return _titled("Working memory, of each thread", lines)


def code_text(kernel: Kernel) -> str:
    """Return how large the machine code is, and whether it is kept."""
    found, processor = store.find(kernel.key), this_processor()
    content = compile_module(kernel.text, processor) if found is None else found
    name = processor.name or "any processor"
    kept = "is in the store" if found is not None else "is not in the store"
    obstacle = store.obstacle()
    if obstacle is not None:
        kept += f", which cannot be had ({obstacle})"
    lines = [
        f"  {len(content):,} bytes for {name}, {processor.register} float32 a register; it {kept}",
        f"  made of {len(kernel.text):,} characters of LLVM's language",
    ]
    return _titled("Machine code", lines)


def llvm_text(kernel: Kernel) -> str:
    """Return what is handed to LLVM."""
    return kernel.text


def assembly_text(kernel: Kernel) -> str:
    """Return the assembly of the code that is run."""
    return assemble(kernel.text, this_processor())


# --- names ----------------------------------------------------------------------------------------


class _Names:
    """Names for the values of a layout, and formulas made of them.

    Args:
        layout: whose values they are.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout, self.graph = layout, layout.graph
        self.b = layout.graph.builder
        self.input = layout.input
        self.pieces, self.results = self.graph.flat()
        self._parts = {
            n.attr[0]: self.graph.parts[k] for k, (n, *_) in enumerate(self.graph.pieces)
        }
        self.sizes = {own[0].attr[0]: sum(p.size for p in own) for own in self.graph.pieces}
        self.places = {node: place for found in layout.places for node, place in found.items()}
        self.of: dict[Node, str] = {}
        self._name_forward()
        self.forward_lines = [n for n in order(self.results) if n in self.of and n.inputs]
        self.back: dict[Node, str] = {}
        # sums of products that are a part of what arrives: they are written out in its place
        self.products: dict[Node, str] = {}
        self._name_backward()
        computed = [n for loop in layout.backward for n in loop.nodes]
        self.backward_lines = [n for n in order(computed) if n in self.back and n not in self.of]

    # --- leaves -----------------------------------------------------------------------------------

    def part(self, number: int) -> str:
        """Return the name of a part of the state: h is what the readout sees."""
        own = self._parts[number]
        if number == self.graph.pieces[0][0].attr[0]:
            return "o" if own is None else "h"
        return f"s{own}" if own is not None else "o"

    def piece(self, node: Node, mark: str = "") -> str:
        """Return the name of a piece of the state, before the step or, with a mark, after it."""
        part, start = node.attr
        name = f"{self.part(part)}{mark}"
        return name if node.size == self.sizes[part] else f"{name}[{start}:{start + node.size}]"

    def leaf(self, node: Node) -> str:
        """Return the name of what a step is given."""
        if node.op == "input":
            return "x"
        if node.op == "part":
            return f"{self.leaf(node.inputs[0])}[{node.attr[0]}:{node.attr[1]}]"
        if node.op == "state":
            return self.piece(node)
        if node.op in ("later", "first"):
            affine = list(self.layout.back.sums)[node.attr]
            when = "(t+1)" if node.op == "later" else "(0)"
            return f"d{self.of[affine]}{when}"
        if node.op == "direct":
            return f"{self._direct(node)}(t+1)"
        return node.op

    def _direct(self, node: Node) -> str:
        return f"direct {self.piece(node)}"

    def base(self, base: Base) -> str:
        """Return the name of a parameter, or of what is made of parameters."""
        if isinstance(base, Node):
            return f"p{self.graph.derived.index(base) + 1}"
        return base.removeprefix("recurrent.").replace("constant ", "constant")

    def weight(self, weight: Weight) -> str:
        """Return a matrix of parameters (in, out) as one would write it in torch."""
        base, offset, (inputs, outputs), (down, right) = weight
        if base == OUT:
            part = "" if inputs == self.layout.hidden else f"[{offset}:{offset + outputs}]"
            whole = outputs == self.layout.hidden
            return "V.T" if whole else f"V{part or f'[{offset}:{offset + outputs}]'}.T"
        name = self.base(base)
        shape = self._shape(base)
        if len(shape) != 2:
            return f"{name}[{offset}:…] as {inputs} x {outputs}"
        line = shape[1]
        # a single row or column has no stride of its own
        plain = (inputs == 1 or down == line) and (outputs == 1 or right == 1)
        turned_ = (inputs == 1 or down == 1) and (outputs == 1 or right == line)
        row, column = divmod(offset, line)
        if plain and column + outputs <= line:
            return name + _sliced((row, row + inputs), (column, column + outputs), shape)
        if turned_ and column + inputs <= line:
            return name + _sliced((row, row + outputs), (column, column + inputs), shape) + ".T"
        return f"{name}[{offset}:…] as {inputs} x {outputs}"

    def _shape(self, base: Base) -> tuple[int, ...]:
        if not isinstance(base, Node):
            return tuple(self.graph.tensors[base].shape)
        if base.op == "matmul":
            return base.attr[0], base.attr[2]
        return (base.size,)

    def picked(self, picked: Picked) -> str:
        """Return some numbers of parameters."""
        base, places = picked
        name, shape = self.base(base), self._shape(base)
        size, first = prod(shape), places[0]
        if places == tuple(range(size)):
            return name
        if places == tuple(range(first, first + len(places))):
            line = prod(shape[1:])
            if len(shape) > 1 and len(places) == line and first % line == 0:
                return f"{name}[{first // line}]"
            if len(places) == 1:
                return f"{name}[{first}]"
            return f"{name}[{first}:{first + len(places)}]"
        if len(set(places)) == 1:
            return f"{name}[{first}]"
        if len(shape) == 2 and places == tuple(np.arange(size).reshape(shape).T.ravel().tolist()):
            return f"{name}.T"
        return f"{name}[{first}, {places[1]}, …]"

    # --- forward ----------------------------------------------------------------------------------

    def _name_forward(self) -> None:
        uses = Counter(i for node in order(self.results) for i in node.inputs)
        kept = {n for n in order(self.results) if self._lies(n)}
        for result, piece in zip(self.results, self.pieces, strict=True):
            if not is_free(result):
                self.of.setdefault(result, self.piece(piece, _AFTER))
        counts = Counter[str]()
        for node in order(self.results):
            if is_free(node) or node in self.of or node.op in ("expand", "stop"):
                continue
            named = node.op in _OF_OTHERS or node in kept or uses[node] > 1
            if named:
                letter = "a" if node.op == "affine" else "v"
                counts[letter] += 1
                self.of[node] = f"{letter}{counts[letter]}"
        # an affine map that is the state itself has a derivative of its own as well
        for affine in self.layout.back.sums:
            self.of.setdefault(affine, f"a{len(self.of)}")

    def _lies(self, node: Node) -> bool:
        return node in self.places and not is_free(node)

    def handed_on(self) -> list[tuple[str, str]]:
        """Return states that are another value: (name, value)."""
        found = []
        for result, piece in zip(self.results, self.pieces, strict=True):
            name = self.piece(piece, _AFTER)
            value = self.of.get(result) or self.leaf(result)
            if value != name:
                found.append((f"  {name}[{piece.size}]", value))
        return found

    def logits_line(self) -> str:
        """Return what the readout does."""
        first = self.graph.pieces[0][0].attr[0]
        read = f"{self.part(first)}'"
        bias = " + c" if self.graph.biases else ""
        if not self.layout.relative:
            weights = [self.weight(self.graph.weight), *map(self.picked, self.graph.biases)]
            text = f"{read} {' + '.join(weights)}    (V: its matrix)"
        else:
            text = f"{read} V{bias}"
        return f"  logits[{self.layout.outputs}] = {text}"

    # --- formulas ---------------------------------------------------------------------------------

    def line(self, name: str, node: Node, size: int) -> str:
        """Return an equation."""
        return "\n".join(_wrapped(f"{name}[{size}] = {self.formula(node)}"))

    def formula(self, node: Node) -> str:
        """Return what a node is made of."""
        return self._written(node)[0]

    def term(self, node: Node, binds: int = 0) -> str:
        """Return a node within a formula: by its name, where it has one."""
        name = self.of.get(node) or self.back.get(node)
        if name is not None:
            return f"({name})" if " " in name and binds > 1 else name
        if node.op in GIVEN:
            return self.leaf(node)
        text, own = self._written(node)
        return f"({text})" if own < binds else text

    def _written(self, node: Node) -> tuple[str, int]:
        """Return a formula, and how tightly it binds."""
        if node.op in GIVEN:
            return self.leaf(node), _TIGHT
        if node.op == "const":
            return f"{node.attr:g}", _TIGHT if node.attr >= 0 else 2
        if node.op == "view":
            return self.picked(node.attr), _TIGHT
        if node.op == "expand":
            return self.term(node.inputs[0]), self._tightness(node.inputs[0])
        if node.op == "affine":
            terms = [
                f"{self.term(operand, 3)} {self.weight(weight)}"
                for operand, weight in zip(node.inputs, node.attr[0], strict=True)
            ]
            return " + ".join([*terms, *map(self.picked, node.attr[1])]), 1
        binds = _BINDS.get(node.op, _TIGHT)
        if node.op in _SIGNS:
            a, b = node.inputs
            if node.op == "mul" and b.op == "const":
                a, b = b, a
            # what is taken away or divided by is bracketed if it binds no tighter
            right = self.term(b, binds + (node.op in ("sub", "div")))
            sign = _SIGNS[node.op]
            if binds == 1 and right.startswith("-"):
                sign, right = _SIGNS["sub" if node.op == "add" else "add"], right[1:]
            return f"{self.term(a, binds)}{sign}{right}", binds
        if node.op == "neg":
            return f"-{self.term(node.inputs[0], 2)}", 2
        if node.op == "square":
            return f"{self.term(node.inputs[0], _TIGHT)}²", 3
        return self._function(node), _TIGHT

    def _tightness(self, node: Node) -> int:
        named = node in self.of or node in self.back
        return _TIGHT if named else self._written(node)[1]

    def _function(self, node: Node) -> str:
        args = [self.term(i) for i in node.inputs]
        if node.op == "select":
            a, b, yes, no = args
            return f"where({a} < {b}, {yes}, {no})"
        if node.op == "matmul":
            n, k, m = node.attr
            return f"{args[0]} ({n} x {k}) @ {args[1]} ({k} x {m})"
        if node.op == "collect":
            kind, starts, _ = node.attr
            if is_gather(node):
                return f"pick({args[0]})"
            longest = max(b - a for a, b in pairwise(starts))
            what = "sums" if kind == SUM else "largest"
            return f"{what}({args[0]}, {longest} at a time)"
        return f"{node.op}({', '.join(args)})"

    # --- backward ---------------------------------------------------------------------------------

    def _name_backward(self) -> None:
        layout = self.layout
        stored = {p: n for loop in layout.backward for n, p in loop.stores}
        for affine, column in layout.columns.items():
            self.back[stored["gates", 0, column]] = f"d{self.of[affine]}"
        for node, place in self.places.items():
            if node.op == "direct" and place in stored:
                self.back.setdefault(stored[place], self._direct(node))
        added = {row: n for loop in (*layout.backward, *layout.begin) for n, row in loop.adds}
        for picked, row in layout.vectors:
            self.back.setdefault(added[row], f"d {self.picked(picked)}")
        for piece, arriving in layout.arriving.items():
            if arriving not in self.back:
                self.back[arriving] = f"d{self.piece(piece, _AFTER)}"
                self.products |= {
                    i: self.back[arriving] for i in arriving.inputs if i.op == "affine"
                }
        nodes = [n for loop in layout.backward for n in loop.nodes]
        uses, forward = Counter(i for n in nodes for i in n.inputs), set(order(self.results))
        number = 0
        for node in order(nodes):
            # what is computed again is written out again
            if is_free(node) or node in forward or node in self.back or node.op == "expand":
                continue
            if node in self.products or (uses[node] == 1 and node.op not in _OF_OTHERS):
                continue
            number += 1
            self.back[node] = f"u{number}"

    def gradients(self) -> list[str]:
        """Return where the gradients come from: a line for each derivative that is kept."""
        lines = []
        for affine in sorted(self.layout.columns, key=lambda a: self.layout.columns[a]):
            d, mine = f"d{self.of[affine]}", list[str]()
            for operand, weight in zip(affine.inputs, affine.attr[0], strict=True):
                side = turned(weight) if self.weight(weight).endswith(".T") else weight
                left, right = (d, self.term(operand)) if side != weight else (self.term(operand), d)
                left = f"({left})" if " " in left else left
                mine.append(f"{self.weight(side)} += {left}.T {right}")
            mine += [f"{self.picked(bias)} += {d}" for bias in affine.attr[1]]
            lines.append(", ".join(mine))
        for picked, _ in self.layout.vectors:
            lines.append(f"{self.picked(picked)} += d {self.picked(picked)}")
        return lines

    # --- the plan ---------------------------------------------------------------------------------

    def value(self, node: Node, back: bool) -> str:
        """Return a value's name, or its formula if it has none."""
        own = (self.back.get(node) or self.products.get(node)) if back else None
        return own or self.of.get(node) or self.back.get(node) or self.formula(node)

    def loop(self, number: int, loop: Loop, places: dict[Node, Place], back: bool) -> list[str]:
        """Return the lines of a loop."""
        filled = up(loop.size, loop.unroll) - loop.size
        spare = f", {filled} of them to fill it up" if filled else ""
        if loop.size == 1:
            head = "once"
        else:
            head = f"{many(loop.size, 'unit')}, {loop.unroll} at a time{spare}"
        lines = [f"    loop {number}: {head}"]
        for batch in loop.batches:
            for s, affine in enumerate(batch.sums):
                mine = [
                    self._address(g.place, g.count)
                    + {"later": ", but at the last step", "scored": ", where scored"}.get(
                        g.when, ""
                    )
                    for g in batch.segments
                    if s in g.sums
                ]
                lines += _listed("sums", f"{self.value(affine, back)} over {'; '.join(mine)}")
        seen = [n for n in loop.nodes if n in self.of or n in self.back]
        rest = [self.value(n, back) for n in seen if n.op != "affine"]
        if not seen:
            rest = [self.formula(n) for n in loop.nodes]
        lines += _listed("computes", ", ".join(dict.fromkeys(rest))) if rest else []
        for node, place in loop.stores:
            name = self.value(node, back)
            lines += _listed("writes", f"{name} to {self._address(place, node.size)}")
        for node, row in loop.adds:
            place = self._address(("temp", 0, row), node.size)
            lines += _listed("adds", f"{self.value(node, back)} to {place}")
        if loop.totals:
            lines += _listed("adds up", ", ".join(self.value(n, back) for n in loop.totals))
        read = dict.fromkeys(
            i
            for n in loop.nodes
            if n.op != "affine"
            for i in n.inputs
            if i not in loop.nodes and i in places and i.op != "const"
        )
        said = [
            f"{self.leaf(i) if i.op in GIVEN else self.term(i)} from "
            f"{self._address(places[i], i.size)}"
            for i in read
        ]
        return [*lines, *(_listed("reads", "; ".join(said)) if said else [])]

    def _address(self, place: Place, size: int) -> str:
        array, later, row = place
        return f"{array}{'(t+1)' if later else ''}[{row}:{row + size}]"

    def picture(self) -> list[str]:
        """Return what lies in the arrays, from the first row to the last."""
        layout, codes = self.layout, self.layout.codes
        found: dict[str, dict[tuple[int, int], list[str]]] = {"rows": {(0, 1): ["the number 1"]}}
        found["rows"][1, 1 + codes.count] = [
            "x" if codes.count == self.input.size and not codes.base.any() else "the code of x"
        ]
        for affine, column in layout.columns.items():
            found.setdefault("gates", {})[column, column + affine.size] = [f"d{self.of[affine]}"]
        for (picked), row in layout.vectors:
            end = row + len(picked[1])
            found.setdefault("temp", {})[row, end] = [f"sum of d {self.picked(picked)}"]
        every = [item for places in layout.places for item in places.items()]
        for node, (array, later, row) in every:
            if later or node.op in ("input", "part", "first") or array == "logits":
                continue
            mine = found.setdefault(array, {}).setdefault((row, row + node.size), [])
            name = self.of.get(node) or self.back.get(node) or self.leaf_or_formula(node)
            if node.op == "direct":
                name = self._direct(node)
            if name not in mine:
                mine.append(name)
        sizes = {"rows": layout.rows, "gates": layout.gates, "temp": layout.temp}
        lines = []
        for array, size in sizes.items():
            mark = array
            for first, stop, values in _whole(found.get(array, {}), size):
                said = ", before that ".join(values) if array == "gates" else ", ".join(values)
                lines.append(f"    {mark:<7}{_range(first, stop):<9}{said}")
                mark = ""
        lines.append(f"    {'logits':<7}{_range(0, layout.outputs):<9}logits, then dlogits")
        return lines

    def leaf_or_formula(self, node: Node) -> str:
        """Return a name for what has none of its own."""
        return self.leaf(node) if node.op in GIVEN else self.formula(node)

    def kept(self) -> list[str]:
        """Return what the way back finds in memory, and what it computes again."""
        forward = [n for n in order(self.results) if not is_free(n)]
        mine = {n for loop in self.layout.backward for n in loop.nodes}
        again = [n for n in forward if n in mine]
        inside = {i for n in again if n not in self.of for i in n.inputs}
        again = [n for n in again if n in self.of or n not in inside]
        read = {i for n in mine for i in n.inputs} - mine
        operands = {i for a in self.layout.columns for i in a.inputs}
        kept = [n for n in forward if n in read or (n in operands and n not in mine)]
        kept_said = ", ".join(self.value(n, False) for n in kept)
        again_said = ", ".join(self.value(n, False) for n in again)
        return [
            *_wrapped(f"kept for the way back: {kept_said or 'nothing but the states'}"),
            *_wrapped(f"computed again there: {again_said or 'nothing'}"),
        ]


# --- cost -----------------------------------------------------------------------------------------


class _Cost:
    """What loops do for one sequence."""

    def __init__(self) -> None:
        self.products = self.read = self.written = 0
        self.functions = Counter[str]()

    def columns(self) -> tuple[int, int, int, int]:
        """Return a line of the table."""
        return self.products, sum(self.functions.values()), self.read, self.written

    @classmethod
    def of(cls, loops: Sequence[Loop]) -> "_Cost":
        """Return the cost of loops."""
        cost = cls()
        for loop in loops:
            cost._add(loop)
        return cost

    def _add(self, loop: Loop) -> None:
        units = up(loop.size, loop.unroll)
        for batch in loop.batches:
            for segment in batch.segments:
                self.products += units * segment.count * len(segment.sums)
                self.read += units // loop.unroll * segment.count
        inside = set(loop.nodes)
        loaded: set[Node] = set()
        for node in loop.nodes:
            if node.op in FUNCTIONS:
                self.functions[node.op] += units
            elif node.op in ("mul", "square"):
                self.products += units
            if node.op == "collect":
                self.read += len(node.attr[2])
            elif node.op == "sum" and node.inputs[0] not in inside and node not in loop.totals:
                self.read += node.inputs[0].size
            elif node.op != "affine":
                loaded |= {i for i in node.inputs if i not in inside and i.batched}
        self.read += units * (len(loaded) + len(loop.adds))
        self.written += units * (len(loop.stores) + len(loop.adds))


# --- text -----------------------------------------------------------------------------------------


def _titled(title: str, lines: Iterable[str]) -> str:
    return "\n".join([title, *(line.rstrip() for line in lines)])


def _wrapped(*lines: str) -> list[str]:
    """Return lines, indented by two, that go on where a sum does.

    >>> _wrapped("a = b + c")
    ['  a = b + c']
    """
    found = []
    for line in lines:
        # only sums and lists are broken, never a name
        glued = line.replace(" ", "\0").replace("\0+\0", " +\0")
        glued = re.sub(r",\0(?![^\[\]]*\])", ", ", glued)
        found += textwrap.wrap(
            glued,
            _WIDTH,
            initial_indent="  ",
            subsequent_indent=" " * 8,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return [line.replace("\0", " ") for line in found]


def _listed(what: str, said: str) -> list[str]:
    indent = " " * 18
    return textwrap.wrap(
        said,
        _WIDTH,
        initial_indent=f"        {what:<10}",
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sliced(rows: tuple[int, int], columns: tuple[int, int], shape: tuple[int, ...]) -> str:
    """Return a slice of a matrix as Python writes it; empty: all of it.

    >>> _sliced((0, 4), (0, 3), (4, 3)), _sliced((0, 2), (0, 3), (4, 3))
    ('', '[0:2]')
    >>> _sliced((0, 4), (1, 3), (4, 3)), _sliced((2, 4), (0, 1), (4, 3))
    ('[:, 1:3]', '[2:4, 0:1]')
    """
    every = rows == (0, shape[0]), columns == (0, shape[1])
    if all(every):
        return ""
    first = ":" if every[0] else f"{rows[0]}:{rows[1]}"
    return f"[{first}]" if every[1] else f"[{first}, {columns[0]}:{columns[1]}]"


def _whole(
    found: dict[tuple[int, int], list[str]], size: int
) -> Iterable[tuple[int, int, list[str]]]:
    """Yield what lies in an array, row by row, with the gaps."""
    at = 0
    for (first, stop), values in sorted(found.items()):
        if first - at >= 4:
            yield at, first, ["not used"]
        yield first, stop, values
        at = max(at, stop)
    if size - at >= 4 or not size:
        yield at, size, ["not used" if size else "nothing"]


def _range(first: int, stop: int) -> str:
    if stop <= first:
        return "-"
    return f"{first}" if stop == first + 1 else f"{first}-{stop - 1}"


def _thousands(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"


if __name__ == "__main__":
    # a config is composed some floors above: by name, because imports go downward only
    import_module("lossladder.cli.show_kernel").main()
