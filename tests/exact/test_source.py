"""Sources as a task: named ones, and one's own by numbers alone."""

import pytest
import torch
from torch import Generator

from lossladder.tasks import Source

EVEN = [[[0.5, 0.0], [0.0, 0.0]], [[0.0, 0.5], [1.0, 0.0]]]


def test_a_source_of_ones_own_is_that_which_it_is_the_numbers_of():
    own, named = Source(transitions=EVEN), Source("even")
    assert [rung.loss for rung in own.ladder()] == [rung.loss for rung in named.ladder()]
    assert own.memory() == named.memory()


def test_two_states_suffice_for_what_no_window_reaches():
    ladder, memory = Source("even").ladder(), Source("even").memory()
    windows = [rung.loss for rung in ladder if rung.name.startswith("last")]
    assert min(windows) > ladder.floor.loss + 1e-3
    assert memory[-1].states == 2
    assert memory[-1].loss == pytest.approx(ladder.floor.loss, abs=1e-9)


@pytest.mark.parametrize("process", ["golden_mean", "even", "z1r", "rrxor"])
def test_no_word_comes_that_has_no_chance(process):
    task = Source(process)
    batch = task.sample(Generator().manual_seed(0), 500, 100)
    chances = batch.probabilities.gather(-1, batch.targets[..., None])
    assert float(chances.min()) > 0


def test_what_cannot_come_has_no_law():
    # an odd number of ones between two zeros
    inputs = Source("even").features(torch.tensor([[0, 1, 0, 1]]))
    law = Source("even").probabilities(inputs)
    assert law[0, :2].isfinite().all()
    assert law[0, 2:].isnan().all()


def test_a_target_is_the_next_input_also_across_pieces():
    task = Source("mess3")
    first = task.draw(Generator().manual_seed(0), 20, 30)
    second = task.draw(Generator().manual_seed(1), 20, 30, past=first.after)
    assert torch.equal(first.targets[:, :-1], first.inputs[:, 1:])
    assert torch.equal(first.targets[:, -1], second.inputs[:, 0])


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Source("odd"), "process='odd': must be one of golden_mean, even"),
        (lambda: Source(symbols=1), "symbols=1: must be a whole number from 2 to 16"),
        (lambda: Source("markov", symbols=4, states=5), "a chain of 1024 words; at most 256"),
        (lambda: Source(transitions=[[[0.5]], [[0.4]]]), "sum to 0.9"),
    ],
)
def test_what_is_no_source_is_told(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
