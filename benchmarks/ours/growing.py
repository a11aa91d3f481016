"""One size of the echo problem grows, the others stay: what does an update cost?"""

from pathlib import Path

from benchmarks.contestant import Clock, Contestant, Round
from benchmarks.ours import engines
from benchmarks.ours.engines import engine_class, engine_of
from benchmarks.ours.networks import network_of, task_of
from benchmarks.peers.torch_loop import TorchLoop
from benchmarks.problems import echo
from benchmarks.worker import peak_mb
from lossladder.data import Streams

BASE = {"members": 1, "hidden": 16, "window": 10, "batch": 200}
_FLOPS = 4e8  # about so many a round,
_LEAST, _MOST = 20, 200  # but no fewer windows, and no more
_KINDS = {
    ("autograd", False): engines.One,
    ("loop", False): TorchLoop,
    ("fused", False): engines.OneFused,
    ("fused", True): engines.ManyFused,
    ("stacked", True): engines.ManyStacked,
}


class Growing(Contestant):
    """An engine, and the size of which it is told in each round.

    Args:
        axis: which size grows: members, hidden, window or batch.
        engine: autograd, fused or stacked; or loop, which is plain torch. With "-2": two threads.
        cell: of the network.
    """

    def __init__(self, axis: str, engine: str, cell: str = "rnn") -> None:
        engine, _, threads = engine.partition("-")
        self.axis, self.kind = axis, _KINDS[engine, axis == "members"]
        self.threads, self.cell = int(threads or 1), cell
        engine_class(engine)  # an engine that lacks a package says so now, not in a round

    def round(self, size: int | None) -> Round:
        """Make a few updates at this size, after one that does not count."""
        sizes = BASE | {self.axis: size or BASE[self.axis]}
        window, hidden, batch = sizes["window"], sizes["hidden"], sizes["batch"]
        once = echo(window, hidden, batch, window, self.cell)
        windows = round(min(max(_FLOPS / once.flops() / sizes["members"], _LEAST), _MOST))
        problem = echo(window, hidden, batch, windows * window, self.cell)
        return self.kind(problem, members=sizes["members"], threads=self.threads).round(None)


class Streaming(Contestant):
    """An endless stream, drawn and trained chunk by chunk; the round's size is its symbols.

    Args:
        axis: stream.
        engine: autograd or fused.
    """

    def __init__(self, axis: str, engine: str) -> None:
        self.engine = engine
        engine_class(engine)

    def round(self, size: int | None) -> Round:
        """Train once through the stream; note the most memory held meanwhile."""
        symbols = size or 1000
        batch, window = min(200, symbols // 5), 5
        problem = echo(window, 4, batch, window)
        task, network = task_of(problem), network_of(problem)
        engine = engine_of(self.engine, problem, network)
        data = Streams(task, batch, window, symbols // batch, None, seed=0)
        chunk = engine.windows_per_chunk
        state = network.initial_state(batch)
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        with Clock() as clock:
            for first in range(0, data.updates_per_epoch, chunk):
                last = min(first + chunk, data.updates_per_epoch)
                _, state = engine.train(data.chunk(range(first, last)), state)
        return Round(clock.wall, clock.cpu, float(symbols), notes={"peak_mb": peak_mb()})
