"""Tables as text: CSV, HTML for the report, and LaTeX in the style of the booktabs package."""

import html
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from optimetal.files import write_text

_PAGE: Final = """<!DOCTYPE html>
<meta charset="utf-8">
<style>
body {{ font: 14px/1.5 system-ui, sans-serif; margin: 1.5em; color: #222; background: #fff; }}
table {{ border-collapse: collapse; border-bottom: 2px solid; width: max-content; }}
th, td {{ padding: .2em .8em; vertical-align: top; }}
th {{ position: sticky; top: 0; border-bottom: 1px solid; box-shadow: 0 -2px #222; }}
tr, th {{ background: #fff; }}
tbody tr:nth-child(even) {{ background: #f3f4f6; }}
td:first-child {{ position: sticky; left: 0; background: inherit; }}
.text {{ text-align: left; }}
td.text {{ max-width: 28em; overflow-wrap: anywhere; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
td.number {{ white-space: nowrap; }}
.note {{ font-style: italic; color: #666; }}
</style>
<table>
<thead>
{head}
</thead>
<tbody>
{body}
</tbody>
</table>
<p class="note">{note}</p>
"""
_HEADINGS: Final = {
    "label": "model",
    "num_train": "crystals D",
    "num_materials": "materials",
    "num_params": "parameters N",
    "width": "width h",
    "lr": "learning rate",
    "val_loss": "validation loss",
    "val_loss_std": "std. over the seeds",
    "val_eps": "validation loss of ε",
    "val_drude": "validation loss of ω_D (eV)",
    "loss_eps": "loss of ε",
    "loss_drude": "loss of ω_D (eV)",
    "eps_real_mae": "MAE Re ε",
    "eps_real_r2": "R² Re ε",
    "eps_real_sc": "SC Re ε",
    "eps_imag_mae": "MAE Im ε",
    "eps_imag_r2": "R² Im ε",
    "eps_imag_sc": "SC Im ε",
    "drude_diff": "Δω_D (eV)",
    "drude_rel_diff": "Δω_D / ω_D",
    "drude_mae": "|Δω_D| (eV)",
    "drude_mape": "|Δω_D| / ω_D (%)",
    "drude_r2": "R² ω_D",
    "delta_e": "ΔE",
    "num_layers": "message-passing layers",
    "spectra_multiplier": "spectrum head / width h",
    "spectra_dim": "width of the spectrum head",
    "num_seeds": "seeds",
    "num_points": "points",
    "num_best": "best settings in it",
    "aicc": "AICc",
    "compute": "N D epochs",
    "least_num_train": "least crystals",
    "least_num_params": "least parameters",
}
"""Names of columns to look at; of others, the words of the last part."""


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
    """A page with a table to look at: text on the left, numbers on the right with four digits, missing ones as a dash.

    Errors and the limits of intervals stand beside their numbers. Keys of models with a label, and columns of text
    without any, are left out; CSV has them.

    Args:
        table: Any table.
        source_note: Printed below the table.
        index: Whether to show the index.
    """
    columns = list(_columns(table.reset_index() if index else table))
    kinds = [column.kind for column in columns]
    rows = zip(*(column.cells for column in columns), strict=True)
    return _PAGE.format(
        head=_row("th", kinds, [column.heading for column in columns]),
        body="\n".join(_row("td", kinds, cells) for cells in rows),
        note=html.escape(source_note or ""),
    )


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


class _Column(NamedTuple):
    """A column of a table to look at."""

    heading: str
    kind: str
    cells: list[str]


def _columns(table: pd.DataFrame) -> Iterator[_Column]:
    numbers = {str(name) for name in table if _holds_numbers(table[name])}
    for name in map(str, table.columns):
        stem, _, end = name.rpartition("_")
        cells = [_shown(value) for value in table[name]]
        is_number = name in numbers or 2 * sum(map(_is_number, cells)) > len(cells)
        is_empty = not is_number and set(cells) <= {"", "–"}
        if is_empty or (stem in numbers and end in ("error", "std", "low", "high")):
            continue
        if name == "model" and "label" in table:
            continue
        heading = _HEADINGS.get(name, name.rpartition(".")[2].replace("_", " "))
        if name in numbers:
            heading, cells = _with_spread(heading, cells, name, table)
        yield _Column(heading, "number" if is_number else "text", cells)


def _with_spread(
    heading: str, cells: list[str], name: str, table: pd.DataFrame
) -> tuple[str, list[str]]:
    """Heading and cells with the error or the limits of each number, where the table has them."""
    for end in ("error", "std"):
        if f"{name}_{end}" in table:
            errors = table[f"{name}_{end}"]
            spreads = ["" if np.isnan(error) else f" ± {error:.2g}" for error in errors]
            return f"{heading} ±", list(map("".join, zip(cells, spreads, strict=True)))
    if {f"{name}_low", f"{name}_high"} <= set(table.columns):
        limits = table[[f"{name}_low", f"{name}_high"]].itertuples(index=False)
        spreads = ["" if np.isnan(a) else f" ({_shown(a)} to {_shown(b)})" for a, b in limits]
        return f"{heading} (95 %)", list(map("".join, zip(cells, spreads, strict=True)))
    return heading, cells


def _is_number(cell: str) -> bool:
    """Whether text is a number, as in tables that are as they were printed."""
    return re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?[kM]?", cell) is not None


def _holds_numbers(column: Any) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _shown(value: Any) -> str:
    """A value to look at."""
    if value is None or value is pd.NA or value != value:  # only NaN differs from itself
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{value:,}" if abs(int(value)) >= 10_000 else str(value)
    if not isinstance(value, float):
        return str(value)
    if 1e4 <= abs(value) < 1e9:
        return f"{float(f'{value:.4g}'):,.0f}"
    return f"{value:.4g}".replace("inf", "∞")


def _row(tag: str, kinds: Iterable[str], cells: Iterable[str]) -> str:
    return "".join(
        [
            "<tr>",
            *(
                f'<{tag} class="{kind}">{html.escape(cell)}</{tag}>'
                for kind, cell in zip(kinds, cells, strict=True)
            ),
            "</tr>",
        ]
    )


def _text(value: object) -> str:
    if value is None or value is pd.NA or value != value:  # only NaN differs from itself
        return "--"
    if not isinstance(value, float):
        return escape(str(value))
    mantissa, _, exponent = f"{value:.4g}".partition("e")
    return rf"${mantissa} \times 10^{{{int(exponent)}}}$" if exponent else f"${mantissa}$"


def _line(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"
