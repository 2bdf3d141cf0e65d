"""Tables as text."""

import io

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
