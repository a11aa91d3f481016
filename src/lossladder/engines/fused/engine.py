"""The fused engine: one compiled call a chunk."""

from torch.optim import Optimizer

from lossladder.engines.fused.members import why_not
from lossladder.engines.fused.population import FusedPopulation
from lossladder.engines.fused.preparation import compile_now, compiled, variant
from lossladder.engines.population import Alone
from lossladder.models import Network
from lossladder.tasks import Task


class Fused(Alone):
    """Forward, back-propagation through time and update, written out and compiled for the CPU.

    For the tanh RNN, the LSTM and the GRU with SGD, Adagrad or Adam. Parameters and optimizer state
    stay torch's own, so that a run can go on with another engine after any chunk. The task's loss
    must be the cross entropy.
    """

    name = "fused"
    among = FusedPopulation
    windows_per_chunk = 1000

    @property
    def waits_for(self) -> str | None:
        """Compiling takes noticeable time, the first time on a machine."""
        return None if compiled(variant(self.network)) else "compiling the kernel, once"

    @staticmethod
    def why_not(network: Network, task: Task, optimizer: Optimizer) -> str | None:
        """Why this network, task and optimizer do not fit; None: they do."""
        return why_not(network, task, optimizer)

    def prepare(self) -> None:
        """Load the kernel, or compile it."""
        compile_now(variant(self.network))
