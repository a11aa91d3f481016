"""Reference lines when many runs write them at once, as in a sweep on all processors."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from lossladder.ladder import Ladder, Rung
from lossladder.tasks import Echo
from lossladder.tensorboard.reference_lines import line_name, write_references

ECHO = Echo().ladder()


def steps(line: Path, tag: str) -> list[int]:
    """Steps of a line, in the order in which TensorBoard reads them."""
    return [
        event.step
        for path in sorted(line.glob("*tfevents*"))
        for event in EventFileLoader(str(path)).Load()
        if event.HasField("summary") and event.summary.value[0].tag == tag
    ]


def test_runs_of_many_lengths_that_start_together_draw_one_line(tmp_path):
    lengths = [300, 600, 40, 900, 600, 300, 1000, 40] * 4
    with ThreadPoolExecutor(len(lengths)) as pool:
        list(
            pool.map(
                lambda updates: write_references(tmp_path, "echo/loss", ECHO, updates), lengths
            )
        )
    for rung in ECHO:
        drawn = steps(tmp_path / "+reference" / line_name("echo", rung), "echo/loss")
        assert (drawn[0], drawn[-1]) == (0, 1000)
        assert drawn == sorted(set(drawn))
        hidden = [path.name for path in tmp_path.rglob(".*")]
        assert hidden == [], "scratch was left behind"


def test_lines_name_their_task_and_can_be_copied_to_any_file_system(tmp_path):
    odd = Rung('a: "b" <c>|d?/e*', 0.5, "", ECHO.floor.predictor)
    for tag, ladder in (("echo/loss", ECHO), ("twin/loss", Ladder([*ECHO, odd]))):
        write_references(tmp_path, tag, ladder, updates=10)
    names = sorted(path.name for path in (tmp_path / "+reference").iterdir())
    assert len(names) == 2 * len(ECHO) + 1
    assert not any(set(path.name) & set('<>:"/\\|?*') for path in tmp_path.rglob("*"))
    for task in ("echo", "twin"):
        line = tmp_path / "+reference" / line_name(task, ECHO.floor)
        assert steps(line, f"{task}/loss") == list(range(11))


def test_a_line_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "+reference").mkdir()
    (tmp_path / "+reference" / line_name("echo", ECHO.ceiling)).touch()  # no folder
    with pytest.raises(OSError, match=r"echo none \(0\.6616\)"):
        write_references(tmp_path, "echo/loss", ECHO, updates=10)
