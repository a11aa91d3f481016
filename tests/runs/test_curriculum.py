"""Sequences that grow with success: what is measured, when they grow, that runs go on exactly."""

import json

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import lossladder
from lossladder.data import Curriculum
from lossladder.models import RNN, Network
from lossladder.tasks import Count, Echo, Parity

SHORT = (
    "task=parity",
    "data=curriculum",
    "task.num_steps=12",
    "data.promote_at=0.4",  # guessing right half of the time is enough in about 20 updates
    "data.batch_size=32",
    "model.hidden_size=8",
    "trainer.progress=false",
    "trainer.max_epochs=null",
)


def curriculum(**changes) -> Curriculum:
    values = {
        "task": Parity(6),
        "batch_size": 16,
        "start_length": 2,
        "promote_at": 0.98,
        "memory": 0.9,
        "updates_per_epoch": 100,
        "windows_per_chunk": 10,
        "seed": 0,
    }
    return Curriculum(**{**values, **changes})


class Knowing(Network):
    """Answers parity right until a step, and wrong from there."""

    def __init__(self, right_until: int) -> None:
        super().__init__(RNN(1, 1), 2)
        self.right_until = right_until

    def forward(self, inputs, state=None):
        odd = inputs[..., 0].cumsum(dim=1) % 2
        steps = torch.arange(inputs.shape[1])
        odd = torch.where(steps < self.right_until, odd, 1 - odd)
        return torch.stack([1 - odd, odd], dim=-1), ()


def lengths_with(network, data: Curriculum, chunks: int, size: int = 10) -> list[int]:
    lengths = []
    for chunk in range(chunks):
        lengths.append(data.length)
        assert data.chunk(range(size * chunk, size * (chunk + 1))).inputs.shape[2] == data.length
        data.advance(network, range(size * chunk, size * (chunk + 1)))
    return [*lengths, data.length]


def test_sequences_grow_a_step_whenever_the_average_passes_the_gate_and_stop_at_full_length():
    """From zero, right answers lift the average over 0.98 in 40 updates: 1 - 0.9^40 = 0.985."""
    lengths = lengths_with(Knowing(99), curriculum(), chunks=20)
    assert lengths == [2] * 4 + [3] * 4 + [4] * 4 + [5] * 4 + [6] * 5


def test_the_average_fades_by_update_however_they_are_cut_into_chunks():
    one_by_one, by_ten = curriculum(), curriculum()
    for update in range(30):
        one_by_one.advance(Knowing(99), range(update, update + 1))
    for chunk in range(3):
        by_ten.advance(Knowing(99), range(10 * chunk, 10 * (chunk + 1)))
    assert one_by_one.accuracy == pytest.approx(by_ten.accuracy) == pytest.approx(1 - 0.9**30)


def test_sequences_do_not_outgrow_what_is_mastered():
    """The fourth step is always wrong: three of four answers are right, and that is no success."""
    data = curriculum()
    assert lengths_with(Knowing(3), data, chunks=40)[-1] == 4
    assert data.accuracy == pytest.approx(0.75)


def test_only_scored_steps_count():
    task = Parity(6, every_step=False)
    assert lengths_with(Knowing(3), curriculum(task=task), chunks=40)[-1] == 4
    assert lengths_with(Knowing(3), (data := curriculum(task=task)), chunks=40)[-1] == 4
    assert data.accuracy < 0.01  # the one scored step of four is the wrong one


def test_mixed_lengths_go_up_to_the_length_of_the_moment():
    data = curriculum(task=Parity(6, every_step=False, mixed_lengths=True), batch_size=200)
    lengths_with(Knowing(99), data, chunks=4)
    scored = data.chunk(range(50, 60)).scored
    assert scored.shape[2] == 3
    assert torch.allclose(
        scored.double().mean(dim=(0, 1)), torch.full((3,), 1 / 3).double(), atol=0.05
    )


def test_an_untrained_network_grows_nothing_and_is_measured_on_strings_it_does_not_train_on():
    data = curriculum(task=Count(6), promote_at=0.9)
    network = Network(RNN(1, 4), 7)
    assert set(lengths_with(network, data, chunks=10)) == {2}


def test_validation_and_ladder_are_those_of_the_full_length_all_along():
    data = curriculum()
    assert data.validation().inputs.shape[1] == 6
    floor_of_none = Parity(6).ladder()["none"].loss
    assert data.ladder()["none"].loss == floor_of_none
    assert "last 5" in [rung.name for rung in data.ladder()]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"task": Echo()}, "task=echo: has streams, .* data=streams or data=fresh"),
        ({"start_length": 7}, "start_length=7: must be a whole number from 1 to 6"),
        ({"start_length": 0}, "start_length=0: must be a whole number from 1 to 6"),
        ({"promote_at": 1.0}, "promote_at=1: must be a number from 0 to 0.999"),
        ({"memory": 1.0}, "memory=1: must be a number from 0 to 0.999"),
        ({"windows_per_chunk": 0}, "windows_per_chunk=0: must be a whole number"),
    ],
)
def test_a_curriculum_that_cannot_be_had_is_refused_by_name(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        curriculum(**change)


# --- in a run -------------------------------------------------------------------------------


def lengths_logged(folder) -> dict[int, int]:
    """Updates made -> length they were made at."""
    events = EventAccumulator(str(folder)).Reload()
    return {event.step: int(event.value) for event in events.Scalars("parity/length")}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("engine", ["autograd", "fused"])
def test_a_resumed_curriculum_ends_bit_for_bit_where_an_undisturbed_one_does(
    engine, train, tmp_path
):
    words = (*SHORT, f"engine={engine}", "trainer.validate_every=100")
    whole, part, rest = tmp_path / "whole", tmp_path / "part", tmp_path / "rest"
    train(*words, "trainer.max_steps=200", f"hydra.run.dir={whole}")
    train(*words, "trainer.max_steps=100", f"hydra.run.dir={part}")
    kept = torch.load(part / "checkpoints" / "last.ckpt", weights_only=True)["Curriculum"]
    assert 0 < kept["accuracy"] < 0.4  # on its way to the next length
    outcome = train(f"resume={part}", "trainer.max_steps=200", f"hydra.run.dir={rest}")
    assert outcome.code == 0, outcome.err
    logged, before, after = (lengths_logged(folder) for folder in (whole, part, rest))
    assert {**before, **after} == logged
    assert 2 < before[100] < after[200] <= 12
    expected, resumed = (lossladder.load_run(folder) for folder in (whole, rest))
    for name, value in expected.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value)
    for key in ("loss", "steps", "length", "curve", "validation", "rungs"):
        assert resumed.result[key] == expected.result[key]


def test_rungs_are_passed_by_the_loss_at_full_length_alone(train):
    """Short strings are soon mastered; that says nothing of the ladder of long ones."""
    words = SHORT[:3], "data.batch_size=64", "trainer.max_steps=300", "trainer.progress=false"
    (folder,) = train(*words[0], *words[1:], "task.num_steps=30").folders
    result = json.loads((folder / "result.json").read_text())
    assert 2 < result["length"] < 30
    assert min(result["curve"]["loss"]) < 0.3  # would stand on a low rung, were it at full length
    assert min(result["validation"]["loss"]) > 0.3
    passed = {rung["name"] for rung in result["rungs"] if rung["reached_at"]}
    # the training loss would have passed every rung
    assert "all" not in passed
    assert len(passed) < len(result["rungs"])
    (tag,) = (
        EventAccumulator(str(next((folder.parent / "+reference").iterdir())))
        .Reload()
        .Tags()["scalars"]
    )
    assert tag == "parity/validation_loss"
