"""Networks reach their rungs: many seeds, with the spread that was measured over many more."""

import statistics

import pytest

pytestmark = pytest.mark.slow


def test_hidden_four_stops_at_lag_three_over_eight_seeds(train):
    outcome = train("-m", "experiment=echo_lag3", "seed=range(8)", "trainer.progress=false")
    after_one_epoch = [result["validation"]["loss"][0] for result in outcome.results]
    assert len(outcome.results) == 8
    assert 0.510 < statistics.mean(after_one_epoch) < 0.530
    assert all(0.505 < result["loss"] < 0.530 for result in outcome.results)
    assert {result["rung"] for result in outcome.results} == {"lag 3"}


def test_hidden_sixteen_learns_both_lags_over_eight_seeds(train):
    outcome = train("-m", "experiment=echo_both", "seed=range(8)", "trainer.progress=false")
    for result in outcome.results:
        assert 0.460 < result["validation"]["loss"][0] < 0.487
        assert 0.4530 < result["loss"] < 0.4645
        assert result["rung"] == "lags 3 and 8"


def test_the_lstm_counts_with_a_few_mistakes_over_ten_splits(train):
    outcome = train("-m", "experiment=count_lstm", "seed=range(10)", "trainer.progress=false")
    results = outcome.results
    assert {result["train_error"] for result in results} == {0.0}
    assert all(result["test_error"] <= 0.03 for result in results)
    assert 1.5 <= statistics.median(result["mistakes"] for result in results) <= 4.5
    # what the split hides cannot be learnt
    assert all(result["mistakes"] >= result["hidden_sequences"] for result in results)
