"""Tables as text: CSV, HTML for the report, and LaTeX in the style of the booktabs package."""

import html
import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from optimetal.files import write_text

_PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<style>
body {{ font: 14px/1.5 system-ui, sans-serif; margin: 1.5em; color: #222; background: #fff; }}
table {{ border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; }}
th, td {{ padding: .2em .8em; text-align: right; white-space: nowrap; }}
thead th {{ border-bottom: 1px solid; }}
th:first-child, td:first-child {{ text-align: left; }}
tbody tr:nth-child(even) {{ background: #f3f4f6; }}
.note {{ font-style: italic; color: #666; }}
</style>
{table}
<p class="note">{note}</p>
"""


def to_csv(table: pd.DataFrame, source_note: str | None = None, *, index: bool = False) -> str:
    """CSV of a table; the source note becomes a first line that starts with ``#``.

    Args:
        table: Any table.
        source_note: Where the data come from, such as "surrogate, not ab initio".
        index: Whether to write the index.
    """
    text = io.StringIO()
    if source_note:
        text.write(f"# {source_note}\n")
    table.to_csv(text, index=index)
    return text.getvalue()


def to_html(table: pd.DataFrame, source_note: str | None = None, *, index: bool = False) -> str:
    """A page with a table to look at: numbers with four digits, missing ones as a dash.

    Args:
        table: Any table.
        source_note: Printed below the table.
        index: Whether to show the index.
    """
    body = table.to_html(
        index=index, border=0, float_format=lambda value: f"{value:.4g}", na_rep="–"
    )
    return _PAGE.format(table=body, note=html.escape(source_note or ""))


def write_table(
    stem: Path, table: pd.DataFrame, source_note: str | None = None, *, index: bool = False
) -> None:
    """Write a table as ``.csv``, to compute with, and ``.html``, to look at."""
    write_text(stem.with_suffix(".csv"), to_csv(table, source_note, index=index))
    write_text(stem.with_suffix(".html"), to_html(table, source_note, index=index))


def escape(text: str) -> str:
    """Text with the characters escaped that LaTeX takes for commands."""
    return "".join(f"\\{character}" if character in "&%$#_{}" else character for character in text)


def tabular(
    columns: str,
    head: Sequence[Sequence[str]],
    body: Sequence[Sequence[str]],
    source_note: str | None = None,
) -> str:
    """A LaTeX ``tabular`` of ready cells, with an optional last line on the source of the data.

    Args:
        columns: Alignment of the columns, such as "lcc".
        head: Lines above the rule.
        body: Lines below it.
        source_note: Printed below the table.
    """
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *(_line(cells) for cells in head)]
    lines += [r"\midrule", *(_line(cells) for cells in body), r"\bottomrule"]
    if source_note:
        note = rf"\footnotesize {escape(source_note)}"
        lines.append(_line([rf"\multicolumn{{{len(columns)}}}{{l}}{{{note}}}"]))
    return "\n".join([*lines, r"\end{tabular}", ""])


def to_latex(table: pd.DataFrame, source_note: str | None = None) -> str:
    """A LaTeX table of any frame: numbers with four digits, missing ones as a dash."""
    head = [[escape(str(column)) for column in table.columns]]
    body = [[_text(value) for value in row] for row in table.itertuples(index=False)]
    return tabular("l" + "c" * (len(table.columns) - 1), head, body, source_note)


def _text(value: object) -> str:
    if value is None or value is pd.NA or value != value:  # only NaN differs from itself
        return "--"
    if not isinstance(value, float):
        return escape(str(value))
    mantissa, _, exponent = f"{value:.4g}".partition("e")
    return rf"${mantissa} \times 10^{{{int(exponent)}}}$" if exponent else f"${mantissa}$"


def _line(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"
