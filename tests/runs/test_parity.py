"""What learns 50 bits of parity and what does not: the rows of docs/parity.md, over their seeds."""

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
    outcome = train("-m", f"experiment={recipe}", "seed=range(8)", *FUSED)
    assert len(outcome.results) == 8
    for folder, result in zip(outcome.folders, outcome.results, strict=True):
        assert result["mistakes"] == 0
        assert result["steps"] <= LEARN[recipe]
        for length in (50, 500):  # every string of that length, also where training mixed lengths
            words = f"task.num_steps={length}", "task.mixed_lengths=false"
            assert "solved all 1,024" in evaluated(f"run={folder}", *words).out


def test_a_label_at_the_last_of_fifty_steps_alone_teaches_nothing(train):
    words = "task=parity", "task.every_step=false", "trainer.max_steps=3000"
    outcome = train("-m", *words, "seed=range(5)", *FUSED)
    assert len(outcome.results) == 5
    for result in outcome.results:
        assert 0.45 <= 1 - result["error"] <= 0.55
        assert result["rung"] == "none"
