"""The problem as our library says it: task, network, optimizer and chunk."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, Optimizer

from benchmarks.problems import Problem, Start
from lossladder.engines import Chunk
from lossladder.models import GRU, LSTM, RNN, Network
from lossladder.models.recurrent import Cell, State
from lossladder.tasks import Count, Echo, Parity, Task
from tests.cells.zoo import ZOO


class OwnCell(Cell):
    """A cell as a user writes one, which no engine has heard of."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.of_input = torch.nn.Parameter(torch.empty(input_size, hidden_size))
        self.of_state = torch.nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.bias = torch.nn.Parameter(torch.empty(hidden_size))
        self.initialise()

    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh parameters."""
        torch.nn.init.xavier_uniform_(self.of_input, generator=generator)
        torch.nn.init.xavier_uniform_(self.of_state, generator=generator)
        torch.nn.init.zeros_(self.bias)

    def step(self, x: Tensor, state: State) -> State:
        """Return the state one step later."""
        (h,) = state
        return (torch.tanh(x @ self.of_input + h @ self.of_state + self.bias),)


CELLS: dict[str, type[Any]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU, **ZOO}


def task_of(problem: Problem) -> Task:
    """Return the task that the data are of."""
    if problem.one_hot:
        return Echo()
    if problem.cell == "lstm":
        return Count(num_steps=problem.bptt_steps)
    return Parity(num_steps=problem.bptt_steps, every_step=False)


def network_of(problem: Problem, start: Start | None = None, own: bool = False) -> Network:
    """Return the problem's network, or one around the user's own tanh cell, at the start."""
    kind = OwnCell if own and problem.cell == "rnn" else CELLS[problem.cell]
    network = Network(kind(problem.input_size, problem.hidden_size), problem.classes)
    set_start(network, problem.start if start is None else start)
    return network


def set_start(network: Network, start: Start) -> None:
    """Give the network these weights."""
    values = {name: torch.from_numpy(value) for name, value in start.items()}
    recurrent = network.recurrent
    with torch.no_grad():
        if isinstance(recurrent, OwnCell):
            of_input, of_state = values["weight"].tensor_split([recurrent.input_size])
            recurrent.of_input.copy_(of_input)
            recurrent.of_state.copy_(of_state)
            recurrent.bias.copy_(values["bias"])
        elif not isinstance(recurrent, LSTM | GRU):  # by their names
            for name, parameter in recurrent.named_parameters():
                parameter.copy_(values[name])
        else:
            of_input, of_state = values["weight"].tensor_split([recurrent.input_size])
            weight_ih, weight_hh, bias_ih, bias_hh = recurrent.layer.all_weights[0]
            weight_ih.copy_(of_input.T)
            weight_hh.copy_(of_state.T)
            bias_ih.copy_(values["bias"])
            bias_hh.zero_()
        readout = network.readout
        assert isinstance(readout, nn.Linear)
        readout.weight.copy_(values["readout"].T)
        readout.bias.copy_(values["readout_bias"])


def optimizer_of(problem: Problem, network: Network) -> Optimizer:
    """Return the problem's optimizer."""
    parameters, lr = list(network.parameters()), problem.learning_rate
    if problem.optimizer == "adagrad":
        return Adagrad(parameters, lr=lr, initial_accumulator_value=0.1)
    return {"adam": Adam, "sgd": SGD}[problem.optimizer](parameters, lr=lr)


def chunk_of(problem: Problem) -> Chunk:
    """Return all windows, stored as a task draws them, the batch contiguous."""
    scored = None
    if problem.last_only:
        scored = torch.zeros(problem.inputs.shape, dtype=torch.bool)
        scored[..., -1] = True
    # a state given from outside is carried in; in such a problem there is one window a round
    carried = problem.carried or problem.state is not None
    return Chunk(_time_major(problem.inputs), _time_major(problem.targets), scored, carried)


def first_windows(chunk: Chunk, windows: int) -> Chunk:
    """Return the first windows of a chunk."""
    scored = None if chunk.scored is None else chunk.scored[:windows]
    return chunk._replace(
        inputs=chunk.inputs[:windows], targets=chunk.targets[:windows], scored=scored
    )


def state_of(problem: Problem, network: Network) -> State:
    """Return the state before the first window."""
    if problem.state is None:
        return network.initial_state(problem.batch_size)
    return (torch.from_numpy(problem.state),)


def _time_major(symbols: np.ndarray) -> Tensor:
    stored = np.ascontiguousarray(symbols.transpose(0, 2, 1))  # (windows, time, batch)
    return torch.from_numpy(stored).transpose(1, 2)
