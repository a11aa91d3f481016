"""The horizon of networks that remember just so much."""

import math

import pytest
import torch
from hand_set import believer, coset_tracker, flip_flop, window
from torch import Generator

from lossladder.diagnostics import UnfitError, horizon
from lossladder.models import RNN, Network
from lossladder.tasks import Delay, Dyck, Echo, Parity, Source, Words

FLOOR, LAG_3, NONE = 0.454454367449, 0.519166699707, 0.661563238158


def of(network, task, seed: int = 0):
    return horizon(network, task, Generator().manual_seed(seed))


def by_known(measured, values):
    return dict(zip(measured.known, values.tolist(), strict=True))


def test_who_keeps_eight_inputs_goes_down_the_staircase_of_echo():
    measured = of(window(Echo(), "lags 3 and 8"), Echo())
    truth, loss = by_known(measured, measured.truth), by_known(measured, measured.loss)
    assert truth == pytest.approx(
        {k: NONE if k < 4 else LAG_3 if k < 9 else FLOOR for k in measured.known}
    )
    assert loss == pytest.approx(truth, abs=1e-6)


def test_who_keeps_three_inputs_stays_on_the_second_step():
    measured = of(window(Echo(), "lag 3"), Echo())
    loss = by_known(measured, measured.loss)
    assert loss[2] == pytest.approx(NONE, abs=0.002)
    for k in (4, 9, 13):
        assert loss[k] == pytest.approx(LAG_3, abs=4 * float(measured.error.max()))


@pytest.mark.parametrize(
    ("task", "rung", "k"),
    [(Echo(), "lag 3", 4), (Source("even"), "last 2", 2), (Source("even"), "last 3", 3),
     (Source("mess3"), "last 2", 2), (Source("rrxor"), "last 3", 3)],
    ids=str,
)  # fmt: skip
def test_pasts_are_as_likely_as_they_are_before_the_last_inputs(task, rung, k):
    """Or the exact law, averaged over them, would not be that of who knows these inputs."""
    measured = of(window(task, rung), task)
    assert float(measured.error[k - 1]) < 0.01
    assert float(measured.loss[k - 1]) == pytest.approx(task.ladder()[rung].loss, abs=0.012)


def test_who_keeps_real_inputs_loses_those_that_are_not_real():
    measured = of(window(Delay(3), "last 2"), Delay(3))
    assert by_known(measured, measured.truth) == {k: max(3.0 - k, 0.0) for k in measured.known}
    # of an input drawn anew and averaged over, the mean is left
    assert float(measured.loss[0]) == pytest.approx(2.0, abs=0.1)
    assert measured.loss[1:].tolist() == pytest.approx([1.0] * len(measured.loss[1:]), abs=0.15)


def test_the_bayes_predictor_of_a_source_loses_what_windows_lose():
    task = Source("mess3")
    measured = of(believer(task), task)
    assert measured.loss.tolist() == pytest.approx(measured.truth.tolist(), abs=1e-6)
    assert measured.truth[:3].tolist() == pytest.approx(task.source.window_losses[1:4])


def test_of_a_parity_all_bits_are_needed():
    measured = of(flip_flop(), Parity(20))
    loss = by_known(measured, measured.loss)
    assert loss[19] == pytest.approx(math.log(2), abs=0.01)
    assert loss[20] == pytest.approx(0.0, abs=1e-6)


def test_who_tracks_a_coset_has_its_loss_with_all_letters_only():
    task = Words("S3")
    measured = of(coset_tracker(task, "sign"), task)
    loss = by_known(measured, measured.loss)
    assert loss[16] == pytest.approx(math.log(6), abs=0.03)
    assert loss[measured.known[-1]] == pytest.approx(math.log(3), abs=1e-6)


def test_a_past_that_is_not_known_is_not_made_up():
    task = Dyck()
    with pytest.raises(UnfitError, match="depends on others"):
        of(Network(RNN(task.input_size, 2), task.output_size), task)


def test_what_is_measured_depends_on_the_generator_alone():
    network = window(Echo(), "lag 3")
    assert torch.equal(of(network, Echo(), 1).loss, of(network, Echo(), 1).loss)
