"""Training data is a pure function of (seed, member, update): what continuing a run rests on."""

import gc
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lossladder.checks import RequestError
from lossladder.data import Fresh, Split, Streams
from lossladder.data.datamodule import Data, seeded
from lossladder.engines import Chunk
from lossladder.tasks import Count, Echo
from lossladder.training.build import build

CONF = Path(__file__).parents[2] / "conf"
DATA = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))
TASKS = sorted(path.stem for path in (CONF / "task").glob("*.yaml"))
# of each kind of data some tasks that it fits, for the laws that take a second each
SOME = [
    *(("streams", "echo"), ("streams", "words"), ("fresh", "recall"), ("fresh", "parity")),
    *(("fresh", "worked_example"), ("split", "count"), ("curriculum", "modular")),
]
# two epochs in 36 updates of a stream, and several blocks in each
SMALL = {"batch_size": 20, "bptt_steps": 52, "stream_steps": 1300, "updates_per_epoch": 70}


def pairs(slow: Callable[[tuple[str, str]], bool] = lambda pair: False) -> list:
    """Every kind of data with every task."""
    return [
        pytest.param(pair, id=" ".join(pair), marks=[pytest.mark.slow] * slow(pair))
        for pair in product(DATA, TASKS)
    ]


of_some = pytest.mark.parametrize("make", pairs(lambda pair: pair not in SOME), indirect=True)


@pytest.fixture(scope="module", params=pairs())
def make(request, configured):
    """Every kind of data with every task it fits: a seed and keys of its config -> data."""
    name, task = request.param

    config = configured(f"task={task}", f"data={name}")
    config["data"] |= {key: value for key, value in SMALL.items() if key in config["data"]}

    def make(seed: int = 0, **values: object) -> Data:
        return build({**config, "seed": seed, "data": {**config["data"], **values}}).data

    try:
        make()
    except RequestError as error:
        pytest.skip(str(error))
    return make


def parts_of(chunk: Chunk) -> list[Tensor]:
    return [part for part in (chunk.inputs, chunk.targets, chunk.scored) if part is not None]


def same(left: Chunk, right: Chunk) -> bool:
    both = zip(parts_of(left), parts_of(right), strict=True)
    return left.carried == right.carried and all(torch.equal(a, b) for a, b in both)


def one_by_one(data: Data, updates: range) -> Chunk:
    """The windows of these updates, each asked for by itself."""
    chunks = [data.chunk(range(update, update + 1)) for update in updates]
    parts = zip(*(parts_of(chunk) for chunk in chunks), strict=True)
    inputs, targets, *scored = (torch.cat(part) for part in parts)
    return Chunk(inputs, targets, scored[0] if scored else None, chunks[0].carried)


def test_every_kind_of_data_fits_a_task(data_yaml, built):
    def fits(task: str) -> bool:
        try:
            return built(f"task={task}", f"data={data_yaml}") is not None
        except RequestError:
            return False

    assert any(fits(task) for task in TASKS)


# --- a pure function ------------------------------------------------------------------------


@of_some
@settings(max_examples=4)
@given(cuts=st.sets(st.integers(1, 35)), order=st.randoms())
def test_neither_how_updates_are_cut_nor_the_order_of_asking_matters(make, cuts, order):
    data, epoch = make(), make().updates_per_epoch
    edges = [0, *sorted(cuts), 36]
    if data.carried:  # a new stream starts with an epoch: no chunk crosses it
        edges = sorted({*edges, *range(0, 36, epoch)})
    pieces = [range(first, last) for first, last in pairwise(edges)]
    order.shuffle(pieces)
    reference = make()
    for piece in pieces:
        assert same(data.chunk(piece), one_by_one(reference, piece))


@of_some
def test_windows_per_chunk_is_no_part_of_the_data(make):
    chunks = [make(windows_per_chunk=size).chunk(range(2, 5)) for size in (1, 50)]
    assert same(*chunks)


@of_some
def test_asking_twice_gives_the_same(make):
    data = make()
    first, _, again = (data.chunk(range(*edges)) for edges in ((0, 3), (3, 5), (0, 3)))
    assert same(first, again)


@of_some
def test_data_do_not_depend_on_global_randomness(make):
    data, again = make(), make()
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    chunk, validation = data.chunk(range(3)), data.validation()
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(2)
    assert same(again.chunk(range(3)), chunk)
    assert all(torch.equal(a, b) for a, b in zip(again.validation(), validation, strict=True))


@of_some
def test_every_window_has_the_size_asked_for(make):
    data = make()
    chunk = data.chunk(range(3, 5))
    assert {part.shape[:2] for part in parts_of(chunk)} == {(2, 20)}
    if hasattr(data, "bptt_steps"):
        assert chunk.inputs.shape[:3] == (2, 20, data.length or data.bptt_steps)


@of_some
def test_other_seeds_have_other_data(make):
    first, other = make(seed=0), make(seed=1)
    assert not same(first.chunk(range(3)), other.chunk(range(3)))
    batches = first.validation(), other.validation()
    assert not torch.equal(*(batch.inputs for batch in batches))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("weights", 0), 15793235383387715774),
        (("validation", 1), 6609312287773032911),
        (("training", 0, 3), 15941670410105177928),
        (("training", 5, 2, 1), 8620052752678660252),
    ],
)
def test_a_seed_means_what_it_meant_when_the_results_were_published(words, expected):
    assert seeded(*words).initial_seed() == expected


# --- streams --------------------------------------------------------------------------------


def streams(**changes) -> Streams:
    values = {
        "task": Echo(),
        "batch_size": 16,
        "bptt_steps": 10,
        "stream_steps": 1200,
        "windows_per_chunk": 50,
        "seed": 0,
    }
    return Streams(**{**values, **changes})


def stream_of(data: Streams, epoch: int = 0) -> tuple[Tensor, Tensor]:
    """An epoch's streams in one piece: symbols and targets (batch, time)."""
    first = epoch * data.updates_per_epoch
    chunk = data.chunk(range(first, first + data.updates_per_epoch))
    inputs, targets = (part.transpose(0, 1).flatten(1) for part in chunk[:2])
    return inputs, targets


@pytest.mark.parametrize("bptt_steps", [1, 3, 8, 600, 1200])
def test_another_window_length_sees_the_same_streams(bptt_steps):
    for ours, theirs in zip(
        stream_of(streams(bptt_steps=bptt_steps)), stream_of(streams()), strict=True
    ):
        assert torch.equal(ours, theirs[:, : ours.shape[1]])


def test_what_a_window_leaves_over_at_the_end_of_a_stream_is_not_used():
    data = streams(bptt_steps=700)
    assert data.updates_per_epoch == 1
    assert stream_of(data)[0].shape == (16, 700)


@pytest.mark.parametrize(("change", "epoch"), [({"seed": 1}, 0), ({}, 1), ({}, 2)])
def test_seeds_and_epochs_have_streams_of_their_own(change, epoch):
    ours, theirs = stream_of(streams())[0], stream_of(streams(**change), epoch)[0]
    agreement = (ours == theirs).double().mean()
    assert abs(agreement - 0.5) < 4 * 0.5 / ours.numel() ** 0.5  # as strangers do


def test_rows_and_blocks_of_a_stream_are_strangers():
    inputs, _ = stream_of(streams())
    spread = 0.5 / inputs[:, :500].numel() ** 0.5
    for left, right in (
        (inputs[:8, :1000], inputs[8:, :1000]),
        (inputs[:, :500], inputs[:, 500:1000]),
    ):
        assert abs((left == right).double().mean() - 0.5) < 4 * spread


@pytest.mark.parametrize("task", [Echo(), Echo({700: 0.5}), Echo({0: 0.5})])
def test_targets_know_the_stream_across_the_blocks_it_is_drawn_in(task):
    data = streams(task=task, batch_size=400, stream_steps=1500)
    inputs, targets = stream_of(data)
    chances = task.probabilities(task.features(inputs))[..., 1]
    for block in (500, 700, 1000, 1400):  # edges of blocks, of 500 or of 700 steps
        near = slice(block - 10, block + 10)
        if block >= task.reach:
            certain = chances[:, near] == 1
            assert bool(targets[:, near][certain].all())
            excess = (targets[:, near] - chances[:, near]).sum()
            spread = (chances[:, near] * (1 - chances[:, near])).sum() ** 0.5
            assert abs(excess) < 4 * spread


def live_bytes() -> int:
    gc.collect()
    tensors = [thing for thing in gc.get_objects() if type(thing) is Tensor]
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)


@pytest.mark.slow
def test_memory_stays_flat_however_long_a_stream_is():
    data = streams(stream_steps=200_000)
    held = []
    for first in range(0, 20_000, 50):
        data.chunk(range(first, first + 50))
        if first % 2500 == 0:
            held.append(live_bytes())
    assert max(held) <= held[0]


@pytest.mark.slow
def test_a_run_can_go_on_from_the_end_of_a_very_long_stream():
    data = streams(batch_size=1, stream_steps=1_000_000)
    last = data.chunk(range(99_999, 100_000))
    assert last.inputs.shape == (1, 1, 10)


def test_the_first_steps_of_validation_streams_are_not_scored():
    for task, warm_up in ((Echo(), 50), (Echo({120: 0.25}), 120)):
        batch = streams(task=task).validation()
        assert not batch.scored[:, :warm_up].any()
        assert batch.scored[:, warm_up:].all()
        assert batch.scored[:, warm_up:].shape[1] == 500


# --- fresh sequences ------------------------------------------------------------------------


def test_no_fresh_sequence_is_seen_twice(built):
    data = built("task=parity", "data.batch_size=32").data
    assert isinstance(data, Fresh)
    chunks = [data.chunk(range(100 * i, 100 * i + 100)) for i in range(3)]  # epochs of 100
    strings = torch.cat([chunk.inputs.flatten(0, 1) for chunk in chunks])
    assert len(strings.unique(dim=0)) == len(strings)


def test_streams_can_be_had_as_fresh_windows_with_the_ladder_of_such_windows():
    data = Fresh(Echo(), 20, bptt_steps=10, updates_per_epoch=10, windows_per_chunk=50, seed=0)
    assert not data.chunk(range(2)).carried
    assert data.ladder().floor.loss == pytest.approx(0.548943, abs=1e-6)


# --- a split --------------------------------------------------------------------------------


def split(seed: int = 0, **changes) -> Split:
    values = {
        "task": Count(10),
        "batch_size": 100,
        "train_size": 500,
        "shuffle": False,
        "split_seed": None,
        "windows_per_chunk": 100,
        "seed": seed,
    }
    return Split(**{**values, **changes})


def numbers(inputs: Tensor) -> list[int]:
    """Strings of bits, read as numbers, in order."""
    return (inputs.long() << torch.arange(9, -1, -1)).sum(dim=-1).flatten().tolist()


def trained_on(data: Split, epoch: int) -> list[int]:
    updates = range(epoch * data.updates_per_epoch, (epoch + 1) * data.updates_per_epoch)
    return numbers(data.chunk(updates).inputs)


def test_the_notebooks_split_has_500_strings_to_train_on_and_524_to_test_on():
    data = split()
    assert data.updates_per_epoch == 5
    train = numbers(data.training_set().inputs[..., 0])
    test = numbers(data.validation().inputs[..., 0])
    assert (len(train), len(test)) == (500, 524)
    assert sorted(train + test) == list(range(1024))  # disjoint, and all of them
    assert trained_on(data, epoch=0) == train


def test_without_shuffling_every_epoch_has_the_same_order():
    data = split()
    assert trained_on(data, 0) == trained_on(data, 1) == trained_on(data, 1999)


def test_shuffling_gives_every_epoch_an_order_of_its_own():
    data = split(shuffle=True)
    orders = [trained_on(data, epoch) for epoch in range(3)]
    assert len({tuple(order) for order in orders}) == 3
    assert len({tuple(sorted(order)) for order in orders}) == 1
    assert trained_on(split(shuffle=True), 2) == orders[2]


def test_the_split_follows_its_own_seed_where_it_has_one():
    assert trained_on(split(seed=0), 0) != trained_on(split(seed=1), 0)
    fixed = [trained_on(split(seed=seed, split_seed=7), 0) for seed in (0, 1)]
    assert fixed[0] == fixed[1] == trained_on(split(seed=7), 0)


def test_a_chunk_may_hold_several_epochs():
    data = split()
    assert numbers(data.chunk(range(12)).inputs) == (3 * trained_on(data, 0))[:1200]


def hidden_by_counting(data: Split) -> list[bool]:
    seen = {number.bit_count() for number in trained_on(data, 0)}
    return [n.bit_count() not in seen for n in numbers(data.validation().inputs[..., 0])]


def test_what_a_split_hides_agrees_with_counting_and_with_its_exact_chances():
    """Classes 0 and 10 have one string each: each is in the training set with chance 500/1024."""
    hidden = []
    for seed in range(400):
        data = split(split_seed=seed)
        expected = hidden_by_counting(data)
        assert data.hidden().tolist() == expected
        hidden.append(sum(expected))
    chances = {0: 0.2382, 1: 0.5002, 2: 0.2616}
    for number, chance in chances.items():
        error = (chance * (1 - chance) / 400) ** 0.5
        assert abs(hidden.count(number) / 400 - chance) < 4 * error
    assert abs(sum(hidden) / 400 - 1.0234) < 4 * (0.5 / 400) ** 0.5


def test_a_split_by_every_step_hides_strings_with_any_unseen_count():
    data = split(task=Count(10, every_step=True))
    seen = set(data.training_set().targets.flatten().tolist())
    targets = data.validation().targets.tolist()
    assert data.hidden().tolist() == [bool(set(row) - seen) for row in targets]


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: split(train_size=1024), "train_size=1024: .* must be at most 1023"),
        (lambda: split(batch_size=501), "batch_size=501: is larger than train_size=500; try 500"),
        (lambda: split(batch_size=99), "batch_size=99: does not divide train_size=500; try 50"),
        (lambda: split(batch_size=-1), "batch_size=-1: must be a whole number of at least 1"),
        (lambda: split(task=Echo()), "echo: has no finite set"),
        (lambda: streams(task=Count()), "count: has independent sequences, no streams"),
        (lambda: streams(bptt_steps=1201), "bptt_steps=1201: longer than the stream; .*=1200"),
        (lambda: streams(bptt_steps=0), "bptt_steps=0: must be a whole number of at least 1"),
        (lambda: Fresh(Echo(), 20, None, 10, 50, 0), "bptt_steps=null: .* give one"),
    ],
)
def test_data_that_cannot_be_had_are_refused_by_name(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()


def test_costly_windows_come_in_smaller_chunks(built):
    """Between chunks a signal is obeyed: a second is long for one."""
    sizes = []
    for hidden in (16, 64):
        parts = built("model=lstm", f"model.hidden_size={hidden}")
        optimizer = parts.make_optimizer(parts.network.parameters())
        parts.data.suit(parts.make_engine(parts.network, parts.task, optimizer))
        sizes.append(parts.data.chunk_size)
    assert sizes[0] == 1000
    assert 100 < sizes[1] < 200
