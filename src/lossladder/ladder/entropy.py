"""Entropies in nats, float64: the arithmetic every ladder is made of."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

PerClass = Float[Tensor, "*rest classes"]
Nats = Float[Tensor, " *rest"]


def entropy(probabilities: PerClass) -> Nats:
    """Return the entropy of each distribution along the last axis, in nats.

    >>> round(float(entropy(torch.tensor([0.25, 0.75]))), 6)
    0.562335
    """
    # H(p) = - sum p log p, with 0 log 0 = 0
    probabilities = probabilities.double()
    return -_total(torch.xlogy(probabilities, probabilities))


def binary_entropy(chance: Float[Tensor, " *rest"]) -> Nats:
    """Return the entropy of a coin that shows one with this chance, in nats.

    >>> round(float(binary_entropy(torch.tensor(0.625))), 12)
    0.661563238158
    """
    chance = chance.double()
    return -torch.xlogy(chance, chance) - torch.xlogy(1 - chance, 1 - chance)


def bag_entropy(count: int, symbols: int) -> float:
    """Return the mean entropy of one symbol out of a bag whose contents are known, in nats.

    The bag holds `count` independent symbols, each even among `symbols`. Of one that was taken
    blindly it is only known how often each symbol is in the bag.

    >>> round(bag_entropy(4, 16), 9)
    1.25965906
    """
    # E[- sum_v c_v/m ln c_v/m] = - V E[c/m ln c/m], where each count c is binomial(m, 1/V)
    many = torch.arange(1, count + 1, dtype=torch.float64)
    of_all = torch.tensor(float(count), dtype=torch.float64)
    ways = (of_all + 1).lgamma() - (many + 1).lgamma() - (of_all - many + 1).lgamma()
    chances = (ways - many * math.log(symbols)).exp() * (1 - 1 / symbols) ** (of_all - many)
    share = many / count
    return -symbols * float(chances @ torch.xlogy(share, share))


def cross_entropy(probabilities: PerClass, log_predicted: PerClass) -> Nats:
    """Return the expected loss of a prediction where targets have these probabilities, in nats."""
    # C(p, q) = - sum p log q
    probabilities, log_predicted = probabilities.double(), log_predicted.double()
    # A class that never occurs costs nothing, whatever was predicted: but 0 * -inf would be nan.
    return -_total(torch.where(probabilities > 0, probabilities * log_predicted, 0.0))


def divergence(probabilities: PerClass, log_predicted: PerClass) -> Nats:
    """Return the Kullback-Leibler divergence of a prediction from the probabilities, in nats.

    It is what the prediction costs above the entropy of the target, which nobody can save.

    >>> half = torch.tensor([0.5, 0.5], dtype=torch.float64)
    >>> float(divergence(half, half.log()))
    0.0
    """
    # D(p, q) = sum p (log p - log q)
    probabilities, log_predicted = probabilities.double(), log_predicted.double()
    excess = probabilities * (probabilities.log() - log_predicted)
    return _total(torch.where(probabilities > 0, excess, 0.0))


def _total(values: PerClass) -> Nats:
    """Return the sum over the classes."""
    # On so short an axis torch multiplies ten times faster than it sums.
    return values @ values.new_ones(values.shape[-1])
