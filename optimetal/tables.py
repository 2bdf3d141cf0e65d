"""Tables as text: CSV, and LaTeX in the style of the booktabs package."""

import io
from collections.abc import Sequence

import pandas as pd


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


def _line(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"
