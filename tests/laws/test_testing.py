"""Each law catches who breaks it, by name; and who keeps it in an unusual way passes."""

import math
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Generator, nn
from torch.nn import functional
from torch.optim import SGD, Adagrad, Adam

from lossladder.engines import Autograd, Chunk, detached
from lossladder.ladder import Ladder, Rung, binary_entropy
from lossladder.models import GRU, RNN, Cell, RNNByHand
from lossladder.models.rnn_by_hand import _Window
from lossladder.tasks import Count, Draw, Echo, Task, WorkedExample
from lossladder.testing import check_engine, check_network, check_task, tasks


def pattern(message: str) -> str:
    """A message in which … stands for whatever was measured."""
    return ".*".join(map(re.escape, message.split("…")))


# --- tasks ----------------------------------------------------------------------------------


class Copy(Task):
    """The bit before, which one time in ten is the other; zero before the first."""

    shape = "many_to_many"
    streams = False
    num_steps = 8
    reach = 1
    output_size = 2
    encoding = torch.eye(2)
    noise = said = 0.1  # as drawn, and as the theory has it

    def draw(self, generator, batch_size, num_steps):
        uniform = torch.rand(2, batch_size, num_steps, generator=generator)
        inputs = (uniform[0] < 0.5).long()
        before = functional.pad(inputs, (1, 0))[:, :-1]
        return Draw(inputs, before ^ (uniform[1] < self.noise).long(), None)

    def probabilities(self, inputs):
        before = functional.pad(inputs[..., 1].double(), (1, 0))[:, :-1]
        chance = self.said + (1 - 2 * self.said) * before
        return torch.stack([1 - chance, chance], dim=-1)

    def even(self, inputs):
        """Knows that nothing stands before the first step, and no more."""
        law = torch.full((*inputs.shape[:2], 2), 0.5, dtype=torch.float64)
        law[:, 0] = torch.tensor([1 - self.said, self.said], dtype=torch.float64)
        return law

    def ladder(self, num_steps=None, carried=True):
        steps = num_steps or self.num_steps
        entropy = float(binary_entropy(torch.tensor(self.said, dtype=torch.float64)))
        by_step = (entropy,) + (math.log(2),) * (steps - 1)
        one = (self.said + (steps - 1) / 2) / steps
        constant = torch.tensor([1 - one, one], dtype=torch.float64)
        mean = float(binary_entropy(constant[1]))
        return Ladder(
            [
                Rung("none", mean, "nothing", lambda x: constant.expand_as(x).clone(), 0),
                Rung("step", sum(by_step) / steps, "the step", self.even, 0, by_step),
                Rung("last", entropy, "the bit before", self.probabilities, 1, (entropy,) * steps),
            ]
        )


def with_rung(which: str, base=Copy, /, **changes):
    """A task one of whose rungs is not what it says."""

    class Changed(base):
        def ladder(self, num_steps=None, carried=True):
            rungs = list(super().ladder(num_steps, carried))
            values = dict(changes)
            if "predictor" in changes:
                values["predictor"] = changes["predictor"](self)
            return Ladder([replace(r, **values) if r.name == which else r for r in rungs])

    return Changed()


def with_draw(change, base=Copy):
    """A task that draws something else."""

    class Changed(base):
        def draw(self, generator, batch_size, num_steps, past=None):
            return change(super().draw, generator, batch_size, num_steps)

    return Changed()


def with_attributes(base=Copy, **attributes):
    return type("Changed", (base,), attributes)()


def later(task):
    return lambda inputs: task.probabilities(inputs.roll(-2, dims=1))


def of_the_first_row(task):
    return lambda inputs: task.probabilities(inputs[:1].expand_as(inputs))


def even(task):
    return lambda inputs: torch.full_like(inputs, 0.5, dtype=torch.float64)


def only(*places):
    """A task with these rungs alone."""
    return with_attributes(
        ladder=lambda self, *a, **k: Ladder([Copy.ladder(self, *a, **k).rungs[i] for i in places])
    )


def always_zero(task):
    return lambda inputs: torch.eye(2, dtype=torch.float64)[0].expand(*inputs.shape[:2], 2)


def noisier_at_step_5(draw, generator, batch_size, num_steps):
    drawn = draw(generator, batch_size, num_steps)
    flips = torch.rand(batch_size, num_steps, generator=generator) < 0.1
    flips &= torch.arange(num_steps) == 5
    return drawn._replace(targets=drawn.targets ^ flips.long())


def from_the_global(draw, generator, batch_size, num_steps):
    return draw(Generator().manual_seed(int(torch.randint(100, ()))), batch_size, num_steps)


def copied(series):
    """A draw whose inputs are made of independent bits, and whose targets are copies of them."""

    def drawn(draw, generator, batch_size, num_steps):
        inputs = series(draw(generator, batch_size, num_steps).inputs)
        return Draw(inputs, functional.pad(inputs, (1, 0))[:, :-1], None)

    class Changed(with_attributes(noise=0.0, said=0.0, independent_inputs=True).__class__):
        def draw(self, *asked):
            return drawn(super().draw, *asked)

    return Changed()


def sticky(bits):
    return bits | bits.roll(1, dims=1)


def every_third_a_sum(bits):
    bits = bits.clone()
    bits[:, 2::3] = bits[:, :-2:3] ^ bits[:, 1:-1:3]
    return bits


def rarer_at_step_5(bits):
    return bits & ((torch.arange(bits.shape[1]) != 5) | (bits.roll(1, dims=0) == 1))


def from_numpy(draw, generator, batch_size, num_steps):
    return draw(Generator().manual_seed(np.random.randint(100)), batch_size, num_steps)  # noqa: NPY002


def from_nowhere(draw, generator, batch_size, num_steps):
    return draw(Generator().manual_seed(Generator().seed()), batch_size, num_steps)


def from_a_fixed_seed(draw, generator, batch_size, num_steps):
    return draw(Generator().manual_seed(0), batch_size, num_steps)


def ten_times_too_long(draw, generator, batch_size, num_steps):
    return draw(generator, batch_size, 10 * num_steps)


def one_class_further(draw, generator, batch_size, num_steps):
    drawn = draw(generator, batch_size, num_steps)
    return drawn._replace(targets=drawn.targets + 1)


class OfItsLength(Copy):
    """Refuses sequences of any length but its own."""

    def draw(self, generator, batch_size, num_steps):
        if num_steps != self.num_steps:
            raise ValueError(f"num_steps={num_steps}: must be 8")
        return super().draw(generator, batch_size, num_steps)


def scored_at_the_end(draw, generator, batch_size, num_steps):
    scored = (torch.arange(num_steps) == num_steps - 1).expand(batch_size, -1)
    return draw(generator, batch_size, num_steps)._replace(scored=scored)


def without_its_after(draw, generator, batch_size, num_steps):
    return draw(generator, batch_size, num_steps)._replace(after=None)


def without_its_past(draw, generator, batch_size, num_steps):
    return draw(generator, batch_size, num_steps)


def unevenly(draw, generator, batch_size, num_steps):
    drawn = draw(generator, 2 * batch_size, num_steps)
    order = drawn.inputs.sum(dim=1).argsort(descending=True, stable=True)[:batch_size]
    return Draw(*(part[order] for part in drawn[:3]))


class Shy(Echo):
    """Says of a carried state what holds of streams that have just begun."""

    def ladder(self, num_steps=None, carried=True):
        return super().ladder(num_steps or 20, carried=False)


class OfTen(Copy):
    """Has another length in mind than its own."""

    def ladder(self, num_steps=None, carried=True):
        return super().ladder(num_steps or 10, carried)


class Half(Count):
    def everything(self):
        return Draw(*(part[::2] for part in super().everything()[:3]))


class Twice(Count):
    def everything(self):
        return Draw(*(torch.cat([part, part]) for part in super().everything()[:3]))


class Off(Count):
    """A rung is wrong by less than sampling could tell."""

    def ladder(self, num_steps=None, carried=True):
        rungs = super().ladder(num_steps, carried)
        return Ladder(
            [
                replace(rung, loss=rung.loss + 2e-6, by_step=None)
                if rung.name == "last 3"
                else rung
                for rung in rungs
            ]
        )


class NotItsLoss(WorkedExample):
    def ladder(self, num_steps=None, carried=True):
        return Ladder(list(super().ladder(num_steps, carried)))


class Untidy(Copy):
    def describe(self, batch, row=0):
        return super().describe(batch, row) + " "


ENTROPY = float(binary_entropy(torch.tensor(0.1, dtype=torch.float64)))
TASKS = {
    "inputs are said to be independent, and neighbours go together": (
        copied(sticky),
        "independent_inputs=True: inputs 1 step apart depend on each other; on average",
    ),
    "inputs are said to be independent, and pairs of them are": (
        copied(every_third_a_sum),
        "independent_inputs=True: inputs of three steps in a row depend on each other",
    ),
    "inputs are said to be of one law, and one is not": (
        copied(rarer_at_step_5),
        "independent_inputs=True: inputs of step 5 have another law than those of all",
    ),
    "a rung's loss is wrong": (
        with_rung("last", loss=ENTROPY + 0.03, by_step=None),
        "rung 'last': its predictor's sampled loss 0.32… ± 0.00… is not the loss 0.3551 that",
    ),
    "a rung's loss is wrong by less than its targets show": (
        with_rung("last", loss=ENTROPY + 0.001, by_step=None),
        "rung 'last': its predictor's expected loss 0.325082973 is not the loss 0.326082973 that",
    ),
    "a rung of a finite task is wrong by a millionth": (
        Off(6),
        "rung 'last 3': over all 64 sequences its predictor's loss is 1.25548…, not the 1.25548",
    ),
    "a rung sees later inputs": (
        with_rung("last", predictor=later),
        "rung 'last': its predictor looks at later inputs, from step … on: 0.… without them, "
        "0.… with them, at row …, step …, target …",
    ),
    "a rung sees other rows": (
        with_rung("last", predictor=of_the_first_row),
        "rung 'last': its predictor looks at other rows: 0.… without them, 0.… with them, at row",
    ),
    "a rung looks further back than its reach": (
        with_rung("last", reach=0),
        "rung 'last': its predictor looks further back from step 4 than its reach of 0: 0.… with",
    ),
    "a rung's law is float32": (
        with_rung("last", predictor=lambda task: lambda x: task.probabilities(x).float()),
        "rung 'last': its predictor puts out torch.float32 (48, 8, 2); must be torch.float64",
    ),
    "a rung's law does not sum to 1": (
        with_rung("last", predictor=lambda task: lambda x: task.probabilities(x) * 1.01),
        "rung 'last': its predictor: chances do not sum to 1: 1.01 here, 1 is due, at row 0, "
        "step 0",
    ),
    "a rung's chances are below 0": (
        with_rung("last", predictor=lambda task: lambda x: task.probabilities(x) * 3 - 1),
        "rung 'last': its predictor: chances are below 0: -0.7 here, 0 is due, at row",
    ),
    "a rung knows only whole sequences": (
        with_rung(
            "last", predictor=lambda task: lambda x: task.probabilities(x[:, torch.arange(8)])
        ),
        "rung 'last': its predictor fails on the first … steps alone: IndexError",
    ),
    "a rung is sure of what may not come": (
        with_rung("none", predictor=always_zero, loss=0.5, by_step=None),
        "rung 'none': its predictor gives no chance to target 1, which came at row …, step …",
    ),
    "a ladder has no floor": (
        only(0),
        "rung 'none' is the floor, and does not predict with `probabilities`: 0.… by its "
        "predictor, 0.… by those, at row …, step …",
    ),
    "a ceiling looks at the inputs": (
        only(2),
        "rung 'last' is the ceiling, and looks at the inputs: 0.… here, 0.… in row 0, at row",
    ),
    "a ceiling knows the step": (
        only(1, 2),
        "rung 'step' is the ceiling, and knows the step; the best constant comes above: 0.5 here, "
        "0.9 at step 0",
    ),
    "knowing the step is no rung": (
        only(0, 2),
        "rung 'none': is the lowest that looks at no input, and says 0.55 of target 0 at step 0, "
        "where its mean law is 0.9",
    ),
    "a ceiling is not the best constant": (
        with_rung("none", predictor=even, loss=math.log(2)),
        "rung 'none': says 0.5 of target 0, whose mean law is 0.5",
    ),
    "two rungs have one name": (
        with_rung("last", name="none"),
        "ladder: its rungs ['none', 'step', 'none'] must have different names",
    ),
    "a loss is below 0": (
        with_rung("last", loss=-0.1, by_step=None),
        "rung 'last': its loss -0.1 is below 0",
    ),
    "a loss is above that of guessing": (
        with_rung("none", loss=0.7, by_step=None),
        "rung 'none': its loss 0.7 is above 0.693147, the price of guessing evenly among 2 classes",
    ),
    "by_step is not what the predictor attains": (
        with_rung("step", by_step=(math.log(2),) * 8),
        "rung 'step': its predictor's expected loss at step 0, 0.325082973, is not the 0.693147181",
    ),
    "by_step is too short": (
        with_rung("none", by_step=(math.log(2),) * 7),
        "rung 'none': by_step has 7 losses for 8 steps",
    ),
    "the law is not that of the targets": (
        with_attributes(noise=0.2),
        "targets at step 0: … came … times in … sequences whose law says …",
    ),
    "the law is not that of the targets of one step": (
        with_draw(noisier_at_step_5),
        "targets at step 5: … came … times in … sequences whose law says …",
    ),
    "the task's reach is too short": (
        with_attributes(reach=0),
        "probabilities looks further back from step 4 than its reach of 0",
    ),
    "a draw uses torch's global numbers": (
        with_draw(from_the_global),
        "draw: uses the global random numbers of torch; all randomness must come from the "
        "generator",
    ),
    "a draw uses NumPy's global numbers": (
        with_draw(from_numpy),
        "draw: uses the global random numbers of NumPy",
    ),
    "a draw is never the same": (
        with_draw(from_nowhere),
        "draw: generators of the same seed draw inputs; …: … once, … again, at row …, step …",
    ),
    "a draw is always the same": (
        with_draw(from_a_fixed_seed),
        "draw: generators of the seeds 0 and 1 drew the same",
    ),
    "a draw has another size": (
        with_draw(ten_times_too_long),
        "draw: 1 sequences of 1 steps were asked for, and inputs has shape (1, 10)",
    ),
    "a target is no class": (
        with_draw(one_class_further),
        "draw: targets from 1 to 2 came, and there are 2 classes, by output_size",
    ),
    "a shape is not what is drawn": (
        with_attributes(shape="many_to_one"),
        "shape='many_to_one': what is drawn is many_to_many",
    ),
    "a shape is none": (with_attributes(shape="many"), "shape='many': must be one of one_to_one,"),
    "a stream has a length": (
        with_attributes(streams=True),
        "streams=True, num_steps=8: a stream has no length",
    ),
    "streams are no stream task": (
        with_attributes(streams=True, num_steps=property(lambda self: None, lambda self, n: None)),
        "streams=True, of a Changed: a task of streams is a StreamTask",
    ),
    "a stream does not say what its next piece must know": (
        with_draw(without_its_after, Echo),
        "draw: its `after` is None; a stream is continued from what that says",
    ),
    "two rungs are told for one above the other, and are not": (
        with_rung("lag 3", Echo, includes=("lag 8",)),
        "rung 'lag 3' includes 'lag 8', and predicts 0.1… ± 0.0… away from it, where 0.10… lies",
    ),
    "a stream is scored in part": (
        with_draw(scored_at_the_end, Echo),
        "draw: it leaves steps of a stream unscored; a stream is scored at every step",
    ),
    "a stream forgets its past": (
        with_draw(without_its_past, Echo),
        "targets of a stream continued from its `past`, at step 0: … came, and has no chance",
    ),
    "a carried state is worth more than the ladder says": (
        Shy(),
        "rung 'lag 8', with a state carried for ever: its predictor's … loss 0.6… ± 0.… is",
    ),
    "the own length is another ladder's": (
        OfTen(),
        "rung 'none': its loss is 0.6899… in ladder(), and 0.6881… in ladder(num_steps=8, ",
    ),
    "everything is not all": (Half(6), "everything: has no […], which was drawn"),
    "everything has copies": (Twice(6), "everything: [0, 0, 0, 0, 0, 0] is in it twice"),
    "what is equally likely is drawn more or less often": (
        with_draw(unevenly, Count),
        "everything: […] was drawn … times, where each of 1024 equally likely sequences is",
    ),
    "a ladder of real targets has the wrong loss": (
        NotItsLoss(),
        "ladder: its loss is the CrossEntropy, and the task's the HalfSquaredError",
    ),
    "a description is ragged": (Untidy(), "describe: its lines are [50, 51] characters long"),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_that_breaks_a_law_is_caught_and_told_which(name, monkeypatch):
    monkeypatch.setattr(tasks, "_ENTRIES", 200_000)  # enough for faults as gross as these
    task, message = TASKS[name]
    with pytest.raises(AssertionError, match=pattern(message)):
        check_task(task)


@pytest.mark.parametrize("noise", [0.1, 1e-6, 0.0])
def test_a_task_that_keeps_them_passes(noise):
    """Also where one target in a million is so rare that no sample shows what it costs."""
    check_task(with_attributes(noise=noise, said=noise))


def test_a_task_may_refuse_other_lengths_than_its_own():
    check_task(OfItsLength())


# --- networks -------------------------------------------------------------------------------


class Summing(RNN):
    """Adds the mean over the whole window."""

    def forward(self, inputs, state):
        hiddens, after = super().forward(inputs, state)
        return hiddens + inputs.mean(dim=(1, 2))[:, None, None], after


class Batched(RNN):
    """Normalises over the batch."""

    def step(self, x, state):
        return super().step(x - x.mean(dim=0), state)


class Forgetful(RNN):
    """Hands back the state it was given."""

    def forward(self, inputs, state):
        return super().forward(inputs, state)[0], state


class Counting(RNN):
    """Remembers the number of calls in a buffer."""

    initialisation_arguments = ()

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, inputs, state):
        self.calls += 1
        return super().forward(inputs, state)


class Moody(RNN):
    """Is never the same."""

    def step(self, x, state):
        (h,) = super().step(x, state)
        return (h + torch.rand(()),)


class Overwriting(RNN):
    """Saves memory."""

    def step(self, x, state):
        return (state[0].copy_(super().step(x, state)[0]),)


def by_hand(spoil):
    """The hand-written gradient, with one of (inputs, state, weight, bias) spoiled."""

    class Spoiled(_Window):
        @staticmethod
        def backward(ctx, grad):
            return spoil(*_Window.backward(ctx, grad))

    class ByHand(RNNByHand):
        def forward(self, inputs, state):
            hiddens = Spoiled.apply(inputs, state[0], self.weight, self.bias)
            return hiddens, (hiddens[:, -1],)

    return ByHand(2, 5)


def first_entry_off(x, h, weight, bias):
    weight = weight.clone()
    weight[0, 1] += 0.01
    return x, h, weight, bias


class OneStep(RNN):
    """Its gradient reaches one step back."""

    def step(self, x, state):
        return super().step(x, detached(state))


class FromTheGlobal(RNN):
    def initialise(self, generator=None):
        super().initialise()


class ForgetsTheBias(RNN):
    def initialise(self, generator=None):
        nn.init.xavier_uniform_(self.weight, generator=generator)


class RowsApart(RNN):
    def initial_state(self, batch_size):
        (h,) = super().initial_state(batch_size)
        return (h + torch.arange(batch_size)[:, None],)


class Single(RNN):
    def initial_state(self, batch_size):
        return (torch.zeros(batch_size, self.hidden_size),)


class HiddenFirst(RNN):
    def initial_state(self, batch_size):
        return (self.weight.new_zeros(self.hidden_size, batch_size),)


class SaysNothing(RNN):
    """Learns its initial state."""

    initialisation_arguments = ()

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.start = nn.Parameter(torch.zeros(hidden_size))

    def initialise(self, generator=None):
        super().initialise(generator)
        if hasattr(self, "start"):
            nn.init.zeros_(self.start)

    def initial_state(self, batch_size):
        return (self.start.expand(batch_size, -1),)


class Boasting(RNN):
    """Says it remembers."""

    def step(self, x, state):
        return super().step(x, (torch.zeros_like(state[0]),))


class Modest(RNN):
    remembers = False


class Deaf(RNN):
    def step(self, x, state):
        return super().step(torch.zeros_like(x), state)


class Growing(RNN):
    """A state that is longer than before."""

    def forward(self, inputs, state):
        hiddens, (h,) = super().forward(inputs, (state[0][:, :5],))
        return hiddens, (torch.cat([h, h], dim=1),)


class Wide(RNN):
    def forward(self, inputs, state):
        hiddens, after = super().forward(inputs, state)
        return torch.cat([hiddens, hiddens], dim=-1), after


class Squeezed(RNN):
    """Loses the batch axis where there is one row."""

    def forward(self, inputs, state):
        hiddens, after = super().forward(inputs, state)
        return hiddens.squeeze(0), after


class Hasty(RNN):
    """Has a faster way, which is another."""

    def forward(self, inputs, state):
        hiddens, after = super().forward(2 * inputs, state)
        return hiddens, after


class Misnamed(RNN):
    initialisation_arguments = ("gian",)


class Narrow(RNN):
    def readout(self, output_size):
        return nn.Linear(1, output_size)


class ByLayers(RNN):
    def readout(self, output_size):
        return nn.Sequential(nn.Linear(self.hidden_size, 4), nn.Tanh(), nn.Linear(4, output_size))


class Exploding(RNN):
    def step(self, x, state):
        return (super().step(x, state)[0] / (x.sum(dim=1, keepdim=True) * 0),)


NETWORKS = {
    "it explodes": (Exploding(2, 5), "hiddens are not finite, for inputs of a normal law"),
    "it sees the whole window": (
        Summing(2, 5),
        "hiddens depend on later inputs, from step … on: … with others, … with the first ones, "
        "at row …, step …, hidden …",
    ),
    "rows touch": (
        Batched(2, 5),
        "row 0 of a batch depends on the others: … alone, … among them, at row 0, step …, hidden",
    ),
    "the state is not carried": (
        Forgetful(2, 5),
        "a window that is cut and carried on ends otherwise: … cut before the steps 1, … in one "
        "piece, at row …, step …, hidden …",
    ),
    "it remembers in a buffer": (
        Counting(2, 5),
        "forward changes buffer 'calls': … the state: 1 before, 2 after",
    ),
    "it is never the same": (
        Moody(2, 5),
        "forward is no function of inputs and state: … once, ",
    ),
    "it overwrites its state": (
        Overwriting(2, 5),
        "forward changes the state[0] it is given: … before, … after, at […, …]",
    ),
    "an entry of a gradient is wrong": (
        by_hand(first_entry_off),
        "parameter 'weight': gradient … at [0, 1], finite difference …",
    ),
    "a gradient is missing": (
        by_hand(lambda x, h, weight, bias: (x, h, weight, 0 * bias)),
        "parameter 'bias': gradient 0 at […], finite difference …",
    ),
    "the gradient of the inputs is missing": (
        by_hand(lambda x, h, weight, bias: (0 * x, h, weight, bias)),
        "inputs: gradient 0 at […, …, …], finite difference",
    ),
    "the gradient of the state has the wrong sign": (
        by_hand(lambda x, h, weight, bias: (x, -h, weight, bias)),
        "state[0]: gradient … at […, …], finite difference",
    ),
    "the gradient stops a step back": (
        OneStep(2, 5),
        "inputs: gradient … at […, …, …], finite",
    ),
    "it starts from global numbers": (
        FromTheGlobal(2, 5),
        "initialise: uses the global random numbers of torch",
    ),
    "a parameter stays as it was": (
        ForgetsTheBias(2, 5),
        "initialise: a generator's seed does not decide parameter 'bias': … at first, 7 after "
        "it was",
    ),
    "rows start apart": (
        RowsApart(2, 5),
        "initial_state: state[0] is not the same in every row: 1 here, 0 in row 0, at [1, 0]",
    ),
    "a state has a precision of its own": (
        Single(2, 5),
        "initial_state: state[0] is torch.float32 where parameters are torch.float64; make it with",
    ),
    "the batch does not come first": (
        HiddenFirst(2, 5),
        "initial_state: state[0] has shape (5, 7) for a batch of 7; must be batch first",
    ),
    "it learns its start and does not say so": (
        SaysNothing(2, 5),
        "learns_initial_state=False: and the initial state depends on trained parameters",
    ),
    "it says it remembers": (
        Boasting(2, 5),
        "remembers=True: and hiddens are the same whatever the state",
    ),
    "it remembers and does not say so": (
        Modest(2, 5),
        "remembers=False: and hiddens depend on the state: … from the initial one, … from another",
    ),
    "it does not listen": (Deaf(2, 5), "hiddens are the same whatever the inputs"),
    "its state grows": (
        Growing(2, 5),
        "initial_state has shapes [(3, 5)], and the state after forward [(3, 10)]",
    ),
    "its hiddens are too many": (
        Wide(2, 5),
        "hiddens have shape (3, 6, 10); must be (3, 6, 5): batch, time, hidden_size",
    ),
    "a single row loses its axis": (
        Squeezed(2, 5),
        "row 0 of a batch depends on the others: its shape is (6, 5) alone, (1, 6, 5) among them",
    ),
    "its forward is not its step": (
        Hasty(2, 5),
        "forward is not what step says: … by forward, … by step, at row …, step …, hidden …",
    ),
    "an argument has another name": (
        Misnamed(2, 5),
        "initialisation_arguments: 'gian' is no argument of Misnamed, which has input_size, "
        "hidden_size",
    ),
    "its readout is another's": (
        Narrow(2, 5),
        "readout: readout(3) is a Linear from 1 to 3 numbers; must be an nn.Linear, or layers "
        "of which the last is one, from hidden_size=5",
    ),
}


def test_a_readout_may_have_layers():
    check_network(ByLayers(2, 5))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_breaks_a_law_is_caught_and_told_which(name):
    network, message = NETWORKS[name]
    with pytest.raises(AssertionError, match=pattern(message)):
        check_network(network)


class Attention(Cell):
    """Looks for the newest of two steps with a softmax: the gradient of the key's bias is zero."""

    state_parts = 2

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.project = nn.Linear(input_size, 2 * hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)

    def initialise(self, generator=None):
        for layer in (self.project, self.key):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)

    def step(self, x, state):
        query, value = torch.tanh(self.project(x)).chunk(2, dim=-1)
        seen = torch.stack([*state, value], dim=1)
        weights = torch.softmax((self.key(seen) @ query[:, :, None])[..., 0], dim=1)
        return (weights[:, None] @ seen)[:, 0], (state[1], value)


class Rectified(RNN):
    """Has kinks, and starts from the identity, without a random number."""

    def initialise(self, generator=None):
        with torch.no_grad():
            self.weight.copy_(torch.eye(*self.weight.shape))
        nn.init.zeros_(self.bias)

    def step(self, x, state):
        return (torch.relu(torch.cat([x, state[0]], dim=-1) @ self.weight + self.bias),)


class Dropping(RNN):
    """Drops out in training."""

    def step(self, x, state):
        return super().step(functional.dropout(x, 0.5, self.training), state)


class Clocked(RNN):
    """Counts its steps in whole numbers, and sleeps in every third."""

    @property
    def state_shapes(self):
        return ((self.hidden_size,), ())

    def initial_state(self, batch_size):
        h, _ = super().initial_state(batch_size)
        return h, torch.zeros(batch_size, dtype=torch.long)

    def step(self, x, state):
        h, steps = state
        (awake,) = super().step(x, (h,))
        return torch.where((steps % 3 == 2)[:, None], h, awake), steps + 1


def frozen():
    network = RNN(2, 5)
    network.bias.requires_grad_(False)
    return network


@pytest.mark.parametrize(
    "network",
    [
        Attention(2, 5),
        Rectified(2, 5),
        Dropping(2, 5),
        Clocked(2, 5),
        frozen(),
        RNN(2, 5).requires_grad_(False),
        RNN(2, 64),
    ],
    ids=lambda network: type(network).__name__,
)
def test_an_unusual_network_that_keeps_the_laws_passes(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    check_network(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


# --- engines --------------------------------------------------------------------------------


def windows_of(chunk, *numbers):
    """Some windows of a chunk."""
    parts = (None if part is None else part[list(numbers)] for part in chunk[:3])
    return Chunk(*parts, chunk.carried)


class Skipping(Autograd):
    """Makes no update in the window 2."""

    def train(self, chunk, state):
        losses = []
        for number in range(len(chunk.inputs)):
            rates = [group["lr"] for group in self.optimizer.param_groups]
            if number == 2:
                for group in self.optimizer.param_groups:
                    group["lr"] = 0.0
            loss, state = super().train(windows_of(chunk, number), state)
            for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
            losses.append(loss)
        return torch.cat(losses), state


class Late(Autograd):
    """Tells the loss of the next window."""

    def train(self, chunk, state):
        losses, after = super().train(chunk, state)
        return losses.roll(-1), after


class Resetting(Autograd):
    """Starts every window from the initial state."""

    def train(self, chunk, state):
        losses, after = super().train(chunk._replace(carried=False), state)
        return losses, after


class Carrying(Autograd):
    """Carries the state from sequence to sequence."""

    def train(self, chunk, state):
        return super().train(chunk._replace(carried=True), state)


class Unclipped(Autograd):
    def _begin(self):
        self.gradient_clip = None


class Remembering(Autograd):
    """Leaves the graph behind."""

    def train(self, chunk, state):
        losses, after = super().train(chunk, state)
        return losses + 0 * self.network.readout.bias.sum(), after


class Short(Autograd):
    def train(self, chunk, state):
        losses, after = super().train(chunk, state)
        return losses[1:], after


class Zeros(Autograd):
    """Takes no state for zeros."""

    def train(self, chunk, state):
        if state is None:
            state = tuple(
                p.detach() + 0.1 for p in self.network.initial_state(chunk.inputs.shape[1])
            )
        return super().train(chunk, state)


class Amnesiac(Autograd):
    """Begins each chunk with a fresh optimizer."""

    def train(self, chunk, state):
        self.optimizer.state.clear()
        return super().train(chunk, state)


class Private(Autograd):
    """Keeps the optimizer's memory to itself."""

    def train(self, chunk, state):
        self.optimizer.state.update(getattr(self, "kept", {}))
        trained = super().train(chunk, state)
        self.kept = dict(self.optimizer.state)
        self.optimizer.state.clear()
        return trained


class AllSteps(Autograd):
    """Scores what is not scored."""

    def train(self, chunk, state):
        return super().train(chunk._replace(scored=None), state)


class Unlearned(Autograd):
    """Does not learn the initial state."""

    def train(self, chunk, state):
        for name, parameter in self.network.named_parameters():
            if name.endswith("start"):
                parameter.requires_grad_(False)
        return super().train(chunk, state)


class Picky(Autograd):
    def _begin(self):
        raise ValueError("engine=picky does not fit: it is no good day")


ENGINES = {
    "it skips an update": (
        Skipping,
        "RNN on Echo with Adagrad: after 1 chunks, loss: … by the engine, … in a plain loop, at "
        "window 3",
    ),
    "it tells the loss too late": (
        Late,
        "RNN on Echo with Adagrad: after 1 chunks, loss: … window …",
    ),
    "it forgets the state of streams": (Resetting, "RNN on Echo with Adagrad: … window 0"),
    "it carries the state of sequences": (Carrying, "RNN on Parity with Adagrad: … window …"),
    "it does not clip": (Unclipped, "RNN on Echo with Adagrad, gradient_clip=0.05: … window …"),
    "it leaves a history": (Remembering, "losses come back with a history; detach them"),
    "it swallows a loss": (
        Short,
        "RNN on Echo with Adagrad: losses have shape (3,) for 4 windows",
    ),
    "it takes no state for another": (Zeros, "without a state, loss: … window 0"),
    "it forgets the optimizer's memory": (Amnesiac, "after 2 chunks, loss: …at window 1"),
    "it keeps the optimizer's memory": (
        Private,
        "RNN on Echo with Adagrad: after 1 chunks, the optimizer's 'step' of parameter "
        "'recurrent.weight' is missing",
    ),
    "it scores all steps": (
        AllSteps,
        "RNN on Count with Adagrad: after 1 chunks, loss: … window 0",
    ),
    "it does not learn an initial state": (
        Unlearned,
        "RNNByHand on Echo with Adagrad: after 1 chunks, … of parameter 'recurrent.start': 0 by "
        "the",
    ),
    "it refuses everything": (
        Picky,
        "the engine refuses whatever it is tried with: engine=picky does",
    ),
}


SOME = RNN, partial(RNNByHand, learn_initial_state=True)


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_that_breaks_the_law_is_caught_and_told_where(name):
    engine, message = ENGINES[name]
    with pytest.raises(AssertionError, match=pattern(message)):
        check_engine(engine, networks=SOME, optimizers=(partial(Adagrad, lr=0.1),))


def test_an_engine_may_refuse_what_does_not_fit():
    class OnlyAdam(Autograd):
        def _begin(self):
            if not isinstance(self.optimizer, Adam):
                raise ValueError("engine=only_adam does not fit: it knows Adam")

    check_engine(
        OnlyAdam, networks=(GRU,), optimizers=(partial(SGD, lr=0.1), partial(Adam, lr=0.1))
    )
