"""What learns 50 bits of parity and what does not: the rows of docs/parity.md, over their seeds."""

import json

import pytest

pytestmark = pytest.mark.slow

FUSED = ("engine=fused", "trainer.progress=false")
LEARN = {  # recipe -> updates at most
    "parity_every_step": 2500,
    "parity_curriculum_sgd": 4000,
    "parity_last_step": 3000,
}


@pytest.mark.parametrize("recipe", LEARN)
def test_a_recipe_solves_fifty_bits_and_with_them_five_hundred_over_eight_seeds(
    recipe, train, evaluated
):
    """Most of the seeds: which of them do not depends on how the processor rounds."""
    outcome = train("-m", f"experiment={recipe}", "seed=range(8)", *FUSED)
    assert len(outcome.results) == 8
    assert all(result["steps"] <= LEARN[recipe] for result in outcome.results)
    assert sum(result["mistakes"] == 0 for result in outcome.results) >= 6
    for length in (50, 500):  # every string of that length, also where training mixed lengths
        words = f"task.num_steps={length}", "task.mixed_lengths=false", "--json"
        mistakes = [
            json.loads(evaluated(f"run={folder}", *words).out)["mistakes"]
            for folder in outcome.folders
        ]
        assert sum(count == 0 for count in mistakes) >= 6
        assert sum(count <= 2 for count in mistakes) >= 7


def test_a_label_at_the_last_of_fifty_steps_alone_teaches_nothing(train):
    words = "task=parity", "task.every_step=false", "trainer.max_steps=3000"
    outcome = train("-m", *words, "seed=range(5)", *FUSED)
    assert len(outcome.results) == 5
    for result in outcome.results:
        assert 0.45 <= 1 - result["error"] <= 0.55
        assert result["rung"] == "none"
