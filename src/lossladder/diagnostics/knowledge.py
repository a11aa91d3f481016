"""Knowledge: what one has to know of the past to predict, as variables that a state may hold."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lossladder.diagnostics.states import UnfitError
from lossladder.tasks import Batch, Count, Delay, Source, Task, Words
from lossladder.tasks.bit_sum import BitSum
from lossladder.tasks.groups import group
from lossladder.tasks.lagged_bits import LaggedBits

_MOST_COSETS = 24  # classes of a readout; S4 itself has as many


class Known(NamedTuple):
    """Something that can be known at each step.

    Args:
        name: in plain words.
        values: after each step, numbers (batch, time, values) float64, or classes (batch, time).
    """

    name: str
    values: Tensor


def knowledge(task: Task, batch: Batch) -> list[Known]:
    """Return what one has to know at each step, in whole and in parts.

    Raises:
        UnfitError: if that is not known of the task.

    >>> from lossladder.tasks import Words
    >>> task = Words("S3")
    >>> [v.name for v in knowledge(task, task.sample(torch.Generator(), 2, 3))]
    ['coset of sign', 'coset of one point', 'coset of all']
    """
    if isinstance(task, Words):
        of_task, products = group(task.group), batch.targets.long()
        parts = [of for of in of_task.subgroups if 1 < len(of_task) // of.order <= _MOST_COSETS]
        return [
            Known(f"coset of {of.name}", torch.as_tensor(of_task.cosets(of.elements))[products])
            for of in parts
        ]
    if isinstance(task, BitSum) and not isinstance(task, Count):
        return [Known("sum of the bits so far", belief(task, batch).values.argmax(dim=-1))]
    found = [belief(task, batch)]
    if isinstance(task, Source | LaggedBits):
        found.append(Known("exact chances", batch.probabilities))
    return found


def belief(task: Task, batch: Batch) -> Known:
    """Return numbers that are all one has to know for the next step, in which laws are linear.

    Raises:
        UnfitError: if that is not known of the task.
    """
    if isinstance(task, Source):
        return Known("belief over hidden states", _beliefs(task, batch))
    if isinstance(task, Words):
        one_hot = functional.one_hot(batch.targets.long(), task.output_size)
        return Known("product", one_hot.double())
    if isinstance(task, BitSum):
        sums = batch.inputs[..., 0].double().round().cumsum(dim=1)
        if isinstance(task, Count):
            return Known("count so far", sums[..., None])
        one_hot = functional.one_hot(sums.long() % task.output_size, task.output_size)
        return Known("sum of the bits so far", one_hot.double())
    if isinstance(task, LaggedBits | Delay):
        lags = [lag - 1 for lag in task.lags if lag > 0]
        series = batch.inputs[..., -1].double()
        past = [functional.pad(series, (lag, 0))[:, : series.shape[1]] for lag in lags]
        if past:
            return Known("inputs that the next step needs", torch.stack(past, dim=-1))
    raise UnfitError("it is not known as a variable what one has to know of its past")


def _beliefs(task: Source, batch: Batch) -> Tensor:
    symbols = batch.inputs.argmax(dim=-1).numpy()
    now = np.broadcast_to(task.source.stationary, (len(symbols), task.source.states))
    found = np.empty((*symbols.shape, task.source.states))
    for step in range(symbols.shape[1]):
        now = found[:, step] = task.source.step(now, symbols[:, step])
    return torch.as_tensor(found)
