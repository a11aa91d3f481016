"""Delay: recall the real inputs of the last steps; how many, is the memory of a linear network."""

from functools import partial

import torch
from jaxtyping import Float, Shaped
from torch import Generator, Tensor

from lossladder import checks
from lossladder.ladder import Features, Ladder, Mark, Probabilities, Rung, SquaredError
from lossladder.tasks.numbers_known import numbers_known
from lossladder.tasks.task import Draw, StreamTask


class Delay(StreamTask):
    """The task to put out the real inputs of the last steps, the latest first.

        input     0.8  -1.2   0.3   1.5        steps=3
        lag 0     0.8  -1.2   0.3   1.5
        lag 1     0     0.8  -1.2   0.3
        lag 2     0     0     0.8  -1.2

    Inputs are independent and uniform on [-sqrt 3, sqrt 3], so that their mean is 0 and their
    variance 1; before the start of a stream there is silence. Nothing tells of an input that has
    been forgotten: each costs 1. The state of a linear network of H units is a linear map of the
    inputs into H numbers, and whatever it is, the R2 of all lags together, each read out by its
    best linear readout, is at most H (`memory`). The loss is the sum over the outputs.

    Args:
        steps: number of inputs to recall, that of the step itself among them.
        every_lag: True: an output for each of them. False: for the oldest only.
    Raises:
        ValueError: if steps is no whole number above 0, or every_lag is neither true nor false.
    Source: Jaeger (2001), "Short term memory in echo state networks".

    >>> for rung in Delay(steps=4).ladder(): print(f"{rung.loss:g} {rung.name}")
    4 none
    3 last 1
    2 last 2
    1 last 3
    0 all
    >>> [mark.label for mark in Delay(steps=4).memory()][:2]
    ['1 linear unit: 3.0000', '2 linear units: 2.0000']
    """

    shape = "many_to_many"
    independent_inputs = True
    loss = SquaredError()
    # no symbols: the input is real
    encoding = torch.empty(0, 1)

    def __init__(self, steps: int = 5, every_lag: bool = True) -> None:
        self.steps = checks.whole("steps", steps)
        self.every_lag = checks.flag("every_lag", every_lag)
        # one number under two names: for tasks in general `reach` may be None
        self.longest_lag = self.reach = self.steps - 1
        self.lags = range(self.steps) if self.every_lag else range(self.longest_lag, self.steps)
        self.output_size = len(self.lags)

    # --- sampling ---------------------------------------------------------------------------

    def draw(
        self,
        generator: Generator,
        batch_size: int,
        num_steps: int,
        past: Float[Tensor, "batch known"] | None = None,
    ) -> Draw:
        """Draw inputs, and delay them; see `StreamTask.draw`."""
        # time by time, so that the batch is contiguous, as the engines read it
        uniform = torch.rand(num_steps, batch_size, generator=generator)
        if past is None:
            past = uniform.new_zeros(batch_size, self.longest_lag)
        series = torch.cat([past.T, (2 * uniform - 1) * 3**0.5])
        inputs = series[self.longest_lag :].T[..., None]
        return Draw(inputs, self._delayed(series.T), None, series[num_steps:].T)

    def _delayed(self, series: Shaped[Tensor, "batch all"]) -> Shaped[Tensor, "batch time output"]:
        """Return the inputs at each lag, of a series that begins `longest_lag` steps early."""
        first, time = self.longest_lag, series.shape[1] - self.longest_lag
        by_lag = [series[:, first - lag : first - lag + time].T for lag in self.lags]
        return torch.stack(by_lag, dim=1).permute(2, 0, 1)

    # --- theory -----------------------------------------------------------------------------

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the inputs of the last steps, which are certain, float64."""
        return self.predict(inputs, known=self.steps)

    def predict(self, inputs: Features, known: int) -> Probabilities:
        """Return the best guess of each target for who knows the last `known` inputs."""
        series = inputs[..., 0].double()
        silence = series.new_zeros(len(series), self.longest_lag)
        values = self._delayed(torch.cat([silence, series], dim=1))
        # of the others, their mean
        values[..., [place for place, lag in enumerate(self.lags) if lag >= known]] = 0.0
        return values

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return rungs by the number of inputs known, from the last one.

        Without carried state the first steps have fewer inputs to recall: `by_step` says how many.
        """
        return Ladder([*self._by_known(num_steps, carried).values()], self.loss)

    def _by_known(self, num_steps: int | None, carried: bool) -> dict[int, Rung]:
        """Return the rungs, by the number of inputs known."""
        finite = num_steps if num_steps is not None and not carried else None
        lowest, rungs = float("inf"), dict[int, Rung]()
        for known in numbers_known(self.steps):
            rung = self._rung(known, finite)
            # inputs that no output asks for, or that lie before the start, make no rung
            if 0 < rung.loss < lowest or known == self.steps:
                lowest, rungs[known] = rung.loss, rung
        return rungs

    def _rung(self, known: int, num_steps: int | None) -> Rung:
        forgotten = [lag for lag in self.lags if lag >= known]
        loss, by_step = float(len(forgotten)), None
        if num_steps is not None:
            # what lies before the start is silence, and no surprise
            begin = [float(sum(lag <= step for lag in forgotten)) for step in range(self.steps)]
            by_step = (*begin, *(loss for _ in range(num_steps - self.steps)))[:num_steps]
            loss = sum(by_step) / num_steps
        name, knows = f"last {known}", f"the last {known} inputs only"
        if known == 0:
            name, knows = "none", "the mean of an input only"
        elif known == self.steps:
            name, knows = "all", "every input that is asked for"
        elif known == 1:
            knows = "the input of the step itself only"
        predictor = partial(self.predict, known=known)
        return Rung(name, loss, knows, predictor, reach=max(known - 1, 0), by_step=by_step)

    def memory(self, num_steps: int | None = None, carried: bool = True) -> tuple[Mark, ...]:
        """Return what linear networks of H units lose at least, where every lag is asked for.

        Inputs are independent and of variance 1. Linear readouts of H numbers, which are linear in
        the inputs, see their projection onto at most H directions; the squared lengths of the
        projections of all inputs, which are their R2, sum to the number of directions. So at least
        `steps` - H are lost. A delay line, which keeps the last H inputs, loses no more.
        """
        if not self.every_lag:
            return ()
        rungs = self._by_known(num_steps, carried).items()
        # in short sequences there is less to recall
        most = self.steps if num_steps is None or carried else min(num_steps, self.steps)
        return tuple(_of_units(min(known, most), rung.loss) for known, rung in rungs if known > 0)


def _of_units(units: int, loss: float) -> Mark:
    """Return the mark of the best linear network of so many units."""
    many = "1 linear unit" if units == 1 else f"{units} linear units"
    return Mark(many, loss, f"the best network of {many}")
