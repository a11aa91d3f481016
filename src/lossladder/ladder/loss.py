"""The loss: what an output costs, against a target or against the target's probabilities."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Integer, Shaped
from torch import Tensor
from torch.nn import functional

from lossladder.ladder.entropy import cross_entropy, divergence

# a number for each output of each step: what a network puts out, or a prediction, or probabilities
Outputs = Float[Tensor, "*rest output"]
# a number for each step
Losses = Float[Tensor, " *rest"]


class Loss(ABC):
    """What outputs cost, against drawn targets or, without their noise, against probabilities.

    A real target that the inputs determine has values in place of probabilities.

    Attributes:
        unit: of the loss, in words.
        close: what a network that has learned a rung still hovers above it, in this unit.
    """

    unit: str
    close: float

    @abstractmethod
    def of_targets(self, outputs: Outputs, targets: Shaped[Tensor, "*target"]) -> Losses:
        """Return the loss of each step against its target."""

    @abstractmethod
    def prediction(self, outputs: Outputs) -> Outputs:
        """Return what outputs predict, in the form that `divergence` takes, float64."""

    @abstractmethod
    def expected(self, outputs: Outputs, probabilities: Outputs) -> Losses:
        """Return the expected loss of each step where targets have these probabilities, float64."""

    @abstractmethod
    def divergence(self, probabilities: Outputs, prediction: Outputs) -> Losses:
        """Return how far a prediction is from the probabilities: 0 where it is right, float64."""

    @abstractmethod
    def logits_for(self, probabilities: Outputs) -> Outputs:
        """Return the outputs that predict these probabilities."""


class CrossEntropy(Loss):
    """The loss of classes, in nats: outputs are logits, as for a softmax."""

    unit = "nats"
    close = 0.01

    def of_targets(self, outputs: Outputs, targets: Integer[Tensor, " *rest"]) -> Losses:
        """Return minus the log-probability of each target."""
        # classes may come as bytes, in which tasks draw them; torch takes 64 bits
        flat = functional.cross_entropy(
            _steps_last(outputs), targets.reshape(1, -1).long(), reduction="none"
        )
        return flat.view(targets.shape)

    def prediction(self, outputs: Outputs) -> Outputs:
        """Return the log-probability of each class."""
        flat = torch.log_softmax(_steps_last(outputs.double()), dim=1)
        return flat.mT.view(outputs.shape)

    def expected(self, outputs: Outputs, probabilities: Outputs) -> Losses:
        """Return the cross entropy of each step."""
        return cross_entropy(probabilities, self.prediction(outputs))

    def divergence(self, probabilities: Outputs, prediction: Outputs) -> Losses:
        """Return the Kullback-Leibler divergence of each step."""
        return divergence(probabilities, prediction)

    def logits_for(self, probabilities: Outputs) -> Outputs:
        """Return logarithms: a softmax undoes them."""
        return probabilities.log()


class HalfSquaredError(Loss):
    """The loss of real targets within (0, 1) that the inputs determine.

    A sigmoid belongs to this loss, as the softmax belongs to the cross entropy:
    1/2 sum over outputs of (sigmoid(output) - target)^2.

    >>> loss, target = HalfSquaredError(), torch.tensor([0.0, 1.0])
    >>> float(loss.of_targets(torch.zeros(2), target))
    0.25
    """

    unit = "half squared error"
    close = 1e-4  # each of two outputs is off by a hundredth

    def of_targets(self, outputs: Outputs, targets: Outputs) -> Losses:
        """Return half the squared distance of each step, summed over its outputs."""
        return (torch.sigmoid(outputs) - targets.to(outputs.dtype)).square().sum(-1) / 2

    def prediction(self, outputs: Outputs) -> Outputs:
        """Return the value of each output."""
        # in float64, because the verdict compares differences of a few 1e-4 nats
        return torch.sigmoid(outputs.double())

    def expected(self, outputs: Outputs, probabilities: Outputs) -> Losses:
        """Return half the squared distance of each step from the values, which are certain."""
        return self.divergence(probabilities, self.prediction(outputs))

    def divergence(self, probabilities: Outputs, prediction: Outputs) -> Losses:
        """Return half the squared distance of each step."""
        # the best loss of certain values is 0, so that the whole loss is above it
        return (prediction - probabilities).square().sum(-1) / 2

    def logits_for(self, probabilities: Outputs) -> Outputs:
        """Return the inverse of the sigmoid."""
        return probabilities.logit()


class SquaredError(Loss):
    """The loss of real targets: the squared distance, summed over outputs.

    The best predictor is the mean of the targets, and its loss their variance.

    >>> loss, target = SquaredError(), torch.tensor([0.0, 1.0])
    >>> float(loss.of_targets(torch.zeros(2), target))
    1.0
    """

    unit = "squared error"
    close = 1e-3

    def of_targets(self, outputs: Outputs, targets: Outputs) -> Losses:
        """Return the squared distance of each step, summed over its outputs."""
        return (outputs - targets.to(outputs.dtype)).square().sum(-1)

    def prediction(self, outputs: Outputs) -> Outputs:
        """Return the value of each output."""
        return outputs.double()

    def expected(self, outputs: Outputs, probabilities: Outputs) -> Losses:
        """Return the squared distance of each step from the values, which are certain."""
        return self.divergence(probabilities, self.prediction(outputs))

    def divergence(self, probabilities: Outputs, prediction: Outputs) -> Losses:
        """Return the squared distance of each step."""
        return (prediction - probabilities).square().sum(-1)

    def logits_for(self, probabilities: Outputs) -> Outputs:
        """Return the values themselves."""
        return probabilities


def _steps_last(outputs: Outputs) -> Float[Tensor, "1 output steps"]:
    """Return all steps in one row, behind the classes."""
    # torch vectorises over the last axis, and the few classes would make a short one
    return outputs.reshape(1, -1, outputs.shape[-1]).mT
