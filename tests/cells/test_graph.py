"""Graph and reverse mode, without any compilation: NumPy computes what autograd does."""

import numpy as np
import pytest
import torch
from interpreter import matrix, numbers, step
from zoo import ZOO

from lossladder.engines.fused.tracing import trace
from lossladder.models import RNN, GRUCell, LSTMCell, Network

CELLS = {"rnn": RNN, "lstm_cell": LSTMCell, "gru_cell": GRUCell, **ZOO}


@pytest.mark.parametrize("name", CELLS)
def test_a_step_and_its_way_back_are_autograds(name):
    torch.manual_seed(0)
    network = Network(CELLS[name](3, 6), 4).double()
    cell = network.recurrent
    for p in network.parameters():
        torch.nn.init.uniform_(p, -0.8, 0.8)
    graph = trace(network)
    x = torch.randn(11, 3).double()
    state = [torch.randn(11, *p.shape[1:]).double() for p in cell.initial_state(1)]
    for part in state:
        part.requires_grad_()
    stepped = cell.step(x, tuple(state))
    own = len(stepped) == 2 and isinstance(stepped[1], tuple)
    hidden, after = stepped if own else (stepped[0], stepped)
    flat = [p.reshape(len(p), -1) for p in after]
    results = [hidden.flatten(1) if part is None else flat[part] for part in graph.parts]
    given = [torch.randn_like(r) for r in results]
    loss = sum((r * g).sum() for r, g in zip(results, given, strict=True))
    named = dict(network.named_parameters())
    learned = [n for n, p in named.items() if p.requires_grad]
    wanted = torch.autograd.grad(
        loss, [*state, *(named[n] for n in learned)], allow_unused=True, materialize_grads=True
    )
    got, by_state, gradient = step(
        graph,
        x.numpy(),
        [s.detach().reshape(len(s), -1).numpy() for s in state],
        [g.numpy() for g in given],
    )
    for a, b in zip(got, results, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=0, atol=1e-13)
    mine = [*by_state, *(gradient[n] for n in learned)]
    for name, a, b in zip([*map(str, range(len(state))), *learned], mine, wanted, strict=True):
        np.testing.assert_allclose(a.ravel(), b.numpy().ravel(), rtol=0, atol=1e-12, err_msg=name)
    flat_numbers = numbers(graph)
    logits = got[0] @ matrix(flat_numbers, graph.weight)
    logits = logits + sum(flat_numbers[base][list(picked)] for base, picked in graph.biases)
    expected = network.readout(results[0]).detach().numpy()
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-13)
