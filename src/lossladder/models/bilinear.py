"""A state that the input multiplies by a matrix, and nothing is added to."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State


class Bilinear(Cell):
    """h' = A(x) h / ||A(x) h||, with A(x) = A_0 + sum_j x_j A_j: a matrix for each symbol.

    Any finite automaton is one: h is a unit vector for each state, A(x) moves them as the symbol x
    does. A_0, which starts as the identity, says nothing new of one-hot inputs; without it an input
    of zeros would end the state. h_t has the direction of A(x_t) … A(x_1) h_0, which is linear, but
    the division makes the step itself no affine map: `dynamics` says nonlinear, and not whether a
    unit counts. Should A(x) h be zero, h is zero from there on.

    Args:
        input_size: features a step.
        hidden_size: features of the state.
        learn_initial_state: True: the direction before the first step is learned, one for all
            sequences. False: it is the first axis.
    Raises:
        ValueError: if a size is no whole number above 0, or learn_initial_state not true or false.
    Source: Ebrahimi and Memisevic (2025), "Revisiting Bi-Linear State Transitions in Recurrent
        Neural Networks", arXiv:2505.21749.
    """

    dynamics = Dynamics("nonlinear")

    def __init__(
        self, input_size: int, hidden_size: int, learn_initial_state: bool = False
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.learns_initial_state = checks.flag("learn_initial_state", learn_initial_state)
        self.matrices = nn.Linear(input_size, hidden_size * hidden_size)
        if self.learns_initial_state:
            self.start = nn.Parameter(torch.empty(hidden_size))
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters: A_0 the identity, each A_j glorot-uniform."""
        bound = (3 / self.hidden_size) ** 0.5  # of a square matrix
        nn.init.uniform_(self.matrices.weight, -bound, bound, generator=generator)
        nn.init.eye_(self.matrices.bias.view(self.hidden_size, self.hidden_size))
        if self.learns_initial_state:
            nn.init.normal_(self.start, generator=generator)

    def initial_state(self, batch_size: int) -> State:
        """Return the state before the first step, a unit vector."""
        if self.learns_initial_state:
            return (functional.normalize(self.start, dim=-1).expand(batch_size, -1),)
        start = torch.eye(1, self.hidden_size).to(self.matrices.weight)
        return (start.expand(batch_size, -1),)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """Return the state one step later."""
        (h,) = state
        size = self.hidden_size
        moved = (self.matrices(x).view(-1, size, size) @ h[:, :, None])[..., 0]
        return (functional.normalize(moved, dim=-1),)
