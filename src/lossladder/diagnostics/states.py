"""States of a network along sequences, as rows of numbers, and the sequences they are looked at on.

The other diagnostics stand on this: what a network carries from step to step may be several tensors
of any shapes, and here it is one row of floats.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from lossladder.ladder import Features, Probabilities
from lossladder.models import Network, State
from lossladder.tasks import Batch, StreamTask, Task

Rows = Float[Tensor, "batch floats"]


class UnfitError(ValueError):
    """A diagnostic says nothing of such a task or network; the message says why."""


class Trajectory(NamedTuple):
    """What a network went through.

    Args:
        states: after each step, all tensors of a state in one row, float64.
        outputs: at each step, float64.
    """

    states: Float[Tensor, "batch time floats"]
    outputs: Float[Tensor, "batch time output"]


@contextmanager
def evaluating(network: Network) -> Iterator[torch.device]:
    """Put a network in evaluation mode meanwhile; yield where its parameters lie."""
    # what drops out in training does not when it counts
    training = network.training
    network.eval()
    try:
        yield next(network.parameters()).device
    finally:
        network.train(training)


def flat(state: State) -> Rows:
    """Return a state as one row of numbers a sequence, float64.

    >>> flat((torch.zeros(3, 2), torch.ones(3), torch.zeros(3, 2, 2))).shape
    torch.Size([3, 7])
    """
    return torch.cat([part.reshape(len(part), -1).double() for part in state], dim=1)


def unflat(rows: Rows, like: State) -> State:
    """Return rows of numbers as a state of the shapes and types of another."""
    sizes = [part[0].numel() for part in like]
    parts = rows.split(sizes, dim=1)
    return tuple(
        part.reshape(len(part), *old.shape[1:]).to(old)
        for part, old in zip(parts, like, strict=True)
    )


@torch.no_grad()
def trajectory(network: Network, inputs: Features, start: Rows | None = None) -> Trajectory:
    """Return the states and outputs of a network at every step.

    Args:
        network: trained or not.
        inputs: (batch, time, input).
        start: state before the first step; None: the initial one.
    Raises:
        UnfitError: if it carries no state.
    """
    with evaluating(network) as device:
        state = network.initial_state(len(inputs))
        if not state or flat(state).shape[1] == 0:
            raise UnfitError("the network carries no state from step to step")
        if start is not None:
            state = unflat(start, state)
        states: list[Tensor] = []
        outputs: list[Tensor] = []
        # a layer of torch's tells its state after the last step only: so it is given one at a time
        for x in inputs.to(device).split(1, dim=1):
            output, state = network(x, state)
            states.append(flat(state).cpu())
            outputs.append(output[:, 0].double().cpu())
    return Trajectory(torch.stack(states, dim=1), torch.stack(outputs, dim=1))


@torch.no_grad()
def last_output(network: Network, inputs: Features, start: Rows) -> Float[Tensor, "batch output"]:
    """Return what a network puts out at the last step, from a state on; float64."""
    with evaluating(network) as device:
        outputs, _ = network(inputs.to(device), unflat(start, network.initial_state(len(inputs))))
    return outputs[:, -1].double().cpu()


def settled(task: Task, generator: Generator, rows: int, steps: int) -> tuple[Batch, int]:
    """Draw sequences from their start, and say from which step on a state is what it will be.

    Args:
        task: draws them.
        generator: source of all randomness.
        rows: sequences.
        steps: looked at of a stream, behind its warm-up; of others, all are.
    """
    first = warm_up(task)
    return task.sample(generator, rows, task.num_steps or first + steps), first


def warm_up(task: Task) -> int:
    """Return the steps in which a state fills: those of a stream, and none of other sequences."""
    return task.warm_up if isinstance(task, StreamTask) else 0


def predicted(task: Task, outputs: Float[Tensor, "*rest output"]) -> Float[Tensor, "*rest output"]:
    """Return the chances of classes that outputs predict, or real values; float64."""
    prediction = task.loss.prediction(outputs)
    return prediction.exp() if task.loss.unit == "nats" else prediction


def best_and_constant(
    task: Task, law: Probabilities, counted: Bool[Tensor, "batch time"]
) -> tuple[Float[Tensor, "batch time"], Float[Tensor, "batch time"]]:
    """Return the loss at each step of who has the exact law, and of the best constant.

    Args:
        task: whose loss it is.
        law: of the targets.
        counted: the steps that the constant is best for.
    """
    always = law[counted].mean(dim=0).expand_as(law)
    best, constant = (
        task.expected_losses(task.loss.logits_for(chances), law) for chances in (law, always)
    )
    return best, constant
