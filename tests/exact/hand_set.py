"""Networks whose every weight is set by hand, so that what they know is known."""

import torch
from torch import Tensor, nn

from lossladder.models import Cell, Network
from lossladder.tasks import Count, Source, Task, Words


class HandSet(Cell):
    """A cell without parameters, that puts out what the network is to put out."""

    def __init__(self, input_size: int, output_size: int, shapes) -> None:
        super().__init__(input_size, output_size)
        self.shapes = shapes

    @property
    def state_shapes(self):
        return self.shapes

    def initial_state(self, batch_size: int):
        return tuple(torch.zeros(batch_size, *s, dtype=torch.float64) for s in self.shapes)

    def initialise(self, generator=None) -> None:
        pass


def network_of(cell: HandSet) -> Network:
    """Return a network that puts out what its cell does."""
    network = Network(cell, cell.hidden_size).double()
    with torch.no_grad():
        network.readout.weight.copy_(torch.eye(cell.hidden_size))
        network.readout.bias.zero_()
    return network


def log(chances: Tensor) -> Tensor:
    return chances.clamp(min=1e-9).log()


class Window(HandSet):
    """Keeps the last inputs, as they are, and predicts as someone does who knows just those."""

    def __init__(self, task: Task, predictor, inputs: int) -> None:
        super().__init__(task.input_size, task.output_size, ((inputs - 1, task.input_size),))
        self.predictor, self.real = predictor, task.has_real_inputs

    def step(self, x: Tensor, state):
        seen = torch.cat([state[0], x[:, None].double()], dim=1)
        # a state that was moved holds no symbols, and means those that are nearest
        said = self.predictor(seen if self.real else seen.round().clamp(0, 1))[:, -1]
        return (said if self.real else log(said)), (seen[:, 1:],)


class Counter(HandSet):
    """Counts ones in one number, and says the count."""

    def __init__(self, task: Count) -> None:
        super().__init__(1, task.output_size, ((1,),))

    def step(self, x: Tensor, state):
        count = state[0] + x.double()
        away = (count - torch.arange(self.hidden_size)).square()
        return -100 * away, (count,)


class FlipFlop(HandSet):
    """Has one number, 0 or 1, which a one turns over: a parity."""

    def __init__(self) -> None:
        super().__init__(1, 2, ((1,),))

    def step(self, x: Tensor, state):
        bit = state[0] + x.double() - 2 * state[0] * x.double()
        return 20 * torch.cat([1 - bit, bit], dim=1), (bit,)


class CosetTracker(HandSet):
    """Knows in which right coset of a subgroup the product lies: a one at its place."""

    def __init__(self, task: Words, subgroup) -> None:
        group = task._group
        self.coset = torch.as_tensor(group.cosets(subgroup.elements))
        count = int(self.coset.max()) + 1
        super().__init__(task.input_size, task.output_size, ((count,),))
        # the coset after each letter, of any element of the coset before it
        first = [int((self.coset == c).nonzero()[0]) for c in range(count)]
        self.after = self.coset[torch.as_tensor(group.table)[first][:, task._letters]]

    def initial_state(self, batch_size: int):
        return (
            nn.functional.one_hot(self.coset[:1], *self.shapes[0]).double().repeat(batch_size, 1),
        )

    def step(self, x: Tensor, state):
        # bilinear, so that a state between two cosets moves on between two cosets
        moves = nn.functional.one_hot(
            self.after, *self.shapes[0]
        ).double()  # (coset, letter, coset)
        after = torch.einsum("bc,bl,cld->bd", state[0], x.double(), moves)
        inside = nn.functional.one_hot(self.coset, *self.shapes[0]).double()
        return log(after @ (inside / inside.sum(dim=0)).T), (after,)


class Believer(HandSet):
    """The Bayes predictor of a source: its state is the belief."""

    def __init__(self, task: Source) -> None:
        super().__init__(task.input_size, task.output_size, ((task.source.states,),))
        self.source = task.source

    def initial_state(self, batch_size: int):
        return (torch.as_tensor(self.source.stationary).repeat(batch_size, 1),)

    def step(self, x: Tensor, state):
        moves = torch.as_tensor(self.source.transitions)
        joint = torch.einsum("bs,bx,xst->bt", state[0], x.double(), moves)
        # after a symbol that cannot come it believes what it did before
        total = joint.sum(dim=1, keepdim=True)
        after = torch.where(total > 1e-12, joint / total.clamp(min=1e-12), state[0])
        return log(after @ torch.as_tensor(self.source.emissions)), (after,)


def window(task: Task, rung: str) -> Network:
    """Return a network on a rung that looks at few inputs, and holds no other ones."""
    of = task.ladder()[rung]
    return network_of(Window(task, of.predictor, of.reach + 1))


def counter(task: Count) -> Network:
    return network_of(Counter(task))


def flip_flop() -> Network:
    return network_of(FlipFlop())


def coset_tracker(task: Words, name: str) -> Network:
    (subgroup,) = (s for s in task._group.subgroups if s.name == name)
    return network_of(CosetTracker(task, subgroup))


def believer(task: Source) -> Network:
    return network_of(Believer(task))
