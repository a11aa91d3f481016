"""The default recipes of the tasks of one step, or of one input, reach their floors."""

import pytest

QUIET = "trainer.progress=false"


def test_a_feed_forward_network_reaches_the_floor_of_xor(train):
    outcome = train("task=xor", "model=mlp", QUIET)
    (result,) = outcome.results
    assert result["rung"] == result["nearest"] == "both"
    assert result["mistakes"] == 0
    assert result["loss"] < 0.005
    assert "knows both bits" in outcome.out


def test_a_recurrent_network_reaches_the_floor_of_unfold(train):
    outcome = train("task=unfold", QUIET)
    (result,) = outcome.results
    assert result["rung"] == result["nearest"] == "both"
    assert result["mistakes"] == 0
    assert result["loss"] < 0.005
    passed = [rung["reached_at"] for rung in result["rungs"]]
    assert passed == sorted(passed)


def test_a_network_without_memory_stays_on_the_ceiling_of_unfold(train):
    """It knows the first target, and at the nine others a chance of 45 in 99: 0.6201 at best."""
    (result,) = train("task=unfold", "model=mlp", QUIET).results
    assert result["rung"] == "none"
    assert 0.6200 < result["loss"] < 0.6301


def test_the_worked_example_ends_where_the_article_would_with_simultaneous_updates(train):
    outcome = train("task=worked_example", "model=mlp", QUIET)
    (result,) = outcome.results
    assert (result["engine"], result["steps"], result["parameters"]) == ("autograd", 10_000, 8)
    assert "a loss of its own" in result["engine_why"]
    assert result["loss"] == pytest.approx(3.510188e-5, rel=1e-3)  # in float32
    assert result["rung"] == "example"
    assert result["unit"] == "half squared error"
    assert "3.51" in outcome.out
    assert "nats" not in outcome.out
    assert result["curve"]["loss"][0] < 0.2984


def test_every_other_network_starts_the_worked_example_from_drawn_weights(train):
    words = ("task=worked_example", "trainer.max_steps=200", QUIET)
    outcome = train("-m", "model=rnn,lstm,gru", *words)
    assert outcome.code == 0
    assert {result["rung"] for result in outcome.results} == {"example"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "models"), [("xor", "mlp,rnn,lstm,gru"), ("unfold", "rnn,lstm,gru")]
)
def test_the_floor_is_reached_over_ten_seeds(task, models, train):
    outcome = train("-m", f"task={task}", f"model={models}", "seed=range(10)", QUIET)
    assert {result["rung"] for result in outcome.results} == {"both"}
    assert {result["mistakes"] for result in outcome.results} == {0}
