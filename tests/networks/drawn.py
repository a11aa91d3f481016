"""What tests of single networks share: numbers from a seed, and a plain sigmoid."""

import numpy as np
import torch

from lossladder.models import Recurrent


def drawn(network: Recurrent, seed: int = 0, scale: float = 0.7) -> Recurrent:
    """The network in float64, every parameter from a normal law, in the order of its parameters."""
    network = network.double()
    source = np.random.RandomState(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.as_tensor(scale * source.normal(size=tuple(parameter.shape))))
    return network


def inputs(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.RandomState(seed).normal(size=shape)


@torch.no_grad()
def ran(network: Recurrent, x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Hiddens and last state of a network, from its initial state."""
    hiddens, state = network(torch.as_tensor(x), network.initial_state(len(x)))
    return hiddens.numpy(), tuple(part.numpy() for part in state)


def numbers(network: Recurrent) -> dict[str, np.ndarray]:
    return {name: p.detach().numpy() for name, p in network.named_parameters()}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def one_hot(letters: list[int], count: int) -> np.ndarray:
    """Letters as inputs of one sequence, (1, time, count)."""
    return np.eye(count)[None, letters]
