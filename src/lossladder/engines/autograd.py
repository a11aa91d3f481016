"""Autograd: torch's own backward pass, one window at a time; it fits every network."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from lossladder.engines.engine import Chunk, Engine, detached
from lossladder.engines.schedules import own_rates
from lossladder.models import State
from lossladder.signals import stop_asked
from lossladder.tasks.task import mean_over_scored


class Autograd(Engine):
    """An engine that calls `loss.backward()` and `optimizer.step()` for each window."""

    name = "autograd"

    def train(self, chunk: Chunk, state: State | None) -> tuple[Float[Tensor, " windows"], State]:
        """Make one update a window; see `Engine.train`."""
        inputs = self.task.features(chunk.inputs)  # once for all windows
        # zeros, because an optimizer passes over parameters that have no gradient at all
        for parameter in self.network.parameters():
            if parameter.grad is None and parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
        losses, after = [], ()
        start = detached(state) if chunk.carried and state is not None else None
        factors = self.schedule.factors(chunk.first, len(inputs)).tolist()
        with own_rates(self.optimizer) as rates:
            for window in range(len(inputs)):
                # what is left of the chunk is drawn again when the run goes on
                if window and stop_asked():
                    break
                logits, after = self.network(inputs[window], start)
                scored = None if chunk.scored is None else chunk.scored[window]
                loss = mean_over_scored(self.task.losses(logits, chunk.targets[window]), scored)
                # what a window does not use, such as the initial state of a stream under way, has
                # gradient zero: the optimizer's memory of it fades all the same
                self.optimizer.zero_grad(set_to_none=False)
                loss.backward()
                if self.gradient_clip is not None:
                    clip_grad_norm_(self.network.parameters(), self.gradient_clip)
                for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * factors[window]
                self.optimizer.step()
                after = detached(after)
                start = after if chunk.carried else None
                losses.append(loss.detach())
        return torch.stack(losses), after
