"""Autograd: torch's own backward pass, one window at a time. Fits every network."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from lossladder.engines.engine import Chunk, Engine, detached
from lossladder.models import State
from lossladder.tasks.task import mean_over_scored


class Autograd(Engine):
    """`loss.backward()` and `optimizer.step()` for each window."""

    name = "autograd"

    def train(self, chunk: Chunk, state: State) -> tuple[Float[Tensor, " windows"], State]:
        """One update a window; see `Engine.train`."""
        inputs = self.task.features(chunk.inputs)  # once for all windows
        initial = self.network.initial_state(inputs.shape[1])
        losses = []
        for window in range(len(inputs)):
            logits, state = self.network(inputs[window], state if chunk.carried else initial)
            scored = None if chunk.scored is None else chunk.scored[window]
            loss = mean_over_scored(self.task.losses(logits, chunk.targets[window]), scored)
            self.optimizer.zero_grad()
            loss.backward()
            if self.gradient_clip is not None:
                clip_grad_norm_(self.network.parameters(), self.gradient_clip)
            self.optimizer.step()
            state = detached(state)
            losses.append(loss.detach())
        return torch.stack(losses), state
