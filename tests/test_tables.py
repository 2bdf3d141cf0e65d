"""Tables as text."""

import io
import re

import numpy as np
import pandas as pd
import pytest

from optimetal.tables import escape, tabular, to_csv, to_html, to_latex, write_table


@pytest.fixture
def table():
    return pd.DataFrame({"model": ["A & B", "<C>"], "loss": [0.123456, np.nan]})


def test_csv_carries_the_note_and_reads_back(table):
    text = to_csv(table, "surrogate, not ab initio")
    assert text.startswith("# surrogate, not ab initio\n")
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(text), comment="#"), table)


def test_html_is_escaped_and_rounded(table):
    page = to_html(table, "a < b")
    assert "A &amp; B" in page
    assert "&lt;C&gt;" in page
    assert "0.1235" in page
    assert "–" in page
    assert "a &lt; b" in page


def rows(page):
    """Cells of each row, with their class."""
    found = re.findall("<tr>(.*?)</tr>", page)
    return [re.findall('<t[hd] class="(.*?)">(.*?)</t[hd]>', row) for row in found]


def test_text_stands_on_the_left_and_numbers_on_the_right():
    frame = pd.DataFrame(
        {
            "label": ["a", "b", "c"],
            "num_params": [123_456, 7, 8],
            "done": [True, False, True],
            "printed": ["0.30", "unstable", "6.7M"],
            "hours": [np.inf, 12_345.6, 1.0],
            "architecture.message_passing.heads": pd.array([2, None, 4], "Int64"),
            "value": ["4", "none", "mean"],
        }
    )
    head, first, second, _ = rows(to_html(frame))
    text, number = "text", "number"
    assert [kind for kind, _ in head] == [text, number, text, number, number, number, text]
    assert [cell for _, cell in head] == [
        *("model", "parameters N", "done", "printed", "hours", "heads", "value")
    ]
    assert [cell for _, cell in first] == ["a", "123,456", "yes", "0.30", "∞", "2", "4"]
    assert [cell for _, cell in second] == ["b", "7", "no", "unstable", "12,350", "–", "none"]


def test_errors_and_intervals_stand_beside_their_numbers():
    frame = pd.DataFrame(
        {
            "alpha": [0.3, np.nan],
            "alpha_error": [0.0123, np.nan],
            "loss": [1.0, 2.0],
            "loss_low": [0.9, np.nan],
            "loss_high": [np.inf, np.nan],
            "low": [1, 2],
        }
    )
    head, first, second = rows(to_html(frame))
    assert [cell for _, cell in head] == ["alpha ±", "loss (95 %)", "low"]
    assert [cell for _, cell in first] == ["0.3 ± 0.012", "1 (0.9 to ∞)", "1"]
    assert [cell for _, cell in second] == ["–", "2", "2"]


def test_keys_beside_labels_and_empty_remarks_are_left_out():
    frame = pd.DataFrame({"model": ["2b"], "label": ["2B"], "reason": [""], "aicc": [np.nan]})
    assert rows(to_html(frame))[0] == [("text", "model"), ("number", "AICc")]
    assert rows(to_html(frame.drop(columns="label")))[0][0] == ("text", "model")


def test_an_index_is_a_column_where_it_is_asked_for():
    frame = pd.DataFrame({"2B": [1.0]}, index=pd.Index(["Power law"], name="law"))
    assert rows(to_html(frame, index=True)) == [
        [("text", "law"), ("number", "2B")],
        [("text", "Power law"), ("number", "1")],
    ]


def test_latex_lines_match_their_columns(table):
    text = tabular("lc", [["Model", "Loss"]], [[escape("A & B"), "1"]], "50 % off")
    assert r"A \& B & 1 \\" in text
    assert r"\multicolumn{2}{l}{\footnotesize 50 \% off} \\" in text
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")


def test_a_table_is_written_twice(table, tmp_path):
    write_table(tmp_path / "t", table)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.html"]


def test_latex_of_any_frame():
    frame = pd.DataFrame(
        {"model_a": ["A & B", None], "loss": [0.123456, np.nan], "lr": [8e-6, 1.0], "n": [1, 2]}
    )
    lines = to_latex(frame, "a note").splitlines()
    assert lines[0] == r"\begin{tabular}{lccc}"
    assert lines[2] == r"model\_a & loss & lr & n \\"
    assert lines[4] == r"A \& B & $0.1235$ & $8 \times 10^{-6}$ & 1 \\"
    assert lines[5] == r"-- & -- & $1$ & 2 \\"
    assert "a note" in lines[-2]
