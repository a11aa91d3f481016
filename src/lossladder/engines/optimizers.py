"""torch's optimizers, for engines that step in for them: what they keep, and their updates in rows.

Their state stays where torch keeps it, so that a run can go on with another engine after any chunk.
In rows, each member's parameters are one row, and each operation is one of all rows: a handful of
operations updates everybody, whatever the number of members and of their tensors.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

from lossladder.models import Network

_MEMORY: dict[type[Optimizer], tuple[str, ...]] = {  # tensors kept for each parameter
    SGD: ("momentum_buffer",),
    Adagrad: ("sum",),
    Adam: ("exp_avg", "exp_avg_sq"),
    AdamW: ("exp_avg", "exp_avg_sq"),
}
# Options of which one value is known. Those left out (foreach, fused, capturable) change the order
# of operations only, not what they compute.
_PLAIN: dict[str, Any] = {
    "dampening": 0,
    "nesterov": False,
    "maximize": False,
    "lr_decay": 0,
    "amsgrad": False,
    "decoupled_weight_decay": False,
    "differentiable": False,
}


def unsupported_optimizer(parameters: Sequence[Tensor], optimizer: Optimizer) -> str | None:
    """Return why nothing can step in for an optimizer of these parameters; None: something can."""
    # not isinstance: AdamW is an Adam to Python, and another rule
    if type(optimizer) not in _MEMORY:
        return f"it knows SGD, Adagrad, Adam and AdamW, not {type(optimizer).__name__}"
    if len(optimizer.param_groups) != 1:
        return f"it knows one group of parameters, not {len(optimizer.param_groups)}"
    (group,) = optimizer.param_groups
    if {id(p) for p in group["params"]} != {id(p) for p in parameters}:
        return "the optimizer must hold all trained parameters of the network and no other"
    for option, value in _PLAIN.items():
        # an Adam that is told so is an AdamW under another name
        value = isinstance(optimizer, AdamW) if option == "decoupled_weight_decay" else value
        if group.get(option, value) != value:
            return f"it knows {type(optimizer).__name__} with {option}={value}, not {group[option]}"
    return None


def knobs(optimizer: Optimizer) -> tuple[float, float, float, float, float]:
    """Return learning rate, momentum or beta1, beta2, eps, weight decay; 0 where there is none."""
    (group,) = optimizer.param_groups
    first, second = group.get("betas", (group.get("momentum", 0.0), 0.0))
    eps, decay = group.get("eps", 0.0), group["weight_decay"]
    return float(group["lr"]), float(first), float(second), float(eps), float(decay)


def remembered(optimizer: Optimizer) -> tuple[str, ...]:
    """Return the names of what an optimizer keeps for each parameter; plain SGD keeps nothing."""
    (group,) = optimizer.param_groups
    return () if group.get("momentum", 1) == 0 else _MEMORY[type(optimizer)]


def steps_made(optimizer: Optimizer) -> int:
    """Return the updates an optimizer has counted; parameters never used have no count."""
    return max((int(kept.get("step", 0)) for kept in optimizer.state.values()), default=0)


def start_state(optimizer: Optimizer) -> None:
    """Give the optimizer the state that its first step would give it, where it has none yet."""
    (group,) = optimizer.param_groups
    names = remembered(optimizer)
    for parameter in group["params"] if names else ():
        state = optimizer.state[parameter]
        for name in names:
            if state.get(name) is None:
                state[name] = torch.zeros_like(parameter, requires_grad=False)
        if "step" not in state and type(optimizer) is not SGD:
            state["step"] = torch.zeros(())


def set_steps(optimizer: Optimizer, steps: int) -> None:
    """Let the optimizer know how many updates it has made."""
    for kept in optimizer.state.values():
        if "step" in kept:
            kept["step"].fill_(steps)


# --- many members in rows -----------------------------------------------------------------------


@dataclass
class Rows:
    """What is learned and what the optimizers remember; each row is a member.

    Args:
        parameters: all trained parameters of a member, one after another.
        memory: the optimizer's own: momentum; sum of squares; mean and mean square of the gradient.
        steps: updates so far.
        lr: learning rate of the next update.
        first: momentum or beta1.
        second: beta2.
        eps: keeps denominators above zero.
        decay: of the weights; AdamW's takes a share of them off, the others' adds to the gradient.
            None: no member has any.
    """

    parameters: Float[Tensor, "members size"]
    memory: tuple[Float[Tensor, "members size"], ...]
    # float64 like Python's own numbers, in which torch computes them for one member
    steps: Float64[Tensor, "members 1"]
    lr: Float64[Tensor, "members 1"]
    first: Float64[Tensor, "members 1"]
    second: Float64[Tensor, "members 1"]
    eps: Float64[Tensor, "members 1"]
    decay: Float64[Tensor, "members 1"] | None


def read_rows(networks: Sequence[Network], optimizers: Sequence[Optimizer]) -> Rows:
    """Copy parameters and optimizer state into rows."""
    # members without momentum may stand beside others with it: theirs stays zero
    names = max(map(remembered, optimizers), key=len)
    pairs = list(zip(networks, optimizers, strict=True))
    parameters = torch.stack([_row(network.trained()) for network in networks])
    numbers = [(steps_made(optimizer), *knobs(optimizer)) for optimizer in optimizers]
    columns = torch.tensor(numbers, dtype=torch.float64, device=parameters.device).split(1, dim=1)
    memory = tuple(torch.stack([_row(_kept(*pair, name)) for pair in pairs]) for name in names)
    steps, lr, first, second, eps, decay = columns
    # asked once, because an accelerator would be waited for at each update
    own = decay if decay.any() else None
    return Rows(parameters, memory, steps, lr, first, second, eps, own)


@torch.no_grad()
def write_rows(rows: Rows, networks: Sequence[Network], optimizers: Sequence[Optimizer]) -> None:
    """Copy rows back to where torch keeps them."""
    for member, (network, optimizer) in enumerate(zip(networks, optimizers, strict=True)):
        start_state(optimizer)
        set_steps(optimizer, int(rows.steps[member]))
        _fill(network.trained(), rows.parameters[member])
        # not strict: a member that keeps nothing leaves out what others remember
        for name, memory in zip(remembered(optimizer), rows.memory, strict=False):
            _fill(_kept(network, optimizer, name), memory[member])


def _kept(network: Network, optimizer: Optimizer, name: str) -> list[Tensor]:
    """Return what the optimizer keeps under this name; zeros before its first step."""
    trained = network.trained()
    kept = [optimizer.state.get(parameter, {}).get(name) for parameter in trained]
    return [torch.zeros_like(p) if k is None else k for p, k in zip(trained, kept, strict=True)]


def _row(tensors: Iterable[Tensor]) -> Float[Tensor, " size"]:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def _fill(tensors: Sequence[Tensor], row: Float[Tensor, " size"]) -> None:
    parts = row.split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


def clip_rows(
    gradient: Float[Tensor, "members size"], largest: float
) -> Float[Tensor, "members size"]:
    """Shorten each member's gradient to `largest`, as clip_grad_norm_ does."""
    norm = gradient.norm(dim=1, keepdim=True)
    # the constant is torch's own: it keeps a gradient of zero from a division by zero
    return gradient * (largest / (norm + 1e-6)).clamp(max=1)


def _sgd(rows: Rows, gradient: Float[Tensor, "members size"]) -> None:
    like = gradient.dtype
    # there is no momentum if no member has any
    for momentum in rows.memory:
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
    AdamW: _adam,
}


@torch.no_grad()
def update_rows(rows: Rows, gradient: Float[Tensor, "members size"], kind: type[Optimizer]) -> None:
    """Make one step of every member, as torch's optimizer of this kind would."""
    rows.steps += 1
    if rows.decay is not None and kind is AdamW:
        rows.parameters.mul_((1 - rows.lr * rows.decay).to(gradient.dtype))
    elif rows.decay is not None:
        gradient = gradient + rows.parameters * rows.decay.to(gradient.dtype)
    _RULES[kind](rows, gradient)
