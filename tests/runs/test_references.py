"""Reference lines when many runs write them at once, as in a sweep on all processors."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from lossladder.tasks import Echo
from lossladder.tensorboard.reference_lines import write_references

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
        drawn = steps(tmp_path / "reference" / rung.label, "echo/loss")
        assert (drawn[0], drawn[-1]) == (0, 1000)
        assert drawn == sorted(set(drawn))
        hidden = [path.name for path in tmp_path.rglob(".*")]
        assert hidden == [], "scratch was left behind"


def test_tasks_with_a_rung_of_one_name_and_loss_share_its_folder_and_keep_their_tags(tmp_path):
    for tag in ("echo/loss", "twin/loss"):
        write_references(tmp_path, tag, ECHO, updates=10)
    line = tmp_path / "reference" / ECHO.floor.label
    assert steps(line, "echo/loss") == steps(line, "twin/loss") == list(range(11))


def test_a_line_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / ECHO.ceiling.label).touch()  # a file where a folder must be
    with pytest.raises(OSError, match=r"none: 0\.6616"):
        write_references(tmp_path, "echo/loss", ECHO, updates=10)
