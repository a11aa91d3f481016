"""What a network uses, of networks that use what they are told to."""

from dataclasses import asdict

import pytest
import torch
from oracle import Oracle
from torch import Generator, Tensor

from lossladder.diagnostics import Use, uses
from lossladder.models import RNN, Network
from lossladder.runs.verdict import used_inputs
from lossladder.tasks import Count, Echo, Parity, Unfold, WorkedExample


def used(task, predict, seed: int = 0) -> dict[int, Use]:
    found = uses(Oracle(task, predict), task, Generator().manual_seed(seed))
    return {use.lag: use for use in found}


def test_whoever_predicts_with_the_exact_law_uses_what_there_is(task_yaml, built):
    task = built(f"task={task_yaml}").task
    found = used(task, task.probabilities)
    # of changes that make what never comes there is no truth
    told = [use for use in found.values() if use.true_variation is not None]
    assert told or task_yaml == "worked_example"  # which has no input to change
    for use in told:
        assert use.variation == pytest.approx(use.true_variation, abs=1e-6)
        if use.effect is not None:
            assert use.effect == pytest.approx(use.true_effect, abs=1e-6)


def test_whoever_predicts_a_constant_uses_nothing(task_yaml, built):
    task = built(f"task={task_yaml}").task
    found = used(task, task.ladder(task.num_steps or 20).ceiling.predictor)
    assert all(use.variation < 1e-9 for use in found.values())


def test_the_effects_of_echo_are_its_own():
    found = used(Echo(), Echo().probabilities)
    truth = {lag: use.true_effect for lag, use in found.items() if abs(use.true_effect) > 1e-9}
    assert truth == pytest.approx({3: 0.5, 8: -0.25})
    assert max(found) > 8  # also behind the last that matters


def test_an_effect_has_its_sign_and_its_error():
    """Half of lag 3, and lag 8 not at all, whose share it draws at random."""
    noise = Generator().manual_seed(1)

    def half(inputs: Tensor) -> Tensor:
        three = inputs[..., 1].roll(3, dims=1).double()
        chance = 0.4 + 0.25 * three + 0.1 * torch.rand(three.shape, generator=noise)
        return torch.stack([1 - chance, chance], dim=-1)

    found = used(Echo(), half)
    for lag, effect in ((3, 0.25), (8, 0.0), (1, 0.0)):
        use = found[lag]
        assert 0.0005 < use.effect_error < 0.01
        assert abs(use.effect - effect) < 4 * use.effect_error
    assert found[8].true_effect == pytest.approx(-0.25)


def test_a_parity_turns_either_way():
    found = used(Parity(50), Parity(50).probabilities)
    assert {0, 1, 16, 32, 49} <= {*found}
    for use in found.values():
        assert use.variation == use.true_variation == 1.0
        assert abs(use.effect) < 0.5
    assert "3 back: 1.00 of 1.00" in used_inputs([asdict(found[3])])


def test_bits_of_a_string_are_told_by_their_distance_from_its_end():
    task = Count(10)
    knows_three = task.ladder()["last 3"].predictor
    found = used(task, knows_three)
    assert [*found] == list(range(10))
    for lag, use in found.items():
        assert use.true_variation == 1.0
        assert use.effect is None  # eleven classes have no sign
        assert (use.variation > 0.05) == (lag < 3)


def test_strings_of_mixed_lengths_end_where_they_end():
    task = Parity(12, every_step=False, mixed_lengths=True)
    found = used(task, task.probabilities)
    assert all(use.true_variation == 1.0 for use in found.values())


def test_a_number_is_drawn_anew_and_silence_is_not():
    """Nothing but the first step can be another: the lag is the step."""
    found = used(Unfold(10), Unfold(10).ladder()["number"].predictor)
    assert all(0 < use.variation < 1 for use in found.values())
    assert len({round(use.variation, 6) for use in found.values()}) == 1
    assert len({round(use.true_variation, 2) for use in found.values()}) > 3


def test_where_no_input_can_change_there_is_nothing_to_tell():
    assert used(WorkedExample(), WorkedExample().probabilities) == {}


def test_a_law_need_not_know_sequences_that_the_task_never_draws():
    class Strict(Echo):
        def probabilities(self, inputs):
            if len(inputs) > 600:  # both, the sequences and the changed ones
                raise ValueError("no sequence of mine")
            return super().probabilities(inputs)

    network = Network(RNN(2, 4), output_size=2)
    found = uses(network, Strict(), Generator().manual_seed(0))
    assert found
    assert all(use.true_variation is use.true_effect is None for use in found)
    told = [use.__class__ for use in found]
    assert told == [Use] * len(found)


def test_what_is_found_depends_on_the_generator_alone():
    network = Network(RNN(2, 4), output_size=2)
    network.initialise(Generator().manual_seed(3))
    first, again, other = (uses(network, Echo(), Generator().manual_seed(s)) for s in (0, 0, 1))
    assert first == again != other
    for one, two in zip(first, other, strict=True):
        assert abs(one.effect - two.effect) < 5 * (one.effect_error + two.effect_error) + 1e-4
