"""Mamba: a selective state space, which the input tells how fast its time goes."""

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn.functional import silu, softplus

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State, start_linear


class Mamba(Cell):
    """The selective state space layer S6, between the input projection and the gate of its block.

        u, z  = W x + d                               one of each a channel
        u     = silu(u)
        r,B,C = X u                                 a few numbers each, shared by all channels
        delta = softplus(R r + b)                   how much time a step takes, a channel
        S'    = exp(-delta exp(A)) S + delta u B    (channels, state_size): a row of S each
        y     = (S' C + D u) silu(z)                what the readout sees

    There are as many channels as hiddens. Of the published block this leaves out the convolution
    over the last four steps, which is a window of its own and no part of the recurrence, and the
    output projection, since a linear map, the readout or the layer above, comes next anyway. The
    bias d, which the published block may have and by default has not, is for inputs that are zero:
    without it their u and z are zero as well, and the readout sees nothing of the state.

    As published: A starts as log 1, 2, ..., state_size in each channel, D as 1; b such that
    softplus(b) is log-uniform between delta_min and delta_max; R uniform within rank ** -0.5. W and
    X start glorot-uniform, where the authors leave them to torch's own start, and d at zero.

    Args:
        input_size: features a step.
        hidden_size: channels.
        state_size: numbers of the state for each channel.
        delta_rank: numbers that r has; None: a 16th of the channels, rounded up.
        delta_min, delta_max: between which delta starts, for an input of zeros. What a channel
            remembers fades within 1 / delta steps.
    Raises:
        ValueError: if a size is no whole number above 0, or it does not hold that
            0 < delta_min < delta_max.
    Source: Gu and Dao (2023), arXiv:2312.00752, algorithm 2 and figure 3.

    >>> cell = Mamba(input_size=3, hidden_size=8)
    >>> y, (state,) = cell(torch.ones(2, 5, 3), cell.initial_state(2))
    >>> y.shape, state.shape
    (torch.Size([2, 5, 8]), torch.Size([2, 8, 16]))
    """

    dynamics = Dynamics("diagonal", "unit")
    initialisation_arguments = ("delta_min", "delta_max")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        state_size: int = 16,
        delta_rank: int | None = None,
        delta_min: float = 0.001,
        delta_max: float = 0.1,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.state_size = checks.whole("state_size", state_size)
        rank = math.ceil(hidden_size / 16) if delta_rank is None else delta_rank
        self.delta_rank = checks.whole("delta_rank", rank)
        self.delta_min = checks.real("delta_min", delta_min, above=0)
        self.delta_max = checks.real("delta_max", delta_max, above=0)
        if not delta_min < delta_max:
            raise ValueError(f"delta_min={delta_min:g}: must be below delta_max={delta_max:g}")
        self.project = nn.Linear(input_size, 2 * hidden_size)  # u, z
        self.select = nn.Linear(hidden_size, rank + 2 * state_size, bias=False)  # r, B, C
        self.pace = nn.Linear(rank, hidden_size)  # delta, before the softplus
        self.log_rate = nn.Parameter(torch.empty(hidden_size, state_size))  # A
        self.skip = nn.Parameter(torch.empty(hidden_size))  # D
        self.initialise()

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shape of the state: a row for each channel."""
        return ((self.hidden_size, self.state_size),)

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        start_linear(generator, self.project, self.select)
        bound = self.delta_rank**-0.5
        nn.init.uniform_(self.pace.weight, -bound, bound, generator=generator)
        with torch.no_grad():
            ends = math.log(self.delta_min), math.log(self.delta_max)
            delta = self.pace.bias.uniform_(*ends, generator=generator).exp_()
            delta += torch.log(-torch.expm1(-delta))  # of which delta is the softplus
            rates = torch.arange(1, self.state_size + 1, dtype=self.log_rate.dtype)
            self.log_rate.copy_(rates.log().expand_as(self.log_rate))
        nn.init.ones_(self.skip)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> tuple[Tensor, State]:
        """Return what the readout sees, and the state one step later."""
        (rows,) = state  # (batch, hidden, state)
        u, z = silu(self.project(x)).chunk(2, dim=-1)  # (batch, hidden) each
        sizes = [self.delta_rank, self.state_size, self.state_size]
        r, write, read = self.select(u).split(sizes, dim=-1)
        delta = softplus(self.pace(r))  # (batch, hidden)
        keep = torch.exp(-delta[:, :, None] * torch.exp(self.log_rate))
        rows = keep * rows + (delta * u)[:, :, None] * write[:, None, :]
        seen = (rows * read[:, None, :]).sum(dim=-1)  # (batch, hidden)
        return (seen + self.skip * u) * z, (rows,)
