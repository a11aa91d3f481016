"""Tasks that draw real inputs: every engine trains on them, and nothing takes them for symbols."""

import copy

import pytest
import torch
from torch import Generator

from lossladder.data import Fresh, Streams
from lossladder.engines import Autograd, Fused, StackedEngine
from lossladder.models import RNN, Network
from lossladder.tasks import Adding, Delay, Echo
from lossladder.testing import check_task

TASKS = [Adding(6), Delay(3)]


def data_of(task):
    if task.streams:
        return Streams(task, 8, 6, 60, None, seed=0)
    return Fresh(task, 8, None, 10, None, seed=0)


def by_hand(network, task, chunk):
    """Truncated back-propagation as in a textbook, on what was drawn itself."""
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    losses, state = [], None
    for window, (inputs, targets) in enumerate(zip(chunk.inputs, chunk.targets, strict=True)):
        outputs, after = network(inputs, state)
        scored = slice(None) if chunk.scored is None else chunk.scored[window]
        loss = ((outputs - targets) ** 2).sum(dim=-1)[scored].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        state = tuple(part.detach() for part in after) if task.streams else None
    return losses


@pytest.mark.parametrize("task", TASKS, ids=repr)
@pytest.mark.parametrize("engine", [Autograd, StackedEngine, Fused])
def test_engines_train_on_them_as_a_plain_loop_does(engine, task, caplog):
    network = Network(RNN(task.input_size, 5), task.output_size)
    network.initialise(Generator().manual_seed(0))
    twin, chunk = copy.deepcopy(network), data_of(task).chunk(range(8))
    assert chunk.inputs.shape == (8, 8, 6, task.input_size)
    assert chunk.inputs.dtype == torch.float32
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    losses, _ = engine(network, task, optimizer).train(chunk, None)
    assert losses.tolist() == pytest.approx(by_hand(twin, task, chunk), rel=1e-4)
    for name, parameter in network.named_parameters():
        assert torch.allclose(parameter, twin.get_parameter(name), atol=1e-5)
    assert not caplog.records  # no other engine had to step in


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_where_a_chunk_is_cut_changes_nothing(task):
    whole, data = data_of(task).chunk(range(10)), data_of(task)
    parts = [data.chunk(range(3)), data.chunk(range(3, 10))]
    assert torch.equal(torch.cat([part.inputs for part in parts]), whole.inputs)
    assert torch.equal(torch.cat([part.targets for part in parts]), whole.targets)


def test_a_network_sees_what_was_drawn():
    for task in TASKS:
        draw = task.draw(Generator().manual_seed(0), 3, 6)
        assert task.has_real_inputs
        assert task.features(draw.inputs) is draw.inputs
        assert draw.inputs.shape == (3, 6, task.input_size)
    assert not Echo().has_real_inputs


def test_sequences_cannot_grow_by_right_answers_that_there_are_none_of(built):
    with pytest.raises(ValueError, match=r"task=adding: has real targets, .* use data=fresh"):
        built("task=adding", "data=curriculum")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda inputs: inputs[..., 0].long(), r"inputs are torch.int64 .* must be real numbers"),
        (lambda inputs: inputs[..., :1], "must be real numbers by row, step and input, 2 a step"),
        (lambda inputs: inputs / 0, "some inputs are no finite numbers"),
    ],
)
def test_what_is_drawn_is_what_the_encoding_says(change, complaint):
    class Changed(Adding):
        def draw(self, generator, batch_size, num_steps):
            draw = super().draw(generator, batch_size, num_steps)
            return draw._replace(inputs=change(draw.inputs))

    with pytest.raises(AssertionError, match=complaint):
        check_task(Changed(6))


def test_a_rung_that_looks_further_back_than_it_says_is_caught():
    class Short(Delay):
        def __init__(self):
            super().__init__(3)
            self.reach = 1

    with pytest.raises(AssertionError, match=r"looks further back from step .* its reach of 1"):
        check_task(Short())
