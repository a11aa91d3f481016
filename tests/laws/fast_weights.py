"""A network of one's own: its state is a matrix and a number, and it puts out neither."""

from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder.models import Cell, State, Step


class FastWeights(Cell):
    """The mean of what was written under a key, the newest counting most.

        M' = decay M + value key^T        what was written
        n' = decay n + 1                  how much of it
        o  = M' query / n'

    Args:
        input_size: features a step.
        hidden_size: features of key, value, query and output.
        gain: of the start of the weights.
        decay: share of the memory that a step leaves.
    Source: Schmidhuber (1992), "Learning to control fast-weight memories".
    """

    initialisation_arguments = ("gain",)

    def __init__(
        self, input_size: int, hidden_size: int, gain: float = 1.0, decay: float = 0.9
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.gain = gain
        self.decay = decay
        self.project = nn.Linear(input_size, 3 * hidden_size)
        self.initialise()

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        return (self.hidden_size, self.hidden_size), ()

    def initialise(self, generator: Generator | None = None) -> None:
        nn.init.xavier_uniform_(self.project.weight, self.gain, generator=generator)
        nn.init.ones_(self.project.bias)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> Step:
        memory, weight = state
        key, value, query = self.project(x).chunk(3, dim=-1)
        memory = self.decay * memory + value[:, :, None] * key[:, None, :]
        weight = self.decay * weight + 1
        output = (memory @ query[:, :, None])[..., 0] / weight[:, None]
        return output, (memory, weight)
