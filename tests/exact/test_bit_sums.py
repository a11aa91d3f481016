"""Count, parity and even pairs: derived numbers, and brute force over every string."""

from math import comb, log

import pytest
import torch

from lossladder.ladder import binary_entropy, cross_entropy, entropy
from lossladder.tasks import Count, EvenPairs, Parity

# knowing j of 10 bits: entropy of the count in nats, error of the best guess
COUNT_LOSS = (
    *(1.875954, 1.822927, 1.763503, 1.695881, 1.617363, 1.523671),
    *(1.407532, 1.255482, 1.039721, 0.693147, 0.0),
)
COUNT_ERROR = (0.7539, 0.7539, 0.7266, 0.7266, 0.6875, 0.6875, 0.625, 0.625, 0.5, 0.5, 0.0)
LN2 = log(2)


def name_of(known: int, num_steps: int) -> str:
    return "none" if known == 0 else "all" if known == num_steps else f"last {known}"


@pytest.mark.parametrize("known", range(11))
def test_knowing_some_of_ten_bits_has_the_entropy_of_the_others(known):
    rung = Count(10).ladder()[name_of(known, 10)]
    assert rung.loss == pytest.approx(COUNT_LOSS[known], abs=1e-6)
    pmf = torch.tensor([comb(10 - known, k) / 2 ** (10 - known) for k in range(11 - known)])
    assert rung.loss == pytest.approx(float(entropy(pmf.double())), abs=1e-12)


@pytest.mark.parametrize("known", range(11))
def test_the_best_guess_from_some_of_ten_bits_errs_this_often(known):
    task = Count(10)
    batch = task.batch(task.everything())
    predicted = task.ladder()[name_of(known, 10)].predictor(batch.inputs)
    wrong = (predicted[:, -1].argmax(dim=-1) != batch.targets[:, -1]).double().mean()
    assert float(wrong) == pytest.approx(COUNT_ERROR[known], abs=5e-5)


def test_the_ceiling_of_count_is_the_entropy_of_the_classes_not_the_logarithm_of_their_number():
    task = Count(10)
    assert task.ladder().ceiling.loss == pytest.approx(1.875954, abs=1e-6)
    assert task.ladder().ceiling.loss < log(task.output_size)
    best = task.ladder().ceiling.predictor(task.features(torch.zeros(1, 10, dtype=torch.long)))
    assert 1 - float(best[0, -1].max()) == pytest.approx(0.753906, abs=1e-6)


FINITE = {
    "count": Count(10),
    "count, every step": Count(8, every_step=True),
    "parity": Parity(9, every_step=False),
    "parity, every step": Parity(9),
    "even pairs": EvenPairs(9),
    "even pairs, every step": EvenPairs(8, every_step=True),
}


@pytest.mark.parametrize("task", FINITE.values(), ids=FINITE)
def test_over_all_strings_every_predictor_has_the_loss_of_its_rung_exactly(task):
    batch = task.batch(task.everything())
    for rung in task.ladder():
        predicted = rung.predictor(batch.inputs)
        losses = cross_entropy(batch.probabilities, predicted.log())[batch.scored]
        assert float(losses.mean()) == pytest.approx(rung.loss, abs=1e-12)
        by_step = cross_entropy(batch.probabilities, predicted.log()).mean(dim=0)
        assert by_step.tolist() == pytest.approx(list(rung.by_step), abs=1e-12)


@pytest.mark.parametrize("task", FINITE.values(), ids=FINITE)
def test_everything_is_every_string_once(task):
    inputs = task.everything().inputs
    assert len(inputs) == 2**task.num_steps == len(inputs.unique(dim=0))


def test_targets_are_the_sums_of_the_bits():
    inputs = Count(10).everything().inputs
    assert torch.equal(Count(10).everything().targets, inputs.cumsum(dim=1))
    assert torch.equal(Parity(10).everything().targets, inputs.cumsum(dim=1) % 2)


@pytest.mark.parametrize("num_steps", [1, 2, 3, 12, 13, 50, 500])
def test_parity_is_a_coin_to_whoever_misses_a_bit(num_steps):
    losses = [rung.loss for rung in Parity(num_steps, every_step=False).ladder()]
    assert losses == pytest.approx([LN2, 0.0], abs=1e-12)


@pytest.mark.parametrize("num_steps", [2, 10, 50])
def test_who_forgets_the_state_but_sees_the_last_bit_knows_parity_at_the_first_step(num_steps):
    rung = Parity(num_steps).ladder()[name_of(1, num_steps)]
    assert rung.loss == pytest.approx(LN2 * (num_steps - 1) / num_steps, abs=1e-12)
    assert rung.by_step == pytest.approx((0.0, *[LN2] * (num_steps - 1)), abs=1e-12)


@pytest.mark.parametrize("num_steps", [10, 50])
def test_every_step_of_a_complete_prefix_is_certain(num_steps):
    for rung in Parity(num_steps).ladder():
        known = rung.reach + 1 if rung.name != "none" else 0
        expected = [0.0 if step < known else LN2 for step in range(num_steps)]
        assert list(rung.by_step) == pytest.approx(expected, abs=1e-12)


def test_biased_bits_make_the_ladder_smooth():
    ladder = Parity(10, chance_of_one=0.3, every_step=False).ladder()
    published = {"none": 0.69315, "last 8": 0.68029, "last 9": 0.61086, "all": 0.0}
    losses = {name: ladder[name].loss for name in published}
    assert losses == pytest.approx(published, abs=5e-6)


@pytest.mark.parametrize("chance", [0.01, 0.1, 0.3, 0.45, 0.8, 0.99])
@pytest.mark.parametrize("num_steps", [4, 10, 30])
def test_the_parity_of_unseen_biased_bits_follows_its_formula(chance, num_steps):
    """The parity of m unseen bits is even with chance (1 + (1 - 2 q)^m) / 2."""
    for rung in Parity(num_steps, chance_of_one=chance, every_step=False).ladder():
        known = rung.reach + 1 if rung.name != "none" else 0
        even = torch.tensor((1 + (1 - 2 * chance) ** (num_steps - known)) / 2, dtype=torch.float64)
        assert rung.loss == pytest.approx(float(binary_entropy(even)), abs=1e-12)


@pytest.mark.parametrize("every_step", [True, False])
def test_mixed_lengths_average_over_lengths_or_over_scored_steps(every_step):
    task = Count(6, every_step=every_step, mixed_lengths=True)
    for rung in task.ladder():
        # a step t carries a label if the length is t + 1 or, every step scored, at least t + 1
        weights = [6 - step if every_step else 1 for step in range(6)]
        total = sum(w * loss for w, loss in zip(weights, rung.by_step, strict=True))
        assert rung.loss == pytest.approx(total / sum(weights), abs=1e-12)


# --- even pairs -----------------------------------------------------------------------------


def test_pairs_are_even_where_a_string_ends_as_it_began():
    task = EvenPairs(7, every_step=True)
    draw = task.everything()
    assert torch.equal(draw.targets, draw.inputs[:, :1] ^ draw.inputs)


@pytest.mark.parametrize("task", [EvenPairs(8, every_step=True), Parity(8)])
def test_so_many_states_are_needed_as_strings_differ_in_what_may_follow(task):
    """Two strings need two states if they, or something that follows, have two answers (Nerode)."""
    whole = task.everything().inputs
    sums = task.summands(whole).cumsum(dim=1) % task.output_size
    futures = set()
    for seen in range(5):
        answers: dict[tuple[int, ...], list[int]] = {}
        for string, said in zip(whole.tolist(), sums.tolist(), strict=True):
            if not any(string[seen + 3 :]):
                answers.setdefault(tuple(string[:seen]), []).extend([0, *said][seen : seen + 4])
        futures |= {tuple(each) for each in answers.values()}
    assert len(futures) == task.least_states
