"""What every engine must obey: same start, same data, same losses as a loop anyone can read."""

import copy

import pytest
import torch
from torch import Generator

from lossladder.checks import RequestError
from lossladder.engines import Chunk
from lossladder.training.build import Parts

WINDOWS, BATCH, STEPS = 6, 8, 5
# (task, state carried): streams, independent sequences, sequences of which not all is scored, and
# real targets
KINDS = {
    "carried": (("task=echo",), True),
    "reset": (("task=parity",), False),
    "masked": (("task=count", "data=fresh", "task.mixed_lengths=true"), False),
    "real": (("task=worked_example",), False),
}


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def chunk_of(task, *, carried: bool, windows: int = WINDOWS, seed: int = 0) -> Chunk:
    draw = task.draw(generator(seed), windows * BATCH, STEPS)
    cut = [None if part is None else part.unflatten(0, (windows, BATCH)) for part in draw]
    return Chunk(*cut, carried=carried)


def start_of(network):
    """A state that is not the initial one, so that it matters whether it is carried."""
    parts = network.initial_state(BATCH)
    return tuple(
        torch.tanh(torch.randn(part.shape, generator=generator(5), dtype=part.dtype))
        for part in parts
    )


def plain_loop(network, task, optimizer, chunk, state, clip):
    """Truncated back-propagation, written as in a textbook."""
    parameters = list(network.parameters())
    losses = []
    for window in range(len(chunk.inputs)):
        if not chunk.carried:
            state = network.initial_state(BATCH)
        logits, state = network(task.features(chunk.inputs[window]), state)
        targets = chunk.targets[window]
        if targets.is_floating_point():
            surprise = ((torch.sigmoid(logits) - targets) ** 2).sum(dim=-1) / 2
        else:
            logs = torch.log_softmax(logits, dim=-1)
            surprise = -logs.gather(-1, targets.long()[..., None])[..., 0]
        loss = surprise.mean() if chunk.scored is None else surprise[chunk.scored[window]].mean()
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        norm = sum((gradient**2).sum() for gradient in gradients) ** 0.5
        shrunk = 1.0 if clip is None else min(1.0, float(clip / (norm + 1e-6)))  # torch's 1e-6
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient * shrunk
        optimizer.step()
        state = tuple(part.detach() for part in state)
        losses.append(loss.detach())
    return torch.stack(losses), state


def assert_close(left, right) -> None:
    torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-12)


def small(built, kind: str, *choices: str) -> Parts:
    """A run in float64, where engines can be held to many digits."""
    task, _ = KINDS[kind]
    try:
        parts = built(*task, "model.hidden_size=4", "optimizer.lr=0.1", *choices)
    except RequestError as error:
        if "does not fit" not in str(error):
            raise
        pytest.skip(str(error))  # what an engine knows, its own tests say
    parts.task.encoding = parts.task.encoding.double()
    parts.network.double()
    return parts


def engine_of(parts: Parts):
    optimizer = parts.make_optimizer(parts.network.parameters())
    return parts.make_engine(parts.network, parts.task, optimizer)


def assert_trains_like_the_plain_loop(parts: Parts, kind: str, clip: float | None = None) -> None:
    chunk = chunk_of(parts.task, carried=KINDS[kind][1])
    twin = copy.deepcopy(parts.network)
    optimizer = parts.make_optimizer(twin.parameters())
    engine, state = engine_of(parts), start_of(parts.network)
    for _ in range(2):  # the second chunk goes on from what the first left
        losses, after = engine.train(chunk, state)
        expected = plain_loop(twin, parts.task, optimizer, chunk, state, clip)
        assert_close((losses, after), expected)
        assert_close(list(parts.network.parameters()), list(twin.parameters()))
        state = after
    assert losses.std() > 1e-6  # something was learnt


@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_trains_like_a_plain_loop(kind, clip, engine_yaml, optimizer_yaml, built):
    choices = f"engine={engine_yaml}", f"optimizer={optimizer_yaml}"
    clipped = f"trainer.gradient_clip={'null' if clip is None else clip}"
    assert_trains_like_the_plain_loop(small(built, kind, *choices, clipped), kind, clip)


@pytest.mark.parametrize("kind", KINDS)
def test_every_network_trains_like_in_a_plain_loop(kind, engine_yaml, model_yaml, built):
    parts = small(built, kind, f"engine={engine_yaml}", f"model={model_yaml}")
    assert_trains_like_the_plain_loop(parts, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_learned_initial_state_is_learned_wherever_a_sequence_starts(kind, engine_yaml, built):
    """At every window of independent sequences; at the first of a stream, and it rests after."""
    learned = "model=rnn_by_hand", "model.learn_initial_state=true"
    parts = small(built, kind, f"engine={engine_yaml}", "optimizer=adam", *learned)
    twin = copy.deepcopy(parts.network)
    optimizer = parts.make_optimizer(twin.parameters())
    engine, state = engine_of(parts), None
    for chunk in (chunk_of(parts.task, carried=KINDS[kind][1], seed=seed) for seed in range(3)):
        begin = twin.initial_state(BATCH) if state is None else state
        expected = plain_loop(twin, parts.task, optimizer, chunk, begin, None)
        losses, state = engine.train(chunk, state)
        assert_close((losses, state), expected)
        assert_close(list(parts.network.parameters()), list(twin.parameters()))
    assert parts.network.recurrent.start.abs().min() > 1e-3


def test_no_state_stands_for_the_initial_one(engine_yaml, model_yaml, built):
    choices = f"engine={engine_yaml}", f"model={model_yaml}"
    first, other = (small(built, "carried", *choices) for _ in range(2))
    chunk = chunk_of(first.task, carried=True)
    ours = engine_of(first).train(chunk, None)
    assert_close(ours, engine_of(other).train(chunk, other.network.initial_state(BATCH)))


def test_fused_leaves_a_learned_initial_state_to_others_and_auto_says_so(built):
    learned = "model=rnn_by_hand", "model.learn_initial_state=true", "task=parity"
    with pytest.raises(RequestError, match=r"engine=fused does not fit: .*initial state"):
        built(*learned, "engine=fused")
    engine = engine_of(built(*learned, "engine=auto"))
    assert engine.name == "autograd"
    assert "initial state" in engine.why


def test_the_loss_of_a_window_is_taken_before_its_update(engine_yaml, built):
    parts = small(built, "reset", f"engine={engine_yaml}")
    chunk = chunk_of(parts.task, carried=False, windows=1)
    with torch.no_grad():
        logits, _ = parts.network(parts.task.features(chunk.inputs[0]))
        before = parts.task.losses(logits, chunk.targets[0]).mean()
    losses, _ = engine_of(parts).train(chunk, parts.network.initial_state(BATCH))
    assert_close(losses, before[None])


@pytest.mark.parametrize("kind", KINDS)
def test_where_a_chunk_is_cut_changes_nothing(kind, engine_yaml, model_yaml, built):
    choices = f"engine={engine_yaml}", f"model={model_yaml}"
    whole, cut = (small(built, kind, *choices) for _ in range(2))
    chunk = chunk_of(whole.task, carried=KINDS[kind][1])
    expected = engine_of(whole).train(chunk, start_of(whole.network))
    engine, state, losses = engine_of(cut), start_of(cut.network), []
    for windows in (slice(0, 1), slice(1, 4), slice(4, WINDOWS)):
        tensors = (None if part is None else part[windows] for part in chunk[:3])
        some, state = engine.train(Chunk(*tensors, chunk.carried), state)
        losses.append(some)
    assert_close((torch.cat(losses), state), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_state_come_back_without_a_history(kind, engine_yaml, model_yaml, built):
    parts = small(built, kind, f"engine={engine_yaml}", f"model={model_yaml}")
    chunk = chunk_of(parts.task, carried=KINDS[kind][1])
    losses, state = engine_of(parts).train(chunk, start_of(parts.network))
    assert losses.shape == (WINDOWS,)
    assert not any(part.requires_grad for part in (losses, *state))
    assert [part.shape for part in state] == [p.shape for p in start_of(parts.network)]


def test_a_carried_state_matters_and_a_reset_one_does_not(engine_yaml, built):
    for carried in (True, False):
        first, other = (small(built, "carried", f"engine={engine_yaml}") for _ in range(2))
        chunk = chunk_of(first.task, carried=carried)
        losses, _ = engine_of(first).train(chunk, start_of(first.network))
        from_zero, _ = engine_of(other).train(chunk, other.network.initial_state(BATCH))
        assert torch.equal(losses, from_zero) is not carried


def test_what_is_not_scored_teaches_nothing(engine_yaml, built):
    first, other = (small(built, "masked", f"engine={engine_yaml}") for _ in range(2))
    chunk = chunk_of(first.task, carried=False)
    garbage = torch.where(chunk.scored, chunk.targets, 0)
    assert not torch.equal(garbage, chunk.targets)
    losses, _ = engine_of(first).train(chunk, start_of(first.network))
    same, _ = engine_of(other).train(chunk._replace(targets=garbage), start_of(other.network))
    assert torch.equal(losses, same)
    for left, right in zip(first.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(left, right)
