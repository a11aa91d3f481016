"""Entropies in nats, float64: the arithmetic every ladder is made of."""

import torch
from jaxtyping import Float
from torch import Tensor


def entropy(probabilities: Float[Tensor, "*rest classes"]) -> Float[Tensor, " *rest"]:
    """Entropy of each distribution along the last axis, in nats.

    >>> round(float(entropy(torch.tensor([0.25, 0.75]))), 6)
    0.562335
    """
    probabilities = probabilities.double()
    return -_total(torch.xlogy(probabilities, probabilities))


def binary_entropy(chance: Float[Tensor, " *rest"]) -> Float[Tensor, " *rest"]:
    """Entropy of a coin that comes up one with `chance`, in nats.

    >>> round(float(binary_entropy(torch.tensor(0.625))), 12)
    0.661563238158
    """
    chance = chance.double()
    return -torch.xlogy(chance, chance) - torch.xlogy(1 - chance, 1 - chance)


def cross_entropy(
    truth: Float[Tensor, "*rest classes"], log_predicted: Float[Tensor, "*rest classes"]
) -> Float[Tensor, " *rest"]:
    """Expected loss of a prediction when the target follows `truth`, in nats.

    A class that never occurs costs nothing, whatever it was predicted with.
    """
    truth, log_predicted = truth.double(), log_predicted.double()
    return -_total(torch.where(truth > 0, truth * log_predicted, 0.0))


def divergence(
    truth: Float[Tensor, "*rest classes"], log_predicted: Float[Tensor, "*rest classes"]
) -> Float[Tensor, " *rest"]:
    """Kullback-Leibler divergence of a prediction from `truth`, in nats: loss above the floor.

    >>> half = torch.tensor([0.5, 0.5], dtype=torch.float64)
    >>> float(divergence(half, half.log()))
    0.0
    """
    truth, log_predicted = truth.double(), log_predicted.double()
    return _total(torch.where(truth > 0, truth * (truth.log() - log_predicted), 0.0))


def _total(values: Float[Tensor, "*rest classes"]) -> Float[Tensor, " *rest"]:
    """Sum over the classes: on so short an axis torch multiplies ten times faster than it sums."""
    return values @ values.new_ones(values.shape[-1])
