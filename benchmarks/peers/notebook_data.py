"""The notebook's generator of echo data, symbol by symbol, as R2RT wrote it in 2016."""

import numpy as np

from benchmarks.contestant import Clock, Contestant, Round


def gen_data(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a stream by the notebook's loop."""
    X = np.array(np.random.choice(2, size=(size,)))  # noqa: NPY002
    Y = []
    for i in range(size):
        threshold = 0.5
        if X[i - 3] == 1:
            threshold += 0.5
        if X[i - 8] == 1:
            threshold -= 0.25
        if np.random.rand() > threshold:  # noqa: NPY002
            Y.append(0)
        else:
            Y.append(1)
    return X, np.array(Y)


class NotebookData(Contestant):
    """Draw a stream a round."""

    def __init__(self, symbols: int) -> None:
        self.symbols = symbols

    def round(self, size: int | None) -> Round:
        """Draw inputs and targets of the whole stream."""
        with Clock() as clock:
            _, targets = gen_data(self.symbols)
        notes = {"share_of_ones": float(targets.mean())}
        return Round(clock.wall, clock.cpu, float(self.symbols), notes=notes)
