"""JAX: the whole round in one jit, members by vmap. The fastest of the usual ways."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.contestant import Losses, Trainee

Tree = Any  # of arrays


class JaxScan(Trainee):
    """`lax.scan` over the windows, inside it `lax.scan` over the steps, unrolled."""

    def prepare(self) -> None:
        """Put the data on the device; a round of each length is compiled when first asked for."""
        problem = self.problem
        rate = problem.learning_rate
        self.optimizer = {
            "adagrad": partial(optax.adagrad, initial_accumulator_value=0.1, eps=1e-10),
            "adam": optax.adam,
        }[problem.optimizer](rate)
        scored = slice(-1, None) if problem.last_only else slice(None)
        steps_first = (0, 2, 1)  # (windows, time, batch)
        self.inputs = jnp.asarray(problem.inputs.transpose(steps_first).astype(np.int32))
        self.targets = jnp.asarray(
            problem.targets[..., scored].transpose(steps_first).astype(np.int32)
        )
        starts = [self._parameters(start) for start in problem.starts(self.members)]
        self.first = jax.tree.map(lambda *leaves: jnp.stack(leaves), *starts)
        one = (problem.batch_size, problem.hidden_size)
        self.state = (jnp.zeros((self.members, *one)),) * (2 if problem.cell == "lstm" else 1)
        self.compiled: dict[int, Any] = {}
        self._compile(problem.windows)

    def _parameters(self, start: dict[str, Any]) -> Tree:
        """Return the start; an LSTM gets a second bias like torch's, which Adam moves as well."""
        two = {"bias_hh": np.zeros_like(start["bias"])} if self.problem.cell == "lstm" else {}
        return {name: jnp.asarray(values) for name, values in (start | two).items()}

    def _compile(self, windows: int) -> Any:
        if windows not in self.compiled:
            inputs, targets = self.inputs[:windows], self.targets[:windows]
            if self.members == 1:
                first = jax.tree.map(lambda leaf: leaf[0], (self.first, self.state))
                run = jax.jit(self._epoch)
            else:
                first = (self.first, self.state)
                run = jax.jit(jax.vmap(self._epoch, in_axes=(0, 0, None, None)))
            arguments = (*first, inputs, targets)
            self.compiled[windows] = run.lower(*arguments).compile(), arguments
        return self.compiled[windows]

    def _epoch(self, parameters: Tree, state: Tree, inputs: Any, targets: Any) -> Any:
        """Make all updates of one member."""

        def update(carry: Tree, window: Tree) -> tuple[Tree, Any]:
            parameters, memory, before = carry
            (loss, after), gradient = jax.value_and_grad(self._loss, has_aux=True)(
                parameters, before, *window
            )
            change, memory = self.optimizer.update(gradient, memory, parameters)
            carried = jax.lax.stop_gradient(after) if self.problem.carried else state
            return (optax.apply_updates(parameters, change), memory, carried), loss

        carry = (parameters, self.optimizer.init(parameters), state)
        carry, losses = jax.lax.scan(update, carry, (inputs, targets))
        return losses

    def _loss(self, parameters: Tree, state: Tree, inputs: Any, targets: Any) -> tuple[Any, Tree]:
        """Return the mean loss of a window (time, batch), and the state after it."""
        step = partial(_STEPS[self.problem.cell], parameters)
        state, hiddens = jax.lax.scan(step, state, inputs, unroll=self.problem.bptt_steps)
        hiddens = hiddens[-1:] if self.problem.last_only else hiddens
        logits = hiddens @ parameters["readout"] + parameters["readout_bias"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean(), state

    def start(self) -> None:
        """Do nothing: the start is an argument of the compiled round."""

    def train(self, windows: int) -> Losses:
        """Train in one call."""
        compiled, arguments = self._compile(windows)
        losses = np.asarray(compiled(*arguments).block_until_ready())
        return losses.reshape(self.members, windows)


def _rnn(parameters: Tree, state: Tree, symbols: Any) -> tuple[Tree, Any]:
    """Make one step; a look-up of the input is faster than a product with a one-hot vector."""
    weight = parameters["weight"]
    h = jnp.tanh(weight[symbols] + state[0] @ weight[2:] + parameters["bias"])
    return (h,), h


def _lstm(parameters: Tree, state: Tree, bits: Any) -> tuple[Tree, Any]:
    """Make one step, gates in torch's order."""
    h, c = state
    seen = jnp.concatenate([bits[:, None].astype(jnp.float32), h], axis=1)
    gates = seen @ parameters["weight"] + parameters["bias"] + parameters["bias_hh"]
    i, f, g, o = jnp.split(gates, 4, axis=1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def _leaky(parameters: Tree, state: Tree, symbols: Any) -> tuple[Tree, Any]:
    """Keep half of the state."""
    weight = parameters["weight.weight"].T
    new = jnp.tanh(weight[symbols] + state[0] @ weight[2:] + parameters["weight.bias"])
    h = 0.5 * state[0] + 0.5 * new
    return (h,), h


def _mingru(parameters: Tree, state: Tree, symbols: Any) -> tuple[Tree, Any]:
    """Let the input alone say what is kept, and what comes in its place."""
    z = jax.nn.sigmoid(parameters["gate.weight"].T[symbols] + parameters["gate.bias"])
    h = (1 - z) * state[0] + z * parameters["value.weight"].T[symbols]
    return (h,), h


def _diagonal(parameters: Tree, state: Tree, symbols: Any) -> tuple[Tree, Any]:
    """Scale each unit by what the input says, and add to it."""
    gate = jnp.tanh(parameters["gate.weight"].T[symbols] + parameters["gate.bias"])
    h = gate * state[0] + parameters["value.weight"].T[symbols] + parameters["value.bias"]
    return (h,), h


def _normed(parameters: Tree, state: Tree, symbols: Any) -> tuple[Tree, Any]:
    """Bring the units to mean 0 and variance 1 before the tanh."""
    weight = parameters["weight.weight"].T
    u = weight[symbols] + state[0] @ weight[2:] + parameters["weight.bias"]
    u = u - u.mean(-1, keepdims=True)
    u = u * jax.lax.rsqrt((u * u).mean(-1, keepdims=True) + 1e-5)
    h = jnp.tanh(u * parameters["norm.weight"] + parameters["norm.bias"])
    return (h,), h


_STEPS = {
    "rnn": _rnn,
    "lstm": _lstm,
    "leaky": _leaky,
    "mingru": _mingru,
    "diagonal": _diagonal,
    "normed": _normed,
}
