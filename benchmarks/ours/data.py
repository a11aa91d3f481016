"""Our own generator of echo data: packed bits, logic operations, exact chances."""

from torch import Generator

from benchmarks.contestant import Clock, Contestant, Round
from lossladder.tasks import Echo


class EchoData(Contestant):
    """Draw streams a round, 200 side by side."""

    def __init__(self, symbols: int) -> None:
        self.symbols = symbols
        self.task, self.generator = Echo(), Generator().manual_seed(0)

    def round(self, size: int | None) -> Round:
        """Draw inputs and targets of all streams."""
        with Clock() as clock:
            draw = self.task.draw(self.generator, batch_size=200, num_steps=self.symbols // 200)
        notes = {"share_of_ones": float(draw.targets.float().mean())}
        return Round(clock.wall, clock.cpu, float(self.symbols), notes=notes)
