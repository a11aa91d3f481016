"""The parity notebook's data and gradient as they were, mistakes and all, to be shown and measured.

A tanh RNN in plain NumPy that is to learn the parity of 50 bits from a label at the last step. It
cannot, for two reasons that have nothing to do with parity:

- The strings are scrambled. `x.T.reshape(1, m, T)` stands where a transpose was meant, so each row
  holds bits of other strings, and its label says nothing about it: the best loss anybody can have
  on these data is ln 2.
- The gradient is wrong beyond the last step. On its way back (1) the mean's 1/m is applied again at
  every step, so k steps back it is too small by m^k; (2) Waa^T is applied twice a step, so it
  points elsewhere; (3) the gradients of the inputs and of the initial states inherit both.

What is wrong is marked by `wrong:`. Names are the notebook's: m strings, T steps, h hidden units;
`a` are the hidden states (h, m, T), and every string has an initial state of its own, `a0` (h, m).

Source: notebook "Recurrent Neural Network" (a NumPy RNN on the parity of 50 bits). Its gradient put
right is `model=rnn_by_hand`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bits = NDArray[np.int64]
Parameters = dict[str, Array]  # Waa (h, h), Wax (h, 1), Wya (1, h), ba (h, 1), by (1, 1)
LEARNING_RATE = 0.07


class Start(NamedTuple):
    """What the notebook starts from.

    Args:
        strings: the bits that were drawn (m, T).
        x: what the network is fed (1, m, T); wrong: not the strings.
        y: parity of the strings (1, m).
        a0: initial states (h, m).
        parameters: normal with standard deviation 1, which makes the network chaotic.
    """

    strings: Bits
    x: Bits
    y: Bits
    a0: Array
    parameters: Parameters


def start(m: int, steps: int, h: int = 25, seed: int = 1) -> Start:
    """Draw as the notebook does: one seed, set again for the bits and for the parameters."""
    random = np.random.RandomState(seed)
    strings = random.randint(2, size=(m, steps))
    y = (strings.sum(axis=1) % 2)[None]
    x = strings.T.reshape(1, m, steps)  # wrong: (T, m) cut into rows of T, where x[0] is (m, T)
    a0 = random.randn(h, m)
    random = np.random.RandomState(seed)
    shapes = {"Waa": (h, h), "Wax": (h, 1), "Wya": (1, h), "ba": (h, 1), "by": (1, 1)}
    parameters = {name: random.randn(*shape) for name, shape in shapes.items()}
    return Start(strings, x, y, a0, parameters)


def forward(x: NDArray, a0: Array, parameters: Parameters) -> tuple[Array, Array]:
    """Return hidden states (h, m, T) and the chance of an odd string at the last step (1, m)."""
    waa, wax, ba = (parameters[name] for name in ("Waa", "Wax", "ba"))
    a = np.empty((*a0.shape, x.shape[2]))
    before = a0
    for t in range(x.shape[2]):
        before = a[:, :, t] = np.tanh(wax @ x[:, :, t] + waa @ before + ba)
    z = parameters["Wya"] @ before + parameters["by"]
    return a, 1 / (1 + np.exp(-z))


def cost(y: Bits, yhat: Array) -> float:
    """Return the mean cross entropy of the last step, in nats."""
    return float(-np.mean(y * np.log(yhat) + (1 - y) * np.log(1 - yhat)))


def accuracy(y: Bits, yhat: Array) -> float:
    """Return the share of strings whose parity is right; the notebook never looked at it."""
    return float(np.mean((yhat > 0.5) == y))


def gradients(
    x: NDArray, y: Bits, a0: Array, parameters: Parameters, a: Array, yhat: Array
) -> Parameters:
    """Return gradients by name: dWya and dby are right, the others at one step only."""
    waa, wax, wya = (parameters[name] for name in ("Waa", "Wax", "Wya"))
    m, steps = x.shape[1:]
    dzy = yhat - y
    found = {"dWya": dzy @ a[:, :, -1].T / m, "dby": dzy.sum(axis=1, keepdims=True) / m}
    dwax, dwaa, dba = np.zeros_like(wax), np.zeros_like(waa), np.zeros((len(waa), 1))
    dx = np.empty(x.shape)
    da, da_prev = wya.T @ dzy, np.empty_like(a0)
    for t in reversed(range(steps)):
        a_prev = a[:, :, t - 1] if t > 0 else a0
        dtanh = (1 - a[:, :, t] ** 2) * da
        dx[:, :, t] = wax.T @ dtanh / m
        dwax += dtanh @ x[:, :, t].T / m
        dwaa += dtanh @ a_prev.T / m
        dba += dtanh.sum(axis=1, keepdims=True) / m
        da_prev = waa.T @ dtanh / m  # wrong: 1/m belongs to the gradients above, not on the way
        da = waa.T @ da_prev  # wrong: Waa^T stands in da_prev already
    return {**found, "dWax": dwax, "dWaa": dwaa, "dba": dba, "dx": dx, "da0": da_prev}


def train(begin: Start, iterations: int, rate: float = LEARNING_RATE) -> list[float]:
    """Train by full-batch gradient descent; return the cost before each update."""
    parameters, a0, costs = dict(begin.parameters), begin.a0, []
    for _ in range(iterations):
        a, yhat = forward(begin.x, a0, parameters)
        found = gradients(begin.x, begin.y, a0, parameters, a, yhat)
        costs.append(cost(begin.y, yhat))
        parameters = {name: value - rate * found[f"d{name}"] for name, value in parameters.items()}
        a0 = a0 - rate * found["da0"]  # 25 numbers for each string, which no new string has
    return costs
