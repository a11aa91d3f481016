"""README's table of results: made from run folders, put between its marks."""

import pytest

from docs.figures.overview import main, overview
from left_runs import between, leave, on

START, END = "<!-- results -->", "<!-- /results -->"


@pytest.fixture
def sweep(tmp_path):
    for seed, loss in enumerate((0.46, 0.47, 0.52)):
        result = on("lags 3 and 8") if loss < 0.5 else between("lag 3")
        # what the table shows, and not what sampling makes of it
        result["above_floor"] = 9.0
        leave(tmp_path / "sweep" / f"{seed}", seed=seed, loss=(0.7, loss), result=result)
    return tmp_path / "sweep"


def test_a_row_has_the_median_the_spread_and_where_most_stand(sweep):
    (row,) = [line for line in overview([sweep]).splitlines() if line.startswith("| echo")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:3] == ["echo", "rnn", "3"]
    assert cells[3:5] == ["0.0155 [0.0055, 0.0655]", "on lags 3 and 8: 2 of 3"]
    assert cells[5] == "10"


def test_the_table_replaces_what_stands_between_the_marks(sweep, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    main([str(sweep), "--into", str(page)])
    text = page.read_text()
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| echo | rnn |" in text


@pytest.mark.parametrize("left", ["no marks", f"{START} only"])
def test_a_page_without_marks_is_left_alone(sweep, tmp_path, capsys, left):
    page = tmp_path / "page.md"
    page.write_text(left)
    with pytest.raises(SystemExit) as ended:
        main([str(sweep), "--into", str(page)])
    assert ended.value.code == 2
    assert "has no" in capsys.readouterr().err
    assert page.read_text() == left
