"""The loss: how an output is held against a target, and against all that is known of the target."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Integer, Shaped
from torch import Tensor
from torch.nn import functional

from lossladder.ladder.entropy import cross_entropy, divergence


class Loss(ABC):
    """A loss, with the law of a target in the form that suits it.

    Args:
        unit: of the loss, in words.
    """

    unit: str

    @abstractmethod
    def of_targets(
        self, outputs: Float[Tensor, "*rest output"], targets: Shaped[Tensor, "*target"]
    ) -> Float[Tensor, " *rest"]:
        """Loss of each step against its target."""

    @abstractmethod
    def prediction(self, outputs: Float[Tensor, "*rest output"]) -> Float[Tensor, "*rest output"]:
        """What outputs say of a target, to be held against laws, float64."""

    @abstractmethod
    def expected(
        self, outputs: Float[Tensor, "*rest output"], law: Float[Tensor, "*rest output"]
    ) -> Float[Tensor, " *rest"]:
        """Loss of each step against the exact law of its target, float64."""

    @abstractmethod
    def divergence(
        self, law: Float[Tensor, "*rest output"], said: Float[Tensor, "*rest output"]
    ) -> Float[Tensor, " *rest"]:
        """How far what outputs have `said` is from `law`: 0 where they say it, float64."""

    @abstractmethod
    def logits_for(self, law: Float[Tensor, "*rest output"]) -> Float[Tensor, "*rest output"]:
        """What a network puts out to say `law`."""


class CrossEntropy(Loss):
    """For classes, in nats: outputs are logits, and a law gives each class its probability."""

    unit = "nats"

    def of_targets(
        self, outputs: Float[Tensor, "*rest output"], targets: Integer[Tensor, " *rest"]
    ) -> Float[Tensor, " *rest"]:
        """Minus the log-probability of each target."""
        flat = functional.cross_entropy(
            _steps_last(outputs), targets.reshape(1, -1).long(), reduction="none"
        )
        return flat.view(targets.shape)

    def prediction(self, outputs: Float[Tensor, "*rest output"]) -> Float[Tensor, "*rest output"]:
        """The log-probability of each class."""
        flat = torch.log_softmax(_steps_last(outputs.double()), dim=1)
        return flat.mT.view(outputs.shape)

    def expected(
        self, outputs: Float[Tensor, "*rest output"], law: Float[Tensor, "*rest output"]
    ) -> Float[Tensor, " *rest"]:
        """Cross entropy of each step: no label noise."""
        return cross_entropy(law, self.prediction(outputs))

    def divergence(
        self, law: Float[Tensor, "*rest output"], said: Float[Tensor, "*rest output"]
    ) -> Float[Tensor, " *rest"]:
        """Kullback-Leibler divergence."""
        return divergence(law, said)

    def logits_for(self, law: Float[Tensor, "*rest output"]) -> Float[Tensor, "*rest output"]:
        """Logarithms."""
        return law.log()


class HalfSquaredError(Loss):
    """For real targets within (0, 1) that the inputs determine: a law gives their very values.

    As the softmax belongs to the cross entropy, a sigmoid belongs to this loss:
    1/2 sum over outputs of (sigmoid(output) - target)^2.

    >>> loss, target = HalfSquaredError(), torch.tensor([0.0, 1.0])
    >>> float(loss.of_targets(torch.zeros(2), target))
    0.25
    """

    unit = "half squared error"

    def of_targets(
        self, outputs: Float[Tensor, "*rest output"], targets: Float[Tensor, "*rest output"]
    ) -> Float[Tensor, " *rest"]:
        """Half the squared distance of each step, summed over its outputs."""
        return (torch.sigmoid(outputs) - targets.to(outputs.dtype)).square().sum(-1) / 2

    def prediction(self, outputs: Float[Tensor, "*rest output"]) -> Float[Tensor, "*rest output"]:
        """The value of each output."""
        return torch.sigmoid(outputs.double())

    def expected(
        self, outputs: Float[Tensor, "*rest output"], law: Float[Tensor, "*rest output"]
    ) -> Float[Tensor, " *rest"]:
        """The same in float64: the targets are certain."""
        return self.divergence(law, self.prediction(outputs))

    def divergence(
        self, law: Float[Tensor, "*rest output"], said: Float[Tensor, "*rest output"]
    ) -> Float[Tensor, " *rest"]:
        """Half the squared distance, again."""
        return (said - law).square().sum(-1) / 2

    def logits_for(self, law: Float[Tensor, "*rest output"]) -> Float[Tensor, "*rest output"]:
        """The inverse of the sigmoid."""
        return law.logit()


def _steps_last(outputs: Float[Tensor, "*rest output"]) -> Float[Tensor, "1 output steps"]:
    """All steps in a row: torch vectorises over the last axis, and classes make a short one."""
    return outputs.reshape(1, -1, outputs.shape[-1]).mT
