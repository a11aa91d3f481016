"""The tanh RNN with its back-propagation through time written out; no autograd inside.

One window, with h_0 the state it starts from and L the loss:

    a_t = x_t W_x + h_{t-1} W_h + b        h_t = tanh(a_t)

A hidden state is seen by the readout, and by the next step. Its gradient is the sum of both, and
goes through the tanh, whose derivative is 1 - tanh^2:

    dL/dh_t = (dL/dh_t as the readout has it) + dL/da_{t+1} W_h^T
    dL/da_t = dL/dh_t (1 - h_t^2)

What made a_t gets its share; the same weights made every a_t, so theirs is a sum over the steps:

    dL/dx_t = dL/da_t W_x^T      dL/dW = sum_t [x_t, h_{t-1}]^T dL/da_t      dL/db = sum_t dL/da_t

and what is left after the first step is the gradient of the initial state, dL/da_1 W_h^T.
Shapes by their axes: B batch, T time, I input, H hidden.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models.recurrent import Dynamics, Recurrent, State


class RNNByHand(Recurrent):
    """h' = tanh([x, h] W + b) like `rnn`, with the gradient derived by hand.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
        learn_initial_state: True: the state before the first step is learned, one vector for all
            sequences. False: it is zero.
    Raises:
        ValueError: if a size is no whole number above 0, or learn_initial_state not true or false.
    Source: notebook "Recurrent Neural Network" (a NumPy RNN on the parity of 50 bits), its gradient
        corrected; its initial states, one for each example, are no rule for a new example.
    """

    dynamics = Dynamics("nonlinear", counts=False)

    def __init__(
        self, input_size: int, hidden_size: int, learn_initial_state: bool = False
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.learns_initial_state = checks.flag("learn_initial_state", learn_initial_state)
        self.weight = nn.Parameter(torch.empty(input_size + hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.empty(hidden_size))
        if self.learns_initial_state:
            self.start = nn.Parameter(torch.empty(hidden_size))
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        nn.init.xavier_uniform_(self.weight, generator=generator)
        nn.init.zeros_(self.bias)
        # zero like the state of others: training alone moves it away
        if self.learns_initial_state:
            nn.init.zeros_(self.start)

    def initial_state(self, batch_size: int) -> State:
        """Return the state before the first step: zeros, or what was learned for all sequences."""
        if self.learns_initial_state:
            return (self.start.expand(batch_size, -1),)
        return super().initial_state(batch_size)

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Return hiddens at every step, and the state after the last."""
        hiddens = _Window.apply(inputs, state[0], self.weight, self.bias)
        return hiddens, (hiddens[:, -1],)


class _Window(torch.autograd.Function):
    """The whole window as one operation of torch's, whose two directions are the loops below."""

    # plain array code, which torch.func may map over members
    generate_vmap_rule = True

    @staticmethod
    def forward(x_BTI: Tensor, h0_BH: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the hiddens of every step (batch, time, hidden)."""
        h_BH, hiddens = h0_BH, []
        for x_BI in x_BTI.unbind(dim=1):
            h_BH = torch.tanh(torch.cat([x_BI, h_BH], dim=-1) @ weight + bias)
            hiddens.append(h_BH)
        return torch.stack(hiddens, dim=1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Keep what the way back needs."""
        # the hiddens are enough: tanh' is a function of tanh, so that no sum a_t is kept
        x_BTI, h0_BH, weight, _ = inputs
        ctx.save_for_backward(x_BTI, h0_BH, weight, output)

    @staticmethod
    def backward(ctx: Any, grad_h_BTH: Tensor) -> tuple[Tensor, ...]:
        """Return the gradients of inputs, initial state, weight and bias, from the hiddens'."""
        x_BTI, h0_BH, weight, h_BTH = ctx.saved_tensors
        input_size = x_BTI.shape[-1]
        weight_x, weight_h = weight[:input_size], weight[input_size:]
        # nothing comes after the last step
        from_later_BH = torch.zeros_like(h0_BH)
        grad_weight, grad_bias = torch.zeros_like(weight), torch.zeros_like(weight[0])
        grad_x = []
        for t in reversed(range(x_BTI.shape[1])):
            before_BH = h_BTH[:, t - 1] if t > 0 else h0_BH
            grad_a_BH = (grad_h_BTH[:, t] + from_later_BH) * (1 - h_BTH[:, t] ** 2)
            # not in place, which torch.func could not map over members
            grad_weight = grad_weight + torch.cat([x_BTI[:, t], before_BH], dim=-1).mT @ grad_a_BH
            grad_bias = grad_bias + grad_a_BH.sum(dim=0)
            grad_x.append(grad_a_BH @ weight_x.mT)
            from_later_BH = grad_a_BH @ weight_h.mT
        return torch.stack(grad_x[::-1], dim=1), from_later_BH, grad_weight, grad_bias
