"""What everybody trains: the same data, the same start, the same optimizer. NumPy only.

Shapes: inputs and targets (windows, batch, time), one optimizer update a window.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Start = dict[str, Array]  # parameters by name, see `Problem.start`


@dataclass(frozen=True)
class Problem:
    """A network, its data and how it is trained.

    Args:
        cell: rnn (tanh), lstm (gates in torch's order: i, f, g, o), gru (r, z, n), or one of the
            cells of `SHAPES`.
        inputs: bits (windows, batch, time).
        targets: classes (windows, batch, time).
        classes: how many.
        one_hot: True: the network sees two features, one for each symbol. False: the bit itself.
        last_only: True: only the last step of a window is scored.
        carried: True: the state goes on from window to window.
        optimizer: adagrad (accumulator from 0.1), adam or sgd.
        learning_rate: of the optimizer.
        start: `weight` (input + hidden, gates * hidden) for [x, h], `bias`, `readout`
            (hidden, classes), `readout_bias`; of a cell of `SHAPES` what is named there, instead of
            the first two.
        state: before the first window (batch, hidden); None: zeros.
    """

    cell: str
    inputs: Array
    targets: Array
    classes: int
    one_hot: bool
    last_only: bool
    carried: bool
    optimizer: str
    learning_rate: float
    start: Start
    state: Array | None = None

    @property
    def windows(self) -> int:
        """Number of updates of a whole round."""
        return self.inputs.shape[0]

    @property
    def batch_size(self) -> int:
        """Number of sequences side by side."""
        return self.inputs.shape[1]

    @property
    def bptt_steps(self) -> int:
        """Number of steps of a window."""
        return self.inputs.shape[2]

    @property
    def hidden_size(self) -> int:
        """Number of features of the state."""
        return self.start["readout"].shape[0]

    @property
    def input_size(self) -> int:
        """Number of features a step."""
        return 2 if self.one_hot else 1

    @property
    def gates(self) -> int:
        """Number of rows of the weights for each hidden unit."""
        return _GATES.get(self.cell, 1)

    def starts(self, members: int) -> list[Start]:
        """Return the start of each member: the shared one first, the others around it."""
        around = np.random.default_rng(0)
        others = [
            {
                k: v + 0.01 * around.standard_normal(v.shape).astype("f4")
                for k, v in self.start.items()
            }
            for _ in range(members - 1)
        ]
        return [self.start, *others]

    def flops(self) -> float:
        """Return the multiplications and additions of one update: each weight is used three times.

        Forward, back to the state below, and for its own gradient; 2 operations each time.
        """
        steps = self.bptt_steps * self.batch_size
        scored = self.batch_size if self.last_only else steps
        recurrent = self.gates * self.hidden_size * (self.input_size + self.hidden_size)
        return 6.0 * (steps * recurrent + scored * self.hidden_size * self.classes)

    def activations(self) -> float:
        """Return the values of tanh and sigmoid of an update; a softmax has one a class but one."""
        steps = self.bptt_steps * self.batch_size
        scored = self.batch_size if self.last_only else steps
        each = 5 if self.cell == "lstm" else 1  # four gates and the memory cell
        return float(steps * self.hidden_size * each + scored * (self.classes - 1))


def problem(kind: str, **sizes: Any) -> Problem:
    """Return the problem of this name, in these sizes."""
    return _KINDS[kind](**sizes)


def echo(
    bptt_steps: int,
    hidden_size: int,
    batch_size: int = 200,
    stream_steps: int = 5000,
    cell: str = "rnn",
) -> Problem:
    """Return R2RT's echo: a one is likelier after a one 3 steps back, rarer after one 8 back."""
    random = np.random.Generator(np.random.SFC64(0))
    ones = random.integers(0, 2, batch_size * stream_steps, dtype=np.uint8)
    chance = 0.5 + 0.5 * np.roll(ones, 3) - 0.25 * np.roll(ones, 8)
    targets = (random.random(ones.size) <= chance).astype(np.uint8)
    return Problem(
        cell=cell,
        inputs=_cut(ones, batch_size, bptt_steps),
        targets=_cut(targets, batch_size, bptt_steps),
        classes=2,
        one_hot=True,
        last_only=False,
        carried=True,
        optimizer="adagrad",
        learning_rate=0.1,
        start=_named(cell, 2, hidden_size, classes=2)
        if cell in SHAPES
        else _glorot(2, hidden_size, gates=_GATES.get(cell, 1), classes=2),
    )


def count(updates: int = 100, hidden_size: int = 12) -> Problem:
    """Return the count of ones in 10 bits: 500 strings in batches of 100, over and over."""
    random = np.random.default_rng(1)
    strings = (np.arange(1024)[:, None] >> np.arange(9, -1, -1) & 1).astype(np.uint8)
    inputs = random.permutation(strings)[:500].reshape(5, 100, 10)
    inputs = np.resize(inputs, (updates, 100, 10))  # the five batches again and again
    start = _glorot(1, hidden_size, gates=4, classes=11)
    start["bias"][hidden_size : 2 * hidden_size] = 1  # the forget gate begins open
    return Problem(
        cell="lstm",
        inputs=inputs,
        targets=inputs.cumsum(axis=-1, dtype=np.uint8),
        classes=11,
        one_hot=False,
        last_only=True,
        carried=False,
        optimizer="adam",
        learning_rate=0.001,
        start=start,
    )


def parity(updates: int = 1, examples: int = 10_000, hidden_size: int = 25) -> Problem:
    """Return the notebook's parity of 50 bits: one batch, weights from a normal distribution."""
    bits = np.random.RandomState(1).randint(2, size=(examples, 50)).astype(np.uint8)
    random = np.random.RandomState(1)

    def normal(*shape: int) -> Array:
        return random.randn(*shape).astype("f4")

    state = normal(hidden_size, examples).T
    by_state, by_input = normal(hidden_size, hidden_size).T, normal(hidden_size, 1).T
    odd, bias, odd_bias = normal(1, hidden_size)[0], normal(hidden_size), normal(1)[0]
    shape = (updates, examples, 50)
    return Problem(
        cell="rnn",
        inputs=np.broadcast_to(bits, shape),
        targets=np.broadcast_to(bits.cumsum(axis=-1) % 2, shape).astype(np.uint8),
        classes=2,
        one_hot=False,
        last_only=True,
        carried=False,
        optimizer="sgd",
        learning_rate=0.07,
        start={
            "weight": np.concatenate([by_input, by_state]),
            "bias": bias,
            # a sigmoid of z is a softmax of (0, z)
            "readout": np.stack([np.zeros_like(odd), odd], axis=1),
            "readout_bias": np.array([0, odd_bias], "f4"),
        },
        state=np.ascontiguousarray(state),
    )


_GATES = {"lstm": 4, "gru": 3}
Shape = tuple[int, ...]
# cells as people write them, see tests/cells/zoo.py: shapes of their parameters, by torch's names
SHAPES: dict[str, Callable[[int, int], dict[str, Shape]]] = {
    "leaky": lambda i, h: {"weight.weight": (h, i + h), "weight.bias": (h,)},
    "mingru": lambda i, h: {"gate.weight": (h, i), "gate.bias": (h,), "value.weight": (h, i)},
    "diagonal": lambda i, h: {
        "gate.weight": (h, i),
        "gate.bias": (h,),
        "value.weight": (h, i),
        "value.bias": (h,),
    },
    "normed": lambda i, h: {
        "weight.weight": (h, i + h),
        "weight.bias": (h,),
        "norm.weight": (h,),
        "norm.bias": (h,),
    },
    "delta": lambda i, h: {"project.weight": (3 * h + 1, i), "project.bias": (3 * h + 1,)},
}
_KINDS: dict[str, Callable[..., Problem]] = {"echo": echo, "count": count, "parity": parity}


def _cut(stream: Array, batch_size: int, bptt_steps: int) -> Array:
    """Return (batch * time,) as (windows, batch, time); the rest at the end is not used."""
    rows = stream.reshape(batch_size, -1)
    windows = rows.shape[1] // bptt_steps
    cut = rows[:, : windows * bptt_steps].reshape(batch_size, windows, bptt_steps)
    return np.ascontiguousarray(cut.transpose(1, 0, 2))


def _glorot(inputs: int, hidden: int, gates: int, classes: int) -> Start:
    random = np.random.default_rng(1)

    def uniform(*shape: int) -> Array:
        bound = (6 / sum(shape)) ** 0.5
        return random.uniform(-bound, bound, shape).astype("f4")

    return {
        "weight": uniform(inputs + hidden, gates * hidden),
        "bias": np.zeros(gates * hidden, "f4"),
        "readout": uniform(hidden, classes),
        "readout_bias": np.zeros(classes, "f4"),
    }


def _named(cell: str, inputs: int, hidden: int, classes: int) -> Start:
    """Return a start by torch's names; vectors are drawn as well, so that each of them counts."""
    random = np.random.default_rng(2)
    shapes = SHAPES[cell](inputs, hidden)
    drawn = {name: random.uniform(-0.4, 0.4, shape).astype("f4") for name, shape in shapes.items()}
    ends = _glorot(inputs, hidden, gates=1, classes=classes)
    return {**drawn, "readout": ends["readout"], "readout_bias": ends["readout_bias"]}
