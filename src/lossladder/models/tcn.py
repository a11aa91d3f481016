"""A temporal convolution: a residual block over the last inputs, with nothing kept before them."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State, start_linear


class TCN(Cell):
    """A residual block of a temporal convolutional network, whose kernel is its window.

        y = relu(sum_k W_k x_(t-k) + b)              k = 0 ... window - 1
        z = relu(V y + c)
        o = relu(z + x_t)                            what the readout sees; S x_t + d for x_t
                                                     where it has not hidden_size features

    Before a sequence has begun inputs are zeros. The state are the last window - 1 inputs, so that
    the network is a control: whatever is learnt, it cannot go below the best predictor that sees
    `window` steps. Of the paper's block the second kernel is one step long here, so that a window
    may have any length, and there is neither dilation, weight normalisation nor dropout.

    Args:
        input_size: features a step.
        hidden_size: channels.
        window: steps that are seen, this one among them; with L layers L (window - 1) + 1.
    Raises:
        ValueError: if a size or window is no whole number above 0.
    Source: Bai, Kolter and Koltun (2018), arXiv:1803.01271.
    """

    def __init__(self, input_size: int, hidden_size: int, window: int = 4) -> None:
        super().__init__(input_size, hidden_size)
        self.window = checks.whole("window", window)
        self.dynamics = Dynamics("none", window=self.window)
        self.remembers = self.window > 1
        # one matrix for all steps of the window, the oldest first
        self.convolve = nn.Linear(self.window * input_size, hidden_size)
        self.mix = nn.Linear(hidden_size, hidden_size)
        same = input_size == hidden_size
        self.skip = nn.Identity() if same else nn.Linear(input_size, hidden_size)
        self.initialise()

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shape of the last inputs, the oldest first; of window=1 one, never seen."""
        return ((max(self.window - 1, 1), self.input_size),)

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters: glorot-uniform matrices, no biases."""
        start_linear(generator, *self.modules())

    def step(self, x: Float[Tensor, "batch input"], state: State) -> tuple[Tensor, State]:
        """Return what the window is convolved to, and the inputs that a step later are seen."""
        kept = torch.cat([state[0], x[:, None]], dim=1)
        seen = kept[:, -self.window :]  # (batch, window, input)
        convolved = torch.relu(self.convolve(seen.flatten(start_dim=1)))
        mixed = torch.relu(self.mix(convolved))
        return torch.relu(mixed + self.skip(x)), (kept[:, 1:],)
