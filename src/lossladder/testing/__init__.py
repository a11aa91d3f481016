"""The laws of tasks, networks and engines, for anybody's own.

A test file of a project with a task and a network of its own:

    import pytest
    from lossladder.testing import check_network, check_task
    from mine.network import Leaky
    from mine.task import Flip

    @pytest.mark.parametrize("chance", [0.0, 0.1])
    def test_the_ladder_of_flip_is_proved_by_sampling(chance):
        check_task(Flip(chance=chance))

    def test_leaky_is_causal_and_carries_its_state():
        check_network(Leaky(input_size=2, hidden_size=5))

`check_task` takes a second or two, `check_network` less than one, `check_engine` a few. Each
returns None, or raises an AssertionError that names the rung, the parameter or the step, and two
values: what came, and what the law demands. Seeds are fixed: who passes today passes tomorrow.

How sure is it? Exact laws allow for rounding only. What is sampled is held against its exact value
by inequalities that hold for any distribution (Bernstein's; where the variance is itself sampled,
that of Maurer and Pontil, 2009, arXiv:0907.3740). Each is broken by chance less than once in
exp(25) / 4, so that of the 18,000 comparisons that a large task needs, a correct one fails once in
a million. The price is power: what differs by less than about 7 standard errors passes. Of a loss,
sampled from a million probabilities, that is some 0.005 nats; of one that is summed over all
sequences of a finite task it is 1e-7.
"""

from lossladder.testing.engines import check_engine
from lossladder.testing.networks import check_network
from lossladder.testing.tasks import check_task

__all__ = ["check_engine", "check_network", "check_task"]
