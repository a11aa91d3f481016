"""Floor 2: how the updates of a chunk are run. The maths is the same, the speed is not."""

from lossladder.engines.autograd import Autograd
from lossladder.engines.engine import Chunk, Engine, detached

__all__ = ["Autograd", "Chunk", "Engine", "detached"]
