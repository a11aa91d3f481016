"""Updates of many members at once: each member's parameters are one row, each operation all rows.

A handful of operations updates everybody, whatever the number of members and of their tensors.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.optim import SGD, Adagrad, Adam, Optimizer

from lossladder.engines import optimizer_state
from lossladder.models import Network


@dataclass
class Rows:
    """What is learned and what the optimizers remember; each row is a member.

    Args:
        parameters: all trained parameters of a member, one after another.
        memory: the optimizer's own: momentum; sum of squares; mean and mean square of the gradient.
        steps: updates so far.
        lr: learning rate.
        first: momentum or beta1.
        second: beta2.
        eps: keeps denominators above zero.
    """

    parameters: Float[Tensor, "members size"]
    memory: tuple[Float[Tensor, "members size"], ...]
    steps: Float64[Tensor, "members 1"]
    lr: Float64[Tensor, "members 1"]
    first: Float64[Tensor, "members 1"]
    second: Float64[Tensor, "members 1"]
    eps: Float64[Tensor, "members 1"]


def trained(network: Network) -> dict[str, Tensor]:
    """Return the parameters that are not frozen, in the order of a row."""
    return {name: p for name, p in network.named_parameters() if p.requires_grad}


def read(networks: Sequence[Network], optimizers: Sequence[Optimizer]) -> Rows:
    """Copy parameters and optimizer state into rows."""
    remembered = max(map(optimizer_state.remembered, optimizers), key=len)
    pairs = list(zip(networks, optimizers, strict=True))
    parameters = torch.stack([_row(trained(network).values()) for network in networks])
    numbers = [(optimizer_state.steps_made(o), *optimizer_state.knobs(o)) for o in optimizers]
    columns = torch.tensor(numbers, dtype=torch.float64, device=parameters.device).split(1, dim=1)
    memory = tuple(torch.stack([_row(_kept(*pair, name)) for pair in pairs]) for name in remembered)
    return Rows(parameters, memory, *columns)


@torch.no_grad()
def write(rows: Rows, networks: Sequence[Network], optimizers: Sequence[Optimizer]) -> None:
    """Copy rows back to where torch keeps them."""
    for member, (network, optimizer) in enumerate(zip(networks, optimizers, strict=True)):
        optimizer_state.start(optimizer)
        optimizer_state.set_steps(optimizer, int(rows.steps[member]))
        _fill(trained(network).values(), rows.parameters[member])
        for name, memory in zip(optimizer_state.remembered(optimizer), rows.memory, strict=False):
            _fill(_kept(network, optimizer, name), memory[member])


def _kept(network: Network, optimizer: Optimizer, name: str) -> Iterator[Tensor]:
    """Yield what the optimizer keeps under this name; zeros before its first step."""
    for parameter in trained(network).values():
        kept = optimizer.state.get(parameter, {}).get(name)
        yield torch.zeros_like(parameter) if kept is None else kept


def _row(tensors: Iterable[Tensor]) -> Float[Tensor, " size"]:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def _fill(tensors: Iterable[Tensor], row: Float[Tensor, " size"]) -> None:
    tensors = list(tensors)
    parts = row.split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


def clip(gradient: Float[Tensor, "members size"], largest: float) -> Float[Tensor, "members size"]:
    """Shorten each member's gradient to `largest`, as clip_grad_norm_ does."""
    norm = gradient.norm(dim=1, keepdim=True)
    return gradient * (largest / (norm + 1e-6)).clamp(max=1)


def _sgd(rows: Rows, gradient: Float[Tensor, "members size"]) -> None:
    like = gradient.dtype
    for momentum in rows.memory:  # none, if no member has momentum
        gradient = momentum.mul_(rows.first.to(like)).add_(gradient)
    rows.parameters.sub_(gradient * rows.lr.to(like))


def _adagrad(rows: Rows, gradient: Float[Tensor, "members size"]) -> None:
    like = gradient.dtype
    (squares,) = rows.memory
    squares.addcmul_(gradient, gradient)
    denominator = squares.sqrt().add_(rows.eps.to(like))
    rows.parameters.sub_((gradient * rows.lr.to(like)).div_(denominator))


def _adam(rows: Rows, gradient: Float[Tensor, "members size"]) -> None:
    like = gradient.dtype
    mean, square = rows.memory
    mean.lerp_(gradient, (1 - rows.first).to(like))
    square.mul_(rows.second.to(like)).add_(gradient**2 * (1 - rows.second).to(like))
    # both means start at zero: undo that bias
    stride = rows.lr / (1 - rows.first**rows.steps)
    root = (1 - rows.second**rows.steps).sqrt()
    denominator = (square.sqrt() / root.to(like)).add_(rows.eps.to(like))
    rows.parameters.sub_((mean * stride.to(like)).div_(denominator))


_RULES: dict[type[Optimizer], Callable[[Rows, Tensor], None]] = {
    SGD: _sgd,
    Adagrad: _adagrad,
    Adam: _adam,
}


@torch.no_grad()
def update(rows: Rows, gradient: Float[Tensor, "members size"], kind: type[Optimizer]) -> None:
    """Make one step of every member, as torch's optimizer of this kind would."""
    rows.steps += 1
    _RULES[kind](rows, gradient)
