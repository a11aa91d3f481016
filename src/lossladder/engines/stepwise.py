"""Networks as engines rewrite and compare them: torch's layers in steps; what tells two apart."""

import copy
import operator
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from lossladder.engines.optimizers import unsupported_optimizer
from lossladder.models import (
    GRU,
    LSTM,
    GRUCell,
    Layers,
    LSTMCell,
    Network,
    Recurrent,
    TorchRNN,
    TorchRNNCell,
)
from lossladder.models.recurrent import TorchCell, TorchLayer

# torch has no batching rule for its layers on the CPU, and cuDNN's take the weights of one network
_TWINS: dict[type[TorchLayer], type[TorchCell]] = {
    TorchRNN: TorchRNNCell,
    LSTM: LSTMCell,
    GRU: GRUCell,
}


def in_steps(network: Network) -> Network:
    """Return a network of the same parameters, with torch's layers written one step at a time."""
    recurrent = _in_steps(network.recurrent)
    if recurrent is network.recurrent:
        return network
    # all else is the network's own, which keeps its layers
    twin = copy.copy(network)
    twin._modules = {**network._modules, "recurrent": recurrent}
    return twin


def _in_steps(recurrent: Recurrent) -> Recurrent:
    # a subclass may compute something else, so that only the very classes have twins
    if type(recurrent) is Layers:
        parts = [_in_steps(part) for part in recurrent.parts]
        same = all(map(operator.is_, parts, recurrent.parts))
        return recurrent if same else Layers(parts, recurrent.dropout)
    if not isinstance(recurrent, TorchLayer) or type(recurrent) not in _TWINS:
        return recurrent
    # "meta" draws no numbers: the layer's own parameters take the place of the twin's
    with torch.device("meta"):
        cell = _TWINS[type(recurrent)](recurrent.input_size, recurrent.hidden_size)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(cell, name, getattr(recurrent.layer, f"{name}_l0"))
    return cell


def unlike_reason(networks: Sequence[Network], optimizers: Sequence[Optimizer]) -> str | None:
    """Return why members are no population although each may fit alone; None: they are one."""
    first = networks[0]
    for network, optimizer in zip(networks, optimizers, strict=True):
        if type(optimizer) is not type(optimizers[0]):
            kinds = type(optimizers[0]).__name__, type(optimizer).__name__
            return f"members have optimizers of one kind, not {kinds[0]} and {kinds[1]}"
        reason = unsupported_optimizer(network.trained(), optimizer)
        reason = reason or _difference(first, network)
        if reason is not None:
            return reason
    return None


def _difference(first: Network, other: Network) -> str | None:
    """Return what tells two networks apart besides the values of their tensors; None: nothing."""
    left, right = _description(first), _description(other)
    for what in {**left, **right}:
        if what not in left or what not in right or not _same(left[what], right[what]):
            return f"members differ in {what}: {left.get(what)} and {right.get(what)}"
    return None


def _same(left: object, right: object) -> bool:
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return torch.equal(left, right)
    return bool(left == right)


def _description(network: Network) -> dict[str, object]:
    """Return modules, their settings, and the shapes of their tensors, by name."""
    described: dict[str, object] = {}
    for path, module in network.named_modules():
        described[path] = type(module)
        # where parameters start is in their values, which may differ; settings change the function
        start = getattr(module, "initialisation_arguments", ())
        settings = {k: v for k, v in vars(module).items() if k[0] != "_" and k not in start}
        described.update({f"{path}.{key}".strip("."): value for key, value in settings.items()})
    for name, tensor in network.state_dict(keep_vars=True).items():
        described[name] = tensor.shape, tensor.dtype, tensor.device, tensor.requires_grad
    return described
