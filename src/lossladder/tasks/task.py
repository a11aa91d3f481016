"""The promise of a task: sampling, the exact probabilities of its targets, and its ladder."""

from abc import ABC, abstractmethod
from inspect import signature
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Generator, Tensor
from torch.nn import functional

from lossladder.ladder import CrossEntropy, Features, Ladder, Loss, Mark, Probabilities
from lossladder.ladder.loss import Losses, Outputs


class Draw(NamedTuple):
    """Sequences as a task draws them: small, for speed.

    Args:
        inputs: symbols (batch, time), to be shown to a network through `Task.features`; or, where
            inputs are real, the features themselves (batch, time, input).
        targets: classes (batch, time), or real values (batch, time, output).
        scored: which steps count (batch, time); None: all of them.
        after: what the next piece of each stream must know of all pieces before it, symbols or
            features, (batch, anything); None: the sequences are no streams.
    """

    inputs: Shaped[Tensor, "batch time *input"]
    targets: Shaped[Tensor, "batch time *output"]
    scored: Bool[Tensor, "batch time"] | None
    after: Shaped[Tensor, "batch known"] | None = None


class Batch(NamedTuple):
    """Sequences with everything known about them.

    Args:
        inputs: features (batch, time, input), what a network sees.
        targets: classes (batch, time), or real values (batch, time, output).
        scored: which steps count (batch, time).
        probabilities: exact probabilities of each target given the inputs so far
            (batch, time, output); of a real target, its values.
    """

    inputs: Features
    targets: Shaped[Tensor, "batch time *output"]
    scored: Bool[Tensor, "batch time"]
    probabilities: Probabilities


class Task(ABC):
    """The rule of sequences whose best possible loss is known exactly.

    Attributes:
        shape: one_to_one, one_to_many, many_to_one or many_to_many: which steps carry input and
            which are scored.
        streams: False: independent sequences of `num_steps`. True, for a `StreamTask` only: one
            endless sequence a row, with the state carried from window to window.
        num_steps: length of a sequence, in time steps; None for streams.
        reach: how many past steps the probabilities of a target can depend on; None: all of them.
        encoding: what a network sees for each symbol, (symbols, input). Real inputs are drawn as
            features and have no symbols: it is empty, (0, input).
        exchanged: of the features of a real input, those that may be another sequence's and leave
            one that may be drawn; `flips` exchanges them.
        independent_inputs: True: inputs of different steps are independent and of one law, so that
            those of one sequence can go on with those of another. False: they are not, or it was
            not said.
        output_size: number of target classes, or of real values a target has.
        loss: what an output costs; with any but `CrossEntropy`, targets are real.
    """

    shape: str
    streams: bool = False
    num_steps: int | None
    reach: int | None
    encoding: Float[Tensor, "symbols input"]
    exchanged: slice = slice(None)
    independent_inputs: bool = False
    output_size: int
    loss: Loss = CrossEntropy()

    @property
    def input_size(self) -> int:
        """Return the number of features a step."""
        return self.encoding.shape[1]

    @property
    def has_real_inputs(self) -> bool:
        """Return whether inputs are drawn as the features that a network sees."""
        return len(self.encoding) == 0

    @abstractmethod
    def draw(self, generator: Generator, batch_size: int, num_steps: int) -> Draw:
        """Draw fresh sequences from their start.

        Args:
            generator: source of all randomness.
            batch_size: sequences side by side.
            num_steps: length, in time steps.
        """

    @abstractmethod
    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the exact probabilities of each target given the inputs so far, float64.

        Real targets have values in their place.
        """

    @abstractmethod
    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return the rungs, in nats per scored step, or in the unit of the task's own loss.

        Args:
            num_steps: length of the sequences; None: the task's own.
            carried: True: the state arrives from earlier steps of the stream, so that every step
                sees the whole past. False: every sequence starts from nothing.
        """

    def memory(self, num_steps: int | None = None, carried: bool = True) -> tuple[Mark, ...]:
        """Return what predictors lose at least that keep little, the least first: a second axis.

        Args:
            num_steps: as for `ladder`.
            carried: as for `ladder`.
        Returns:
            None where nothing is proved of it.
        """
        return ()

    def __repr__(self) -> str:
        # a task keeps its arguments under their own names, so that this makes it again
        given = [name for name in signature(type(self)).parameters if hasattr(self, name)]
        arguments = ", ".join(f"{name}={getattr(self, name)!r}" for name in given)
        return f"{type(self).__name__}({arguments})"

    def features(self, symbols: Shaped[Tensor, " *rest"]) -> Float[Tensor, "*features"]:
        """Return what a network sees of symbols; features pass as they are."""
        if symbols.is_floating_point():
            return symbols
        # looked up at the last moment: a symbol is one byte, its features are several floats
        return functional.embedding(symbols.long(), self.encoding.to(symbols.device))

    def sample(self, generator: Generator, batch_size: int, num_steps: int | None = None) -> Batch:
        """Draw fresh sequences from their start, with the exact probabilities of every target."""
        steps = num_steps or self.num_steps
        if steps is None:
            raise ValueError("num_steps=None: a stream has no length of its own; give one")
        return self.batch(self.draw(generator, batch_size, steps))

    def batch(self, draw: Draw) -> Batch:
        """Complete drawn sequences (from their start) with everything known about them."""
        inputs, targets, scored = self.features(draw.inputs), draw.targets, draw.scored
        if scored is None:
            scored = torch.ones(inputs.shape[:2], dtype=torch.bool)
        if not targets.is_floating_point():
            # drawn as bytes, which are small; torch takes classes to be of 64 bits
            targets = targets.long()
        return Batch(inputs, targets, scored, self.probabilities(inputs))

    def everything(self) -> Draw:
        """Return every sequence there is, for a finite task.

        Raises:
            ValueError: if the task is not finite, or its sequences are not equally likely.
        """
        raise ValueError(
            f"task={type(self).__name__.lower()}: has no finite set of sequences; "
            "use data=streams or data=fresh"
        )

    def losses(self, outputs: Outputs, targets: Shaped[Tensor, "*target"]) -> Losses:
        """Return the loss of each step against its drawn target."""
        return self.loss.of_targets(outputs, targets)

    def expected_losses(self, outputs: Outputs, probabilities: Outputs) -> Losses:
        """Return the loss of each step against the probabilities of its target, float64.

        Drawn targets would add noise: 0.43 nats a symbol at the floor of echo.
        """
        return self.loss.expected(outputs, probabilities)

    def describe(self, batch: Batch, row: int = 0) -> str:
        """Return one sequence as text: inputs, targets and their chances under each other.

        Real targets are certain, and have no chance beside them.
        """
        inputs, targets = batch.inputs[row], batch.targets[row]
        cells = {"step": [str(step) for step in range(len(inputs))]}
        real = targets.is_floating_point()
        if real or self.has_real_inputs:
            cells["input"] = [_listed(values) for values in inputs]
        else:
            # a batch has features; the symbol is the one whose encoding lies nearest
            symbols = torch.cdist(inputs, self.encoding.to(inputs)).argmin(-1)
            cells["input"] = [str(int(symbol)) for symbol in symbols]
        if real:
            cells["target"] = [_listed(values) for values in targets]
        else:
            chances = batch.probabilities[row].gather(-1, targets[:, None])[:, 0]
            cells["target"] = [str(int(target)) for target in targets]
            cells["its chance"] = [f"{float(chance):.2f}" for chance in chances]
        scored = [bool(s) for s in batch.scored[row]]
        for name in cells.keys() - {"step", "input"}:
            cells[name] = [cell if s else "." for cell, s in zip(cells[name], scored, strict=True)]
        width = max(len(cell) for row_of_cells in cells.values() for cell in row_of_cells)
        return "\n".join(
            f"{name:<11}" + " ".join(cell.rjust(width) for cell in row_of_cells)
            for name, row_of_cells in cells.items()
        )


class StreamTask(Task):
    """A task of endless sequences, which are drawn piece by piece."""

    streams = True
    num_steps = None

    @property
    def warm_up(self) -> int:
        """Return the steps in which the state of a network fills, before a stream is scored.

        Rungs cost in later steps what they cost where the state has been carried for ever.
        """
        return max(50, self.reach or 0)

    @abstractmethod
    def draw(
        self,
        generator: Generator,
        batch_size: int,
        num_steps: int,
        past: Shaped[Tensor, "batch known"] | None = None,
    ) -> Draw:
        """Draw the next piece of each stream; see `Task.draw`.

        It follows on a piece whose `Draw.after` is `past`. Without it the streams are new ones: of
        those that have no start, a past is drawn as well and stays hidden.
        """


def _listed(values: Float[Tensor, " size"]) -> str:
    # three digits can be read
    return ",".join(f"{float(value):.3g}" for value in values)


def mean_over_scored(
    losses: Shaped[Tensor, "batch time"], scored: Bool[Tensor, "batch time"] | None
) -> Shaped[Tensor, ""]:
    """Return the mean loss over the scored steps."""
    if scored is None:
        return losses.mean()
    # every scored step weighs the same, so that long sequences weigh more than short ones
    return losses.mul(scored).sum() / scored.sum()
