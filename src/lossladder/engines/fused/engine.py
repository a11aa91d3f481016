"""The fused engine: one compiled call a chunk."""

from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer

from lossladder.engines.engine import Chunk
from lossladder.engines.fused.members import why_not
from lossladder.engines.fused.population import FusedPopulation
from lossladder.engines.fused.preparation import compile_now, compiled, variant
from lossladder.engines.population import Alone
from lossladder.models import Network, State
from lossladder.tasks import Task


class Fused(Alone):
    """Forward, back-propagation through time and update, written out and compiled for the CPU.

    For the tanh RNN, the LSTM and the GRU with SGD, Adagrad or Adam. Parameters and optimizer state
    stay torch's own, so that a run can go on with another engine after any chunk.

    Args:
        network: trained in place.
        task: owns the loss, which must be the cross entropy.
        optimizer: of the network's parameters.
        gradient_clip: largest norm of the gradient over all parameters; None: no clipping.
        expected_steps: time steps the run will take; not used.
    Raises:
        ValueError: if the kernel does not fit the network or the optimizer; `why_not` says so
            first.
    """

    name = "fused"
    windows_per_chunk = 1000

    def __init__(
        self,
        network: Network,
        task: Task,
        optimizer: Optimizer,
        gradient_clip: float | None = None,
        expected_steps: int | None = None,
    ) -> None:
        super().__init__(network, task, optimizer, gradient_clip, expected_steps)
        self.population = FusedPopulation([network], task, [optimizer], gradient_clip)
        self.waits_for = None if compiled(variant(network)) else "compiling the kernel, once"

    @staticmethod
    def why_not(network: Network, task: Task, optimizer: Optimizer) -> str | None:
        """Why this network, task and optimizer do not fit; None: they do."""
        return why_not(network, task, optimizer)

    def prepare(self) -> None:
        """Load the kernel, or compile it."""
        compile_now(variant(self.network))

    def train(self, chunk: Chunk, state: State | None) -> tuple[Float[Tensor, " windows"], State]:
        """One update a window; see `Engine.train`."""
        return super().train(chunk, state if chunk.carried else None)
