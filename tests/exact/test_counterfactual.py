"""A state that is moved: whoever predicts from it follows, and whoever only holds it does not."""

import pytest
import torch
from hand_set import HandSet, believer, coset_tracker, counter, flip_flop, log, network_of, window
from torch import Generator, Tensor

from lossladder.diagnostics import Counterfactual, UnfitError, counterfactual, decode
from lossladder.diagnostics.figures import of_counterfactual
from lossladder.models import RNN, Network
from lossladder.tasks import Count, Delay, Echo, MarkovInContext, Parity, Source, Words


def of(network, task):
    return counterfactual(network, task, Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("network", "task"),
    [(believer(Source("mess3")), Source("mess3")), (believer(Source("even")), Source("even")),
     (flip_flop(), Parity(10)), (coset_tracker(Words("S3"), "all"), Words("S3")),
     (counter(Count(10)), Count(10)), (window(Echo(), "lags 3 and 8"), Echo()),
     (window(Delay(3), "all"), Delay(3))],
    ids=lambda thing: repr(thing) if not isinstance(thing, Network) else "",
)  # fmt: skip
def test_whoever_predicts_from_the_belief_follows_it(network, task):
    found = of(network, task)
    assert found.slope == pytest.approx(1, abs=0.02)
    assert found.correlation > 0.99
    assert found.error == pytest.approx(found.real, abs=0.02)
    assert found.error < 0.2 * found.unmoved
    assert found.elsewhere > 2 * found.error


class Parrot(HandSet):
    """Holds the exact belief of a parity, and says what another half of its state says."""

    def __init__(self) -> None:
        super().__init__(1, 2, ((2,),))

    def step(self, x: Tensor, state):
        bit, other = state[0][:, :1], state[0][:, 1:]
        bit = bit + x.double() - 2 * bit * x.double()
        return log(torch.cat([1 - other, other], dim=1)), (
            torch.cat([bit, 0.5 + 0 * x.double()], 1),
        )


def test_what_is_held_and_not_used_moves_nothing():
    network = network_of(Parrot())
    (held,) = decode(network, Parity(10), Generator().manual_seed(0))
    assert held.value == 1
    found = of(network, Parity(10))
    assert abs(found.slope) < 1e-6
    assert found.error == pytest.approx(found.unmoved)


def test_who_tracks_a_coset_follows_as_far_as_it_goes():
    """The sign of a permutation is all that moves: a third of each change, on average."""
    found = of(coset_tracker(Words("S3"), "sign"), Words("S3"))
    assert 0.1 < found.slope < 0.4
    assert found.error == pytest.approx(found.real, abs=0.02)


def test_of_a_task_whose_belief_is_not_known_nothing_is_moved():
    task = MarkovInContext()
    with pytest.raises(UnfitError, match="not known"):
        of(Network(RNN(task.input_size, 4), task.output_size), task)


def test_wide_numbers_push_no_name_over_the_edge_of_the_figure():
    moves = torch.linspace(-0.875, 0.875, 15)
    found = Counterfactual("inputs that the next step needs", moves, moves, 0.1, 0.1, 0.1, 0.1)
    (axes,) = of_counterfactual(found, Echo()).axes
    assert axes.yaxis.get_tightbbox().x0 > 0
