"""Linear recurrent unit: complex factors that are the same at every step, whatever the input."""

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State


class LRU(Cell):
    """A linear filter of the input: each complex unit of the state turns and fades at its own pace.

        lambda = exp(-exp(nu) + i exp(theta))
        s'     = lambda s + exp(gamma) (B x)       complex
        y      = Re(C s') + D x                    what the readout sees

    nu, theta, gamma, B, C and D are trained. The moduli of lambda start so that its values are
    spread evenly over the ring from r_min to r_max in the plane, its angles uniform in
    (0, max_phase); gamma starts as log sqrt(1 - |lambda|^2), so that white noise gives every unit
    the same variance. B, C and D are drawn from normal laws, of variance 1 / input_size for B and
    D (B in both parts together) and of 1 / state_size for each part of C.

    Args:
        input_size: features a step.
        hidden_size: features of each output y.
        state_size: complex units; None: as many as hidden_size, a state of 2 hidden_size numbers.
        r_min, r_max: least and largest modulus of lambda at the start.
        max_phase: largest angle of lambda at the start, in radians.
    Raises:
        ValueError: if a size is no whole number above 0, it does not hold that
            0 <= r_min < r_max <= 1, or max_phase is not above 0.
    Source: Orvieto et al. (2023), arXiv:2303.06349; there y has the size of x, and D is diagonal.

    A unit that fades by half a step, and is read as it is:

    >>> cell = LRU(input_size=1, hidden_size=1)
    >>> numbers = {"nu": math.log(math.log(2)), "theta": -40, "gamma": 0, "b_re": 1, "c_re": 1}
    >>> for name, parameter in cell.named_parameters():
    ...     _ = nn.init.constant_(parameter, numbers.get(name, 0))
    >>> y, _ = cell(torch.ones(1, 3, 1), cell.initial_state(1))
    >>> [round(number, 5) for number in y.flatten().tolist()]
    [1.0, 1.5, 1.75]
    """

    dynamics = Dynamics("diagonal", "complex", selective=False)
    initialisation_arguments = ("r_min", "r_max", "max_phase")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        state_size: int | None = None,
        r_min: float = 0.0,
        r_max: float = 1.0,
        max_phase: float = 2 * math.pi,
    ) -> None:
        super().__init__(input_size, hidden_size)
        state_size = hidden_size if state_size is None else checks.whole("state_size", state_size)
        self.state_size = state_size
        self.r_max = checks.real("r_max", r_max, least=0.0, most=1.0)
        self.r_min = checks.real("r_min", r_min, least=0.0, most=1.0)
        if not r_min < r_max:
            raise ValueError(f"r_min={r_min:g}: must be below r_max={r_max:g}")
        self.max_phase = checks.real("max_phase", max_phase, above=0)
        self.nu = nn.Parameter(torch.empty(state_size))
        self.theta = nn.Parameter(torch.empty(state_size))
        self.gamma = nn.Parameter(torch.empty(state_size))
        self.b_re = nn.Parameter(torch.empty(state_size, input_size))
        self.b_im = nn.Parameter(torch.empty(state_size, input_size))
        self.c_re = nn.Parameter(torch.empty(hidden_size, state_size))
        self.c_im = nn.Parameter(torch.empty(hidden_size, state_size))
        self.d = nn.Parameter(torch.empty(hidden_size, input_size))
        self.initialise()

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shapes of the real and of the imaginary parts."""
        return (self.state_size,), (self.state_size,)

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        with torch.no_grad():
            # even over a ring is a square of the modulus that is uniform
            squares = self.nu.uniform_(self.r_min**2, self.r_max**2, generator=generator)
            # 0 and 1 have no logarithm of a logarithm
            squares.clamp_(1e-6, 1 - 1e-6)
            self.gamma.copy_(0.5 * torch.log1p(-squares))
            self.nu.copy_(torch.log(-0.5 * torch.log(squares)))
            self.theta.uniform_(0, self.max_phase, generator=generator).clamp_(min=1e-6).log_()
        for part in (self.b_re, self.b_im):
            nn.init.normal_(part, std=(2 * self.input_size) ** -0.5, generator=generator)
        for part in (self.c_re, self.c_im):
            nn.init.normal_(part, std=self.state_size**-0.5, generator=generator)
        nn.init.normal_(self.d, std=self.input_size**-0.5, generator=generator)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> tuple[Tensor, State]:
        """Return what the readout sees, and the state one step later."""
        re, im = state  # (batch, state) each
        modulus, angle = torch.exp(-torch.exp(self.nu)), torch.exp(self.theta)
        across, up = modulus * torch.cos(angle), modulus * torch.sin(angle)
        scale = torch.exp(self.gamma)
        after_re = across * re - up * im + scale * (x @ self.b_re.T)
        after_im = up * re + across * im + scale * (x @ self.b_im.T)
        y = after_re @ self.c_re.T - after_im @ self.c_im.T + x @ self.d.T
        return y, (after_re, after_im)
