"""Keras: a stateful SimpleRNN and `fit`, on the TensorFlow backend.

Args of the contestant: `steps_per_execution` and `jit` are what Keras offers against its own cost a
step; 1 and False are what it does by default.
"""

import os

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import keras

from benchmarks.contestant import Losses, Trainee
from benchmarks.problems import Problem


class Running(keras.callbacks.Callback):
    """A callback that undoes Keras's mean since the start of the epoch."""

    def on_train_begin(self, logs: object = None) -> None:
        """Forget the fit before."""
        self.means: list[tuple[int, float]] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Keep the running mean after each execution."""
        if logs is not None:
            self.means.append((batch + 1, logs["loss"]))

    def losses(self) -> Losses:
        """Return the mean loss of each execution, as often as it has updates."""
        ends, means = np.array(self.means).T
        sums = np.diff(ends * means, prepend=0)
        sizes = np.diff(ends, prepend=0).astype(int)
        return np.repeat(sums / sizes, sizes)[None].astype(np.float32)


class KerasFit(Trainee):
    """`fit` one epoch a round."""

    def __init__(
        self,
        problem: Problem,
        members: int = 1,
        threads: int = 1,
        steps_per_execution: int = 1,
        jit: bool = False,
    ) -> None:
        self.steps_per_execution, self.jit = steps_per_execution, jit
        super().__init__(problem, members, threads)

    def prepare(self) -> None:
        """Put windows one after another, as a stateful layer wants them."""
        rows = (-1, self.problem.bptt_steps)
        self.inputs = np.eye(2, dtype="f4")[self.problem.inputs.reshape(rows)]
        self.targets = self.problem.targets.reshape(rows).astype("i4")
        self.running = Running()

    def start(self) -> None:
        """Set weights and optimizer to the start; a model is built and compiled once."""
        start = self.problem.start
        if not hasattr(self, "model"):
            self.model = self._built()
        layer, readout = self.model.layers
        split = self.problem.input_size
        layer.set_weights([start["weight"][:split], start["weight"][split:], start["bias"]])
        readout.set_weights([start["readout"], start["readout_bias"]])
        layer.reset_state()
        for variable in self.model.optimizer.variables:
            if "accumulator" in variable.path:
                variable.assign(np.full(variable.shape, 0.1, "f4"))

    def _built(self) -> keras.Model:
        problem = self.problem
        model = keras.Sequential(
            [
                keras.Input(batch_shape=(problem.batch_size, problem.bptt_steps, 2)),
                keras.layers.SimpleRNN(
                    problem.hidden_size, return_sequences=True, stateful=True, unroll=True
                ),
                keras.layers.Dense(problem.classes),
            ]
        )
        model.compile(
            keras.optimizers.Adagrad(
                problem.learning_rate, initial_accumulator_value=0.1, epsilon=1e-10
            ),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            steps_per_execution=self.steps_per_execution,
            jit_compile=self.jit,
        )
        return model

    def train(self, windows: int) -> Losses:
        """Train one epoch of so many updates."""
        rows = windows * self.problem.batch_size
        self.model.fit(
            self.inputs[:rows],
            self.targets[:rows],
            batch_size=self.problem.batch_size,
            shuffle=False,
            verbose=0,
            callbacks=[self.running],
        )
        return self.running.losses()
