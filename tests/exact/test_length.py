"""The length curve of networks that hold for ever, or for so long."""

import math

import pytest
import torch
from hand_set import HandSet, coset_tracker, flip_flop, log, network_of, window
from torch import Generator, Tensor

from lossladder.diagnostics import UnfitError, length_curve
from lossladder.models import RNN, Network
from lossladder.tasks import Count, Echo, Parity, Recall, Words


def curve(network, task, trained):
    return length_curve(network, task, trained, Generator().manual_seed(0))


class Forgets(HandSet):
    """A parity that knows nothing any more after so many steps."""

    def __init__(self, after: int) -> None:
        super().__init__(1, 2, ((2,),))
        self.after = after

    def step(self, x: Tensor, state):
        bit, step = state[0][:, :1], state[0][:, 1:]
        bit = bit + x.double() - 2 * bit * x.double()
        chance = torch.where(step < self.after, bit, 0.5)
        return log(torch.cat([1 - chance, chance], dim=1)), (torch.cat([bit, step + 1], dim=1),)


def test_a_flip_flop_knows_the_parity_of_any_string():
    found = curve(flip_flop(), Parity(10), 10)
    assert found.lengths == [10, 20, 40, 80, 160, 320, 640]
    assert found.loss.tolist() == pytest.approx([0.0] * 7, abs=1e-6)
    assert found.ceiling.tolist() == pytest.approx([math.log(2)] * 7, abs=1e-3)
    assert found.kept == (10, 640)
    assert not found.carried


def test_who_forgets_after_forty_steps_keeps_forty():
    found = curve(network_of(Forgets(after=40)), Parity(10), 10)
    assert found.kept == (10, 40)
    assert found.loss[3:].tolist() == pytest.approx([math.log(2)] * 4)
    assert found.share[-1] == pytest.approx(0.0, abs=0.01)


def test_where_nothing_can_be_known_there_is_no_share():
    found = curve(window(Echo({20: 0.5}), "lag 20"), Echo({20: 0.5}), 10)
    assert torch.isnan(found.share).tolist() == [True, True, *[False] * 5]
    assert found.kept == (40, 640)


def test_who_keeps_a_coset_has_its_share_for_ever_on_streams():
    found = curve(coset_tracker(Words("S3"), "sign"), Words("S3"), 8)
    assert found.carried
    assert found.loss.tolist() == pytest.approx([math.log(3)] * 7)
    assert found.ceiling.tolist() == pytest.approx([math.log(6)] * 7, abs=0.01)
    assert found.kept is None  # it never had nine tenths
    assert curve(coset_tracker(Words("S3"), "all"), Words("S3"), 8).kept == (8, 512)


def test_the_floor_of_echo_is_reached_where_its_lags_are_in_sight():
    found = curve(window(Echo(), "lags 3 and 8"), Echo(), 32)
    assert found.loss.tolist() == pytest.approx(found.floor.tolist(), abs=1e-6)
    assert float(found.floor[-1]) == pytest.approx(0.454454, abs=0.005)


@pytest.mark.parametrize("task", [Count(10), Recall()], ids=str)
def test_tasks_of_one_length_have_no_curve(task):
    network = Network(RNN(task.input_size, 4), task.output_size)
    with pytest.raises(UnfitError, match=r"longer strings|no other length"):
        curve(network, task, task.num_steps)
