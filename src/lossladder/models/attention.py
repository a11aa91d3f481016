"""Attention over a window: a transformer's layer that sees the last inputs, and nothing before."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State, start_linear

# units of the inner layer for each hidden, as in the paper: 2048 for 512
_WIDER = 4
# less than any score; an infinity would make gradients of nothing but masked steps NaN
_MASKED = -1e9


class WindowAttention(Cell):
    """A layer of a transformer, one head, whose attention ends `window` steps back.

        e_j = E x_j                                  of each of the last inputs
        s_j = (Q e_t) . (K e_j) / sqrt(hidden_size) + b_(t-j)
        a   = norm(e_t + O sum_j softmax(s)_j V e_j)
        o   = norm(a + F relu(G a))                  what the readout sees

    b is a learned number for each lag, without which the order of the inputs could not be seen.
    The state are the last window - 1 inputs, each with a 1 that says it is one: before a sequence
    has begun there is none, and nothing attends there. So the network is a control: whatever is
    learnt, it cannot go below the best predictor that sees `window` steps.

    Args:
        input_size: features a step.
        hidden_size: features of embedding, query, key, value and output.
        window: steps that are seen, this one among them; with L layers L (window - 1) + 1.
    Raises:
        ValueError: if a size or window is no whole number above 0.
    Source: Vaswani et al. (2017), arXiv:1706.03762; numbers for lags as in Raffel et al. (2020),
        arXiv:1910.10683.
    """

    def __init__(self, input_size: int, hidden_size: int, window: int = 4) -> None:
        super().__init__(input_size, hidden_size)
        self.window = checks.whole("window", window)
        self.dynamics = Dynamics("none", window=self.window)
        self.remembers = self.window > 1
        self.embed = nn.Linear(input_size, hidden_size)
        self.query, self.key, self.value, self.output = (
            nn.Linear(hidden_size, hidden_size, bias=False) for _ in range(4)
        )
        self.by_lag = nn.Parameter(torch.empty(self.window))
        self.inner = nn.Linear(hidden_size, _WIDER * hidden_size)
        self.outer = nn.Linear(_WIDER * hidden_size, hidden_size)
        self.norm_attended, self.norm_output = (nn.LayerNorm(hidden_size) for _ in range(2))
        self.initialise()

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shape of the last inputs, the oldest first; of window=1 one, never seen."""
        return ((max(self.window - 1, 1), self.input_size + 1),)

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters: glorot-uniform matrices, no biases, all lags alike."""
        start_linear(generator, *self.modules())
        for norm in (module for module in self.modules() if isinstance(module, nn.LayerNorm)):
            norm.reset_parameters()  # ones and zeros: nothing is drawn
        nn.init.zeros_(self.by_lag)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> tuple[Tensor, State]:
        """Return what is attended to and made of it, and the inputs that a step later are seen."""
        latest = torch.cat([x, torch.ones_like(x[:, :1])], dim=-1)[:, None]
        kept = torch.cat([state[0], latest], dim=1)
        seen = kept[:, -self.window :]  # (batch, window, input + 1)
        inputs, real = seen[..., :-1], seen[..., -1]
        embedded = self.embed(inputs)  # (batch, window, hidden)
        now = embedded[:, -1]
        scores = (self.key(embedded) @ self.query(now)[:, :, None])[..., 0]  # (batch, window)
        scores = scores / self.hidden_size**0.5 + self.by_lag.flip(0)
        # 1 for an input and 0 for none, but the numbers of a state may have been rounded
        shares = torch.softmax(torch.where(real > 0.5, scores, _MASKED), dim=-1)
        found = (shares[:, None] @ self.value(embedded))[:, 0]  # (batch, hidden)
        attended = self.norm_attended(now + self.output(found))
        made = self.outer(torch.relu(self.inner(attended)))
        return self.norm_output(attended + made), (kept[:, 1:],)
