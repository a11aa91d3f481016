"""The score: exact where it can be, honest about its error, and an alarm for cheats."""

import pytest
import torch
from oracle import Oracle
from torch import Generator, Tensor, nn

from lossladder.diagnostics import Behaviour, Score, score
from lossladder.tasks import Batch, Count, Echo, Parity, Task


def sampled(task: Task, seed: int, batch_size: int = 200, num_steps: int = 100) -> Batch:
    return task.sample(Generator().manual_seed(seed), batch_size, task.num_steps or num_steps)


def doubting(probabilities: Tensor, doubt: float) -> Tensor:
    """Probabilities mixed with ignorance."""
    return (1 - doubt) * probabilities + doubt / probabilities.shape[-1]


# --- loss, error, mistakes ------------------------------------------------------------------


@pytest.mark.parametrize("task", [Echo(), Count(every_step=True), Parity(12, 0.3)])
def test_the_loss_is_the_expected_one_over_the_scored_steps(task):
    batch = sampled(task, seed=0)
    batch = batch._replace(scored=batch.scored & (torch.arange(batch.scored.shape[1]) >= 3))
    predicted = doubting(task.ladder().ceiling.predictor(batch.inputs), 0.2)
    losses = -(batch.probabilities * predicted.log()).sum(dim=-1)
    measured = score(Oracle(task, lambda inputs: predicted), task, batch)
    assert measured.loss == pytest.approx(float(losses[batch.scored].mean()), abs=1e-12)
    assert measured.sequences == len(batch.inputs)


@pytest.mark.parametrize("mixed_lengths", [False, True])
def test_the_standard_error_is_the_spread_of_the_loss_over_repetitions(mixed_lengths):
    task = Count(8, every_step=True, mixed_lengths=mixed_lengths)
    network = Oracle(task, task.ladder()["last 2"].predictor)
    scores = [score(network, task, sampled(task, seed, batch_size=300)) for seed in range(150)]
    losses = torch.tensor([s.loss for s in scores], dtype=torch.float64)
    errors = torch.tensor([s.standard_error for s in scores], dtype=torch.float64)
    assert float(losses.std()) == pytest.approx(float(errors.mean()), rel=0.25)
    expected = task.ladder()["last 2"].loss
    assert abs(float(losses.mean()) - expected) < 4 * float(errors.mean()) / 150**0.5


def test_a_sequence_with_a_mistake_at_a_scored_step_is_one_mistake():
    task = Parity(6)
    batch = sampled(task, seed=0, batch_size=10)
    wrong = task.probabilities(batch.inputs)
    for row, step in ((0, 1), (0, 4), (3, 5), (7, 0)):  # one row has two
        wrong[row, step] = wrong[row, step].flip(-1)
    network = Oracle(task, lambda inputs: wrong * 0.98 + 0.01)
    measured = score(network, task, batch)
    assert (measured.mistakes, measured.error, measured.sequences) == (3, 0.3, 10)
    unscored = batch._replace(scored=batch.scored & (torch.arange(6) < 5))
    assert score(network, task, unscored).mistakes == 2


def test_random_targets_have_no_mistakes():
    measured = score(Oracle(Echo(), Echo().probabilities), Echo(), sampled(Echo(), seed=0))
    assert measured.error is measured.mistakes is None


def test_a_perfect_network_makes_none():
    for task in (Count(), Parity(20), Count(6, mixed_lengths=True)):
        measured = score(Oracle(task, task.probabilities), task, sampled(task, seed=0))
        assert (measured.mistakes, measured.error) == (0, 0.0)
        assert measured.loss == pytest.approx(0.0, abs=1e-12)
        assert not measured.leaks


def test_behaviour_names_the_nearest_rung_first():
    task, ladder = Echo(), Echo().ladder()
    network = Oracle(task, ladder["lag 3"].predictor)
    batch = sampled(task, seed=0)
    distances = Behaviour(score(network, task, batch), batch, ladder).divergences
    assert next(iter(distances)) == "lag 3"
    assert list(distances.values()) == sorted(distances.values())
    assert set(distances) == {rung.name for rung in ladder}


# --- the alarm ------------------------------------------------------------------------------

TASKS = {
    "echo": Echo(),
    "echo, clipped": Echo({1: 0.8, 2: -0.9}, base=0.4),
    "count": Count(),
    "parity": Parity(20),
}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_no_alarm_for_the_exact_law_or_for_any_rung_over_many_seeds(task):
    for seed in range(30):
        batch = sampled(task, seed, batch_size=100)
        for rung in task.ladder():
            # zero chances would make an unlucky rung infinitely bad, which is no alarm either
            predictor = rung.predictor
            network = Oracle(task, lambda inputs, p=predictor: doubting(p(inputs), 1e-6))
            assert not score(network, task, batch).leaks
        assert not score(Oracle(task, task.probabilities), task, batch).leaks


def test_no_alarm_for_a_network_near_the_floor_over_many_seeds():
    """Near the floor the advantage on drawn targets is chance alone: this is where alarms lie."""
    task = Echo({3: 0.3, 8: -0.25})
    leaks = []
    for seed in range(300):
        doubt = 10 ** -(1 + seed % 6)
        batch = sampled(task, seed, batch_size=100, num_steps=60)
        network = Oracle(task, lambda inputs, d=doubt: doubting(task.probabilities(inputs), d))
        leaks.append(score(network, task, batch).leak)
    assert max(leaks) < 4
    assert sum(leak > 2 for leak in leaks) < 30  # it is a number of standard errors indeed


def test_no_alarm_for_a_network_that_only_rounds():
    task = Echo()
    network = Oracle(task, lambda inputs: task.probabilities(inputs).float() + 1e-7)
    for seed in range(30):
        assert not score(network, task, sampled(task, seed)).leaks


@pytest.mark.parametrize("peek", [0.01, 0.05, 0.9])
def test_the_alarm_fires_when_targets_are_peeked_at(peek):
    task = Echo({3: 0.3, 8: -0.25})  # no target is certain, so that a peek always tells something
    for seed in range(10):
        batch = sampled(task, seed)
        seen = nn.functional.one_hot(batch.targets, 2).double()
        network = Oracle(
            task, lambda inputs, b=batch, s=seen: (1 - peek) * b.probabilities + peek * s
        )
        measured = score(network, task, batch)
        assert measured.leak > 4
        assert measured.leaks


def fed_with_its_own_targets(seed: int) -> Batch:
    """Fair coins, each of which is shown as the input one step later."""
    targets = torch.randint(2, (200, 100), generator=Generator().manual_seed(seed))
    symbols = torch.cat([torch.zeros(200, 1, dtype=torch.long), targets[:, :-1]], dim=1)
    half = torch.full((200, 100, 2), 0.5, dtype=torch.float64)
    return Batch(torch.eye(2)[symbols], targets, torch.ones(200, 100, dtype=torch.bool), half)


def test_the_alarm_fires_for_a_network_that_sees_the_inputs_to_come():
    def one_ahead(inputs: Tensor) -> Tensor:
        return doubting(inputs.roll(-1, dims=1).double(), 0.5)

    def one_behind(inputs: Tensor) -> Tensor:
        return doubting(inputs.double(), 0.5)

    for seed in range(10):
        batch = fed_with_its_own_targets(seed)
        assert score(Oracle(Echo(), one_ahead), Echo(), batch).leaks
        assert not score(Oracle(Echo(), one_behind), Echo(), batch).leaks


def test_the_alarm_fires_when_what_the_law_excludes_happens():
    """Then the probabilities are wrong, and a loss under the floor is no success."""
    task = Parity(20)
    batch = sampled(task, seed=0)
    wrong = batch._replace(targets=batch.targets.roll(1, dims=1))
    network = Oracle(task, lambda inputs: doubting(task.probabilities(inputs), 1.0))
    assert score(network, task, wrong).leaks
    assert not score(network, task, batch).leaks


def test_the_alarm_is_at_four_standard_errors():
    def leaks(leak: float) -> bool:
        return Score(0.5, 0.001, None, None, 200, leak, outputs=torch.zeros(200, 100, 2)).leaks

    assert [leaks(leak) for leak in (-50.0, 0.0, 3.99, 4.01)] == [False, False, False, True]


def test_one_sequence_is_no_evidence():
    task = Echo()
    batch = sampled(task, seed=0, batch_size=1)
    seen = nn.functional.one_hot(batch.targets, 2).double()
    measured = score(Oracle(task, lambda inputs: doubting(seen, 0.1)), task, batch)
    assert not measured.leaks
    assert measured.standard_error == float("inf")
