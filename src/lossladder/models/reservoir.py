"""A reservoir: a random recurrent network that is never trained, and a readout that is."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State

ACTIVATIONS = ("tanh", "identity")


class Reservoir(Cell):
    """h' = (1 - leak) h + leak f(W h + W_in x), an echo state network; W and W_in are frozen.

    W is drawn from a normal law, and scaled so that the largest of its eigenvalues has the modulus
    `spectral_radius`; W_in is uniform on [-input_scale, input_scale]. What is trained is the
    readout alone. With the identity for f hiddens are a linear map of the inputs: the R2 of
    all past inputs, each read out linearly, then sum to hidden_size at most (task `delay`).

    Args:
        input_size: features a step.
        hidden_size: units.
        spectral_radius: of W; below 1 an untrained network usually forgets how it began.
        input_scale: largest weight of an input.
        leak: share of a state that is made anew in a step.
        activation: f. tanh, or identity.
    Raises:
        ValueError: if a size is no whole number above 0, spectral_radius or input_scale not above
            0, leak not above 0 and at most 1, or activation neither of the two.
    Source: Jaeger (2001), "The echo state approach to analysing and training recurrent neural
        networks", GMD report 148; the leak in the place it has in ReservoirPy.
    """

    initialisation_arguments = ("spectral_radius", "input_scale")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        spectral_radius: float = 0.9,
        input_scale: float = 1.0,
        leak: float = 1.0,
        activation: str = "tanh",
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.spectral_radius = checks.real("spectral_radius", spectral_radius, above=0)
        self.input_scale = checks.real("input_scale", input_scale, above=0)
        self.leak = checks.chance("leak", leak)
        if self.leak == 0:
            raise ValueError("leak=0: must be above 0, or the state never changes")
        self.activation = checks.one_of("activation", activation, ACTIVATIONS)
        tanh = self.activation == "tanh"
        self.dynamics = (
            Dynamics("nonlinear", counts=False) if tanh else Dynamics("dense", selective=False)
        )
        self.weight_ih = nn.Parameter(torch.empty(hidden_size, input_size), requires_grad=False)
        self.weight_hh = nn.Parameter(torch.empty(hidden_size, hidden_size), requires_grad=False)
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh weights, which stay as they are."""
        nn.init.uniform_(self.weight_ih, -self.input_scale, self.input_scale, generator=generator)
        nn.init.normal_(self.weight_hh, generator=generator)
        with torch.no_grad():
            radius = torch.linalg.eigvals(self.weight_hh.double()).abs().max()
            self.weight_hh *= self.spectral_radius / radius

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """Return the state one step later."""
        (h,) = state
        summed = nn.functional.linear(h, self.weight_hh) + nn.functional.linear(x, self.weight_ih)
        made = torch.tanh(summed) if self.activation == "tanh" else summed
        return ((1 - self.leak) * h + self.leak * made,)
