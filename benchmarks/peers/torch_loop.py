"""A plain PyTorch loop: nn.RNN or nn.LSTM, autograd and an optimizer, one window at a time."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.contestant import Losses, Trainee
from benchmarks.problems import SHAPES, Problem


class Unrolled(nn.Module):
    """A cell that somebody wrote, in the loop that everybody writes around it."""

    def __init__(self, name: str, input_size: int, hidden_size: int) -> None:
        super().__init__()
        from tests.cells.zoo import ZOO

        self.cell = ZOO[name](input_size, hidden_size)

    def forward(self, inputs: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return hiddens, and the state after the window."""
        state = self.cell.initial_state(len(inputs)) if before is None else (before,)
        hiddens = []
        for x in inputs.unbind(1):
            state = self.cell.step(x, state)
            hiddens.append(state[0])
        return torch.stack(hiddens, 1), state[0]


class Model(nn.Module):
    """torch's own layer and a linear readout, started where everybody starts."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.readout = nn.Linear(problem.hidden_size, problem.classes)
        self.one_hot, self.last_only = problem.one_hot, problem.last_only
        start = {name: torch.from_numpy(values) for name, values in problem.start.items()}
        with torch.no_grad():
            self.readout.weight.copy_(start["readout"].T)
            self.readout.bias.copy_(start["readout_bias"])
        sizes = problem.input_size, problem.hidden_size
        if problem.cell in SHAPES:
            written = Unrolled(problem.cell, *sizes)
            self.layer: nn.Module = written
            written.cell.load_state_dict({n: start[n] for n in SHAPES[problem.cell](*sizes)})
            return
        kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[problem.cell]
        self.layer = layer = kind(*sizes, batch_first=True)
        weight_ih, weight_hh, bias_ih, bias_hh = layer.all_weights[0]
        with torch.no_grad():
            weight_ih.copy_(start["weight"][: problem.input_size].T)
            weight_hh.copy_(start["weight"][problem.input_size :].T)
            bias_ih.copy_(start["bias"])
            bias_hh.zero_()
        if problem.cell == "rnn":  # the notebooks have one bias; two would learn twice as fast
            bias_hh.requires_grad_(False)

    def forward(self, symbols: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return logits of the scored steps, and the state after the window."""
        features = functional.one_hot(symbols, 2) if self.one_hot else symbols[..., None]
        hiddens, after = self.layer(features.float(), before)
        return self.readout(hiddens[:, -1:] if self.last_only else hiddens), after

    def trained(self) -> list[nn.Parameter]:
        """Return the parameters that learn."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]


def optimizer_of(problem: Problem, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the problem's optimizer."""
    lr = problem.learning_rate
    if problem.optimizer == "adagrad":
        return torch.optim.Adagrad(parameters, lr=lr, initial_accumulator_value=0.1)
    kind = torch.optim.Adam if problem.optimizer == "adam" else torch.optim.SGD
    return kind(parameters, lr=lr)


def _detached(state: Any) -> Any:
    """Return the state without its history: a tensor, or an LSTM's two."""
    return tuple(map(_detached, state)) if isinstance(state, tuple) else state.detach()


class TorchLoop(Trainee):
    """The loop that everybody writes first."""

    def prepare(self) -> None:
        """Keep the data as torch likes it."""
        torch.set_num_threads(self.threads)
        scored = slice(-1, None) if self.problem.last_only else slice(None)
        self.inputs = torch.from_numpy(np.array(self.problem.inputs)).long()
        self.targets = torch.from_numpy(np.array(self.problem.targets[..., scored])).long()

    def start(self) -> None:
        """Make a new model and a new optimizer."""
        self.model = Model(self.problem)
        self.optimizer = optimizer_of(self.problem, self.model.trained())

    def train(self, windows: int) -> Losses:
        """Make one update a window."""
        given = self.problem.state
        first = None if given is None else torch.from_numpy(given)[None]
        state, losses = first, []
        for symbols, targets in zip(self.inputs[:windows], self.targets[:windows], strict=True):
            logits, after = self.model(symbols, state)
            loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            state = _detached(after) if self.problem.carried else first
            losses.append(loss.detach())
        return torch.stack(losses)[None].numpy()
