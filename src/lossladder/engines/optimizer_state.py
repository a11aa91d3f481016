"""What torch's optimizers keep, and which of them other engines can step in for."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adagrad, Adam, Optimizer

MEMORY: dict[type[Optimizer], tuple[str, ...]] = {  # tensors kept for each parameter
    SGD: ("momentum_buffer",),
    Adagrad: ("sum",),
    Adam: ("exp_avg", "exp_avg_sq"),
}
PLAIN: dict[str, Any] = {  # options of which one value is known
    "weight_decay": 0,
    "dampening": 0,
    "nesterov": False,
    "maximize": False,
    "lr_decay": 0,
    "amsgrad": False,
    "decoupled_weight_decay": False,
    "differentiable": False,
}


def unsupported_reason(parameters: Sequence[Tensor], optimizer: Optimizer) -> str | None:
    """Return why nothing can step in for an optimizer of these parameters; None: something can."""
    if type(optimizer) not in MEMORY:
        return f"it knows SGD, Adagrad and Adam, not {type(optimizer).__name__}"
    if len(optimizer.param_groups) != 1:
        return f"it knows one group of parameters, not {len(optimizer.param_groups)}"
    (group,) = optimizer.param_groups
    if {id(p) for p in group["params"]} != {id(p) for p in parameters}:
        return "the optimizer must hold all trained parameters of the network and no other"
    for option, value in PLAIN.items():
        if group.get(option, value) != value:
            return f"it knows {type(optimizer).__name__} with {option}={value}, not {group[option]}"
    return None


def knobs(optimizer: Optimizer) -> tuple[float, float, float, float]:
    """Return learning rate, momentum or beta1, beta2, eps."""
    (group,) = optimizer.param_groups
    first, second = group.get("betas", (group.get("momentum", 0.0), 0.0))
    return float(group["lr"]), float(first), float(second), float(group.get("eps", 0.0))


def remembered(optimizer: Optimizer) -> tuple[str, ...]:
    """Return the names of what an optimizer keeps for each parameter; plain SGD keeps nothing."""
    (group,) = optimizer.param_groups
    return () if group.get("momentum", 1) == 0 else MEMORY[type(optimizer)]


def steps_made(optimizer: Optimizer) -> int:
    """Return the updates an optimizer has counted; parameters never used have no count."""
    return max((int(kept.get("step", 0)) for kept in optimizer.state.values()), default=0)


def start(optimizer: Optimizer) -> None:
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
