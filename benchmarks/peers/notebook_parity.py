"""The parity notebook's iteration in NumPy, float64: forward, backward, update, cost.

Its arithmetic, with what made it slow and what made it wrong: the whole batch at once, fresh arrays
at every step, and each gradient divided by the batch once more at every step back in time. So its
first cost equals everybody's and the later ones cannot.
"""

import numpy as np

from benchmarks.contestant import Losses, Trainee
from benchmarks.problems import Array


class NotebookParity(Trainee):
    """One full-batch iteration a window."""

    def prepare(self) -> None:
        """Make the notebook's arrays: x (1, batch, time), y (1, batch)."""
        self.x = self.problem.inputs[0][None].astype(np.int64)
        self.y = self.problem.targets[0, :, -1][None].astype(np.int64)

    def start(self) -> None:
        """Set its parameters, by its names."""
        start = {name: values.astype(float) for name, values in self.problem.start.items()}
        self.wax, self.waa = start["weight"][:1].T, start["weight"][1:].T
        self.ba, self.wya = start["bias"][:, None], start["readout"].T[1:]
        self.by = start["readout_bias"][1:, None]
        self.a0 = np.asarray(self.problem.state, float).T

    def train(self, windows: int) -> Losses:
        """Make so many iterations."""
        return np.array([[self._iteration() for _ in range(windows)]], np.float32)

    def _iteration(self) -> float:
        """Call optimize_parameters once."""
        m, steps = self.problem.batch_size, self.problem.bptt_steps
        a, yhat, caches = self._forward(steps, m)
        dzy = yhat[:, :, -1] - self.y
        dby = np.sum(dzy, axis=1, keepdims=True) / m
        dwya = np.dot(dzy, a[:, :, -1].T) / m
        dwax, dwaa, dba = (np.zeros_like(p) for p in (self.wax, self.waa, self.ba))
        dx, da, da_prev = np.zeros((1, m, steps)), np.dot(self.wya.T, dzy), np.zeros_like(self.a0)
        for t in reversed(range(steps)):
            a_next, a_prev, xt = caches[t]
            dtanh = (1 - a_next**2) * da
            dx[:, :, t] = (1 / m) * self.wax.T.dot(dtanh)
            da_prev = (1 / m) * self.waa.T.dot(dtanh)
            dwax += (1 / m) * dtanh.dot(xt.T)
            dwaa += (1 / m) * dtanh.dot(a_prev.T)
            dba += (1 / m) * np.sum(dtanh, 1, keepdims=True)
            da = np.dot(self.waa.T, da_prev)
        rate = self.problem.learning_rate
        self.waa, self.wax = self.waa - rate * dwaa, self.wax - rate * dwax
        self.wya, self.ba = self.wya - rate * dwya, self.ba - rate * dba
        self.by = self.by - rate * dby
        last = yhat[:, :, -1]
        cost = np.sum(-(self.y * np.log(last) + (1 - self.y) * np.log(1 - last))) / m
        self.a0 = self.a0 - rate * da_prev
        return float(cost)

    def _forward(self, steps: int, m: int) -> tuple[Array, Array, list[tuple[Array, Array, Array]]]:
        """Return what rnn_forward does: activations, predictions, and what the way back needs."""
        a, yhat = np.zeros((self.problem.hidden_size, m, steps)), np.zeros((1, m, steps))
        a_next, caches = self.a0, []
        for t in range(steps):
            a_prev, xt = a_next, self.x[:, :, t]
            a_next = np.tanh(np.dot(self.wax, xt) + np.dot(self.waa, a_prev) + self.ba)
            a[:, :, t] = a_next
            yhat[:, :, t] = 1 / (1 + np.exp(-(np.dot(self.wya, a_next) + self.by)))
            caches.append((a_next, a_prev, xt))
        return a, yhat, caches
