"""Calibration: networks whose state is known by hand, and readouts that make less of it."""

import math
from math import log
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from lossladder.data import Split, Streams
from lossladder.diagnostics import calibration, rows_for, score
from lossladder.ladder import Rung
from lossladder.models import Network, Recurrent
from lossladder.models.recurrent import State
from lossladder.tasks import Adding, Batch, Count, Delay, Echo, Task, Words
from lossladder.training.conclude import measure


class KnowsARung(Recurrent):
    """Hiddens from which a linear readout predicts as a rung's own predictor does."""

    def __init__(self, task: Task, rung: Rung) -> None:
        super().__init__(task.input_size, task.output_size)
        self.rung, self.real = rung, task.loss.unit == "squared error"
        self.anything = torch.nn.Parameter(torch.zeros(1))

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw nothing: there is nothing to learn."""

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        prediction = self.rung.predictor(inputs)
        # logarithms, as logits are, but of nothing impossible: it would be minus infinity
        return (prediction if self.real else prediction.clamp(min=1e-9).log()).float(), state


def knows(task: Task, rung: Rung) -> Network:
    """Return a network that predicts as the rung does."""
    network = Network(KnowsARung(task, rung), task.output_size)
    with torch.no_grad():
        network.readout.weight.copy_(torch.eye(task.output_size))
        network.readout.bias.zero_()
    return network


def spoilt(network: Network, std: float = 1.0) -> Network:
    """Return it with a readout that is another one."""
    with torch.no_grad():
        for part in network.readout.parameters():
            part += std * torch.randn(part.shape, generator=Generator().manual_seed(5))
    return network


def sequences(network: Network, task: Task, steps: int = 40) -> tuple[Batch, Batch]:
    """Return sequences to measure on, and others to fit on."""
    batch = task.sample(Generator().manual_seed(1), 300, steps)
    rows = rows_for(network, batch.scored)
    return batch, task.sample(Generator().manual_seed(2), rows, steps)


RUNGS = [
    (Words("S3"), "sign"),
    (Words("S3"), "one point"),
    (Words("S3"), "all"),
    (Echo(), "lag 3"),
    (Echo(), "lags 3 and 8"),
    (Delay(), "lags 0 to 4"),
    (Adding(num_steps=40), "none"),
]


@pytest.mark.parametrize(("task", "rung"), RUNGS, ids=lambda part: str(part))
def test_a_spoilt_readout_of_what_a_rung_knows_is_mended(task, rung):
    ladder = task.ladder(40, carried=False)
    rung = ladder[rung] if rung in {r.name for r in ladder} else ladder.floor
    network = knows(task, rung)
    own = score(network, task, sequences(network, task)[0]).loss
    found = calibration(spoilt(network), task, *sequences(network, task))
    assert found.saved > 0.05
    assert found.refitted.loss == pytest.approx(own, abs=2e-3)
    lost = score(network, task, sequences(network, task)[0]).loss
    assert found.saved == pytest.approx(lost - found.refitted.loss, abs=1e-4)


@pytest.mark.parametrize(("task", "rung"), RUNGS[:5], ids=lambda part: str(part))
def test_of_a_calibrated_network_nothing_is_saved(task, rung):
    network = knows(task, task.ladder(40, carried=False)[rung])
    found = calibration(network, task, *sequences(network, task))
    assert abs(found.saved) < 1e-3
    assert (network.readout.weight == torch.eye(task.output_size)).all(), "it was changed"


def test_whoever_is_too_sure_is_mended():
    """Logits doubled: all that is lost is in the readout."""
    task = Echo()
    network = knows(task, task.ladder(40, carried=False)["lag 3"])
    batch, fitting = sequences(network, task)
    own = score(network, task, batch).loss
    with torch.no_grad():
        network.readout.weight *= 2
    found = calibration(network, task, batch, fitting)
    assert found.saved > 0.05
    assert found.refitted.loss == pytest.approx(own, abs=5e-4)


def test_bets_on_what_is_not_known_are_mended_to_the_rungs_own_loss():
    task = Words("S3")
    network = knows(task, task.ladder()["one point"])
    with torch.no_grad():
        network.readout.bias[0] = 2.0
    found = calibration(network, task, *sequences(network, task))
    assert found.saved > 0.1
    assert found.refitted.loss == pytest.approx(log(2), abs=1e-3)


def test_what_the_state_does_not_hold_no_readout_finds():
    task = Words("S3")
    network = spoilt(knows(task, task.ladder()["sign"]), std=0.3)
    assert calibration(network, task, *sequences(network, task)).refitted.loss > log(3) - 1e-3


def test_squared_errors_are_least_squares():
    task = Delay()
    network = spoilt(knows(task, task.ladder(40, carried=False).ceiling), std=0.3)
    network.recurrent.rung = task.ladder(40, carried=False).floor
    batch, fitting = sequences(network, task)
    found = calibration(network, task, batch, fitting)
    # values are hidden as they are, so that the best readout has no error at all
    assert found.refitted.loss == pytest.approx(0.0, abs=1e-9)


def test_steps_that_do_not_count_are_neither_fitted_nor_measured():
    """A state that holds nothing in the steps that count is not helped by what it holds before."""
    task = Words("S3")
    network = spoilt(knows(task, task.ladder()["all"]))
    batch, fitting = sequences(network, task)
    late = torch.arange(40) >= 20

    def early_only(inputs: Tensor) -> Tensor:
        return torch.where(late[:, None], 1 / 6, task.probabilities(inputs))

    network.recurrent.rung = Rung("early", 0.0, "", early_only)
    counted = [part._replace(scored=part.scored & late) for part in (batch, fitting)]
    assert calibration(network, task, *counted).refitted.loss == pytest.approx(log(6), abs=5e-3)


def test_the_same_sequences_give_the_same_numbers():
    task = Echo()
    network = spoilt(knows(task, task.ladder()["lag 3"]))
    first, again = (calibration(network, task, *sequences(network, task)) for _ in range(2))
    assert (first.refitted, first.saved) == (again.refitted, again.saved)
    assert torch.equal(first.fitted, again.fitted)


def test_a_readout_of_layers_is_fitted_in_its_last_one():
    task = Words("S3")
    network = knows(task, task.ladder()["one point"])
    inner = torch.nn.Linear(6, 6)
    with torch.no_grad():
        inner.weight.copy_(torch.eye(6))
        inner.bias.zero_()
    network.readout = torch.nn.Sequential(inner, network.readout)
    with torch.no_grad():
        network.readout[1].weight *= 0.5
        network.readout[1].bias[0] = 3.0
    found = calibration(network, task, *sequences(network, task))
    assert found.refitted.loss == pytest.approx(log(2), abs=2e-3)
    assert (inner.weight == torch.eye(6)).all()


# --- of a run -----------------------------------------------------------------------------------


def measured(bias: float) -> dict[str, Any]:
    """Return what a run is told whose state knows the point, and whose readout bets on e."""
    task = Words("S3")
    data = Streams(task, 8, 16, 1000, None, 0)
    network = knows(task, task.ladder()["one point"])
    with torch.no_grad():
        network.readout.bias[0] = bias
    return measure(network, data)


def test_a_run_between_rungs_is_told_where_it_would_stand_but_for_its_readout():
    found = measured(1.0)
    # e is one of two elements left a third of the time, and has odds of e to 1 then
    expected = log(1 + math.e) - 1 / 2
    assert found["loss"] == pytest.approx(log(2) + (expected - log(2)) / 3, abs=2e-3)
    assert (found["standing"], found["refitted_on"]) == ("between", "one point")
    assert found["refitted_loss"] == pytest.approx(log(2), abs=1e-3)
    assert found["refitted_saved"] == pytest.approx(found["loss"] - log(2), abs=1e-3)


def test_a_run_on_a_rung_is_not_fitted_again():
    found = measured(0.0)
    assert (found["standing"], found["stands_on"]) == ("on", "one point")
    assert not any(key.startswith("refitted") for key in found)


def test_a_run_of_a_split_is_fitted_again_on_what_it_was_trained_on():
    task = Count(5)
    data = Split(task, 4, 24, shuffle=False, split_seed=0, windows_per_chunk=None, seed=0)
    assert not data.hidden().any()
    network = knows(task, task.ladder()["last 4"])
    with torch.no_grad():
        network.readout.weight *= 0.1
    found = measure(network, data)
    assert found["standing"] == "between"
    fitted = calibration(network, task, data.validated, data.training_set(), exhaustive=True)
    assert found["refitted_loss"] == fitted.refitted.loss
