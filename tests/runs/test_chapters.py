"""The chapters in docs/notebooks: they run, and what is kept in them is what they say."""

import ast
import base64
import json
import re
from pathlib import Path

import pytest

from docs.notebooks.execute import chapters, code, digest, execute, faster, read, settings

LARGEST_PICTURE = 60_000  # bytes
QUICK = ("1_echo", "3_backpropagation_by_hand")  # to execute; the others train whole grids
ELSEWHERE = re.compile(
    r"(?<![\w.])/(home|tmp|root|usr|work|Users|var)/|\b20\d\d-\d\d-\d\d\b|\b\d\d:\d\d:\d\d\b"
)  # paths and clocks of the machine that executed a chapter


@pytest.fixture(params=chapters(), ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


def outputs(chapter):
    return [output for cell in code(chapter) for output in cell.outputs]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem not in QUICK))
        for path in chapters()
    ],
)
def test_every_chapter_runs_with_fast_settings(path, tmp_path):
    folder = tmp_path / "docs" / "notebooks"
    folder.mkdir(parents=True)
    done = execute(faster(read(path)), folder)
    assert [cell.execution_count for cell in code(done)] == [*range(1, len(code(done)) + 1)]
    assert not [o for o in outputs(done) if o.get("name") == "stderr"]


def test_every_chapter_keeps_the_outputs_of_its_own_code(path):
    chapter = read(path)
    assert chapter.metadata.get("executed") == digest(chapter), "edited since: make chapters"
    for cell in code(chapter):
        says_something = isinstance(ast.parse(cell.source).body[-1], ast.Expr)
        assert cell.outputs or not says_something, cell.source


def test_pictures_are_kept_and_small(path):
    kept = [o.data["image/png"] for o in outputs(read(path)) if "image/png" in o.get("data", {})]
    assert kept
    assert max(len(base64.b64decode(picture)) for picture in kept) < LARGEST_PICTURE


def test_nothing_of_the_machine_is_kept(path):
    chapter = read(path)
    for output in outputs(chapter):
        output.get("data", {}).pop("image/png", None)
    assert not ELSEWHERE.search(json.dumps(chapter))
    assert not [o for o in outputs(chapter) if o.get("name") == "stderr"]


def test_settings_come_first_and_alone(path):
    assert settings(read(path))


def test_other_words_about_the_code_are_no_other_code(path):
    chapter = read(path)
    code(chapter)[-1].source += "\n# said better"
    assert chapter.metadata.executed == digest(chapter)


def test_outputs_of_other_code_are_noticed(path):
    chapter = read(path)
    code(chapter)[-1].source += "\n1 + 1"
    assert chapter.metadata.executed != digest(chapter)
